"""Files and other media in what a message says."""

import base64
import codecs

import pytest

import trunkline
from trunkline import v1
from trunkline.content import blocks
from trunkline.conversation import conversation
from trunkline.media import MAX_FILE_BYTES

PNG = b"\x89PNG\r\n\x1a\n..."
JPEG = b"\xff\xd8\xff\xe0..."
SOUND = b"RIFF\x24\0\0\0WAVEfmt "
ZIP = b"PK\3\4\0\0"


@pytest.fixture
def file(tmp_path):
    """Writes a file and gives its path."""

    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def block(path):
    (one,) = blocks(path, "here")
    return one


@pytest.mark.parametrize(
    ("name", "data", "mime_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.JPG", JPEG, "image/jpeg"),
        ("a.jpeg", JPEG, "image/jpeg"),
        ("a.gif", b"GIF89a...", "image/gif"),
        ("a.webp", b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        ("a.wav", SOUND, "audio/wav"),
        ("a.mp3", b"\xff\xfb\x90\x64", "audio/mpeg"),
        ("a.m4a", b"\0\0\0\x20ftypmp42", "audio/mp4"),
        ("a.mp4", b"\0\0\0\x20ftypisom", "video/mp4"),
        ("a.ogg", b"OggS\0", "audio/ogg"),
        ("upload", PNG, "image/png"),
        ("upload", JPEG, "image/jpeg"),
        ("upload", b"GIF87a...", "image/gif"),
        ("upload.tmp", b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        ("upload", SOUND, "audio/wav"),
        ("upload", b"ID3\x04\0", "audio/mpeg"),
        ("upload", b"fLaC\0", "audio/flac"),
        ("upload", b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        ("upload", b"\0\0\0\x20ftypheic", "image/heic"),
        ("upload", b"\0\0\0\x20ftypisom", "video/mp4"),
        ("upload", b"\x1aE\xdf\xa3", "video/webm"),
        ("really-a-photo.png", JPEG, "image/jpeg"),
        ("saved-from-the-web.jpg", b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_a_file_is_what_its_bytes_or_name_say(file, name, data, mime_type):
    """First bytes that are certain say what a file is, then its name, then first bytes that are likely."""
    assert block(file(name, data)) == v1.Block(media=v1.Media(mime_type=mime_type, data=data))


@pytest.mark.parametrize(
    ("name", "data", "mime_type"),
    [
        ("report.pdf", b"%PDF-1.7", "application/pdf"),
        ("scan", b"%PDF-1.4", "application/pdf"),
        ("plan.docx", ZIP, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("sums.xlsx", ZIP, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ],
)
def test_a_document_keeps_its_name(file, name, data, mime_type):
    """Documents go with the name of the file, since providers show it to the model; folders stay at home."""
    assert block(file(name, data)) == v1.Block(media=v1.Media(mime_type=mime_type, data=data, name=name))


@pytest.mark.parametrize("name", ["notes.txt", "notes.md", "main.py", "table.csv", "data.json", "Makefile"])
def test_what_is_text_goes_as_text(file, name):
    """A text in UTF-8 is a text block, which every model takes, whatever its name; a byte order mark is dropped."""
    assert block(file(name, "größer\n".encode())) == v1.Block(text=v1.Text(text="größer\n"))
    assert block(file(name, codecs.BOM_UTF8 + b"a")) == v1.Block(text=v1.Text(text="a"))


def test_texts_beside_other_parts_have_names(file):
    """In a list of several parts a text file says its name first, so that a model can tell them apart; media do not."""
    said = conversation(trunkline.User(["Compare.", file("a.md", b"one"), file("b.md", b"two"), file("c.png", PNG)]))
    assert [block.text.text for block in said[0].blocks] == ["Compare.", "a.md:\none", "b.md:\ntwo", ""]
    for alone in (file("a.md", b"one"), trunkline.System([file("a.md", b"one")])):
        assert conversation(alone)[0].blocks[0].text.text == "one"
    odd = conversation(trunkline.User(["x", file("a\nb.md", b"one")]))
    assert odd[0].blocks[1].text.text == "a?b.md:\none"


@pytest.mark.parametrize(
    ("name", "data"), [("a.txt", "größer".encode("latin-1")), ("a.txt", "a".encode("utf-16")), ("a.zip", ZIP)]
)
def test_what_nobody_knows_is_refused_with_the_mend(file, name, data):
    """A file of no known kind that is no text in UTF-8 either is refused; place, path and mend are named."""
    path = file(name, data)
    with pytest.raises(ValueError, match=r"^messages\[0\].content\[1\]: neither .*v1.Media\(mime_type") as refused:
        conversation(trunkline.User(["What is this?", path]))
    assert str(path) in str(refused.value)


def test_a_file_is_bounded(tmp_path):
    """The largest file is taken whole; one byte more is refused with its place and path."""
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(MAX_FILE_BYTES)
    assert len(block(path).media.data) == MAX_FILE_BYTES
    with path.open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ValueError, match=r"here: a file has at most 33,488,896 bytes; .*large.png"):
        block(path)


def test_an_empty_file_is_refused(file):
    """Nothing to look at is a mistake, and is named before it is sent."""
    with pytest.raises(ValueError, match=r"here: the file is empty: .*a.png"):
        block(file("a.png", b""))


def test_a_file_that_is_not_there_names_place_and_path(tmp_path):
    """What reading raises stays what it is, and says which file was meant and where it stands."""
    with pytest.raises(FileNotFoundError, match=r"messages\[0\].content: No such file.*cat.png"):
        conversation(trunkline.User(tmp_path / "cat.png"))
    with pytest.raises(IsADirectoryError, match=r"messages\[1\].content\[0\]: "):
        conversation([trunkline.User("a"), trunkline.User([tmp_path])])


def test_a_file_may_stand_wherever_content_stands(file):
    """Alone as the user's turn, in a list, and as what a tool gave back."""
    path = file("a.png", PNG)
    picture = v1.Block(media=v1.Media(mime_type="image/png", data=PNG))
    alone, among, back = conversation(path), conversation(trunkline.User(["a", path])), trunkline.ToolOutput("c", path)
    assert list(alone[0].blocks) == [picture]
    assert among[0].blocks[1] == picture
    assert list(conversation(back)[0].blocks[0].tool_result.blocks) == [picture]


@pytest.mark.parametrize("bare", [PNG, bytearray(PNG), memoryview(PNG)])
def test_bytes_have_to_say_what_they_are(bare):
    """Bytes without a type are refused, alone and among others, and the complaint shows how to say it."""
    words = r"bytes do not say what they are; write v1.Media\(mime_type=..., data=...\), a pathlib.Path"
    with pytest.raises(TypeError, match=rf"messages\[0\].content: {words}"):
        conversation(trunkline.User(bare))
    with pytest.raises(TypeError, match=rf"messages\[0\].content\[0\]: {words}"):
        conversation(trunkline.User([bare]))


def test_sound_and_documents_of_openai_are_taken():
    """The parts input_audio and file of chat completions make the media that ours make."""
    sound, report = base64.b64encode(SOUND).decode(), base64.b64encode(b"%PDF-1.7").decode()
    theirs = [
        {"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}},
        {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{report}", "filename": "r.pdf"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    ours = [
        v1.Media(mime_type="audio/wav", data=SOUND),
        v1.Media(mime_type="application/pdf", data=b"%PDF-1.7", name="r.pdf"),
        v1.Media(file_id="file-1"),
    ]
    assert blocks(theirs, "here") == blocks(ours, "here")


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "input_audio"}, r"here\[0\].input_audio: a dict with data and format, not NoneType"),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "ogg"}},
            r"format: one of wav, mp3, not 'ogg'",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "!", "format": "wav"}},
            r"input_audio.data: this is not base64",
        ),
        ({"type": "file", "file": {}}, r"here\[0\].file.file_data: text, not NoneType"),
        ({"type": "file", "file": {"file_data": "AA=="}}, r"file.file_data: a data URL reads data:"),
        ({"type": "file", "file": {"url": "https://x/y"}}, r"here\[0\].file: only .*, not url"),
        ({"type": "text", "text": "a", "cache": 1}, r"here\[0\]: only text, type can stand here, not cache"),
    ],
)
def test_a_part_that_cannot_be_understood_names_its_place(part, words):
    """The complaint names the member of the part and what would be right there."""
    with pytest.raises((TypeError, ValueError), match=words):
        blocks([part], "here")
