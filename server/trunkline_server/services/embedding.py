"""trunkline.v1.Embedding: turns inputs into vectors."""

from trunkline import v1
from trunkline_server.core.call import Call
from trunkline_server.routing.embeddings import EmbeddingRouter
from trunkline_server.services.embed_validation import validate_embed


class Embedding:
    """The servicer."""

    def __init__(self, router: EmbeddingRouter) -> None:
        self._router = router

    async def embed(self, request: v1.EmbedRequest, call: Call) -> v1.EmbedResponse:
        """A vector for each input, in order."""
        validate_embed(request)
        call.model = request.model
        return await self._router.embed(request, call)
