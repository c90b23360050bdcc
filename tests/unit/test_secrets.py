"""What our own classes show of themselves."""

import copy
import pickle
from dataclasses import is_dataclass

import pytest

from trunkline_server.core.call import Call
from trunkline_server.core.deployment import Deployment, Provider, Route
from trunkline_server.core.http import Endpoint, HttpRequest
from trunkline_server.core.secret import Secret

CANARY = "canary-4417"
ENDPOINT = Endpoint(scheme="https", host="api.example", port=443)
PROVIDER = Provider(
    name="p", dialect="openai", endpoint=ENDPOINT, credential=Secret(CANARY), headers=(("x-key", CANARY),)
)
DEPLOYMENT = Deployment(name="p/m", provider=PROVIDER, upstream_model="m")
PAIRS = (("authorization", f"Bearer {CANARY}"),)


@pytest.mark.parametrize(
    "value",
    [
        Secret(CANARY),
        PROVIDER,
        DEPLOYMENT,
        Route(model="m", tiers=((DEPLOYMENT,),)),
        HttpRequest(
            method="POST",
            endpoint=ENDPOINT,
            target=f"/v1/chat?key={CANARY}",
            headers=PAIRS,
            body=CANARY.encode(),
        ),
        Call(
            request_id="r",
            method="/a/b",
            metadata=dict(PAIRS),
            metadata_pairs=PAIRS,
            peer="p",
            started_at=0.0,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_repr_shows_a_secret(value):
    """Whatever ends up in a log line or a traceback, keys and prompts do not."""
    shown = f"{value!r} {value!s} {value}"
    assert CANARY not in shown
    assert is_dataclass(value) or Secret.MASK in shown


def test_a_secret_stays_in_its_process():
    """It compares and hashes by value, and can't be pickled or copied by accident."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert not Secret("")
    assert Secret("a").reveal() == "a"
    for leave in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            leave(Secret(CANARY))
