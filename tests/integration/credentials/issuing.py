"""Fakes of those who issue credentials. Each path gets a handler; any other is 404."""

import json
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from tests.fakes.provider import FakeProvider


def issuer(handlers, *, tls=None):
    """A server that answers at these paths. A handler takes the request and gives status and body (JSON or text)."""

    async def script(request, send):
        handler = handlers.get(urlsplit(request.target).path)
        status, body = handler(request) if handler else (404, {"error": "no such path"})
        data, kind = (body, "text/plain") if isinstance(body, str) else (json.dumps(body), "application/json")
        await send(status, data.encode(), {"content-type": kind, "metadata-flavor": "Google"})

    return FakeProvider(script, tls=tls)


def form(request):
    """The fields of a form that was posted, or of a query."""
    text = request.body.decode() or urlsplit(request.target).query
    return {name: values[0] for name, values in parse_qs(text).items()}


class Tokens:
    """Numbers what it issues: "token-1", "token-2"."""

    def __init__(self, prefix="token-"):
        self.prefix = prefix
        self.count = 0

    def next(self):
        self.count += 1
        return f"{self.prefix}{self.count}"


def rightly_signed(request, secret_key, session_token=None):
    """Whether a request carries the signature that botocore gives what arrived on the wire."""
    credential, names, signature = (
        part.partition("=")[2] for part in request.headers["authorization"].split(" ", 1)[1].split(", ")
    )
    key, _, region, service, _ = credential.split("/")
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.headers['host']}{request.target}",
        headers={name: request.headers[name] for name in names.split(";")},
        data=request.body,
    )
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(ReadOnlyCredentials(key, secret_key, session_token), service, region)
    return service == "bedrock" and signature == signer.signature(
        signer.string_to_sign(again, signer.canonical_request(again)), again
    )
