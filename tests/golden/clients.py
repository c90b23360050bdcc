"""The vendors' own clients, asked what they make of an answer. The request is any: what matters is what they read.

Each reads an answer as `Said`, so that it can be compared with ours. `client_of` finds the one for an exchange.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import anthropic
import boto3
import cohere
import openai
from botocore.config import Config
from botocore.exceptions import ClientError
from cohere.core.api_error import ApiError
from google import genai
from google.genai import errors, types
from google.oauth2.credentials import Credentials

from tests.golden.exchange import Exchange

KEY: Final = "sk-not-a-real-key"
_TLS: Final = ssl.create_default_context()
"""One for all: each client would read the certificates of the machine anew."""
_AWS: Final = boto3.session.Session("AKIDEXAMPLE", "not-a-real-secret", region_name="eu-central-1")
"""One for all: each reads the service's model anew, which takes a second."""
ASKED: Final[list[Any]] = [{"role": "user", "content": "Hi"}]


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, by whoever read it."""

    text: str
    tools: tuple[str, ...]
    """The names of the tools that it calls, in order."""


class Client(Protocol):
    """A vendor's client. What it can't ask for raises AttributeError."""

    failure: ClassVar[type[Exception]]
    """What it raises for another status than 200."""

    async def whole(self, url: str) -> Said: ...
    async def streamed(self, url: str) -> Said: ...

    @staticmethod
    def status(error: Any) -> int:
        """The HTTP status that a failure tells of."""
        ...


class OpenAI:
    """Chat completions and embeddings."""

    failure = openai.APIStatusError

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        where = {"api_key": KEY, "base_url": f"{url}/v1", "max_retries": 0}
        async with openai.AsyncOpenAI(**where, http_client=openai.DefaultAsyncHttpxClient(verify=_TLS)) as client:
            yield client

    async def whole(self, url: str) -> Said:
        async with self.client(url) as client:
            message = (await client.chat.completions.create(model="m", messages=ASKED)).choices[0].message
        calls = [getattr(call, call.type).name for call in message.tool_calls or ()]
        spoken = message.audio.transcript if message.audio else ""
        return Said(_text(message.content) + (message.refusal or "") + spoken, tuple(calls))

    async def streamed(self, url: str) -> Said:
        text, tools = "", []
        async with self.client(url) as client:
            async for chunk in await client.chat.completions.create(model="m", messages=ASKED, stream=True):
                for choice in chunk.choices:
                    spoken = choice.delta.audio.transcript if choice.delta.audio else ""
                    text += _text(choice.delta.content) + (choice.delta.refusal or "") + (spoken or "")
                    tools += [call for call in choice.delta.tool_calls or () if call.id]
        names = [call.function.name if call.function else call.custom["name"] for call in tools]
        return Said(text, tuple(names))

    async def vectors(self, url: str) -> list[list[float]]:
        async with self.client(url) as client:
            made = await client.embeddings.create(model="m", input=["Hi"])
        return [each.embedding for each in sorted(made.data, key=lambda each: each.index)]

    @staticmethod
    def status(error: openai.APIStatusError) -> int:
        return error.status_code


def _text(content: Any) -> str:
    """The text of a message. Some who speak as OpenAI does answer in parts, which the client passes on as they are."""
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    return "".join(part["text"] for part in parts if part["type"] == "text")


class OpenAIResponses(OpenAI):
    """The Responses API."""

    async def whole(self, url: str) -> Said:
        async with self.client(url) as client:
            return _said(await client.responses.create(model="m", input="Hi"))

    async def streamed(self, url: str) -> Said:
        text, last = "", None
        async with self.client(url) as client:
            async for event in await client.responses.create(model="m", input="Hi", stream=True):
                if event.type in ("response.output_text.delta", "response.refusal.delta"):
                    text += event.delta
                elif event.type in ("response.completed", "response.incomplete"):
                    last = _said(event.response)
        assert last is not None
        assert last.text == text
        return last

    async def count(self, url: str) -> int:
        async with self.client(url) as client:
            return int((await client.responses.input_tokens.count(model="m", input="Hi")).input_tokens)


def _said(response: Any) -> Said:
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    text = "".join(part.text if part.type == "output_text" else part.refusal for part in parts)
    return Said(
        text, tuple(item.name for item in response.output if item.type in ("function_call", "custom_tool_call"))
    )


class Azure(OpenAI):
    """Azure's paths, by the client that OpenAI has for them."""

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        where = {"api_key": KEY, "azure_endpoint": url, "api_version": "2024-10-21", "max_retries": 0}
        async with openai.AsyncAzureOpenAI(**where, http_client=openai.DefaultAsyncHttpxClient(verify=_TLS)) as client:
            yield client


class Anthropic:
    """Messages, at Anthropic's own."""

    failure = anthropic.APIStatusError

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        where = {"api_key": KEY, "base_url": url, "max_retries": 0}
        async with anthropic.AsyncAnthropic(
            **where, http_client=anthropic.DefaultAsyncHttpxClient(verify=_TLS)
        ) as client:
            yield client

    async def whole(self, url: str) -> Said:
        async with self.client(url) as client:
            return _blocks(await client.messages.create(model="claude-x", max_tokens=9, messages=ASKED))

    async def streamed(self, url: str) -> Said:
        async with (
            self.client(url) as client,
            client.messages.stream(model="claude-x", max_tokens=9, messages=ASKED) as stream,
        ):
            text = "".join([piece async for piece in stream.text_stream])
            said = _blocks(await stream.get_final_message())
        assert said.text == text
        return said

    async def count(self, url: str) -> int:
        async with self.client(url) as client:
            return int((await client.messages.count_tokens(model="claude-x", messages=ASKED)).input_tokens)

    @staticmethod
    def status(error: anthropic.APIStatusError) -> int:
        return error.status_code


def _blocks(message: Any) -> Said:
    text = "".join(block.text for block in message.content if block.type == "text")
    return Said(text, tuple(block.name for block in message.content if block.type == "tool_use"))


class ClaudeOnVertex(Anthropic):
    """Anthropic's models at Google's."""

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        where = {"region": "eu", "project_id": "p", "access_token": KEY}
        async with anthropic.AsyncAnthropicVertex(**where, base_url=f"{url}/v1", max_retries=0) as client:
            yield client


class Gemini:
    """Google's models, at the Gemini API."""

    failure = errors.APIError

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        client = genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url))
        async with client.aio as asked:
            yield asked
        client.close()

    async def whole(self, url: str) -> Said:
        async with self.client(url) as client:
            return _parts([await client.models.generate_content(model="gemini-x", contents="Hi")])

    async def streamed(self, url: str) -> Said:
        async with self.client(url) as client:
            stream = await client.models.generate_content_stream(model="gemini-x", contents="Hi")
            return _parts([chunk async for chunk in stream])

    async def vectors(self, url: str) -> list[list[float]]:
        async with self.client(url) as client:
            made = await client.models.embed_content(model="gemini-embedding-x", contents=["Hi"])
        return [each.values for each in made.embeddings]

    async def count(self, url: str) -> int:
        async with self.client(url) as client:
            return int((await client.models.count_tokens(model="gemini-x", contents="Hi")).total_tokens)

    @staticmethod
    def status(error: errors.APIError) -> int:
        return int(error.code)


def _parts(answers: Iterable[types.GenerateContentResponse]) -> Said:
    contents = [each.content for answer in answers for each in answer.candidates or () if each.content]
    parts = [part for content in contents for part in content.parts or ()]
    text = "".join(part.text for part in parts if part.text and not part.thought)
    return Said(text, tuple(part.function_call.name or "" for part in parts if part.function_call))


class Vertex(Gemini):
    """Google's models, at Vertex AI."""

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[Any]:
        where = {"project": "p", "location": "eu", "credentials": Credentials(token=KEY)}
        client = genai.Client(vertexai=True, **where, http_options=types.HttpOptions(base_url=url))
        async with client.aio as asked:
            yield asked
        client.close()


class Cohere:
    """Version 2 of Cohere's API."""

    failure = ApiError

    @asynccontextmanager
    async def client(self, url: str) -> AsyncIterator[cohere.AsyncClientV2]:
        async with cohere.AsyncClientV2(api_key=KEY, base_url=url, max_retries=0) as client:
            yield client

    async def whole(self, url: str) -> Said:
        async with self.client(url) as client:
            message = (await client.chat(model="m", messages=ASKED)).message
        text = "".join(part.text for part in message.content or () if part.type == "text")
        return Said(text, tuple(call.function.name for call in message.tool_calls or ()))

    async def streamed(self, url: str) -> Said:
        text, tools = "", []
        async with self.client(url) as client:
            async for event in client.chat_stream(model="m", messages=ASKED):
                if event.type in ("content-start", "content-delta"):
                    text += getattr(event.delta.message.content, "text", "") or ""
                elif event.type == "tool-call-start":
                    tools.append(event.delta.message.tool_calls.function.name)
        return Said(text, tuple(tools))

    async def vectors(self, url: str) -> list[list[float]]:
        async with self.client(url) as client:
            made = await client.embed(model="m", input_type="search_query", texts=["Hi"], embedding_types=["float"])
        return made.embeddings.float_ or []

    @staticmethod
    def status(error: ApiError) -> int:
        return error.status_code or 0


class Bedrock:
    """Converse, by boto3, which does not wait as others do."""

    failure = ClientError

    @contextmanager
    def client(self, url: str) -> Iterator[Any]:
        once = Config(retries={"total_max_attempts": 1})
        client = _AWS.client("bedrock-runtime", endpoint_url=url, config=once)
        try:
            yield client
        finally:
            client.close()

    async def whole(self, url: str) -> Said:
        return await asyncio.to_thread(self._whole, url)

    async def streamed(self, url: str) -> Said:
        return await asyncio.to_thread(self._streamed, url)

    async def count(self, url: str) -> int:
        return await asyncio.to_thread(self._count, url)

    def _whole(self, url: str) -> Said:
        with self.client(url) as client:
            content = client.converse(modelId="m", messages=_turns())["output"]["message"]["content"]
        cited = [part for block in content for part in block.get("citationsContent", {}).get("content", [block])]
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        return Said("".join(part.get("text", "") for part in cited), _to_run(calls))

    def _streamed(self, url: str) -> Said:
        text, calls = "", []
        with self.client(url) as client:
            for event in client.converse_stream(modelId="m", messages=_turns())["stream"]:
                text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
                if started := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
                    calls.append(started)
        return Said(text, _to_run(calls))

    async def vectors(self, url: str) -> list[list[float]]:
        body = await asyncio.to_thread(self._invoke, url)
        made = body.get("embeddings") or [body.get("embedding")]
        rows = next(iter(made.values())) if isinstance(made, dict) else made
        return [row["embedding"] if isinstance(row, dict) else row for row in rows]

    def _invoke(self, url: str) -> Any:
        """InvokeModel, whose bodies boto3 does not look into."""
        with self.client(url) as client:
            return json.loads(client.invoke_model(modelId="m", body=b"{}")["body"].read())

    def _count(self, url: str) -> int:
        with self.client(url) as client:
            counted = client.count_tokens(modelId="m", input={"converse": {"messages": _turns()}})
        return int(counted["inputTokens"])

    @staticmethod
    def status(error: ClientError) -> int:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _to_run(calls: list[Any]) -> tuple[str, ...]:
    """Of Converse's calls those that Bedrock does not run itself."""
    return tuple(call["name"] for call in calls if "type" not in call)


def _turns() -> list[Any]:
    return [{"role": "user", "content": [{"text": "Hi"}]}]


class ClaudeOnBedrock(Bedrock):
    """InvokeModel with Anthropic's bodies; boto3 does not look into them, Anthropic's types do."""

    def _whole(self, url: str) -> Said:
        with self.client(url) as client:
            body = client.invoke_model(modelId="m", body=b"{}")["body"].read()
        return _blocks(anthropic.types.Message.model_validate_json(body))

    def _streamed(self, url: str) -> Said:
        with self.client(url) as client:
            stream = client.invoke_model_with_response_stream(modelId="m", body=b"{}")["body"]
            events = [json.loads(event["chunk"]["bytes"]) for event in stream]
        text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
        started = [event["content_block"] for event in events if event["type"] == "content_block_start"]
        return Said(text, tuple(block["name"] for block in started if block["type"] == "tool_use"))


CLIENTS: Final[Mapping[str, Client]] = {
    "anthropic": Anthropic(),
    "azure": Azure(),
    "azure-responses": OpenAIResponses(),
    "bedrock": Bedrock(),
    "cohere": Cohere(),
    "gemini": Gemini(),
    "openai-responses": OpenAIResponses(),
    "vertex": Vertex(),
}


def client_of(exchange: Exchange) -> Client:
    """The vendor's client for this exchange; OpenAI's for whoever speaks its chat completions."""
    url = (exchange.upstream_request or exchange.upstream_stream_request or {})["url"].lower()
    if "rawpredict" in url:
        return ClaudeOnVertex()
    if "/invoke" in url:
        return ClaudeOnBedrock()
    if exchange.dialect.name == "azure" and "/responses" in url:
        return OpenAIResponses()
    return CLIENTS.get(exchange.dialect.name, OpenAI())
