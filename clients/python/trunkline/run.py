"""Runs: turns of the model, and of the Python functions that it asks for, until it has answered.

1. A run ends when the model asks for no more tools; with TurnLimit after `max_turns`; at its deadline, which is one for
   all turns and tools; or with what a turn fails with. After that it raises the same again.
2. `messages` is the whole conversation of the turns that are whole, however the run ended.
3. Threads: functions run one after another, in the thread that reads; the deadline waits for them. asyncio: the
   functions of one turn run at the same time, at most 16; coroutines in the loop, others in threads, with the context
   variables of the reader. The deadline cancels them.
4. Leaving the `with` cancels the turn, and in asyncio the functions; a function in a thread runs on, unheard.
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any, Final, Generic, Self, TypeAlias

from trunkline import v1
from trunkline.completion import Completion, Reader, T_co, settled
from trunkline.errors import CLIENT_DOMAIN, Cancelled
from trunkline.loop import Loop
from trunkline.stream import AsyncStream, Stream, task_is_cancelled
from trunkline.totals import total

__all__ = ["AsyncRun", "Run", "Step"]

Step: TypeAlias = v1.StreamEvent | v1.ToolCall | v1.ToolResult
"""What happens in a run: an event of the model, a call that a function is about to answer, what it gave back."""
CALLS_AT_ONCE: Final = 16


def _text_of(step: Step) -> str:
    return step.block_delta.text if isinstance(step, v1.StreamEvent) else ""


def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Calls a function in a thread. A StopIteration would never come out of it: futures don't carry it."""
    try:
        return function(**arguments)
    except StopIteration as failure:
        raise RuntimeError(f"StopIteration: {failure}") from failure


class _Told(Generic[T_co]):
    """What both kinds of run tell."""

    def __init__(self, loop: Loop, reader: Reader[T_co] | None) -> None:
        self._loop = loop
        self._reader = reader
        self._failure: Exception | None = None
        self._stream: Any = None

    @property
    def messages(self) -> list[v1.Message]:
        """The whole conversation so far, turns of the caller's included: what to go on with.

        For example:
            import trunkline

            def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."

            with trunkline.Client() as client:
                with client.run("fast", "Do I need an umbrella in Paris?", tools=[get_weather]) as run:
                    run.collect()
                print(client.complete("fast", [*run.messages, trunkline.User("And tomorrow?")]).text)
        """
        return list(self._loop.messages)

    @property
    def turns(self) -> tuple[Completion, ...]:
        """The answers of the turns that have ended, in order."""
        return tuple(self._loop.turns)

    @property
    def usage(self) -> v1.Usage:
        """What all turns used together, as far as they have told.

        For example:
            import trunkline

            with trunkline.Client() as client, client.run("fast", "Say hello.", tools=[]) as run:
                run.collect()
                print(run.usage.input_tokens, run.usage.output_tokens)
        """
        told = [turn.usage for turn in self._loop.turns]
        running = None if self._stream is None else self._stream.usage
        return total(told if running is None else [*told, running])

    @property
    def pending(self) -> tuple[v1.ToolCall, ...]:
        """Calls that the run ended with because their tools are no Python functions: the caller answers them.

        For example:
            import trunkline

            weather = {"name": "get_weather", "parameters": {"type": "object"}}
            with trunkline.Client() as client:
                with client.run("fast", "Do I need an umbrella in Paris?", tools=[weather]) as run:
                    run.collect()
                results = [trunkline.ToolOutput(call, "Rain.") for call in run.pending]
                print(client.complete("fast", [*run.messages, *results]).text)
        """
        return self._loop.pending

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, failure: BaseException) -> None:
        """Remember what ended the run. A reader that was interrupted is told that the run was closed."""
        if self._failure is None and isinstance(failure, Exception):
            self._failure = failure
        elif self._failure is None:
            self._failure = Cancelled("the run was closed", reason="CANCELLED", domain=CLIENT_DOMAIN)

    def _close(self) -> None:
        if not self._loop.ended:
            self._fail(GeneratorExit())
        if self._stream is not None:
            self._stream.close()

    def _whole(self) -> Completion[T_co]:
        return settled(self._loop.turns[-1].response, self._reader)

    def __repr__(self) -> str:
        state = f"failed with {type(self._failure).__name__}" if self._failure else "open"
        turns, calls = len(self._loop.turns), sum(len(turn.tool_calls) for turn in self._loop.turns)
        return f"{type(self).__name__}({turns} turns, {calls} tool calls, {'ended' if self._loop.ended else state})"


class Run(_Told[T_co]):
    """A run of turns and tools: `with client.run(...) as run: print(run.collect().text)`.

    The first turn starts with the first piece that is asked for. One thread reads, and runs the functions; any thread
    may call `close`.

    For example:
        import trunkline

        def get_weather(city: str) -> str:
            '''The weather in a city, now.'''
            return f"Rain in {city}."

        with trunkline.Client() as client:
            with client.run("fast", "Do I need an umbrella in Paris?", tools=[get_weather]) as run:
                for step in run.steps:
                    if isinstance(step, trunkline.v1.ToolCall):
                        print("->", step.name, step.arguments_json.decode())
                    elif isinstance(step, trunkline.v1.ToolResult):
                        print("<-", step.name, "failed" if step.is_error else "done")
                print(run.collect().text, run.usage.output_tokens, len(run.turns))
    """

    def __init__(
        self,
        loop: Loop,
        open_stream: Callable[[v1.CompleteRequest, float], Stream[Any]],
        reader: Reader[T_co] | None,
    ) -> None:
        super().__init__(loop, reader)
        self._open = open_stream
        self._walk = self._walked()
        for function in loop.functions.values():
            if function.is_coroutine:
                raise TypeError(f"tools: {function.name} is a coroutine function; a run of AsyncClient awaits it")

    @property
    def steps(self) -> Iterator[Step]:
        """All that happens, as it happens: events, v1.ToolCall before a function runs, v1.ToolResult after it."""
        return iter(self._next, None)

    @property
    def text(self) -> Iterator[str]:
        """The pieces of the model's text in all turns, as they come."""
        return (piece for step in self.steps if (piece := _text_of(step)))

    def collect(self) -> Completion[T_co]:
        """Run to the end, and give the whole answer of the last turn.

        Raises what the run fails with, and InvalidOutput for an answer that is not of the type that was asked for. An
        answer whose `tool_calls` are the caller's is given as it is; see `pending`.

        For example:
            import trunkline

            def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."

            with trunkline.Client() as client:
                with client.run("fast", "Do I need an umbrella in Paris?", tools=[get_weather]) as run:
                    print(run.collect().text)
        """
        for _ in self.steps:
            pass
        return self._whole()

    def close(self) -> None:
        """Cancel the turn in progress, and start no other. Closing twice changes nothing.

        For example:
            import trunkline

            with trunkline.Client() as client:
                run = client.run("fast", "Count to a thousand.", tools=[])
                for piece in run.text:
                    print(piece)
                    break
                run.close()  # leaving a `with` does it too
        """
        self._close()

    def __iter__(self) -> Iterator[v1.StreamEvent]:
        """The events of all turns."""
        return (step for step in self.steps if isinstance(step, v1.StreamEvent))

    def _next(self) -> Step | None:
        self._check()
        try:
            return next(self._walk, None)
        except BaseException as failure:
            self._fail(failure)
            raise

    def _walked(self) -> Generator[Step]:
        while not self._loop.ended:
            with self._opened() as stream:
                yield from stream
                answer = stream.collect()
            self._stream = None
            results = []
            for call in self._loop.take(answer):
                yield call
                self._check()
                results.append(self._answered(call))
                yield results[-1]
            self._loop.settle(results)

    def _opened(self) -> Stream[Any]:
        """The stream of the next turn. It is known before it starts, so that `close` reaches it from then on."""
        stream = self._stream = self._open(self._loop.request(), self._loop.remaining())
        self._check()
        return stream

    def _answered(self, call: v1.ToolCall) -> v1.ToolResult:
        prepared = self._loop.prepared(call)
        if isinstance(prepared, v1.ToolResult):
            return prepared
        function, arguments = prepared
        try:
            return self._loop.returned(call, function.call(**arguments))
        except Exception as failure:  # noqa: BLE001 - whatever a tool raises, the model is told
            return self._loop.failed(call, failure)

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRun(_Told[T_co]):
    """A run of turns and tools: `async with client.run(...) as run: print((await run.collect()).text)`.

    The first turn starts with the first piece that is asked for. One task reads; cancelling it cancels the turn and
    the functions.

    For example:
        import asyncio

        import trunkline

        async def get_weather(city: str) -> str:
            '''The weather in a city, now.'''
            return f"Rain in {city}."

        async def main() -> None:
            async with trunkline.AsyncClient() as client:
                question = "Do I need an umbrella in Paris or in Rome?"
                async with client.run("fast", question, tools=[get_weather]) as run:
                    async for piece in run.text:
                        print(piece, end="", flush=True)
                    print((await run.collect()).finish_reason, len(run.turns))

        asyncio.run(main())
    """

    def __init__(
        self,
        loop: Loop,
        open_stream: Callable[[v1.CompleteRequest, float], AsyncStream[Any]],
        reader: Reader[T_co] | None,
    ) -> None:
        super().__init__(loop, reader)
        self._open = open_stream
        self._tasks: list[asyncio.Task[v1.ToolResult]] = []
        self._walk = self._walked()

    @property
    def steps(self) -> AsyncIterator[Step]:
        """All that happens, as it happens: events, v1.ToolCall before functions run, v1.ToolResult as each ends.

        For example:
            import asyncio

            import trunkline


            async def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    async with client.run("fast", "Do I need an umbrella in Paris?", tools=[get_weather]) as run:
                        async for step in run.steps:
                            if isinstance(step, trunkline.v1.ToolCall):
                                print("->", step.name)


            asyncio.run(main())
        """
        return self._stepped()

    @property
    def text(self) -> AsyncIterator[str]:
        """The pieces of the model's text in all turns, as they come."""
        return (piece async for step in self.steps if (piece := _text_of(step)))

    async def collect(self) -> Completion[T_co]:
        """Run to the end, and give the whole answer of the last turn.

        Raises what the run fails with, and InvalidOutput for an answer that is not of the type that was asked for. An
        answer whose `tool_calls` are the caller's is given as it is; see `pending`.

        For example:
            import asyncio

            import trunkline


            async def get_weather(city: str) -> str:
                '''The weather in a city, now.'''
                return f"Rain in {city}."


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    async with client.run("fast", "Do I need an umbrella in Paris?", tools=[get_weather]) as run:
                        print((await run.collect()).text)


            asyncio.run(main())
        """
        async for _ in self.steps:
            pass
        return self._whole()

    async def close(self) -> None:
        """Cancel the turn in progress and its functions, and start no other. Closing twice changes nothing.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    run = client.run("fast", "Count to a thousand.", tools=[])
                    async for piece in run.text:
                        print(piece)
                        break
                    await run.close()  # leaving an `async with` does it too


            asyncio.run(main())
        """
        self._close()
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(RuntimeError):  # another task reads: it is told by what was cancelled
            await self._walk.aclose()

    def __aiter__(self) -> AsyncIterator[v1.StreamEvent]:
        """The events of all turns."""
        return (step async for step in self.steps if isinstance(step, v1.StreamEvent))

    async def _stepped(self) -> AsyncIterator[Step]:
        while True:
            self._check()
            try:
                step = await anext(self._walk, None)
            except BaseException as failure:
                self._fail(failure)
                raise
            if step is None:
                return
            yield step

    async def _walked(self) -> AsyncGenerator[Step]:
        while not self._loop.ended:
            # It is known before it starts, so that `close` reaches it from then on.
            self._stream = self._open(self._loop.request(), self._loop.remaining())
            async with self._stream as stream:
                async for event in stream:
                    yield event
                answer = await stream.collect()
            self._stream = None
            calls = self._loop.take(answer)
            for call in calls:
                yield call
            async with contextlib.aclosing(self._answered(calls)) as answers:
                async for result in answers:
                    yield result
            self._check()
            self._loop.settle([task.result() for task in self._tasks])

    async def _answered(self, calls: Iterable[v1.ToolCall]) -> AsyncGenerator[v1.ToolResult]:
        """The results, each as soon as it is there. No function is left running."""
        places = asyncio.Semaphore(CALLS_AT_ONCE)
        self._tasks = [asyncio.create_task(self._answer(call, places)) for call in calls]
        waiting = set(self._tasks)
        try:
            while waiting:
                limit = self._loop.remaining()
                done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                self._check()
                for task in done:
                    yield task.result()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, call: v1.ToolCall, places: asyncio.Semaphore) -> v1.ToolResult:
        async with places:
            prepared = self._loop.prepared(call)
            if isinstance(prepared, v1.ToolResult):
                return prepared
            function, arguments = prepared
            try:
                if function.is_coroutine:
                    value = await function.call(**arguments)
                else:
                    value = await asyncio.to_thread(_called, function.call, arguments)
                    value = await value if inspect.isawaitable(value) else value
                return self._loop.returned(call, value)
            except asyncio.CancelledError as failure:
                if task_is_cancelled():
                    raise
                return self._loop.failed(call, RuntimeError(f"{type(failure).__name__}: {failure}"))
            except Exception as failure:  # noqa: BLE001 - whatever a tool raises, the model is told
                return self._loop.failed(call, failure)

    async def __aenter__(self) -> Self:
        self._check()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
