"""Every public name of the client has an example, and every example runs as it stands."""

import pytest

from tests.examples import Documented, attributes_read, public_names, remembering, run, world

NAMES = public_names()
EXAMPLES = [each for each in NAMES if each.example]


@pytest.fixture
async def provider(monkeypatch, tmp_path):
    async with world(tmp_path, monkeypatch) as one:
        yield one


def has_example(documented: Documented) -> bool:
    """A property may be shown by the example of its class."""
    if documented.example:
        return True
    shown = isinstance(documented.value, property) and Documented(name="", value=documented.owner, owner=None).example
    return bool(shown) and documented.name.rpartition(".")[2] in attributes_read(shown)


def test_every_public_name_has_an_example():
    """Each name, method and property says "For example:"; a property may be used in its class's example instead."""
    assert len(NAMES) > 60
    assert [each.name for each in NAMES if not has_example(each)] == []


@pytest.mark.parametrize("documented", EXAMPLES, ids=lambda each: each.name)
async def test_every_example_runs(provider, monkeypatch, documented):
    """The example begins with what it imports, uses what it is an example of, and runs to its end."""
    assert documented.example.startswith(("import ", "from "))
    if documented.owner is not None:
        assert documented.name.rpartition(".")[2] in documented.example
    if ".outcome(" in documented.example or "idempotency_key" in documented.example:
        async with remembering(monkeypatch):
            await run(documented.example)
    else:
        await run(documented.example)
