"""When the supervisor starts children again, when it takes a file for changed, and how it tells what children write."""

import asyncio
import os
import random

from trunkline_server.supervisor.backoff import Backoff
from trunkline_server.supervisor.limits import Limits
from trunkline_server.supervisor.relay import MAX_LINE_BYTES, relay
from trunkline_server.supervisor.watch import Watch, looks


def test_waits_double_up_to_the_longest():
    """Each wait lies between half of its step and the step; steps double from 0.1 s to 10 s and stay there."""
    backoff = Backoff(Limits(), random.Random(1))
    waits = [backoff.delay(up_s=0) for _ in range(12)]
    steps = [min(0.1 * 2**n, 10.0) for n in range(12)]
    assert all(step / 2 <= wait <= step for wait, step in zip(waits, steps, strict=True))


def test_a_healthy_life_starts_the_steps_anew():
    """After 30 s of health the next wait is of the first step again; after less it is not."""
    backoff = Backoff(Limits(), random.Random(1))
    for _ in range(8):
        backoff.delay(up_s=29.9)
    assert backoff.delay(up_s=29.9) > 0.1
    assert backoff.delay(up_s=30) <= 0.1


def test_a_change_counts_once_when_it_has_settled(tmp_path):
    """A file that is still being written is left alone; what came of it is told once."""
    path = tmp_path / "file"
    path.write_text("1")
    watch = Watch([path], {})
    assert not watch.changed()
    path.write_text("22")
    assert not watch.changed()
    path.write_text("333")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()


def test_a_file_of_the_same_size_and_age_is_seen_by_its_inode(tmp_path):
    """A file that is renamed over the watched one counts as a change, and so does one that goes away."""
    path, other = tmp_path / "file", tmp_path / "other"
    for each in (path, other):
        each.write_text("1")
        os.utime(each, ns=(0, 0))
    watch = Watch([path], {})
    other.replace(path)
    assert [watch.changed(), watch.changed()] == [False, True]
    path.unlink()
    assert [watch.changed(), watch.changed()] == [False, True]


async def test_what_a_child_writes_is_told_by_lines_of_bounded_length():
    """Blank lines are left out, bytes that are no text are marked, and a line without end is told in pieces."""
    told: list[str] = []
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\n\n  \ntw\xff\r\n" + b"x" * 10_000 + b"\nlast")
    stream.feed_eof()
    await relay(stream, told.append)
    assert [told[0], told[1], told[-1]] == ["one", "tw\ufffd", "last"]
    assert "".join(told[2:-1]) == "x" * 10_000
    assert max(map(len, told)) <= MAX_LINE_BYTES


def test_a_change_while_the_file_was_read_is_seen(tmp_path):
    """What the file looked like before it was read counts, not what it looks like when watching begins."""
    path = tmp_path / "trunkline.yaml"
    path.write_text("old")
    seen = looks([path])
    path.write_text("newer")
    watch = Watch([path], seen)
    assert watch.changed()
    assert not watch.changed()
