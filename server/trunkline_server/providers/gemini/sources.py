"""Where an answer's statements come from: grounding, citations and pages that were read, as citations of its texts.

1. Google counts offsets in bytes of UTF-8, as the contract does, from the start of a part. In streams, and where it
   leaves the part's number out, they count from the start of the whole text. The segment's own words decide which it
   is; where they are at neither place, the offsets are not told.
2. Of the text the first MAX_TEXT_BYTES are kept for that, and the places of MAX_PARTS parts. Of sources, and of what
   they support, the first MAX_CITATIONS are kept, and as many citations told at most.
3. What the contract has no field for (queries, the search entry point that Google wants shown) comes as the raw JSON of
   groundingMetadata, a block of its own; of a stream that has it in many chunks, those of the first MAX_GROUNDINGS.

https://ai.google.dev/api/generate-content, GroundingMetadata: in streams chunks are numbered over all responses.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from trunkline import v1
from trunkline_server.providers.events import AnswerEvents, OpenBlock
from trunkline_server.providers.gemini.wire import Candidate, decoded

__all__ = ["GROUNDING", "Sources"]

MAX_TEXT_BYTES: Final = 1 << 20
MAX_PARTS: Final = 1 << 16
MAX_CITATIONS: Final = 4096
MAX_GROUNDINGS: Final = 64
MAX_QUERIES: Final = 1024
GROUNDING: Final = "groundingMetadata"
"""Type of the opaque block with the raw metadata."""


class _Source(msgspec.Struct, gc=False):
    """A chunk of any kind, or a citation: they name the same things the same way."""

    uri: str | None = None
    title: str | None = None
    text: str | None = None
    sourceUri: str | None = None  # noqa: N815 - the wire's own names, here and below
    fileSearchStore: str | None = None  # noqa: N815
    startIndex: int | None = None  # noqa: N815
    endIndex: int | None = None  # noqa: N815


class _Chunk(msgspec.Struct, gc=False):
    web: _Source | None = None
    image: _Source | None = None
    retrievedContext: _Source | None = None  # noqa: N815
    maps: _Source | None = None


class _Segment(msgspec.Struct, gc=False):
    partIndex: int | None = None  # noqa: N815
    startIndex: int | None = None  # noqa: N815
    endIndex: int | None = None  # noqa: N815
    text: str | None = None


class _Support(msgspec.Struct, gc=False):
    segment: _Segment | None = None
    groundingChunkIndices: list[int] | None = None  # noqa: N815


class _Grounding(msgspec.Struct, gc=False):
    groundingChunks: list[_Chunk] | None = None  # noqa: N815
    groundingSupports: list[_Support] | None = None  # noqa: N815
    webSearchQueries: Any = None  # noqa: N815
    imageSearchQueries: Any = None  # noqa: N815
    retrievalQueries: Any = None  # noqa: N815


class _Citations(msgspec.Struct, gc=False):
    citationSources: list[_Source] | None = None  # noqa: N815
    citations: list[_Source] | None = None
    """The same on Vertex AI."""


class _Page(msgspec.Struct, gc=False):
    retrievedUrl: str | None = None  # noqa: N815
    urlRetrievalStatus: str | None = None  # noqa: N815


class _Pages(msgspec.Struct, gc=False):
    urlMetadata: list[_Page] | None = None  # noqa: N815


_QUERIES: Final = (
    ("webSearchQueries", "web_search"),
    ("imageSearchQueries", "image_search"),
    ("retrievalQueries", "retrieval"),
)
"""Lists of what was asked for, and the tool that each is of."""

_GROUNDING: Final = msgspec.json.Decoder(_Grounding | None)
_CITATIONS: Final = msgspec.json.Decoder(_Citations | None)
_PAGES: Final = msgspec.json.Decoder(_Pages | None)

_NONE: Final = _Source()
_WAS_READ: Final = "URL_RETRIEVAL_STATUS_SUCCESS"

_Kept = TypeVar("_Kept")
_Span = tuple[OpenBlock | None, int, int]
"""A block, and first byte and one past the last in it; -1 where they are not known."""


class Sources:
    """The sources of one answer. They are told when it is whole, since chunks may come after what they support."""

    __slots__ = (
        "_blocks",
        "_chunks",
        "_parts",
        "_queries",
        "_raw",
        "_seen",
        "_starts",
        "_supports",
        "_text",
        "_told",
        "_uris",
    )

    def __init__(self) -> None:
        self._text = bytearray()
        self._starts: list[int] = []
        """Where each block of text begins in `_text`."""
        self._blocks: list[OpenBlock] = []
        self._parts: list[int] = []
        """Where each part begins in `_text`."""
        self._chunks: list[_Source] = []
        self._supports: list[_Support] = []
        self._told: list[_Source] = []
        """Citations, and pages that were read."""
        self._raw: list[bytes] = []
        self._queries: set[tuple[str, str]] = set()
        """Tool and query, of which at most MAX_QUERIES are counted."""
        self._seen: set[tuple[int, int, int, str, str]] = set()
        self._uris: set[str] = set()

    def part(self) -> None:
        """Another part begins."""
        if len(self._text) < MAX_TEXT_BYTES and len(self._parts) < MAX_PARTS:
            self._parts.append(len(self._text))

    def block(self, block: OpenBlock) -> None:
        """Another block of text begins."""
        self._starts.append(len(self._text))
        self._blocks.append(block)

    def text(self, text: str) -> None:
        """More of the last block of text."""
        if len(self._text) < MAX_TEXT_BYTES:
            self._text += text.encode()

    def learn(self, candidate: Candidate) -> None:
        """What a candidate tells of its sources. Raises UpstreamMalformed."""
        if candidate.groundingMetadata:
            self._ground(candidate.groundingMetadata)
        if candidate.citationMetadata:
            cited = decoded(_CITATIONS, candidate.citationMetadata) or _Citations()
            _keep(self._told, cited.citationSources or cited.citations or ())
        if candidate.urlContextMetadata:
            pages = decoded(_PAGES, candidate.urlContextMetadata) or _Pages()
            read = (page for page in pages.urlMetadata or () if page.urlRetrievalStatus == _WAS_READ)
            _keep(self._told, (_Source(uri=page.retrievedUrl) for page in read))

    def _ground(self, raw: msgspec.Raw) -> None:
        grounding = decoded(_GROUNDING, raw)
        if grounding is None:
            return
        if len(self._raw) < MAX_GROUNDINGS and bytes(raw) != b"{}":
            self._raw.append(bytes(raw))
        for member, tool in _QUERIES:
            self._count(tool, getattr(grounding, member))
        chunks = grounding.groundingChunks or ()
        _keep(self._chunks, (each.web or each.retrievedContext or each.maps or each.image or _NONE for each in chunks))
        _keep(self._supports, grounding.groundingSupports or ())

    def _count(self, tool: str, queries: Any) -> None:
        # Google bills each query once, and empty ones not at all: https://ai.google.dev/gemini-api/docs/google-search
        for query in queries if isinstance(queries, list) else ():
            if query and isinstance(query, str) and len(self._queries) < MAX_QUERIES:
                self._queries.add((tool, query))

    def calls(self) -> Iterator[tuple[str, int]]:
        """How often each of Google's tools was asked."""
        for _, tool in _QUERIES:
            yield tool, sum(asked == tool for asked, _ in self._queries)

    def tell(self, events: AnswerEvents) -> None:
        """Write the citations, and what is left, as blocks of their own."""
        for support in self._supports:
            span = self._span(support.segment)
            for index in support.groundingChunkIndices or ():
                if 0 <= index < len(self._chunks):
                    self._cite(events, self._chunks[index], span)
        for source in (*self._told, *self._chunks):
            span = self._whole(source.startIndex, source.endIndex)
            if span[1] >= 0 or (source.uri or source.title) not in self._uris:
                self._cite(events, source, span)
        for raw in self._raw:
            events.add(v1.Block(provider_opaque=v1.ProviderOpaque(type=GROUNDING, data=raw)))

    def _cite(self, events: AnswerEvents, source: _Source, span: _Span) -> None:
        block, start, end = span
        uri, title = source.uri or source.sourceUri or "", source.title or ""
        key = (block.index if block else -1, start, end, uri, title)
        if not (uri or title) or key in self._seen or len(self._seen) == MAX_CITATIONS:
            return
        self._seen.add(key)
        self._uris.add(source.uri or title)
        citation = v1.Citation(uri=uri, title=title, cited_text=source.text or "")
        if source.fileSearchStore:
            citation.source_id = source.fileSearchStore
        if start >= 0:
            citation.start_offset, citation.end_offset = start, end
        if block is None:
            events.add(v1.Block(citation=citation))
        else:
            events.citation(block, citation)

    def _span(self, segment: _Segment | None) -> _Span:
        if segment is None:
            return self._nowhere()
        start, end, part = segment.startIndex or 0, segment.endIndex or 0, segment.partIndex or 0
        bases = [self._parts[part]] if 0 < part < len(self._parts) else []
        words = None if segment.text is None else segment.text.encode()
        for base in (*bases, 0):
            if words is None or self._has(words, base + start, base + end):
                return self._whole(base + start, base + end)
        return self._nowhere()

    def _has(self, words: bytes, start: int, end: int) -> bool:
        """Whether these words are there. The lengths come first, so that no more is looked at than was sent."""
        return end - start == len(words) and start >= 0 and self._text[start:end] == words

    def _whole(self, start: int | None, end: int | None) -> _Span:
        """The block that holds a span of the whole text."""
        start = start or 0
        if end is None or not 0 <= start < end <= len(self._text):
            return self._nowhere()
        place = bisect_right(self._starts, start) - 1
        after = self._starts[place + 1] if place + 1 < len(self._starts) else len(self._text)
        if place < 0 or end > after:
            return self._nowhere()
        first = self._starts[place]
        return self._blocks[place], start - first, end - first

    def _nowhere(self) -> _Span:
        """Of the answer, as far as is known: the last text of it that is not empty."""
        place = bisect_right(self._starts, len(self._text) - 1) - 1
        return (self._blocks[place] if place >= 0 else None), -1, -1


def _keep(kept: list[_Kept], more: Iterable[_Kept]) -> None:
    kept += islice(more, MAX_CITATIONS - len(kept))
