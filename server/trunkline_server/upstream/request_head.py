"""A request's head as bytes. Pure.

What would not be one header on the wire is refused, so that no value can smuggle in a second one.
"""

from trunkline_server.core.http import HttpRequest

USER_AGENT = "trunkline"


def encode_head(request: HttpRequest, *, through_proxy: bool = False, proxy_authorization: str = "") -> bytes:
    """Request line and headers, with the empty line at their end.

    `through_proxy` writes the target in absolute form (RFC 9112, 3.2.2), as a proxy wants it for plain HTTP.
    Raises ValueError for line breaks and other characters that a head can't hold; it does not name them, because
    what they stand in may be a secret.
    """
    target = f"http://{request.endpoint.authority}{request.target}" if through_proxy else request.target
    lines = [f"{request.method} {target} HTTP/1.1", f"host: {request.endpoint.authority}"]
    named = False
    for name, value in request.headers:
        lines.append(f"{name}: {value}")
        named = named or name == "user-agent"
    if not named:
        lines.append(f"user-agent: {USER_AGENT}")
    if request.body or request.method == "POST":
        lines.append(f"content-length: {len(request.body)}")
    if proxy_authorization:
        lines.append(f"proxy-authorization: {proxy_authorization}")
    breaks = len(lines) + 1
    text = "\r\n".join(lines) + "\r\n\r\n"
    if " " in target or text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text:
        raise ValueError("the head of an upstream request holds a character that it may not hold")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        # Not chained: the codec's error carries the whole head, secrets included.
        raise ValueError("the head of an upstream request holds a character beyond latin-1") from None
