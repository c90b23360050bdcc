"""The check of a caller's metadata."""

import pytest

from trunkline_server.interceptors.metadata import MAX_PAIRS, check

OK = (("user-agent", "grpc"), ("authorization", "Bearer x"), ("trace-bin", b"\x00\xff"), ("x-team", ""))


def test_ordinary_metadata_passes():
    """Printable values, empty ones, and bytes under -bin keys are taken."""
    assert check(OK, 16384) is None


@pytest.mark.parametrize(
    ("pairs", "field", "says"),
    [
        ((("authorization", "a"), ("authorization", "b")), 'metadata["authorization"]', "twice"),
        ((("trunkline-request-id", "a"), ("trunkline-request-id", "a")), 'metadata["trunkline-request-id"]', "twice"),
        ((("x", "a\nb"),), 'metadata["x"]', "control character"),
        ((("x", "caf\u00e9"),), 'metadata["x"]', "ASCII"),
        ((("x", "a" * 20000),), "metadata", "bytes in all"),
        (tuple((f"k{n}", "v") for n in range(MAX_PAIRS + 1)), "metadata", "entries"),
        ((("trunkline-request-id", "a" * 129),), 'metadata["trunkline-request-id"]', "129 characters"),
        ((("trunkline-request-id", ""),), 'metadata["trunkline-request-id"]', "0 characters"),
    ],
)
def test_bad_metadata_is_named(pairs, field, says):
    """The violation names the key and what is wrong, never the value."""
    violation = check(pairs, 16384)
    assert violation is not None
    assert violation.field == field
    assert says in violation.description
