"""What a judge is: somebody else's word on a provider's requests and answers.

The word is the vendor's published specification, the vendor's own SDK types, or both. Where one of them is wrong, or
behind the other, the judge has a patch that says which and why; nothing else is bent.
"""

from collections.abc import Mapping
from typing import Any, Protocol

Request = Mapping[str, Any]
"""An HTTP request as upstream_request.json holds it: method, url, headers, body, left_out."""


class Refused(AssertionError):
    """A judge does not take it. Says what, and where in the body."""


class Judge(Protocol):
    """Takes what is right, and raises Refused for what is not.

    The request's method and URL say which operation it is, so that they are judged too.
    """

    def request(self, request: Request) -> None:
        """Refuses an operation that there is not, a wrong member deep inside, and one that is not known."""
        ...

    def answer(self, request: Request, body: Any) -> None:
        """Refuses the body of an answer with status 200 to this request."""
        ...

    def event(self, request: Request, data: Any) -> None:
        """Refuses one event of a streamed answer to this request."""
        ...

    def failure(self, status: int, body: Any) -> None:
        """Refuses the body of an answer with another status."""
        ...
