"""Where Vertex AI is, and what is presented there.

With api_key and without a project it is asked in express mode: the key stands in x-goog-api-key, and only Google's own
models are there.
"""

from typing import Final

from trunkline_server.core.account import STORAGE_ADDRESSES, Account, DialectRow, Setting, Settings
from trunkline_server.core.credential import GOOGLE_SETTINGS

__all__ = ["ROWS"]

_GLOBAL: Final = "global"
_MULTI_REGIONS: Final = ("us", "eu")
"""Locations of several regions, which have hosts of their own kind: google-genai 3.4 and anthropic 2.12 agree."""


def _base_url(settings: Settings) -> str:
    location = str(settings.get("location", _GLOBAL))
    if location == _GLOBAL:
        return "https://aiplatform.googleapis.com/v1"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com/v1"
    return f"https://{location}-aiplatform.googleapis.com/v1"


ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="vertex",
            title="Google Vertex AI",
            base_url=_base_url,
            key="needed",
            auth_headers=("authorization", "x-goog-api-key"),
            presents="google",
            settings=(
                Setting(name="project", pattern=r"[a-z0-9][a-z0-9.:-]{0,99}", example="my-project", without_key=True),
                Setting(name="location", pattern=r"[a-z0-9-]{1,63}", default=_GLOBAL, example="europe-west4"),
                Setting(name="send_labels", kind="truth", default=False),  # labels of callers, into Google's bill
                STORAGE_ADDRESSES,
                *GOOGLE_SETTINGS,
            ),
            source="https://aiplatform.googleapis.com/$discovery/rest?version=v1",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.vertex.dialect:Vertex",
    ),
)
