"""How many tokens a request would use."""

from dataclasses import dataclass

from trunkline import v1

__all__ = ["TokenCount"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """Input tokens of a request, and who counted them.

    For example:
        import trunkline

        with trunkline.Client() as client:
            count = client.count_tokens("fast", "Why is the sky blue?")
            print(count.input_tokens, "about" if count.estimated else "exactly", count.served_model)
    """

    input_tokens: int
    estimated: bool
    """True if the gateway estimated them, False if the provider counted."""
    served_model: str
    """The model they were counted for, as the provider names it."""
    response: v1.CountTokensResponse
    """The message of the contract."""

    @classmethod
    def of(cls, response: v1.CountTokensResponse) -> "TokenCount":
        """The count in a response."""
        return cls(
            input_tokens=response.input_tokens,
            estimated=response.source != v1.USAGE_SOURCE_PROVIDER,
            served_model=response.served_model,
            response=response,
        )
