"""The only code that opens sockets to providers: a lean HTTP/1.1 client.

1. An answer is whole, or an error says that it is not; what arrived before the cut is handed out first.
2. A reader that does not read stops the provider: at most 80 KiB of a body wait in our memory (over TLS as much
   again, still encrypted), and `receive_buffer_bytes` in the kernel.
3. Everything has a bound: connections, waiting requests, head, trailers, time to connect, names in the cache.
4. The address that was checked is the one connected to; link-local and metadata addresses are refused.
5. A cancelled or closed call aborts its connection at once. Nothing here awaits on the way out.
6. No error holds an address, a URL, a header or a word of the provider.
"""

from trunkline_server.upstream.client import Upstream, UpstreamResponse
from trunkline_server.upstream.limits import UpstreamLimits

__all__ = ["Upstream", "UpstreamLimits", "UpstreamResponse"]
