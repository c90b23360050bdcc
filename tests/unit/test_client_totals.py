"""What several calls used together."""

from trunkline import v1
from trunkline.totals import total

PROVIDER, ESTIMATED, PARTIAL = v1.USAGE_SOURCE_PROVIDER, v1.USAGE_SOURCE_ESTIMATED, v1.USAGE_SOURCE_PARTIAL


def test_all_counts_are_added_and_what_nobody_told_stays_unset():
    """Every number of Usage is summed; one that a call did not tell is left out, one that none told is unset."""
    one = v1.Usage(input_tokens=1, output_tokens=2, cache_read_input_tokens=3, reasoning_output_tokens=0)
    other = v1.Usage(input_tokens=10, cache_write_input_tokens=4)
    assert total([one, other]) == v1.Usage(
        input_tokens=11,
        output_tokens=2,
        cache_read_input_tokens=3,
        cache_write_input_tokens=4,
        reasoning_output_tokens=0,
    )
    assert not total([]).HasField("input_tokens")


def test_every_number_of_the_contract_is_known_here():
    """A number that Usage gains is summed too, or this fails."""
    numbers = [field.name for field in v1.Usage.DESCRIPTOR.fields if field.type == field.TYPE_INT64]
    numbers += [
        field.name for field in v1.Usage.DESCRIPTOR.fields if field.type in (field.TYPE_UINT64, field.TYPE_INT32)
    ]
    assert numbers
    usage = v1.Usage(**dict.fromkeys(numbers, 2))
    assert {name: getattr(total([usage, usage]), name) for name in numbers} == dict.fromkeys(numbers, 4)


def test_a_sum_is_as_well_known_as_its_least_part():
    """PROVIDER with PROVIDER stays so; with ESTIMATED it is ESTIMATED, with PARTIAL or nothing it is PARTIAL."""
    for sources, wanted in (
        ([PROVIDER, PROVIDER], PROVIDER),
        ([PROVIDER, ESTIMATED], ESTIMATED),
        ([PROVIDER, ESTIMATED, PARTIAL], PARTIAL),
        ([PROVIDER, v1.USAGE_SOURCE_UNSPECIFIED], PARTIAL),
    ):
        summed = total(v1.Usage(input_source=each, output_source=PROVIDER) for each in sources)
        assert (summed.input_source, summed.output_source) == (wanted, PROVIDER)


def test_parts_are_added_by_what_they_are_of():
    """Tokens are summed by modality, calls of a provider's tools by tool, and the given usages stay as they are."""
    one = v1.Usage()
    one.input_by_modality.add(modality=v1.MODALITY_TEXT, tokens=1)
    one.provider_tool_calls.add(tool="web_search", calls=2)
    other = v1.Usage()
    other.input_by_modality.add(modality=v1.MODALITY_TEXT, tokens=10)
    other.input_by_modality.add(modality=v1.MODALITY_IMAGE, tokens=5)
    other.provider_tool_calls.add(tool="web_search", calls=1)
    summed = total([one, other])
    assert [(each.modality, each.tokens) for each in summed.input_by_modality] == [
        (v1.MODALITY_TEXT, 11),
        (v1.MODALITY_IMAGE, 5),
    ]
    assert [(each.tool, each.calls) for each in summed.provider_tool_calls] == [("web_search", 3)]
    assert one.input_by_modality[0].tokens == 1
