"""What differs between the two doors to Gemini, the Gemini API and Vertex AI, as data. Free of protobuf."""

from dataclasses import dataclass

from trunkline_server.core.capability import Capability

__all__ = ["Ways", "takes_levels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """One door's ways. The defaults are the Gemini API's."""

    name: str = "gemini"
    """The dialect's name. It is the format of blocks too: signatures are bound to the door that made them, and the
    other one answers "Corrupted thought signature" (https://github.com/BerriAI/litellm/issues/32140)."""
    files: bool = True
    """Whether files may be named by the ids of the Files API."""
    typed_addresses: bool = False
    """Whether what is given by address needs a media type."""
    call_ids: bool = True
    """Whether calls and results of tools have ids on the wire. Vertex AI refuses the member
    (https://github.com/vercel/ai/issues/15664)."""
    addresses_in_results: bool = False
    """Whether results of tools may hold media by address."""
    told_invocations: bool = True
    """Whether the provider's own tools stand beside functions only where toolConfig.includeServerSideToolInvocations
    says so. Vertex AI does not know the member."""
    labels: bool = False
    """Whether labels may go into the provider's bill, if the operator says so."""


def takes_levels(capability: Capability | None) -> bool:
    """Whether a model is one that thinks in levels, as those since Gemini 3 do.

    What is not known is taken to be as the newest models are.
    """
    if capability is None:
        return True
    controls = capability.reasoning_controls
    return "level" in controls if controls else capability.reasoning is not False
