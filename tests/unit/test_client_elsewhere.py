"""Names of other SDKs: a wrong guess is told what is right here."""

import copy
import pickle
import subprocess
import sys

import openai
import pytest

import trunkline
from trunkline import elsewhere, v1
from trunkline.completion import Completion
from trunkline.embeddings import Embeddings, embed_request
from trunkline.messages import build_request

ANSWER = Completion(v1.CompleteResponse())
VECTORS = Embeddings(v1.EmbedResponse())
FAILURE = trunkline.NotFound("no model")


@pytest.fixture
def client():
    with trunkline.Client("127.0.0.1:1") as one:
        yield one


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        (lambda client: client.chat.completions.create(), "here it is complete(model, messages)"),
        (lambda client: client.responses.create(), "here it is complete(model, messages)"),
        (lambda client: client.embeddings.create(), "here it is embed(model, inputs)"),
        (lambda client: client.parse(), "output=Type"),
        (lambda _: trunkline.AsyncClient.__new__(trunkline.AsyncClient).chat, "'AsyncClient' object has no"),
        (lambda _: ANSWER.choices[0].message.content, "here it is text, message, tool_calls"),
        (lambda _: ANSWER.output_text, "here it is text"),
        (lambda _: ANSWER.model_dump(), "MessageToDict(answer.response)"),
        (lambda _: VECTORS.data[0].embedding, "here it is vectors"),
        (lambda _: FAILURE.status_code, "'NotFound' object has no attribute 'status_code': here it is code"),
        (lambda _: trunkline.OpenAI, "here it is Client"),
        (lambda _: trunkline.RateLimitError, "here it is RateLimited"),
    ],
)
def test_a_name_of_another_sdk_is_answered_with_ours(client, guess, words):
    """An attribute that elsewhere is the way to it is an AttributeError which says what it is here."""
    with pytest.raises(AttributeError) as told:
        guess(client)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_tokens": 1}, "max_tokens (here max_output_tokens)"),
        ({"stream": True, "n": 2}, "n (one answer a call: make several), stream (call stream() instead)"),
        ({"response_model": dict}, "response_model (here output=Type)"),
        ({"system": "Be brief."}, "[trunkline.System(...), trunkline.User(...)]"),
        ({"temprature": 1}, "temprature (is it temperature?)"),
        ({"parallel_tool_calls": False}, "tool_choice=v1.ToolChoice(mode=v1.TOOL_CHOICE_MODE_AUTO, parallel=False)"),
        ({"wings": 1}, "unknown options: wings"),
    ],
)
def test_an_option_of_another_sdk_is_answered_with_ours(options, words):
    """An option that there is not is a TypeError which says how it is done here, or what may have been meant."""
    with pytest.raises(TypeError) as told:
        build_request("fast", "Hi", None, options)
    assert str(told.value).endswith(words) or words in str(told.value)


def test_a_wrong_option_is_told_before_what_is_missing():
    """`input=` in the place of ours is named, rather than ours complained of as missing."""
    with pytest.raises(TypeError, match=r"prompt \(here messages\)"):
        build_request("fast", None, None, {"prompt": "Hi"})
    with pytest.raises(TypeError, match=r"encoding_format .*dtype="):
        embed_request("vectors", None, None, {"encoding_format": "base64"})


def test_arguments_in_the_other_order_are_told():
    """Messages where the model stands are refused with the order in which they are written."""
    with pytest.raises(TypeError, match="model: text, and the messages after it, not list"):
        build_request([{"role": "user", "content": "Hi"}], "fast", None, {})
    with pytest.raises(TypeError, match="model: text, and the inputs after it, not list"):
        embed_request(["one"], "vectors", None, {})


@pytest.mark.parametrize("timeout", ["30", None, True])
def test_a_timeout_is_a_number_of_seconds(timeout):
    """A client's timeout that is no number is refused by name."""
    with pytest.raises(TypeError, match="timeout: seconds, not "):
        trunkline.Client("127.0.0.1:1", timeout=timeout)


def test_every_name_that_is_told_is_there():
    """Whoever follows the advice about a name of the package arrives, and no advice is about a name that we have."""
    for theirs, ours in elsewhere._PACKAGE.items():
        assert theirs not in trunkline.__all__
        assert hasattr(trunkline, ours.split()[0].split(",")[0]) or ours.startswith(("timeout=", "pathlib.Path"))
    known = set(trunkline.CompletionOptions.__annotations__) | set(trunkline.EmbedOptions.__annotations__)
    assert not known & set(elsewhere._OPTIONS)
    for name, members in elsewhere._MEMBERS.items():
        assert not [member for member in members if hasattr(getattr(trunkline, name), member)]


def test_every_error_of_openai_is_known():
    """All failures of a call that OpenAI's package exports are answered with the class that they are here."""
    theirs = [name for name in openai.__all__ if name.endswith("Error")]
    told = {name: name in elsewhere._PACKAGE for name in theirs}
    assert {name for name, known in told.items() if not known} <= {
        "APIResponseValidationError",
        "APIWebSocketConnectionClosedError",
        "InvalidWebhookSignatureError",
        "OAuthError",
        "WebSocketConnectionClosedError",
        "WebSocketQueueFullError",
    }


def test_what_python_asks_of_every_object_is_answered_as_ever():
    """Signposts are in nobody's way: copies, pickles and hasattr work, and unknown names read as Python says them."""
    assert copy.copy(ANSWER).response is ANSWER.response
    assert not hasattr(ANSWER, "choices")
    assert ANSWER.output is None
    assert pickle.loads(pickle.dumps(FAILURE)).reason == "NOT_FOUND"
    with pytest.raises(AttributeError, match="'Completion' object has no attribute 'wings'"):
        _ = ANSWER.wings


def test_a_property_that_fails_keeps_its_own_error():
    """An AttributeError from within a property is not taken for a missing name."""

    class Broken(Completion):
        @property
        def text(self):
            return self.response.wings

    with pytest.raises(AttributeError, match="wings"):
        _ = Broken(v1.CompleteResponse()).text


def test_signposts_are_loaded_once_a_guess_was_wrong():
    """Programs that make no wrong guess never load the tables."""
    program = (
        "import sys, trunkline\n"
        "from trunkline.messages import build_request\n"
        "build_request('m', 'Hi', None, {'seed': 1})\n"
        "assert not {'trunkline.elsewhere', 'difflib'} & set(sys.modules)\n"
        "hasattr(trunkline.NotFound(''), 'status_code')\n"
        "assert 'trunkline.elsewhere' in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
