"""Markdown that is still being written, cut into blocks."""

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline_server.cli.markdown_blocks import CODE_LINES, MAX_BLOCK, Blocks, Kind

LINES = (
    *("# Head", "text", "Some *words*.", "- item", "  hanging", "1. one", "2) two", "* * *", "> quote", "", "", "  "),
    *("```python", "```", "  ```", "~~~", "| a | b |", "|---|---|", "| 1 | 2 |", "---", "    code", "word " * 40),
)


def blocks_of(text, cuts=()):
    blocks, out, at = Blocks(), [], 0
    for cut in sorted(cuts):
        out += blocks.feed(text[at:cut])
        at = cut
    out += blocks.feed(text[at:])
    return out + blocks.end()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30), st.sets(st.integers(0, 400), max_size=20))
def test_blocks_are_the_same_however_the_text_is_cut(lines, cuts):
    """Where pieces end says nothing."""
    text = "\n".join(lines)
    assert blocks_of(text, cuts) == blocks_of(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_no_word_is_lost_or_moved(lines):
    """All that was written is in the blocks in its order, but for fences and empty lines."""

    def words(text):
        return [word for word in text.split() if not word.startswith(("```", "~~~"))]

    text = "\n".join(lines)
    assert words("\n".join(block.text for block in blocks_of(text))) == words(text)


def test_a_block_that_grows_is_bounded():
    """However long a block is, what is not final stays below the bound; tables keep their heads."""
    for begin, piece in (("", "word. "), ("| a |\n|---|\n", "| cell |\n"), ("```\n", "code\n"), ("- x\n", "  y\n")):
        blocks = Blocks()
        out = blocks.feed(begin)
        for _ in range(4 * MAX_BLOCK // len(piece)):
            out += blocks.feed(piece)
            assert len(blocks.growing.text if blocks.growing else "") <= MAX_BLOCK
        out += blocks.end()
        assert len(out) > 3
        assert all(len(block.text) <= MAX_BLOCK + len(piece) for block in out)
        if begin.startswith("|"):
            assert all(block.text.startswith("| a |\n|---|\n") for block in out)


def test_items_and_what_hangs_below_them_are_blocks():
    """A list is given out item by item; code and paragraphs that are indented below one belong to it."""
    text = "- one\n\n  ```sh\n  ls\n\n  cd\n  ```\n- two\nlazy\n\nAfter."
    kinds = [(block.kind, block.text) for block in blocks_of(text)]
    assert kinds == [
        (Kind.ITEM, "- one\n\n  ```sh\n  ls\n\n  cd\n  ```"),
        (Kind.ITEM, "- two\nlazy\n"),
        (Kind.FLOW, "After."),
    ]


def test_code_is_final_in_parts():
    """Long code is given out every few lines; the parts say which opens and which closes it."""
    text = "```py\n" + "x\n" * (2 * CODE_LINES) + "```\n"
    parts = blocks_of(text)
    assert [(part.opens, part.closes, part.text.count("x")) for part in parts] == [
        (True, False, CODE_LINES),
        (False, False, CODE_LINES),
        (False, True, 0),
    ]
    assert {part.language for part in parts} == {"py"}
