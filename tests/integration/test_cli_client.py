"""Commands that call a gateway, against a real gRPC server."""

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from importlib import metadata

import grpc
import pytest
from click.testing import CliRunner

from tests.fakes import gateway as fake
from trunkline import v1
from trunkline_server.cli import main


@pytest.fixture
def gateway(monkeypatch):
    with fake.running_gateway() as running:
        monkeypatch.setenv("TRUNKLINE_TARGET", running.target)
        yield running


def run(*words, stdin=""):
    return CliRunner().invoke(main, words, input=stdin, prog_name="trunkline")


def said(request):
    return [(v1.Role.Name(each.role), each.blocks[0].text.text) for each in request.messages]


def test_complete_prints_the_answer_and_nothing_else(gateway):
    """The one served model is asked, the text is on stdout as it came, and the exit code is 0."""
    gateway.on_stream = fake.speak("[bold]Hel", "lo[/bold] :smile:")
    result = run("complete", "Hi", "--system", "Be brief.", "--max-output-tokens", "9", "--temperature", "0")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "[bold]Hello[/bold] :smile:\n", "")
    request = gateway.last.request
    assert request.model == "m"
    assert said(request) == [("ROLE_SYSTEM", "Be brief."), ("ROLE_USER", "Hi")]
    assert (request.max_output_tokens, request.sampling.temperature) == (9, 0.0)
    assert request.sampling.HasField("temperature")


@pytest.mark.parametrize(
    ("words", "stdin", "asked"),
    [(["Sum up:"], "long text\n", "Sum up:\n\nlong text\n"), ([], "just this", "just this")],
)
def test_what_is_piped_in_is_asked(gateway, words, stdin, asked):
    """The question is the argument, what is piped in, or both."""
    assert run("complete", "-m", "m", *words, stdin=stdin).exit_code == 0
    assert said(gateway.last.request) == [("ROLE_USER", asked)]


@pytest.mark.parametrize(
    ("words", "stdin", "complaint"),
    [
        (["complete"], "", "nothing to ask"),
        (["complete", "-m", "m"], b"\xff\xfe", "not UTF-8"),
        (["complete", "Hi", "--timeout", "0"], "", "--timeout"),
        (["complete", "Hi", "--temperature", "warm"], "", "--temperature"),
    ],
)
def test_wrong_usage_exits_with_2(gateway, words, stdin, complaint):
    """Wrong usage is told in a sentence, exits with 2 and calls nobody."""
    result = run(*words, stdin=stdin)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not gateway.calls


def test_several_models_ask_for_a_choice(gateway):
    """Where several models are served and none is chosen, the complaint lists them."""
    gateway.models = ["big", "small"]
    result = run("complete", "Hi")
    assert result.exit_code == 2
    assert "choose a model with -m: big, small" in result.stderr


def test_complete_as_json_is_one_object(gateway):
    """--json prints text, ending, usage and names as one JSON object."""
    result = run("complete", "Hi", "--json")
    answer = json.loads(result.stdout)
    assert (answer["text"], answer["finish_reason"], answer["served_model"]) == ("Hello", "STOP", "")
    assert answer["usage"] == {"input_tokens": 5, "output_tokens": 2}
    assert answer["cost_nano_usd"] is None


def test_values_of_a_newer_gateway_are_numbers(gateway):
    """An ending, a source of usage or a feature that this version has no word for breaks no output."""
    events = fake.events("Hel")
    events[-1].finished.finish_reason = 99
    events[-1].finished.usage.output_source = 98
    gateway.on_stream = fake.play(fake.messages(events))
    answer = json.loads(run("complete", "Hi", "--json").stdout)
    assert (answer["finish_reason"], answer["usage"]["output_source"]) == ("99", "98")
    gateway.features = [v1.FEATURE_JSON_SCHEMA, v1.FEATURE_STREAM, 97]
    assert json.loads(run("models", "--json").stdout)[0]["features"] == ["json_schema", "stream", "97"]
    assert "json schema, stream, 97" in run("models").stdout


def test_a_cut_answer_is_told_on_stderr(gateway):
    """An answer that met its bound is printed, and a remark beside it says so."""
    events = fake.events("Hel")
    events[-1].finished.finish_reason = v1.FINISH_REASON_LENGTH
    gateway.on_stream = fake.play(fake.messages(events))
    result = run("complete", "Hi")
    assert (result.exit_code, result.stdout) == (0, "Hel\n")
    assert "bound on output tokens" in result.stderr


def test_what_a_provider_says_of_the_end_is_told(gateway):
    """The provider's words for an ending stand in the remark, and beside the runs of its tools in the JSON."""
    events = fake.events("Hel")
    finished = events[-1].finished
    finished.finish_reason, finished.finish_detail = v1.FINISH_REASON_REFUSAL, "cyber: It could harm."
    finished.usage.provider_tool_calls.add(tool="web_search", calls=2)
    gateway.on_stream = fake.play(fake.messages(events))
    assert ": cyber: It could harm.; " in run("complete", "Hi").stderr
    answer = json.loads(run("complete", "Hi", "--json").stdout)
    assert answer["finish_detail"] == "cyber: It could harm."
    assert answer["usage"]["provider_tool_calls"] == {"web_search": 2}


@pytest.mark.parametrize(("words", "stdin"), [(["complete", "Hi"], ""), (["chat"], "Hi\n")])
def test_what_a_model_did_not_get_is_told_on_stderr(gateway, words, stdin):
    """Parts of the request that the deployment could not take are named beside the answer, and in its JSON."""
    events = fake.events("Hel")
    events[0].started.deployment = "fake/m"
    events[-1].finished.attempts.add(left_out=["messages[0].blocks[0].signature", "cache"])
    gateway.on_stream = fake.play(fake.messages(events))
    result = run(*words, stdin=stdin)
    assert (result.exit_code, result.stdout) == (0, "Hel\n")
    assert "(fake/m could not take: messages[0].blocks[0].signature, cache)" in result.stderr
    assert json.loads(run("complete", "Hi", "--json").stdout)["left_out"][1] == "cache"


def test_a_failure_is_told_with_its_reason_and_mend(gateway):
    """A failure exits with 1 and says what, why and what to do, without a traceback."""
    failing = fake.fail(grpc.StatusCode.NOT_FOUND, "model: there is no model nope", reason="MODEL_NOT_FOUND")
    gateway.on_stream = fake.play([], then=failing)
    result = run("complete", "-m", "nope", "Hi")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: model: there is no model nope" in result.stderr
    assert "MODEL_NOT_FOUND (NOT_FOUND, said by trunkline.dev)" in result.stderr
    assert "trunkline models" in result.stderr
    assert "Traceback" not in result.output
    machine = run("complete", "-m", "nope", "Hi", "--json")
    assert machine.exit_code == 1
    assert json.loads(machine.stdout)["error"]["reason"] == "MODEL_NOT_FOUND"


@pytest.mark.parametrize(("words", "stdin"), [(["complete", "Hi"], ""), (["chat"], "Hi\n")])
def test_a_failure_in_the_middle_of_an_answer_starts_a_line_of_its_own(gateway, words, stdin):
    """The text that came ends its line before the failure is told, and no empty line is added where it had ended."""
    failing = fake.fail(grpc.StatusCode.UNAVAILABLE, "the provider broke off", reason="UPSTREAM_BROKEN")
    for text in ("Hel", "Hel\n"):
        gateway.on_stream = fake.play(fake.messages(fake.events(text)[:3]), then=failing)
        result = run(*words, stdin=stdin)
        assert (result.exit_code, result.stdout) == (1, "Hel\n")
        assert result.output.startswith("Hel\nerror: the provider broke off\n")


@pytest.mark.parametrize("words", [["complete", "Hi"], ["models"], ["health"], ["chat"]])
def test_nobody_there_is_told_with_the_address(words):
    """Without a gateway every command says where none answers and how to start one."""
    result = run(*words, "--target", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no gateway answers at 127.0.0.1:1" in result.stderr
    assert "trunkline serve" in result.stderr


def test_models_are_a_table_or_json(gateway):
    """models lists every page, in a table that cuts nothing or as JSON."""
    gateway.models = ["a", "b-" + "x" * 100, "[c]"]
    table = run("models")
    assert table.exit_code == 0
    assert all(name in table.stdout for name in gateway.models)
    assert "8,192" in table.stdout
    listed = json.loads(run("models", "--json").stdout)
    assert [model["name"] for model in listed] == gateway.models
    assert listed[0]["deployments"][0]["state"] == "healthy"


def test_models_elsewhere_than_on_a_terminal_are_lines(gateway):
    """Piped, each model is one line under one head, without boxes; a column that is empty everywhere is dropped."""
    gateway.models, gateway.features = ["a", "bcd"], []
    assert run("models").stdout.splitlines() == [
        "model  context  served by  description",
        "a      8,192    fake/a     Model a",
        "bcd    8,192    fake/bcd   Model bcd",
    ]


def test_health_exits_by_what_it_is_told(gateway):
    """health prints the status; only SERVING exits with 0."""
    result = run("health")
    assert (result.exit_code, result.stdout) == (0, "SERVING\n")
    gateway.status = 2
    result = run("health", "--service", "trunkline.v1.Completion")
    assert (result.exit_code, result.stdout) == (1, "NOT_SERVING\n")
    assert run("health", "--service", "nothing").exit_code == 1


def test_health_as_json_is_one_object(gateway):
    """health --json says what was asked and what came, with the same exit codes; a failure is JSON too."""
    gateway.status = 2
    result = run("health", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"target": gateway.target, "service": "", "status": "NOT_SERVING"}
    assert json.loads(run("health", "--json", "--service", "no").stdout)["error"]["code"] == "NOT_FOUND"


def test_chat_says_which_of_several_models_it_asks(gateway):
    """Without -m the first model is asked, and a remark lists all; a name that nobody serves ends the chat at once."""
    gateway.models = ["big", "small"]
    result = run("chat", stdin="Hi\n")
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert "asking big; /model NAME asks another of big, small" in result.stderr
    assert gateway.last.request.model == "big"
    assert run("chat", "-m", "small", stdin="Hi\n").exit_code == 0
    assert gateway.last.request.model == "small"
    result = run("chat", "-m", "nope", stdin="Hi\n")
    assert result.exit_code == 2
    assert "nope is not served; models: big, small" in result.stderr
    assert gateway.last.method == "ListModels"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", [["models"], ["complete", "Hi"], ["complete", "Hi", "--json"], ["version"]])
def test_a_full_disk_is_told_in_a_sentence(gateway, words):
    """Output that can't be written ends with exit code 1 and words, and without a traceback."""
    with open("/dev/full", "wb") as full, spawn(*words, **NOTHING, stdout=full, stderr=subprocess.PIPE) as process:
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 1
    assert complaint == b"error: the output can't be written: No space left on device\n"


@pytest.mark.parametrize("words", [["models"], ["complete", "Hi"], ["version"]])
def test_a_reader_that_goes_away_ends_the_command_quietly(gateway, words):
    """A closed pipe ends with exit code 1 and without a word."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        with spawn(*words, **NOTHING, stdout=theirs, stderr=subprocess.PIPE) as process:
            _, complaint = process.communicate(timeout=20)
    finally:
        os.close(theirs)
    assert (process.returncode, complaint) == (1, b"")


def test_help_is_not_cut():
    """Each command has its whole sentence in the list of commands, and the version is an option too."""
    listed = run("--help").stdout
    assert "..." not in listed.partition("Commands:")[2]
    assert run("--version").stdout == f"trunkline {metadata.version('trunkline-server')}\n"


def test_chat_keeps_the_conversation(gateway):
    """Each turn carries what was said before, and /system, /clear, /model and /help do what they say."""
    gateway.models = ["m"]
    result = run(
        "chat", stdin="One\n\nTwo\n/system Be brief.\nThree\n/clear\nFour\n/help\n/nope\n/model x\n/quit\nFive\n"
    )
    assert result.exit_code == 0
    assert result.stdout == "Hello\n" * 4
    turns = [said(call.request) for call in gateway.calls if call.method == "StreamComplete"]
    assert turns == [
        [("ROLE_USER", "One")],
        [("ROLE_USER", "One"), ("ROLE_ASSISTANT", "Hello"), ("ROLE_USER", "Two")],
        [
            ("ROLE_SYSTEM", "Be brief."),
            ("ROLE_USER", "One"),
            ("ROLE_ASSISTANT", "Hello"),
            ("ROLE_USER", "Two"),
            ("ROLE_ASSISTANT", "Hello"),
            ("ROLE_USER", "Three"),
        ],
        [("ROLE_SYSTEM", "Be brief."), ("ROLE_USER", "Four")],
    ]
    assert "5 tokens in, 2 out" in result.stderr
    assert "/clear" in result.stderr
    assert "/nope is not known" in result.stderr
    assert "x is not served; models: m" in result.stderr


def test_a_failed_turn_is_forgotten_and_the_chat_goes_on(gateway):
    """A failure is told, its turn is in no later request, and a chat that ends with it exits with 1."""
    failing = fake.play([], then=fake.fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "too much", retry_after_s=2))
    good = fake.speak("Hello")

    def by_turn(request, context):
        return failing(request, context) if said(request)[-1][1] == "bad" else good(request, context)

    gateway.on_stream = by_turn
    result = run("chat", stdin="bad\ngood\n")
    assert (result.exit_code, result.stdout) == (0, "Hello\n")
    assert "Try again after 2 s." in result.stderr
    assert said(gateway.last.request) == [("ROLE_USER", "good")]
    assert run("chat", stdin="bad\n").exit_code == 1


@contextlib.contextmanager
def spawn(*words, **streams):
    """The real command, in a process of its own that does not outlive the test."""
    process = subprocess.Popen([sys.executable, "-m", "trunkline_server", *words], start_new_session=True, **streams)
    with process:
        try:
            yield process
        finally:
            process.kill()


NOTHING = {"stdin": subprocess.DEVNULL}
STALLED = fake.play(fake.messages(fake.events("Hel", "lo")[:3]), then=fake.silence)


def test_ctrl_c_ends_complete_with_130(gateway):
    """An interrupt cancels the call at the gateway; the command exits with 130 and shows no traceback."""
    gateway.on_stream = STALLED
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with spawn("complete", "Hi", **pipes) as process:
        assert process.stdout.read(3) == b"Hel"
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in complaint
    assert gateway.last.ended.wait(5)
    assert gateway.last.cancelled


def test_ctrl_c_cancels_the_answer_and_not_the_chat(gateway):
    """An interrupt during an answer forgets that turn; the next question is answered."""
    gateway.on_stream = STALLED
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with spawn("chat", **pipes) as process:
        process.stdin.write(b"One\n")
        process.stdin.flush()
        assert process.stdout.read(3) == b"Hel"
        process.send_signal(signal.SIGINT)
        assert gateway.last.ended.wait(10)
        gateway.on_stream = fake.speak("Hello")
        answer, remarks = process.communicate(b"Two\n", timeout=20)
    assert (process.returncode, answer) == (0, b"\nHello\n")  # the line that was cut ends before anything else
    assert b"cancelled" in remarks
    assert said(gateway.last.request) == [("ROLE_USER", "Two")]


def read_until(terminal, *words):
    """What a terminal shows, up to and with these words, in this order."""
    wanted, shown = re.compile(b".*".join(map(re.escape, words)), re.DOTALL), b""
    while not wanted.search(shown):
        assert select.select([terminal], [], [], 20)[0], f"{words} did not come in {shown!r}"
        shown += os.read(terminal, 4096)
    return shown


def test_ctrl_c_at_an_empty_prompt_says_how_to_end(gateway):
    """With nothing typed an interrupt tells of Ctrl-D; with something typed it clears the line without a word."""
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    with spawn("chat", stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        try:
            os.close(theirs)
            read_until(ours, READY)
            os.write(ours, b"abc")
            read_until(ours, b"abc")
            os.write(ours, b"\x03")
            assert b"Ctrl-D ends the chat" not in read_until(ours, READY)
            os.write(ours, b"\x03")
            read_until(ours, b"Ctrl-D ends the chat", READY)
            os.write(ours, b"\x04")
            assert process.wait(20) == 0
        finally:
            os.close(ours)


READY = b"\x1b[?2004h"
"""What a line editor sends when it begins to read: bracketed paste on."""


def test_on_a_terminal_an_answer_cannot_drive_it(gateway):
    """Escape sequences of a model come as visible characters on a terminal; Ctrl-D ends the chat."""
    gateway.on_stream = fake.speak("\x1b[2Jdone")
    ours, theirs = pty.openpty()
    env = os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    with spawn("chat", stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        try:
            os.close(theirs)
            read_until(ours, READY)
            os.write(ours, b"Hi\r")
            shown = read_until(ours, b"in all)", READY)
            os.write(ours, b"\x04")
            assert process.wait(20) == 0
        finally:
            os.close(ours)
    assert "\u241b[2Jdone".encode() in shown
