"""AWS Signature Version 4, pure: time is an argument.

1. The path is signed as it is sent. It comes percent-encoded ("/model/us.anthropic.x%3A0/converse"), and is encoded
   once more for the canonical request: Bedrock, like all services but S3, encodes it twice.
2. Only host, content type and the headers that this adds are signed: what an operator adds, and what a proxy on the way
   changes, does not touch the signature.

botocore does the same at three times the CPU, and takes the time from the clock; the tests hold this to its
signatures. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import time
from functools import lru_cache
from hashlib import sha256
from hmac import digest
from typing import Final
from urllib.parse import quote

from trunkline_server.core.http import HttpRequest
from trunkline_server.core.secret import Secret

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SIGNED: Final = frozenset({"content-type", "x-amz-security-token"})


def sign(
    request: HttpRequest,
    *,
    access_key_id: str,
    secret_access_key: Secret,
    session_token: str,
    region: str,
    service: str,
    now: float,
) -> tuple[tuple[str, str], ...]:
    """The headers that authorise this request. `now`: seconds of the wall clock; AWS allows 5 minutes of error."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    added = (("x-amz-date", stamp), *((("x-amz-security-token", session_token),) if session_token else ()))
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    canonical, names = _canonical(request, added)
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = digest(_key(secret_access_key, stamp[:8], region, service), text.encode(), "sha256").hex()
    value = f"{_ALGORITHM} Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return (*added, ("authorization", value))


def _canonical(request: HttpRequest, added: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """The canonical request, and the names of the headers in it."""
    path, _, query = request.target.partition("?")
    taken = [(name, value) for name, value in request.headers if name in _SIGNED]
    headers = sorted([("host", request.endpoint.authority), *taken, *added])
    lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in headers)
    names = ";".join(name for name, _ in headers)
    payload = sha256(request.body).hexdigest()
    return f"{request.method}\n{_encoded(path)}\n{_ordered(query)}\n{lines}\n{names}\n{payload}", names


def _ordered(query: str) -> str:
    """Parameters by name, then by value, encoded as they are sent."""
    pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=256)
def _encoded(path: str) -> str:
    """There are as many as models and verbs."""
    return quote(path, safe="/~")


@lru_cache(maxsize=64)
def _key(secret: Secret, day: str, region: str, service: str) -> bytes:
    """It is the same for a day."""
    key = digest(b"AWS4" + secret.reveal().encode(), day.encode(), "sha256")
    for part in (region, service, "aws4_request"):
        key = digest(key, part.encode(), "sha256")
    return key
