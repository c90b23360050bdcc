"""CPU of presenting a credential: python -m tests.bench.credentials

Prints microseconds per request for a bearer token and for a signature of AWS, beside botocore's signature of the same
request. Each figure is the best of several runs; bodies are hashed, which is what the longer one costs more.
"""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from tests.bench.dialect import median
from trunkline_server.core.faults import FaultLog
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret
from trunkline_server.credentials.aws import Keys
from trunkline_server.credentials.grant import Bearer, Grant
from trunkline_server.credentials.kept import KeepLimits, Kept

_KEY, _SECRET, _TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "t" * 900
_REGION: Final = "eu-central-1"
_PATH: Final = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"


def request(size: int) -> HttpRequest:
    """A request to Bedrock with a body of so many bytes."""
    host = f"bedrock-runtime.{_REGION}.amazonaws.com"
    headers = (("content-type", "application/json"), ("accept", "application/vnd.amazon.eventstream"))
    endpoint = Endpoint(scheme="https", host=host, port=443)
    return HttpRequest(method="POST", endpoint=endpoint, target=_PATH, headers=headers, body=b"x" * size)


def botocore_signs(given: HttpRequest) -> object:
    """The same by botocore."""
    signed = AWSRequest("POST", f"{given.endpoint}{given.target}", headers=dict(given.headers), data=given.body)
    SigV4Auth(ReadOnlyCredentials(_KEY, _SECRET, _TOKEN), "bedrock", _REGION).add_auth(signed)
    return signed


def presenting(grant: Grant) -> Callable[[HttpRequest], object]:
    """What the gateway does with a grant that it holds."""
    loop = asyncio.new_event_loop()

    async def make() -> Kept:
        presenter = Kept(
            lambda: grant,
            FaultLog(time.monotonic),
            KeepLimits(),
            issuer="a cloud",
            provider="cloud",
            wall=time.time,
            rng=random.Random(1),
        )
        await presenter.present(request(2), until=float("inf"))
        return presenter

    presenter = loop.run_until_complete(make())

    def present(given: HttpRequest) -> object:
        try:
            presenter.present(given, until=float("inf")).send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("a held grant is presented at once")

    return present


def main() -> None:
    """Print the figures."""
    bearer = presenting(Bearer(token=Secret(_TOKEN), expires_at=None))
    keys = Keys(
        access_key_id=_KEY,
        secret_access_key=Secret(_SECRET),
        session_token=Secret(_TOKEN),
        region=_REGION,
        expires_at=None,
    )
    signs = presenting(keys)
    for size, name in ((4096, "4 KiB"), (1 << 20, "1 MiB")):
        given, times = request(size), 2000 if size < 1 << 20 else 50
        print(f"bearer token, body of {name}:       {median(lambda given=given: bearer(given), times):8.1f} us")
        print(f"AWS signature, body of {name}:      {median(lambda given=given: signs(given), times):8.1f} us")
        print(f"  the same by botocore:            {median(lambda given=given: botocore_signs(given), times):8.1f} us")


if __name__ == "__main__":
    main()
