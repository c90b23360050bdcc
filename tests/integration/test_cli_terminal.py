"""Commands on a terminal: what a person sees and types."""

import asyncio
import json
import stat

import grpc
import pytest

from tests.fakes import gateway as fake
from tests.fakes import provider as upstream
from tests.running import one_provider, running
from tests.terminal import terminal as spawned
from trunkline import v1


@pytest.fixture
def gateway():
    with fake.running_gateway() as served:
        yield served


@pytest.fixture
def open_chat(gateway, tmp_path):
    """Opens a chat whose state is in a folder of its own."""

    def opened(*words, **options):
        environ = {"TRUNKLINE_TARGET": gateway.target, "XDG_STATE_HOME": str(tmp_path), **options.pop("environ", {})}
        return spawned(*(words or ("chat",)), environ=environ, **options)

    return opened


def said(request):
    return [(v1.Role.Name(each.role), each.blocks[-1].text.text) for each in request.messages]


ANSWER = """# A head

Some **bold** and `code`, see [the docs](https://example.com/docs).

1. one
2. two
   - deeper

```python
def greet(name):
    return f"hello {name}"
```

| model | tokens |
|---|--:|
| small | 8192 |

日本語 and 👍 at the end.
"""
DRAWN = """A head

Some bold and code, see the docs (https://example.com/docs).

 1 one
 2 two
    • deeper

```python
def greet(name):
    return f"hello {name}"
```

 model  tokens
 ─────────────
 small    8192
"""


def test_an_answer_is_drawn_as_markdown_however_it_comes_in_pieces(gateway, open_chat):
    """Headings, lists, code, tables and links are drawn, each once, in the order in which they came."""
    gateway.on_stream = fake.speak(*(ANSWER[place : place + 3] for place in range(0, len(ANSWER), 3)))
    with open_chat() as screen:
        screen.prompts()
        screen.types("Hi\r")
        text = screen.shows("in all)")
        assert DRAWN in text
        assert "日" in text
        assert "👍" in text
        assert all(text.count(word) == 1 for word in ("A head", "def greet", "deeper", "8192"))
        assert b"\x1b]8;" not in screen.written
        screen.prompts()
        screen.types("\x04")
        assert screen.ends() == 0


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_can_not_or_shall_not_draw_gets_the_text(gateway, open_chat, environ):
    """With NO_COLOR or on a dumb terminal an answer is its source."""
    gateway.on_stream = fake.speak("**bold** ", "and `code`")
    with open_chat("complete", "Hi", environ=environ) as screen:
        assert screen.ends() == 0
        assert screen.text == "**bold** and `code`"


@pytest.mark.parametrize(
    "hostile",
    ["\x1b]0;owned\x07", "\x1b]8;;https://evil.example\x1b\\", "\x9b2J", "&#27;]0;owned&#7;", "\x1b[2J\r", "\x1bc"],
)
def test_no_text_of_a_model_drives_the_terminal(gateway, open_chat, hostile):
    """Escape sequences reach the terminal from nowhere in Markdown: no title, no link, no cleared screen."""
    frames = ("{}", "[{}](https://a.example/{})", "`{}`", "```{}\n{}\n```", "| {} |\n|---|\n| {} |", "- {}", "# {}")
    pieces = [f"{frame.replace('{}', hostile)}\n\n" for frame in frames]
    gateway.on_stream = fake.speak("before\n\n", *pieces, "after")
    with open_chat("complete", "Hi") as screen:
        assert screen.ends() == 0
        assert screen.title == ""
        assert screen.text.startswith("before")
        assert screen.text.endswith("after")
        assert not any(bad in screen.written for bad in (b"\x1b]", b"\x1b[2J", b"\x1bc", b"\x07", b"\xc2\x9b"))


def test_a_list_of_another_kind_stands_apart(gateway, open_chat):
    """Items of one list follow each other; the first of a list with other marks has a blank row above it."""
    gateway.on_stream = fake.speak("- one\n\n- two\n\n1. first\n2. second\n")
    with open_chat("complete", "Hi") as screen:
        assert screen.ends() == 0
        assert screen.text == " • one\n • two\n\n 1 first\n 2 second"


def test_a_long_answer_is_whole_in_the_scrollback_and_written_about_once(gateway, open_chat):
    """600 paragraphs stand in their order, each once; the bytes written grow with them, not with their square."""
    count = 600
    gateway.on_stream = fake.speak(
        *(piece for n in range(count) for piece in (f"Paragraph number {n}", " is here.\n\n"))
    )
    with open_chat("complete", "Hi") as screen:
        assert screen.ends() == 0
        numbers = [int(line.split()[2]) for line in screen.text.splitlines() if line.startswith("Paragraph")]
        assert numbers == list(range(count))
        assert len(screen.written) < 3 * count * len("Paragraph number 100 is here.\n\n")


def test_a_change_of_size_loses_nothing(gateway, open_chat):
    """After the window got narrower in mid-answer all of the answer stands there, drawn for the new width."""
    go_on = asyncio.Event()
    events = fake.events("Final.\n\n", "word " * 30, "last\n\nend.")
    loops = []

    async def halting(request, context):
        loops.append(asyncio.get_running_loop())
        for place, message in enumerate(fake.messages(events)):
            if place == 4:
                await go_on.wait()
            yield message

    gateway.on_stream = halting
    with open_chat("complete", "Hi", columns=100) as screen:
        screen.until(lambda: screen.text.count("word") == 30, "the paragraph that grows")
        screen.resize(40, 24)
        loops[0].call_soon_threadsafe(go_on.set)
        assert screen.ends() == 0
        assert "Final." in screen.text
        final, paragraph, end = screen.text.split("\n\n")[-3:]
        assert (final.splitlines()[-1], end) == ("Final.", "end.")
        assert paragraph.split() == ["word"] * 30 + ["last"]
        assert all(len(row) <= 40 for row in screen.text.splitlines())


def test_ctrl_c_in_mid_answer_closes_the_connection_to_the_provider(tmp_path):
    """What was written stays on the screen as cancelled, the provider's connection closes, and the chat goes on."""

    async def scenario():
        halting = upstream.sequence(_begun_and_silent, upstream.chat_text("Second answer."))
        async with upstream.FakeProvider(halting) as provider, running(one_provider(provider.base_url)) as gateway:
            environ = {"TRUNKLINE_TARGET": gateway.target, "XDG_STATE_HOME": str(tmp_path)}
            with spawned("chat", environ=environ) as screen:
                await asyncio.to_thread(screen.prompts)
                screen.types("First\r")
                await asyncio.to_thread(screen.shows, "Half an")
                screen.types("\x03")
                await asyncio.wait_for((await provider.seen()).closed.wait(), 10)
                await asyncio.to_thread(screen.shows, "Half an", "(cancelled; this turn is forgotten, /retry")
                await asyncio.to_thread(screen.prompts)
                screen.types("/retry\r")
                await asyncio.to_thread(screen.shows, "Second answer.", "in all)")
            second = await provider.seen(2)
            assert [each["content"] for each in second.json["messages"]] == ["First"]

    asyncio.run(scenario())


async def _begun_and_silent(request, reply):
    piece = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x"}
    await reply.head(200, {"content-type": "text/event-stream"})
    await reply.chunk(
        upstream.sse({**piece, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Half an"}}]})
    )
    await reply.stall()


def test_ctrl_c_twice_at_an_empty_prompt_ends_the_chat(open_chat):
    """The first says so, the second ends with exit code 0."""
    with open_chat() as screen:
        screen.prompts()
        screen.types("\x03")
        screen.shows("Ctrl-C again or Ctrl-D ends the chat")
        screen.prompts()
        screen.types("\x03")
        assert screen.ends() == 0


def test_several_lines_are_one_question(gateway, open_chat):
    """A backslash before Enter, Alt-Enter and a paste all keep their lines in one question."""
    with open_chat() as screen:
        screen.prompts()
        screen.types("one\\\rtwo\x1b\rthree \x1b[200~four\nfive\x1b[201~\r")
        screen.shows("in all)")
    assert said(gateway.last.request) == [("ROLE_USER", "one\ntwo\nthree four\nfive")]


def test_what_was_typed_is_there_in_the_next_chat(gateway, open_chat, tmp_path):
    """The arrow key brings it back; the file is its owner's alone, and what begins with a space is not in it."""
    with open_chat() as screen:
        for typed in ("Remember me", " secret"):
            screen.prompts()
            screen.types(f"{typed}\r")
            screen.shows("in all)")
        screen.until(lambda: screen.text.count("in all)") == 2, "two answers")
        screen.prompts()
        screen.types("\x04")
        assert screen.ends() == 0
    file = tmp_path / "trunkline" / "chat_history"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in file.read_text()
    with open_chat() as screen:
        screen.prompts()
        screen.types("\x1b[A")
        screen.prompts("Remember me")
    with open_chat("chat", "--no-history") as screen:
        screen.prompts()
        screen.types("\x1b[Agone\r")
        screen.shows("> gone", "in all)")
    assert "gone" not in file.read_text()


def test_a_history_that_can_not_be_kept_is_told_once_above_the_prompt(open_chat, tmp_path):
    """The chat has only its own history then, and the arrow key still brings back what was typed in it."""
    (tmp_path / "trunkline").touch()
    with open_chat(columns=200) as screen:
        assert screen.prompts().startswith("(the history can't be kept: ")
        screen.types("Remember me\r")
        screen.shows("in all)")
        screen.prompts()
        screen.types("\x1b[A")
        assert screen.prompts("Remember me").count("can't be kept") == 1


def test_a_history_that_grew_too_long_loses_its_older_half(open_chat, tmp_path):
    """At the next start the newest entries are there, whole lines all of them; what is no entry is passed over."""
    file = tmp_path / "trunkline" / "chat_history"
    file.parent.mkdir()
    old = [json.dumps(f"{number:06} {'x' * 1000}") for number in range(1100)]
    file.write_text("\n".join([*old, "no JSON", "[1]", json.dumps("the newest")]) + "\n")
    with open_chat() as screen:
        screen.prompts()
        screen.types("\x1b[A")
        screen.prompts("the newest")
    kept = file.read_text().splitlines()
    assert kept[-4:-3] == old[-1:]
    assert kept[:-3] == old[-len(kept) + 3 :]
    assert file.stat().st_size <= 512 * 1024


def test_a_model_is_switched_in_mid_conversation(gateway, open_chat):
    """Tab completes its name, and the other model gets what was said before."""
    gateway.models = ["alpha", "beta"]
    with open_chat() as screen:
        screen.prompts()
        screen.types("One\r")
        screen.shows("in all)")
        screen.prompts()
        screen.types("/model be")
        screen.until(lambda: screen.text.endswith(" beta"), "the menu of completions")
        screen.types("\t")
        screen.prompts("/model beta")
        screen.types("\r")
        screen.shows("now asking beta")
        screen.prompts()
        screen.types("Two\r")
        screen.until(lambda: screen.text.count("in all)") == 2, "two answers")
    assert gateway.last.request.model == "beta"
    assert said(gateway.last.request)[0] == ("ROLE_USER", "One")


def test_a_gateway_that_fails_leaves_what_was_typed(gateway, open_chat):
    """The failure is told, the question stands in the prompt again, and the conversation is as it was."""
    with open_chat() as screen:
        screen.prompts()
        screen.types("One\r")
        screen.shows("in all)")
        gateway.on_stream = fake.play([], then=fake.fail(grpc.StatusCode.INTERNAL, "it broke"))
        screen.prompts()
        screen.types("Two\r")
        screen.shows("error: it broke")
        screen.prompts("Two")
        gateway.on_stream = fake.speak("Yes")
        screen.types("!\r")
        screen.until(lambda: screen.text.count("in all)") == 2, "two answers")
    assert [text for _, text in said(gateway.last.request)] == ["One", "Hello", "Two!"]


def test_after_a_turn_stands_who_answered_and_what_it_used(gateway, open_chat):
    """Tokens with the cached and reasoning ones, times, cost of the turn and the chat; none where none is told."""
    usage = v1.Usage(input_tokens=50, cache_read_input_tokens=40, output_tokens=9, reasoning_output_tokens=7)
    events = fake.events("Yes", usage=usage)
    events[-1].finished.cost.nano_usd = 1_500_000
    gateway.on_stream = fake.play(fake.messages(events))
    with open_chat(columns=120) as screen:
        screen.prompts()
        screen.types("One\r")
        screen.shows("(m-1: 50 tokens in (40 cached), 9 out (7 reasoning); first after", "; $0.0015, chat $0.0015)")
        screen.prompts()
        screen.types("Two\r")
        screen.shows("$0.0015, chat $0.003)")
        events[-1].finished.ClearField("cost")
        gateway.on_stream = fake.play(fake.messages(events))
        screen.prompts()
        screen.types("Three\r")
        screen.shows("s in all)\n")
    assert screen.text.count("$") == 4


def test_files_go_with_the_next_question_and_chats_are_saved(gateway, open_chat, tmp_path):
    """A picture and a text are sent before the question, once; /save writes Markdown or JSON and overwrites nothing."""
    (tmp_path / "dot.png").write_bytes(b"\x89PNG\r\n\x1a\n123")
    (tmp_path / "notes.txt").write_text("Notes.")
    with open_chat(columns=200) as screen:
        for typed, shown in (
            (f"/file {tmp_path}/nothing", "not attached:"),
            (f"/file {tmp_path}/dot.png", "with the next question: dot.png"),
            (f"/file {tmp_path}/notes.txt", "with the next question: dot.png, notes.txt"),
            ("What is it?", "in all)"),
            (f"/save {tmp_path}/chat.md", "saved to"),
            (f"/save {tmp_path}/chat.md", "not saved:"),
            (f"/save {tmp_path}/chat.json", "chat.json"),
            ("/undo", "the last question is forgotten"),
            ("/undo", "nothing was asked yet"),
            ("Again", "2 out"),
        ):
            screen.prompts()
            screen.types(f"{typed}\r")
            screen.shows(shown)
        screen.until(lambda: screen.text.count("in all)") == 2, "two answers")
    first, second = (call.request for call in gateway.calls if call.method == "StreamComplete")
    assert first.messages[0].blocks[0].media.mime_type == "image/png"
    assert [block.text.text for block in first.messages[0].blocks[1:]] == ["notes.txt:\nNotes.", "What is it?"]
    assert said(second) == [("ROLE_USER", "Again")]
    assert (tmp_path / "chat.md").read_text().endswith("# Assistant\n\nHello\n")
    saved = json.loads((tmp_path / "chat.json").read_text())
    assert [message["role"] for message in saved["messages"]] == ["ROLE_USER", "ROLE_ASSISTANT"]


@pytest.mark.parametrize(
    "typed", ["/file ~nobody-of-that-name/x", "/file {}/dir", "/file {}/blob", "/file {}/empty", "/save {}/none/x"]
)
def test_a_path_that_can_not_be_used_is_told_in_words_for_people(gateway, open_chat, tmp_path, typed):
    """Whatever the path is, the chat goes on, and the complaint speaks neither of Python nor of places in a call."""
    (tmp_path / "dir").mkdir()
    (tmp_path / "blob").write_bytes(b"\0\xff")
    (tmp_path / "empty").touch()
    with open_chat(columns=200) as screen:
        screen.prompts()
        screen.types(typed.format(tmp_path) + "\r")
        screen.shows("not saved: " if "/save" in typed else "not attached: ")
        screen.prompts()
        assert not any(word in screen.text for word in ("Errno", "messages[", "v1.", "Error", "Traceback"))


@pytest.mark.parametrize("typed", ["{}/my notes.txt", "'{}/my notes.txt'", '"{}/my notes.txt"', "{}/my\\ notes.txt"])
def test_a_file_is_found_as_terminals_write_a_dropped_one(gateway, open_chat, tmp_path, typed):
    """In quotes, with backslashes before its spaces, or as it is called."""
    (tmp_path / "my notes.txt").write_text("Notes.")
    with open_chat(columns=200) as screen:
        screen.prompts()
        screen.types(f"/file {typed.format(tmp_path)}\r")
        screen.shows("with the next question: my notes.txt")


def test_an_answer_that_text_can_not_show_is_described(gateway, open_chat):
    """A cut, a picture and the call of a tool are told below the answer, and an answer without anything as well."""
    events = fake.events("See:")
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=b"12345"))
    call = v1.Block(tool_call=v1.ToolCall(id="1", name="look_up", arguments_json=b'{"a":1}'))
    parts = [
        v1.StreamEvent(**{kind: what})
        for index, block in enumerate((picture, call), 1)
        for kind, what in (
            ("block_start", v1.BlockStart(index=index, header=block)),
            ("block_stop", v1.BlockStop(index=index)),
        )
    ]
    events[-1].finished.finish_reason = v1.FINISH_REASON_LENGTH
    gateway.on_stream = fake.play(fake.messages([*events[:-1], *parts, events[-1]]))
    with open_chat(columns=120) as screen:
        screen.prompts()
        screen.types("Hi\r")
        screen.shows("(not shown: image/png, 5 bytes)", 'calls the tool look_up, which nobody runs here: {"a":1}')
        screen.shows("(cut: the bound on output tokens was met)")
        gateway.on_stream = fake.play(fake.messages([events[0], events[-1]]))
        screen.prompts()
        screen.types("Hi\r")
        screen.shows("(the answer is empty)")


def test_a_gateway_without_models_does_not_end_the_chat(gateway, open_chat):
    """/model says that there is none, and the conversation goes on."""
    with open_chat() as screen:
        screen.prompts()
        gateway.models = []
        screen.types("/model x\r")
        screen.shows("serves no model that you may use")
        screen.prompts()


def test_no_words_of_a_failure_or_an_ending_drive_the_terminal(gateway, open_chat):
    """A provider's detail and a gateway's message are shown with their escapes made visible."""
    events = fake.events("Hi")
    events[-1].finished.finish_reason = v1.FINISH_REASON_REFUSAL
    events[-1].finished.finish_detail = "no\x1b]0;owned\x07"
    gateway.on_stream = fake.play(fake.messages(events))
    with open_chat("complete", "Hi") as screen:
        assert screen.ends() == 0
        assert (screen.title, b"\x1b]" in screen.written, "no\u241b]0;owned" in screen.text) == ("", False, True)
    gateway.on_stream = fake.play([], then=fake.fail(grpc.StatusCode.INTERNAL, "x\x1b]0;owned\x07"))
    with open_chat("complete", "Hi") as screen:
        assert screen.ends() == 1
        assert (screen.title, b"\x1b]" in screen.written, "x\u241b]0;owned" in screen.text) == ("", False, True)


def thinking(*thoughts):
    events = fake.events("Answer")
    for event in events[1:4]:
        part = event.block_delta if event.HasField("block_delta") else event.block_start
        part = event.block_stop if event.HasField("block_stop") else part
        part.index = 1
    thought = [v1.StreamEvent(block_start=v1.BlockStart(index=0, header=v1.Block(reasoning=v1.Reasoning())))]
    thought += [v1.StreamEvent(block_delta=v1.BlockDelta(index=0, reasoning=each)) for each in thoughts]
    return [events[0], *thought, v1.StreamEvent(block_stop=v1.BlockStop(index=0)), *events[1:]]


@pytest.mark.parametrize(("words", "kept"), [([], False), (["--thoughts"], True)])
def test_thoughts_give_way_to_the_answer(gateway, open_chat, words, kept):
    """What a model thinks is gone when it answers, unless all of it is wanted."""
    gateway.on_stream = fake.play(fake.messages(thinking("Let me\n", "think.")))
    with open_chat("complete", "Hi", *words) as screen:
        assert screen.ends() == 0
        assert screen.text == ("Let me\nthink.\nAnswer" if kept else "Answer")


def test_watching_models_sees_what_came_and_went_and_a_lost_gateway(gateway, open_chat):
    """New, gone and changed models are named, a lost gateway too; Ctrl-C ends quietly with exit code 0."""
    gateway.models = ["one", "two"]
    with open_chat("models", "--watch", "--every", "0.1") as screen:
        screen.shows("SERVING 2 models", "one", "two")
        gateway.models = ["one", "three"]
        screen.shows("new: three, gone: two")
        gateway.on_models = fake.fail(grpc.StatusCode.INTERNAL, "away", reason="INTERNAL")
        screen.shows("no answer since", "INTERNAL: away", "three")
        gateway.on_models = None
        gateway.features = [v1.FEATURE_STREAM, v1.FEATURE_TOOLS]
        screen.shows("SERVING 2 models", "changed: one")
        screen.types("\x03")
        assert screen.ends() == 0
    assert "Traceback" not in screen.text


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_models_fit_the_terminal(gateway, open_chat, columns):
    """No row is wider than the terminal, no name is broken, and columns that don't fit are named."""
    gateway.models = ["claude-sonnet-4.5", "gpt-5-mini"]
    with open_chat("models", columns=columns) as screen:
        assert screen.ends() == 0
        rows = screen.written.decode().splitlines()
        assert sum("claude-sonnet-4.5  " in row for row in rows) == 1
        assert ("not shown at this width" in screen.text) == (columns < 120)
