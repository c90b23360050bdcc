"""What differs between providers that speak OpenAI's chat completions, as data.

A near-twin is a dialect with another table; only what a table can't say needs a method of its own. Free of protobuf:
the supervisor reads these too.
"""

from dataclasses import dataclass
from typing import Final, Literal

from trunkline_server.core.capability import Effort

__all__ = ["Quirks", "ReasoningWords", "Replay", "Vectors"]

Replay = Literal["", "reasoning_content", "reasoning", "reasoning_details", "thinking_blocks", "thinking", "summary"]
"""Where a thought stands in an assistant's turn that is sent back.

reasoning_content, reasoning: a text of that name beside the content. reasoning_details, thinking_blocks: objects in a
list of that name, each as it came. thinking (Mistral), summary (Databricks): a part of the content. "": nowhere.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningWords:
    """How reasoning is asked for. Members of the body are paths: "thinking.type"."""

    effort: str = "reasoning_effort"
    """Takes the word for how much. Empty: there is none."""
    efforts: tuple[Effort, ...] = ()
    """The words that are taken, from the least; the nearest to the one wanted is sent. Empty: all."""
    switch: str = ""
    """Turns reasoning on and off as a whole. Empty: there is none, and "none" is a word for how much."""
    on: str | bool = "enabled"
    """Empty: it is on by itself."""
    off: str | bool = "disabled"
    budget: str = ""
    """Takes the most tokens of reasoning. Empty: there is none. Where it is given, the word for how much is not:
    servers refuse both together."""
    budget_with: tuple[str, str] = ("", "")
    """What has to stand beside a budget: a path, and the value there."""
    summary: str = ""
    """Takes the word for how long a summary is wanted."""

    @property
    def members(self) -> frozenset[str]:
        """Members of the body that these are, or are within."""
        paths = (self.effort, self.switch, self.budget, self.budget_with[0], self.summary)
        return frozenset(path.partition(".")[0] for path in paths if path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """How vectors are asked for."""

    path: str = "/embeddings"
    most_inputs: int = 2048
    base64: bool = True
    """Whether the numbers are asked for in base64, which is a quarter of the bytes. If not, they come as lists."""
    dimensions: str = "dimensions"
    """Takes the length of the vectors. Empty: there is no such member."""
    dtypes: tuple[tuple[str, str], ...] = ()
    """Types beside float32, by the contract's name without its prefix, and the word for each: ("INT8", "int8")."""
    dtype: str = "output_dtype"
    """Takes the word for the type, where there are several."""
    tasks: tuple[tuple[str, str], ...] = ()
    """What vectors are for, by the contract's name without its prefix, and the word for each in `task`."""
    task: str = "input_type"
    floats: bool = True
    """Whether float32 is among the types."""
    truncate: tuple[str, str] = ("", "")
    """The words for cutting long inputs and for refusing them, in the member `truncate`. Empty: there is none."""


_ALL_CHOICES: Final = frozenset({"auto", "none", "required", "named", "subset"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """One provider's ways. The defaults are OpenAI's own."""

    name: str = "openai"
    """The dialect's name, in the configuration and in provider_options."""
    format: str = "openai"
    """The value of Origin.format for its blocks. Its own where something of an answer can be sent back to it alone;
    the others share this one, since what they give, text and tool calls, any of them takes."""
    path: str = "/chat/completions"
    """What is added to the provider's base path."""
    fixed: tuple[tuple[str, str | bool], ...] = ()
    """Members that every request has, because without them the answer has another shape."""
    refused_options: frozenset[str] = frozenset()
    """Members, beside those of options.py, that no caller may set by provider_options."""

    developer_role: bool = True
    """Whether developer turns are told from system turns. If not, both are sent as system turns."""
    refusal_parts: bool = True
    """Whether refusals in the history have a content part of their own. If not, they are sent as text."""
    media: frozenset[str] = frozenset({"pictures", "sound", "documents"})
    """Which media a user's turn may hold, films among them. If none, media are refused as a whole."""
    media_uris: bool = True
    """Whether what may be given by address at all may be so here."""
    documents: Literal["file", "document_url", "file_url"] = "file"
    """The content part of a document. "file": its data and name, or its id. document_url (Mistral), file_url
    (Perplexity): its data or its address."""
    sound_as_text: bool = False
    """Whether sound is one text, its data in base64 or its address (Mistral). If not, it is data beside its format."""
    prefix: str = ""
    """The member that says of an assistant's turn at the end that the answer goes on from there. Without it such a turn
    is refused. Empty: nothing has to be said."""
    media_results: bool = False
    """Whether the result of a tool may hold media, in the same parts as a user's turn."""
    names: bool = True
    """Whether names of participants reach the model. If not, they are left out."""
    reasoning: ReasoningWords = ReasoningWords()
    replay: Replay = ""
    needs_thoughts: Literal["", "calls", "turns"] = ""
    """Which turns of the model's are refused without thoughts while it reasons: those with calls of tools, or all. One
    that another made, or that lost them, gets BLANK."""
    thoughts_restart: bool = False
    """Whether a piece of a streamed thought may begin with all of the thought that came before."""

    tools: bool = True
    """Whether tools reach the model. If not, they and rules for them are refused, and calls of earlier turns left
    out."""
    tool_choices: frozenset[str] = _ALL_CHOICES
    """Forms of tool_choice. Without "subset" and "named", tools that are not allowed are not sent at all; without
    "none" no tool is; "required" is refused where it is missing."""
    needs_parameters: bool = False
    """Whether a function has to have a schema of its parameters, also where it takes none."""
    parallel_tool_calls: bool = True
    """Whether tool_choice.parallel has a form. If not, forbidding parallel calls is refused."""
    short_tool_ids: int = 0
    """How many letters and digits an id of a tool call has to be; others are renamed upstream. 0: any id will do."""

    formats: frozenset[str] = frozenset({"json_object", "json_schema"})
    """Forms of response_format. JSON of any shape is asked for as a schema where only that is known; what is left is
    refused."""
    sampling: frozenset[str] = frozenset({"temperature", "top_p", "frequency_penalty", "presence_penalty"})
    """Fields of Sampling that are sent; they have the same names on the wire. The others are refused, since they would
    change the answer; provider_options may carry them, as they may carry all that is not written (options.py)."""
    seed: str = "seed"
    """Takes the seed. Empty: there is none, and it is refused."""
    logprobs: bool = True
    """Whether log probabilities can be asked for in OpenAI's form. If not, they are refused."""
    max_stop: int | None = 4
    """Most stop sequences. None: the provider tells of no limit, and may refuse for itself what it doesn't take."""
    max_tokens_key: str = "max_completion_tokens"
    """Name of the output bound in the body, unless the configuration gives another."""
    stream_options: bool = True
    """Whether usage of a stream has to be asked for. If not, it comes by itself, and asking is not understood."""
    cache_key: str = "prompt_cache_key"
    """Takes cache.key. Empty: it is left out, unless a header takes it."""
    cache_header: str = ""
    """The header that takes cache.key. Empty: none does."""
    cache_marks: Literal["", "prompt_cache_breakpoint", "cache_control"] = "prompt_cache_breakpoint"
    """The member of a content part that marks it for the cache, if the model takes marks. Empty: they are left out."""
    cache_times: bool = False
    """Whether a mark of the form cache_control may say for how long: an hour and not five minutes."""

    reasoning_tokens: Literal["inside", "outside", "by_total"] = "inside"
    """Whether completion_tokens include those of reasoning. by_total: they don't where total_tokens is the sum of all
    three."""
    finish_reasons: tuple[tuple[str, str], ...] = ()
    """Native finish reasons beside OpenAI's own, and the name of ours without its prefix: ("eos", "STOP"). Any other is
    OTHER."""
    failures: tuple[tuple[str, str], ...] = (("error", "UpstreamFailed"),)
    """Native finish reasons that mean that the provider failed, and what of core/errors.py that is."""
    error_codes: tuple[tuple[str, str], ...] = ()
    """The provider's own codes and what of core/errors.py each means."""
    vectors: Vectors | None = Vectors()
    """How vectors are asked for. None: the provider has none."""
