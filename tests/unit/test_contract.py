"""The contract as Python sees it."""

import pytest
from google.protobuf.descriptor import Descriptor

from trunkline import v1
from trunkline.v1 import (
    completion_pb2,
    embedding_pb2,
    error_pb2,
    message_pb2,
    models_pb2,
    quotas_pb2,
    tool_pb2,
    usage_pb2,
)

FILES = [
    module.DESCRIPTOR
    for module in (
        completion_pb2,
        embedding_pb2,
        error_pb2,
        message_pb2,
        models_pb2,
        quotas_pb2,
        tool_pb2,
        usage_pb2,
    )
]


def test_every_name_of_the_contract_is_in_the_one_namespace():
    """`trunkline.v1` has every message, enum and enum value that the protos define, and nothing else."""
    names = {name for file in FILES for name in file.message_types_by_name}
    names |= {name for file in FILES for name in file.enum_types_by_name}
    names |= {value.name for file in FILES for enum in file.enum_types_by_name.values() for value in enum.values}
    assert set(v1.__all__) == names
    assert all(hasattr(v1, name) for name in names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_enums_start_unspecified(file):
    """The value 0 of every enum means that nothing was said."""
    for enum in file.enum_types_by_name.values():
        assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")


def test_unset_sampling_is_not_zero():
    """A temperature of 0 differs from none at all, for every scalar that tunes a model."""
    tuned: list[Descriptor] = [v1.Sampling.DESCRIPTOR]
    assert all(field.has_presence for message in tuned for field in message.fields)
    assert v1.CompleteRequest.DESCRIPTOR.fields_by_name["seed"].has_presence
    assert v1.CompleteRequest.DESCRIPTOR.fields_by_name["max_output_tokens"].has_presence
    assert all(
        field.has_presence for name, field in v1.Usage.DESCRIPTOR.fields_by_name.items() if name.endswith("_tokens")
    )


def test_no_message_has_a_oneof_of_success_and_failure():
    """Failures are statuses: nothing in the contract is called error but the enum of reasons."""
    for file in FILES:
        for message in file.message_types_by_name.values():
            assert not [field.name for field in message.fields if field.name == "error"]
