"""Requests to the fake provider, and what else these tests share."""

import asyncio
from contextlib import asynccontextmanager, suppress

from trunkline_server.core.http import Endpoint, HttpRequest


def post(provider, body=b"{}", *, target="/v1/chat/completions", host=None, headers=()):
    """A request to the fake, under the name `host` if one is given."""
    scheme = "https" if provider.tls else "http"
    endpoint = Endpoint(scheme=scheme, host=host or provider.host, port=provider.port)
    return HttpRequest(method="POST", endpoint=endpoint, target=target, headers=tuple(headers), body=body)


async def fetch(upstream, request):
    """Status and body of a whole answer."""
    with await upstream.open(request) as answer:
        return answer.status, await read_all(answer)


async def read_all(answer):
    """The whole body."""
    pieces = []
    while data := await answer.read():
        pieces.append(data)
    return b"".join(pieces)


async def standstill(reply):
    """Bytes taken, once no more have been taken for a quarter of a second: what does not happen has no event."""
    seen = [-1]
    while len(seen) < 6 or len(set(seen[-6:])) > 1:
        await asyncio.sleep(0.05)
        seen.append(reply.taken)
    return seen[-1]


@asynccontextmanager
async def listening(handle):
    """A server of bare streams; gives its port. At its end all it had to do is done."""
    tasks = set()

    async def whole(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await handle(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()
            await _closed(writer)

    server = await asyncio.start_server(whole, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        server.close()
        await asyncio.gather(*tasks)


async def _closed(writer):
    with suppress(ConnectionError):
        await writer.wait_closed()


def names_lead_to(monkeypatch, *ips):
    """Every host name is looked up as these addresses; gives the list of lookups."""
    looked_up = []

    async def getaddrinfo(host, port, **_):
        looked_up.append(host)
        return [(10 if ":" in ip else 2, 1, 6, "", (ip, 0)) for ip in ips]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return looked_up
