"""Where Bedrock is, and what is presented there."""

import re
from typing import Final

from trunkline_server.core.account import STORAGE_ADDRESSES, Account, DialectRow, Settings
from trunkline_server.core.credential import AWS_SETTINGS

__all__ = ["ROWS"]

_PARTITIONS: Final = (
    (re.compile(r"cn-"), "amazonaws.com.cn"),
    (re.compile(r"eusc-"), "amazonaws.eu"),
    (re.compile(r"us-iso-"), "c2s.ic.gov"),
    (re.compile(r"us-isob-"), "sc2s.sgov.gov"),
    (re.compile(r"eu-isoe-"), "cloud.adc-e.uk"),
    (re.compile(r"us-isof-"), "csp.hci.ic.gov"),
)
"""How regions outside of the public partition begin, and the domain of theirs: partitions.json of botocore."""


def _base_url(settings: Settings) -> str:
    region = str(settings["region"])
    domain = next((domain for start, domain in _PARTITIONS if start.match(region)), "amazonaws.com")
    return f"https://bedrock-runtime.{region}.{domain}"


ROWS: Final = (
    DialectRow(
        account=Account(
            dialect="bedrock",
            title="Amazon Bedrock",
            base_url=_base_url,
            key="needed",
            presents="aws",
            settings=(STORAGE_ADDRESSES, *AWS_SETTINGS),
            source="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
            checked="2026-11-23",
        ),
        speaker="trunkline_server.providers.bedrock.dialect:Bedrock",
    ),
)
"""One row."""
