"""`trunkline models` against a gateway whose models are known."""

import json

import pytest
from click.testing import CliRunner

from tests.fakes import gateway as fake
from trunkline import v1
from trunkline_server.cli import main


@pytest.fixture
def gateway(monkeypatch):
    with fake.running_gateway() as running:
        monkeypatch.setenv("TRUNKLINE_TARGET", running.target)
        running.known = v1.Capabilities(
            features=[v1.FEATURE_COMPLETE, v1.FEATURE_STREAM, v1.FEATURE_TOOLS, v1.FEATURE_JSON_SCHEMA],
            context_tokens=400_000,
            max_output_tokens=128_000,
            input_modalities=[v1.MODALITY_TEXT, v1.MODALITY_IMAGE],
            output_modalities=[v1.MODALITY_TEXT],
            reasoning_controls=[v1.REASONING_CONTROL_EFFORT],
            reasoning_efforts=[v1.REASONING_EFFORT_LOW, v1.REASONING_EFFORT_HIGH],
            default_reasoning_effort=v1.REASONING_EFFORT_HIGH,
            reasoning_always=True,
            sampling_limits=[v1.SAMPLING_LIMIT_REFUSED],
            prompt_cache_styles=[v1.PROMPT_CACHE_STYLE_AUTOMATIC, v1.PROMPT_CACHE_STYLE_KEY],
            source="https://vendor.example/models",
        )
        running.known.checked_at.FromJsonString("2026-11-01T00:00:00Z")
        yield running


def run(*words):
    return CliRunner().invoke(main, words, prog_name="trunkline")


def test_the_list_shows_context_output_and_what_is_taken(gateway):
    """Each model is one line with what a caller chooses by; that it answers goes without saying."""
    assert run("models").stdout.splitlines() == [
        "model  can                 takes        context  output   served by  description",
        "m      tools, json schema  text, image  400,000  128,000  fake/m     Model m",
    ]


def test_one_model_is_told_in_full(gateway):
    """With a name, every fact has a line of its own, and where it was found."""
    assert run("models", "m").stdout.splitlines() == [
        "m",
        "  Model m",
        "  can:          complete, stream, tools, json schema",
        "  takes:        text, image",
        "  gives:        text",
        "  context:      400,000 tokens",
        "  output:       128,000 tokens",
        "  reasoning:    by effort; effort low | high; default high; always on",
        "  sampling:     refused",
        "  prompt cache: automatic, key",
        "  checked:      2026-11",
        "  source:       https://vendor.example/models",
        "  served by fake/m, tier 0, openai m",
    ]


def test_a_model_that_is_not_served_is_told_so(gateway):
    """An unknown name ends with 2 and says what lists the known ones."""
    result = run("models", "nope")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "serves no model nope; `trunkline models` lists those it does" in result.stderr


def test_machines_get_every_fact(gateway):
    """JSON has all that is known, null where it is not."""
    (model,) = json.loads(run("models", "--json").stdout)
    assert (model["context_tokens"], model["max_output_tokens"]) == (400_000, 128_000)
    assert (model["input_modalities"], model["output_modalities"]) == (["text", "image"], ["text"])
    assert (model["reasoning_controls"], model["reasoning_efforts"]) == (["effort"], ["low", "high"])
    assert (model["default_reasoning_effort"], model["reasoning_always"]) == ("high", True)
    assert (model["sampling_limits"], model["prompt_cache_styles"]) == (["refused"], ["automatic", "key"])
    assert (model["checked"], model["source"]) == ("2026-11", "https://vendor.example/models")
    assert (model["embedding_dimensions"], model["shortens_embeddings"]) == (None, None)
    assert model["deployments"][0]["capabilities"] is None


def test_what_is_not_known_has_no_line(gateway):
    """A model that nobody described is its name and where it is served."""
    gateway.known = v1.Capabilities()
    assert run("models", "m").stdout.splitlines() == ["m", "  Model m", "  served by fake/m, tier 0, openai m"]
    assert run("models").stdout.splitlines()[0] == "model  served by  description"
