"""The table of what models can do: how names are understood, which entries win, and how mistakes in it are told."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import anthropic.types
import openai.types
import openai.types.shared.chat_model
import pytest

import trunkline_server
from trunkline_server.config import build, load
from trunkline_server.config.capabilities import capability_from
from trunkline_server.config.capability_table import _FILE, built_in, read_table
from trunkline_server.config.model_names import canonical
from trunkline_server.config.problems import ConfigError
from trunkline_server.core.capability import EFFORTS, Capability
from trunkline_server.providers.registry import ROWS

SOURCES = "sources: {vendors: [x, vendor.example], tables: {a: [a 1, copy-of-a 2], b: [b 1]}}\n"


def known(name: str, dialect: str = "openai", host: str = "host.example", **own: object) -> Capability:
    found = built_in().find(name, dialect=dialect, host=host, own=own)
    assert found is not None, f"{name} is in no entry"
    return found


def literals(annotation: object) -> list[str]:
    """The names in a type such as Union[Literal["a", "b"], str]."""
    if isinstance(annotation, str):
        return [annotation]
    return [name for part in get_args(annotation) for name in literals(part)]


@pytest.mark.parametrize(
    ("name", "same_as"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
         "claude-haiku-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("publishers/anthropic/models/claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
        ("databricks-claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("Claude-3-7-Sonnet-latest", "claude-3-7-sonnet"),
        ("openai/gpt-5.4-mini-2026-03-17", "gpt-5.4-mini"),
        ("gpt-5-4-mini", "gpt-5.4-mini"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
        ("openai/gpt-oss-120b:free", "gpt-oss-120b"),
        ("gpt-oss:20b", "gpt-oss-20b"),
        ("deepseek.r1-v1:0", "deepseek-r1"),
        ("us.deepseek.v3.2", "deepseek-v3.2"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        ("accounts/fireworks/models/kimi-k2p5", "kimi-k2.5"),
        ("global.moonshotai.kimi-k3", "kimi-k3"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b-instruct"),
        ("databricks-meta-llama-3-3-70b-instruct", "llama-3.3-70b-instruct"),
        ("meta/llama-3.3-70b-instruct-maas", "llama-3.3-70b-instruct"),
        ("eu.amazon.nova-pro-v1:0", "nova-pro"),
        ("amazon.nova-lite-v1:0:300k", "nova-lite"),
        ("amazon.titan-embed-text-v2:0", "titan-embed-text-v2"),
        ("cohere.embed-v4:0", "embed-v4"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("x-ai/grok-4.3", "grok-4.3"),
    ],
)  # fmt: skip
def test_a_model_is_known_under_the_names_that_clouds_give_it(name, same_as):
    """Region, vendor, date and version of a listing don't hide which model it is."""
    assert known(name) == known(same_as)
    assert canonical(name) == canonical(same_as)


@pytest.mark.parametrize("name", ["my-deployment", "prod", "7b", "x" * 256, "a.b/c@d:e", "..", "-", "gpt", "claude"])
def test_a_name_of_ones_own_is_not_known(name):
    """What no entry fits is None, which excludes nothing."""
    assert built_in().find(name, dialect="openai", host="host.example") is None


@pytest.mark.parametrize("name", sorted(literals(openai.types.ChatModel)))
def test_every_chat_model_of_openais_sdk_is_known(name):
    """The names that OpenAI's own package lists are in the table, but for those that were shut down long ago."""
    retired = name.startswith(("gpt-4-0314", "gpt-4-32k", "o1-mini", "o1-preview", "codex-mini")) or "-preview" in name
    found = built_in().find(name, dialect="openai-responses", host="api.openai.com")
    assert found is not None or retired
    assert found is None or (found.kind == "chat" and found.output)


@pytest.mark.parametrize("name", sorted(literals(anthropic.types.Model)))
def test_every_model_of_anthropics_sdk_is_known_with_its_bounds(name):
    """The names that Anthropic's own package lists have a context, a bound and a way to reason."""
    found = known(name, "anthropic")
    assert found.kind == "chat"
    assert found.context_tokens
    assert found.max_output_tokens
    assert found.reasoning
    assert found.reasoning_controls


@pytest.mark.parametrize("name", sorted(literals(openai.types.EmbeddingModel)))
def test_every_embedding_model_of_openais_sdk_is_known(name):
    """They embed, and their length is known."""
    found = known(name)
    assert (found.kind, found.input) == ("embedding", {"text"})
    assert found.dimensions


def test_the_more_specific_entry_is_believed():
    """A model has what its family has, but for what its own entry says; a snapshot may differ from its model."""
    assert known("claude-haiku-9").tools
    assert known("claude-haiku-9").max_output_tokens is None
    assert known("gpt-5-image-mini").output == {"text", "image"}
    assert known("gpt-5-mini").output == {"text"}
    assert known("gpt-4o").max_output_tokens == known("gpt-4o-2024-11-20").max_output_tokens == 16384
    assert known("gpt-4o-2024-05-13").max_output_tokens == 4096
    assert known("gpt-4o-2024-05-13").json_schema is False


def test_an_entry_may_be_about_one_host_or_dialect():
    """What OpenAI's own chat completions don't take, its responses and other hosts may take."""
    assert known("gpt-6-astra", "openai", "api.openai.com").tools is False
    assert known("gpt-6-astra", "openai-responses", "api.openai.com").tools is True
    assert known("gpt-6-astra", "openai", "gateway.example").tools is True
    assert known("gpt-6-sol", "openai", "api.openai.com").tools_while_reasoning is False
    assert known("gpt-6-sol", "openai", "gateway.example").tools_while_reasoning is None
    assert known("gpt-6-sol", "openai", "api.openai.com").nearest_effort("max") == "xhigh"
    assert known("gpt-6-sol", "openai-responses", "api.openai.com").nearest_effort("max") == "max"
    assert "document" in known("llama-3.3-70b", "openai").refused_media
    assert "document" not in known("llama-3.3-70b", "bedrock").refused_media


@pytest.mark.parametrize("dialect", ["anthropic", "bedrock", "vertex"])
def test_claude_gives_json_by_a_tool_wherever_its_own_dialect_is_spoken(dialect):
    """A Claude that can't be held to a schema is not refused one: the dialect has the answer by a tool."""
    found = known("claude-3-5-haiku@20241022", dialect)
    assert (found.json_schema, found.json_by_tool) == (False, True)


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("nvidia/llama-3.1-nemotron-nano-vl-8b-v1", {"image"}),
        ("gemini-3.1-flash-image", {"video", "document"}),
        ("meta/muse-spark-1.2", {"audio"}),
        ("gpt-5.9-omni", {"audio"}),
    ],
)
def test_a_family_refuses_nothing_of_a_model_that_nobody_looked_up(name, media):
    """What most of a family can't take is not refused to one that may."""
    found = built_in().find(name, dialect="openai", host="host.example")
    assert found is None or not found.refused_media & media


def test_a_vector_model_of_a_familys_name_is_not_taken_for_one_that_answers():
    """NVIDIA's retriever is called after the model that it was made from."""
    assert built_in().find("nvidia/llama-3.2-nv-embedqa-1b-v2", dialect="openai", host="host.example") is None


def test_a_rule_for_all_models_of_a_dialect_does_not_make_a_model_known_by_source():
    """Where only a rule for every model speaks, no source and no date are claimed."""
    found = known("my-deployment", "bedrock")
    assert (found.kind, found.checked, found.source) == (None, "", "")


def test_an_operators_facts_replace_the_tables_one_by_one():
    """What is stated counts; the rest stays. A model that does not reason has no efforts left over."""
    stated = known("gpt-5-mini", tools=False, context_tokens=1000)
    assert (stated.tools, stated.context_tokens, stated.max_output_tokens) == (False, 1000, 1000)
    assert replace(stated, tools=True, context_tokens=400_000, max_output_tokens=128_000) == known("gpt-5-mini")
    mute = known("gpt-5-mini", reasoning=False)
    assert (mute.reasoning, mute.efforts, mute.reasoning_controls, mute.default_effort) == (False, (), (), None)
    assert known("my-deployment", input=("text",)) == capability_from({"input": ("text",)})


def test_a_slot_of_the_local_model_has_its_share_of_the_context(tmp_path):
    """Callers are told what one answer may use, and not what all slots have together."""
    path = tmp_path / "trunkline.yaml"
    local = {"upstream_model": "smollm2-135m-instruct", "provider": "l"}
    stated = {**local, "name": "n", "capabilities": {"context_tokens": 99}}
    path.write_text(
        json.dumps(
            {
                "providers": {"l": {"dialect": "local", "context_tokens": 1024, "slots": 2}},
                "models": {"m": {"deployments": [local, stated]}},
            }
        )
    )
    first, second = build(load(path, {})).routes["m"].deployments
    assert first.capability
    assert second.capability
    assert (first.capability.context_tokens, second.capability.context_tokens) == (512, 99)
    assert first.capability.input == {"text"}


@pytest.mark.parametrize("name", sorted({name for rule in built_in().rules for name in rule.match if "*" not in name}))
def test_what_entries_say_together_makes_sense(name):
    """Laid over each other, the entries for a model don't contradict each other."""
    found = known(name)
    assert (found.max_output_tokens or 0) <= (found.context_tokens or found.max_output_tokens or 0)
    assert found.default_effort is None or found.default_effort in found.efforts
    assert list(found.efforts) == sorted(found.efforts, key=EFFORTS.index)
    assert bool(found.efforts) <= bool({"effort", "level"} & set(found.reasoning_controls))
    assert not (found.reasoning_always and found.reasoning_off)
    assert (found.reasoning_off == "effort") == ("none" in found.efforts)
    assert found.kind in {"chat", "embedding"}
    assert found.kind == "chat" or not (found.tools or found.reasoning or found.max_output_tokens)
    assert found.kind == "embedding" or found.dimensions is None
    assert re.fullmatch(r"20\d\d-\d\d", found.checked)
    assert found.source


def test_every_pattern_finds_something():
    """A pattern written in a way that no name can have would be a silent hole."""
    for rule in built_in().rules:
        for pattern in rule.match:
            name = pattern.replace("*", "x")
            place = {"dialect": rule.dialects[0] if rule.dialects else "", "host": rule.hosts[0] if rule.hosts else ""}
            assert built_in().find(name, **place) is not None, pattern


def test_entries_name_dialects_that_are_spoken():
    """A dialect that is spelled otherwise than its row would bind an entry to nothing."""
    named = {dialect for rule in built_in().rules for dialect in rule.dialects}
    assert named <= ROWS.keys()


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("match: [a], tols: true", "models[0].tols: unknown key. Did you mean 'tools'?"),
        ("match: [A]", "models[0].match[0]: not a pattern for names. Small letters, digits"),
        ("match: ['a.*']", "models[0].match[0]: holds a point that is not between two digits"),
        ("match: []", "models[0].match: "),
        ("match: [a], checked: 2026-13", "models[0].checked: not a month. Write it like 2026-11"),
        ("match: [a], source: ''", "models[0].source: must have at least 1 characters"),
        ("match: [a], kind: poem", "models[0].kind: must be 'chat' or 'embedding'"),
        ("match: [a, a]", "models[0].match[1]: a pattern that stands above already"),
        ("match: [a-1.5, a-1-5]", "models[0].match[1]: a pattern that stands above already"),
        ("match: [a], max_output_tokens: 9, context_tokens: 8", "max_output_tokens is more than context_tokens"),
        ("match: [a], source: memory", "models[0].source: names 'memory', which is not known as a source. Write the"),
        ("match: [a], source: x; y 2", "models[0].source: names 'y 2', which is not known as a source"),
        ("match: [a], source: 'http://x.example'", "names 'http://x.example', which is not known as a source"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_line_and_key(entry, told):
    """The table is checked as strictly as trunkline.yaml, in the same words."""
    rest = "".join(f", {key}: x" if key == "source" else f", {key}: 2026-11" for key in ("source", "checked")
                   if key not in entry)  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        read_table(f"models:\n  - {{{entry}{rest}}}\n{SOURCES}", "table.yaml")
    assert str(caught.value).startswith("table.yaml:2: ")
    assert told in str(caught.value)


REFUSING = [
    "input: [text]",
    "max_output_tokens: 9",
    "tools: false",
    "tools_while_reasoning: false",
    "parallel_tools: false",
    "forced_tools: false",
    "later_instructions: false",
    "json_object: false",
    "json_schema: false",
    "logprobs: false",
    "reasoning: false",
    "shortens: false",
    "reasoning_always: true",
    "sampling_limits: [refused]",
]
HARMLESS = ["tools: true", "reasoning_always: false", "sampling_limits: []", "context_tokens: 9", "efforts: [low]"]


def table(fact: str, source: str) -> str:
    return f"{SOURCES}models:\n  - {{match: [a], {fact}, source: '{source}', checked: 2026-11}}\n"


@pytest.mark.parametrize("fact", REFUSING)
@pytest.mark.parametrize(
    "source", ["a 1", "a 1; copy-of-a 2", "https://someone.example/a", "providers/openai/chat.py; b 1", "b 1; b 1"]
)
def test_one_who_is_no_vendor_is_not_believed_where_it_costs_an_answer(fact, source):
    """A fact that refuses requests needs a vendor's word or two others', and copies count once."""
    with pytest.raises(ConfigError) as caught:
        read_table(table(fact, source), "table.yaml")
    key = fact.partition(":")[0]
    assert f"table.yaml:3: models[0].{key}: refuses requests on the word of one source. Name" in str(caught.value)


@pytest.mark.parametrize("fact", REFUSING)
@pytest.mark.parametrize(
    "source",
    ["x", "x (types/model)", "https://vendor.example/a", "a 1; b 1", "a 1; https://someone.example/a",
     "https://someone.example/a; https://someone.example/b"],
)  # fmt: skip
def test_a_vendor_or_two_others_are_believed(fact, source):
    """So a request may be refused by what they say."""
    assert read_table(table(fact, source), "table.yaml").rules[0].facts


@pytest.mark.parametrize("fact", HARMLESS)
def test_what_refuses_nothing_may_rest_on_one_word(fact):
    """A fact that is wrong here costs no answer."""
    assert read_table(table(fact, "a 1"), "table.yaml").rules[0].facts


def test_modules_of_our_own_that_are_named_as_sources_exist():
    """A source that moved away would be one that nobody can read."""
    named = {name for rule in built_in().rules for name in rule.source.split("; ") if name.startswith("providers/")}
    assert named
    package = Path(trunkline_server.__file__).parent
    assert [name for name in named if not (package / name).is_file()] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: {}", "table.yaml:1: models: must be a list of entries"),
        ("model: []", "table.yaml:1: model: unknown key. Did you mean 'models'?"),
        ("- a", "not a mapping"),
        ("models: [1]", "models[0]: must be a mapping"),
        ("sources: {vendor: [x]}\nmodels: []", "table.yaml:1: sources.vendor: "),
        ("sources: {tables: {a: b}}\nmodels: []", "table.yaml:1: sources.tables.a: "),
    ],
)
def test_a_table_of_another_shape_is_refused(text, told):
    """So is what is no table at all."""
    with pytest.raises(ConfigError) as caught:
        read_table(text, "table.yaml")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("efforts", "wanted", "nearest"),
    [
        ((), "high", None),
        (("low", "medium", "high"), "medium", "medium"),
        (("low", "medium", "high"), "max", "high"),
        (("low", "medium", "high"), "none", "low"),
        (("none", "high"), "minimal", "high"),
        (("none", "high"), "none", "none"),
        (("low", "high", "max"), "medium", "low"),
        (("none",), "max", "none"),
    ],
)
def test_the_nearest_effort_is_the_lesser_of_two(efforts, wanted, nearest):
    """A word that a model lacks is bent to its nearest, and thinking is never switched off by bending."""
    assert Capability(efforts=efforts).nearest_effort(wanted) == nearest


def test_what_is_not_known_refuses_no_media():
    """Without a list of what is taken nothing is refused; with one, all that is not in it."""
    assert Capability().refused_media == frozenset()
    assert Capability(input=frozenset({"text", "image"})).refused_media == {"audio", "video", "document"}
    assert Capability(input=frozenset({"text"}), host_reads_documents=True).refused_media == {"image", "audio", "video"}


def test_the_built_in_table_is_checked_here() -> None:
    """What each process reads without checks is what `read_table` takes."""
    assert read_table(_FILE.read_text(), _FILE.name).rules == built_in().rules
