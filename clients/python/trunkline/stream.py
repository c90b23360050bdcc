"""Streamed answers.

1. A stream is an iterator of the contract's events, and of the answer's text; either way the answer is folded as it
   comes, and `collect` gives it whole.
2. It ends with StopIteration only after Finished and OK. All other endings raise: a failure its own error, an ending
   without Finished BrokenStream. After that it raises the same again.
3. Leaving the `with` cancels a call that has not ended; so does dropping the stream.
4. It holds its place in the client's pool until the call has ended.
5. It buffers the events of one message. What the caller does not read stays with the gateway, which then stops
   reading the provider.
"""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, Protocol, Self

import grpc

from trunkline import v1
from trunkline.completion import Completion, Reader, T_co, settled
from trunkline.errors import CLIENT_CLOSED, CLIENT_DOMAIN, BrokenStream, Cancelled, TrunklineError
from trunkline.fold import Fold
from trunkline.status import error_from_rpc

__all__ = ["AsyncStream", "Stream"]


class _Intake:
    """Messages in, events out; folds them and checks that none is missing. Does no I/O."""

    __slots__ = ("_add_all", "_due", "_fold", "events", "failure", "open", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.events: list[v1.StreamEvent] = []
        """Those of the latest message that were not handed out; the next one is the last."""
        self.failure: TrunklineError | None = None
        """Never raised itself: what was raised leads, by its traceback, to the stream, and the two would stay."""
        self.open = True
        """Until it has ended well or failed."""
        self._fold = Fold()
        self._add_all = self._fold.add_all
        self._due = 0

    def feed(self, message: v1.StreamCompleteResponse) -> None:
        """Take the events of the next message."""
        self.events = events = message.events[:]  # a list costs three times as much
        if message.first_seq != self._due and events:
            raise BrokenStream(f"event {self._due} was due and event {message.first_seq} came")
        self._add_all(events)
        self._due += len(events)
        events.reverse()

    def take(self, read: Any) -> None:
        """What a call of grpc.aio gave: a message, or its end."""
        if read is grpc.aio.EOF:
            self.end()
        elif read is None:  # grpc.aio's word for a message that it could not decode
            raise BrokenStream("a message of the stream can't be read")
        else:
            self.feed(read)

    def end(self) -> None:
        """The status came, and it was OK."""
        if not self._fold.whole:
            raise BrokenStream("the stream ended with OK and without finished")
        self.open = False

    def check(self) -> None:
        """Raises what the stream failed with, if it has failed."""
        if self.failure is not None:
            raise copy.copy(self.failure)

    def close(self) -> None:
        """The caller wants no more."""
        self._cancel("the stream was closed", "CANCELLED")

    def close_client(self) -> None:
        """The client was closed under it."""
        self._cancel("the client was closed", CLIENT_CLOSED)

    def _cancel(self, message: str, reason: str) -> None:
        self.events.clear()
        if self.open:
            self.fail(Cancelled(message, reason=reason, domain=CLIENT_DOMAIN))

    def fail(self, failure: TrunklineError) -> TrunklineError:
        """To be raised: what the stream failed with."""
        self.events.clear()
        failure.request_id = self.request_id
        self.failure, self.open = copy.copy(failure), False
        return failure

    def broke(self, call: grpc.RpcError) -> TrunklineError:
        """The status came, and it was not OK."""
        return self.fail(error_from_rpc(call, self.request_id, begun=self._due > 0))

    @property
    def response(self) -> v1.CompleteResponse:
        return self._fold.response

    @property
    def usage(self) -> v1.Usage | None:
        return self._fold.usage

    @property
    def state(self) -> str:
        """In words, for reprs."""
        if self.failure is not None:
            return f"failed with {self.failure.code}"
        return f"{self._due} events, {'open' if self.open else 'ended'}"


def task_is_cancelled() -> bool:
    """True if somebody cancelled the task that runs now; a CancelledError without that is the call's alone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Call(Protocol):
    """What a stream needs of a call of grpc."""

    def __next__(self) -> v1.StreamCompleteResponse: ...

    def cancel(self) -> bool: ...


class _AsyncCall(Protocol):
    """What a stream needs of a call of grpc.aio."""

    async def read(self) -> Any: ...

    def cancel(self) -> bool: ...


class Stream(Generic[T_co]):
    """A streamed answer: `with client.stream(...) as stream: for event in stream: ...`.

    The call starts on entering the `with`, or with the first event that is asked for. One thread reads; any thread
    may call `close`.

    For example:
        import trunkline

        with trunkline.Client() as client, client.stream("fast", "Count to five.") as stream:
            print(stream.request_id)
            for event in stream:
                if event.WhichOneof("kind") == "block_delta":
                    print(event.block_delta.text, end="")
            print(stream.usage)
    """

    def __init__(self, request_id: str, start: Callable[[], _Call], reader: Reader[T_co] | None = None) -> None:
        self._intake = _Intake(request_id)
        self._reader = reader
        self._start = start
        self._call: _Call | None = None

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records."""
        return self._intake.request_id

    @property
    def usage(self) -> v1.Usage | None:
        """What was used, as far as the stream has told."""
        return self._intake.usage

    @property
    def text(self) -> Iterator[str]:
        """The pieces of the answer's text, as they come.

        For example:
            import trunkline

            with trunkline.Client() as client, client.stream("fast", "Count to five.") as stream:
                for piece in stream.text:
                    print(piece, end="", flush=True)
        """
        return self._texts()

    def collect(self) -> Completion[T_co]:
        """Read to the end, and give the whole answer. Raises what the stream fails with.

        For example:
            import trunkline

            with trunkline.Client() as client, client.stream("fast", "Count to five.") as stream:
                answer = stream.collect()
                print(answer.text, answer.finish_reason, answer.usage.output_tokens)
        """
        for _ in self:
            self._intake.events.clear()
        return settled(self._intake.response, self._reader)

    def close(self) -> None:
        """Cancel the call if it has not ended. Closing twice changes nothing.

        For example:
            import trunkline

            with trunkline.Client() as client:
                stream = client.stream("fast", "Count to a thousand.")
                for piece in stream.text:
                    print(piece)
                    break
                stream.close()  # leaving a `with` does it too
        """
        self._intake.close()
        if self._call is not None:
            self._call.cancel()

    def __iter__(self) -> Iterator[v1.StreamEvent]:
        return self

    def __next__(self) -> v1.StreamEvent:
        intake = self._intake
        while intake.events or self._receive():
            try:
                return intake.events.pop()
            except IndexError:  # closed by another thread just now
                continue
        raise StopIteration

    def _texts(self) -> Iterator[str]:
        intake = self._intake
        while intake.events or self._receive():
            try:
                piece = intake.events.pop().block_delta.text
            except IndexError:
                continue
            if piece:
                yield piece

    def _started(self) -> _Call:
        if self._call is None:
            try:
                self._call = self._start()
            except TrunklineError as failure:
                raise self._intake.fail(failure) from None
        return self._call

    def _receive(self) -> bool:
        """Wait for the next message. False at the end."""
        intake = self._intake
        if not intake.open:
            intake.check()
            return False
        call = self._call or self._started()
        try:
            intake.feed(next(call))
        except StopIteration:
            self._end()
        except grpc.RpcError as failure:
            # The failure is the call itself: with a traceback it would lead to this stream, and the stream to it.
            raise intake.broke(failure) from failure.with_traceback(None)
        except BrokenStream as broken:
            call.cancel()
            raise intake.fail(broken) from None
        return True

    def _end(self) -> None:
        try:
            self._intake.end()
        except BrokenStream as broken:
            raise self._intake.fail(broken) from None

    def __enter__(self) -> Self:
        self._intake.check()
        self._started()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Stream({self.request_id}, {self._intake.state})"


class AsyncStream(Generic[T_co]):
    """A streamed answer: `async with client.stream(...) as stream: async for event in stream: ...`.

    The call starts on entering the `async with`, or with the first event that is asked for. One task reads;
    cancelling it cancels the call.

    For example:
        import asyncio

        import trunkline


        async def main() -> None:
            async with trunkline.AsyncClient() as client, client.stream("fast", "Count to five.") as stream:
                print(stream.request_id)
                async for event in stream:
                    if event.WhichOneof("kind") == "block_delta":
                        print(event.block_delta.text, end="")
                print(stream.usage)


        asyncio.run(main())
    """

    def __init__(
        self, request_id: str, start: Callable[[], Awaitable[_AsyncCall]], reader: Reader[T_co] | None = None
    ) -> None:
        self._intake = _Intake(request_id)
        self._reader = reader
        self._start = start
        self._call: _AsyncCall | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def request_id(self) -> str:
        """Names the call in the gateway's records."""
        return self._intake.request_id

    @property
    def usage(self) -> v1.Usage | None:
        """What was used, as far as the stream has told."""
        return self._intake.usage

    @property
    def text(self) -> AsyncIterator[str]:
        """The pieces of the answer's text, as they come.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client, client.stream("fast", "Count to five.") as stream:
                    async for piece in stream.text:
                        print(piece, end="", flush=True)


            asyncio.run(main())
        """
        return self._texts()

    async def collect(self) -> Completion[T_co]:
        """Read to the end, and give the whole answer. Raises what the stream fails with.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client, client.stream("fast", "Count to five.") as stream:
                    answer = await stream.collect()
                    print(answer.text, answer.finish_reason, answer.usage.output_tokens)


            asyncio.run(main())
        """
        async for _ in self:
            self._intake.events.clear()
        return settled(self._intake.response, self._reader)

    def close(self) -> None:
        """Cancel the call if it has not ended. Closing twice changes nothing.

        For example:
            import asyncio

            import trunkline


            async def main() -> None:
                async with trunkline.AsyncClient() as client:
                    stream = client.stream("fast", "Count to a thousand.")
                    async for piece in stream.text:
                        print(piece)
                        break
                    stream.close()  # leaving an `async with` does it too


            asyncio.run(main())
        """
        self._intake.close()
        if self._call is not None:
            self._call.cancel()

    def __aiter__(self) -> AsyncIterator[v1.StreamEvent]:
        return self

    async def __anext__(self) -> v1.StreamEvent:
        intake = self._intake
        while intake.events or await self._receive():
            if intake.events:
                return intake.events.pop()
        raise StopAsyncIteration

    async def _texts(self) -> AsyncIterator[str]:
        intake = self._intake
        while intake.events or await self._receive():
            piece = intake.events.pop().block_delta.text if intake.events else ""
            if piece:
                yield piece

    async def _receive(self) -> bool:
        """Wait for the next message. False at the end."""
        intake = self._intake
        if not intake.open:
            intake.check()
            return False
        call = self._call or await self._started()
        try:
            intake.take(await call.read())
        except (grpc.RpcError, BrokenStream, asyncio.CancelledError) as failure:
            self._stop(call, failure)
        return True

    async def _started(self) -> _AsyncCall:
        if self._call is None:
            self._loop = asyncio.get_running_loop()
            try:
                self._call = await self._start()
            except TrunklineError as failure:
                raise self._intake.fail(failure) from None
        return self._call

    def _stop(self, call: _AsyncCall, failure: BaseException) -> None:
        """Raises what the stream fails with."""
        match failure:
            case grpc.RpcError():
                raise self._intake.broke(failure) from failure
            case BrokenStream():
                call.cancel()
                raise self._intake.fail(failure) from None
        if task_is_cancelled():
            # grpc.aio cancels the call of a task that is cancelled while it reads, but not of one that is cancelled a
            # moment before that.
            self.close()
            raise failure
        # grpc.aio raises this in whoever reads when its call was cancelled from elsewhere: by close of the stream,
        # which said so before, or by that of the client.
        self._intake.close_client()
        self._intake.check()

    async def __aenter__(self) -> Self:
        self._intake.check()
        await self._started()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A call of grpc.aio is kept alive by its own tasks, so gRPC does not notice that nobody reads it any more. The
        # collector may run in any thread; calls belong to their loop.
        if self._call is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and its calls with it
                self._loop.call_soon_threadsafe(self._call.cancel)

    def __repr__(self) -> str:
        return f"AsyncStream({self.request_id}, {self._intake.state})"
