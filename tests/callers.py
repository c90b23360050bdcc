"""Many calls of one client, as a program: python -m tests.callers threads|tasks TARGET --calls N --callers N

Every tenth call is left half-way, dropped half-way, cut by a deadline or cancelled; the others are answers and streams
that are read. Prints "half" when half of them have ended, and at the end one line of JSON: how the calls ended, and
what the process held before, after a fifth and after all: threads, tasks of the kernel, open files, bytes.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import json
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psutil

import trunkline

TEXT: Final = "one of many"
IN_TIME_S: Final = 60.0
TOO_SHORT_S: Final = 0.004
SETTLE_S: Final = 10.0


class Tally:
    """How calls ended. Threads may share it."""

    def __init__(self, calls: int) -> None:
        self.endings: collections.Counter[str] = collections.Counter()
        self._half, self._lock = calls // 2, threading.Lock()

    def add(self, ending: str) -> None:
        with self._lock:
            self.endings[ending] += 1
            if self.endings.total() == self._half:
                print("half", flush=True)

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """Counts a call by what comes out of the block."""
        try:
            yield
        except trunkline.TrunklineError as error:
            self.add(error.code if error.request_id else f"nameless {error.code}")
        except (asyncio.CancelledError, TimeoutError):
            self.add("cancelled")
        except BaseException as error:
            self.add(f"{type(error).__name__}: {error}")
            raise
        else:
            self.add("answered")


def check(text: str) -> None:
    if text != TEXT:
        raise AssertionError(f"not the answer: {text!r}")


def call(client: trunkline.Client, number: int) -> None:
    match number % 10:
        case 0:
            with client.stream("m", "hello") as stream:
                next(stream)
        case 1:
            next(client.stream("m", "hello"))
        case 2:
            with contextlib.suppress(trunkline.DeadlineExceeded):
                check(client.complete("m", "hello", timeout=TOO_SHORT_S).text)
        case 3 | 4 | 5:
            with client.stream("m", "hello") as stream:
                check("".join(stream.text))
        case _:
            check(client.complete("m", "hello").text)


async def call_async(client: trunkline.AsyncClient, number: int) -> None:
    match number % 10:
        case 0:
            async with client.stream("m", "hello") as stream:
                await anext(stream)
        case 1:
            await anext(client.stream("m", "hello").text)  # type: ignore[call-overload] # an iterator it is
        case 2:
            with contextlib.suppress(trunkline.DeadlineExceeded):
                check((await client.complete("m", "hello", timeout=TOO_SHORT_S)).text)
        case 3:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TOO_SHORT_S):
                    check((await client.complete("m", "hello")).text)
        case 4 | 5 | 6:
            async with client.stream("m", "hello") as stream:
                check("".join([piece async for piece in stream.text]))
        case _:
            check((await client.complete("m", "hello")).text)


def in_threads(target: str, numbers: range, callers: int, tally: Tally) -> None:
    left = iter(numbers)  # a range's iterator may be shared by threads

    def caller() -> None:
        for number in left:
            with tally.ending():
                call(client, number)

    with trunkline.Client(target, timeout=IN_TIME_S) as client, ThreadPoolExecutor(callers) as pool:
        for running in [pool.submit(caller) for _ in range(callers)]:
            running.result()


async def in_tasks(target: str, numbers: range, callers: int, tally: Tally) -> None:
    left = iter(numbers)

    async def caller() -> None:
        for number in left:
            with tally.ending():
                await call_async(client, number)

    # With debugging on, a loop complains of what takes 0.1 s; on a machine that is busy anything may.
    asyncio.get_running_loop().slow_callback_duration = IN_TIME_S
    async with trunkline.AsyncClient(target, timeout=IN_TIME_S) as client:
        await asyncio.gather(*(caller() for _ in range(callers)))
    assert asyncio.all_tasks() == {asyncio.current_task()}, asyncio.all_tasks()


def held() -> dict[str, int]:
    """What this process holds now."""
    gc.collect()
    process = psutil.Process()
    return {
        "threads": threading.active_count(),
        "tasks": len(os.listdir("/proc/self/task")),
        "files": process.num_fds(),
        "bytes": process.memory_info().rss,
    }


def settled(before: dict[str, int]) -> dict[str, int]:
    """What this process holds when gRPC's own threads have noticed that their work is done."""
    until = time.monotonic() + SETTLE_S
    while (
        (now := held()) and time.monotonic() < until and now["tasks"] + now["files"] > before["tasks"] + before["files"]
    ):
        time.sleep(0.05)
    return now


def main() -> None:
    """Call and tell."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kind", choices=("threads", "tasks"))
    parser.add_argument("target")
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--callers", type=int, required=True)
    given = parser.parse_args()
    tally, first = Tally(given.calls), given.calls // 5
    before = held()
    stages = []
    for numbers in (range(first), range(first, given.calls)):
        if given.kind == "threads":
            in_threads(given.target, numbers, given.callers, tally)
        else:
            asyncio.run(in_tasks(given.target, numbers, given.callers, tally))
        stages.append(settled(before))
    print(json.dumps({"endings": tally.endings, "before": before, "warm": stages[0], "after": stages[1]}))


if __name__ == "__main__":
    main()
