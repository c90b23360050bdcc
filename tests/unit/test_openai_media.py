"""Media in the words of near-twins that have words of their own: what golden folders can't say."""

import base64
from typing import Any

import pytest

from tests.unit.test_openai_twins import asking, refused, sent
from trunkline import v1

DATA = b"%PDF-1.7"
TEXT = base64.b64encode(DATA).decode()


def with_media(**media: Any) -> v1.CompleteRequest:
    """A question with one medium before it."""
    return asking(v1.Message(role=v1.ROLE_USER, blocks=[v1.Block(media=v1.Media(**media))]))


@pytest.mark.parametrize(
    ("name", "media", "part"),
    [
        ("mistral", {"mime_type": "application/pdf", "data": DATA, "name": "a.pdf"},
         {"type": "document_url", "document_url": f"data:application/pdf;base64,{TEXT}", "document_name": "a.pdf"}),
        ("mistral", {"mime_type": "application/pdf", "uri": "https://host.example/a.pdf"},
         {"type": "document_url", "document_url": "https://host.example/a.pdf"}),
        ("mistral", {"file_id": "3c1f"}, {"type": "file", "file_id": "3c1f"}),
        ("mistral", {"mime_type": "audio/flac", "data": DATA}, {"type": "input_audio", "input_audio": TEXT}),
        ("mistral", {"mime_type": "audio/mpeg", "uri": "https://host.example/a.mp3"},
         {"type": "input_audio", "input_audio": "https://host.example/a.mp3"}),
        ("mistral", {"uri": "https://host.example/a"},
         {"type": "image_url", "image_url": {"url": "https://host.example/a"}}),
        ("perplexity", {"mime_type": "application/pdf", "data": DATA, "name": "a.pdf"},
         {"type": "file_url", "file_url": {"url": TEXT}, "file_name": "a.pdf"}),
        ("perplexity", {"mime_type": "application/pdf", "uri": "https://host.example/a.pdf"},
         {"type": "file_url", "file_url": {"url": "https://host.example/a.pdf"}}),
        ("perplexity", {"mime_type": "video/mp4", "uri": "https://host.example/a.mp4"},
         {"type": "video_url", "video_url": {"url": "https://host.example/a.mp4"}}),
    ],
)  # fmt: skip
def test_parts(name: str, media: dict[str, Any], part: dict[str, Any]) -> None:
    """Documents and sounds are the parts that the provider has for them, with nothing left out."""
    body, left_out = sent(name, with_media(**media))
    assert body["messages"][0]["content"] == [part]
    assert left_out == ()


@pytest.mark.parametrize(
    ("name", "media", "field"),
    [
        ("mistral", {"mime_type": "video/mp4", "data": DATA}, "mime_type"),
        ("mistral", {"mime_type": "video/mp4", "uri": "https://host.example/a"}, "uri"),
        ("perplexity", {"mime_type": "application/pdf", "file_id": "1"}, "file_id"),
        ("perplexity", {"mime_type": "audio/wav", "uri": "https://host.example/a"}, "uri"),
        ("openai", {"mime_type": "application/pdf", "uri": "https://host.example/a"}, "uri"),
        ("openai", {"mime_type": "audio/wav", "uri": "https://host.example/a"}, "uri"),
        ("openai", {"mime_type": "audio/flac", "data": DATA}, "mime_type"),
        ("ollama", {"mime_type": "image/png", "uri": "https://host.example/a"}, "uri"),
    ],
)
def test_refusals(name: str, media: dict[str, Any], field: str) -> None:
    """What the provider has no part for is refused, naming what of the medium it is."""
    assert refused(name, with_media(**media)) == f"messages[0].blocks[0].media.{field}"


@pytest.mark.parametrize("name", ["mistral", "openrouter", "litellm"])
def test_tools_give_pictures(name: str) -> None:
    """A tool's result may hold a picture where the provider takes one there; elsewhere it is refused."""
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=DATA))
    result = v1.Block(tool_result=v1.ToolResult(tool_call_id="abcdef123", blocks=[picture]))
    request = asking(v1.Message(role=v1.ROLE_TOOL, blocks=[result]))
    turn = sent(name, request)[0]["messages"][0]
    assert turn["content"] == [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{TEXT}"}}]
    assert refused("openai", request) == "messages[0].blocks[0].tool_result.blocks[0].media"
