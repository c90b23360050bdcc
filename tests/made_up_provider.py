"""Adds a made-up provider by one row and one golden folder, and proves it: python -m tests.made_up_provider FOLDER

Run by a test in a process of its own, because the table is read once. FOLDER is empty and takes the golden folder.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from trunkline_server.core.account import Account
from trunkline_server.providers import openai
from trunkline_server.providers.openai.quirks import Quirks
from trunkline_server.providers.openai.rows import row

_WORDS: Final = {"seed": "random_seed", "max_completion_tokens": "max_tokens"}

# The row: all that a contributor writes into the code.
openai.ROWS += (
    row(
        Account(dialect="nimbus", title="Nimbus", base_url="https://api.nimbus.example/v1", key="needed"),
        Quirks(name="nimbus", seed="random_seed", max_tokens_key="max_tokens", stream_options=False),
    ),
)

# Read after the row is there, as they are in every process of the gateway.
from tests.fakes import provider as fake  # noqa: E402
from tests.golden.exchange import request_json  # noqa: E402
from tests.golden.folders import HERE, find  # noqa: E402
from tests.golden.judges.table import judge_of  # noqa: E402
from tests.running import KEY, ask, completion, running  # noqa: E402


def write_golden(folder: Path) -> None:
    """The golden folder, after that of OpenAI: the answers are the same, and so is the request but for what differs."""
    case = folder / "nimbus" / "text"
    shutil.copytree(HERE / "openai" / "text", case)
    who = {"provider": "nimbus", "base_url": "https://api.nimbus.example/v1", "upstream_model": "cirrus"}
    (folder / "nimbus" / "deployment.json").write_text(json.dumps(who))
    for name in ("upstream_request.json", "upstream_request.stream.json"):
        wanted = json.loads((case / name).read_text())
        wanted["url"] = "https://api.nimbus.example/v1/chat/completions"
        del wanted["headers"]["authorization"]
        wanted["body"] = _in_its_words(wanted["body"])
        (case / name).write_text(json.dumps(wanted))


def _in_its_words(body: dict[str, Any]) -> dict[str, Any]:
    told = {_WORDS.get(name, name): value for name, value in body.items() if name != "stream_options"}
    return told | {"model": "cirrus"}


def prove(folder: Path) -> None:
    """The folder is found, what is sent is what it says, and OpenAI's word on it is yes."""
    found = find(folder)
    assert found.problems == (), found.problems
    [exchange] = found.exchanges
    for stream, wanted in ((False, exchange.upstream_request), (True, exchange.upstream_stream_request)):
        made = request_json(exchange.encode(stream=stream))
        assert made == wanted, (made, wanted)
        judge_of("nimbus").request(made)


async def serve() -> str:
    """What a caller gets from a gateway whose configuration names the dialect."""
    async with fake.FakeProvider(fake.chat_text("Cumulus.")) as provider:
        where = {"dialect": "nimbus", "base_url": f"{provider.base_url}/v1", "api_key": KEY}
        models = {"m": {"deployments": [{"provider": "nimbus", "upstream_model": "cirrus"}]}}
        async with running({"providers": {"nimbus": where}, "models": models}) as gateway, gateway.channel() as channel:
            answer = await completion(channel).Complete(ask(seed=7), timeout=20)
        seen = await provider.seen()
    assert seen.json["random_seed"] == 7
    return str(answer.message.blocks[0].text.text)


if __name__ == "__main__":
    write_golden(Path(sys.argv[1]))
    prove(Path(sys.argv[1]))
    print(asyncio.run(serve()))
