"""TLS on the ports of a worker.

1. gRPC asks for the certificate at each new connection, on a thread of its own. What it gets is ready: nothing is read
   or awaited there, and connections that are open notice nothing of a change.
2. A change makes new keys for session tickets, so that no ticket of before is taken: who has lost the trust of a CA
   has lost it at once. Where callers show certificates that is done every TICKETS_S as well, since a resumed session is
   not asked again whether its certificate has ended.
3. TLS 1.2 and 1.3, with forward secrecy and authenticated ciphers alone, and HTTP/2 by ALPN: gRPC's own defaults,
   which tests hold.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from trunkline_server.core.tls import TlsMaterial

TICKETS_S: Final = 300.0


class ServerTls:
    """What the TLS ports of a worker present now. Whether callers show certificates is decided at the start."""

    def __init__(self, material: TlsMaterial, clock: Callable[[], float]) -> None:
        self.mutual = material.client_ca is not None
        """Whether callers must show a certificate."""
        self._clock = clock
        self._material = material
        self._prepared = _prepare(material)

    def __repr__(self) -> str:
        return f"<ServerTls{', mutual' if self.mutual else ''}>"

    def use(self, material: TlsMaterial) -> None:
        """Present this at connections to come."""
        if material != self._material:
            self._material = material
            self._prepared = _prepare(material)

    def credentials(self) -> grpc.ServerCredentials:
        """Credentials for one port. Each port needs its own: gRPC keeps what it was given with the port that asked."""
        given = self._prepared
        given_at = self._clock()

        def fetch() -> "grpc.ServerCertificateConfiguration | None":
            """What this port is to present from now on; None: what it has. gRPC lets one thread in at a time."""
            nonlocal given, given_at
            now, prepared = self._clock(), self._prepared
            if prepared is given and not (self.mutual and now - given_at >= TICKETS_S):
                return None
            given, given_at = prepared, now
            return prepared

        # None is documented, but not known to types-grpcio.
        return grpc.dynamic_ssl_server_credentials(
            given,
            fetch,  # type: ignore[arg-type]
            require_client_authentication=self.mutual,
        )


def is_refused(material: TlsMaterial) -> bool:
    """Whether gRPC's TLS library refuses it: a judge of another library can't know. Takes a millisecond or ten.

    gRPC keeps what it had and tells nobody when a fetcher brings such a pair, but it refuses a port. So one is opened
    for that moment, where only this machine comes in, by a server that never starts.
    """
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    try:
        server.add_secure_port("127.0.0.1:0", ServerTls(material, lambda: 0.0).credentials())
    except (RuntimeError, ValueError):
        return True
    finally:
        server.stop(None)
    return False


def _prepare(material: TlsMaterial) -> "grpc.ServerCertificateConfiguration":
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.chain)], root_certificates=material.client_ca
    )
