"""The rules of a medium. Its address is for the provider to fetch: the gateway never does.

A provider of the operator's own stands in the operator's network, so callers may not send it everywhere: to files of
its machine, or to addresses that hand out credentials. Where names lead is for the provider to bound.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import unquote, urlsplit

from trunkline import v1
from trunkline_server.core.addresses import AddressPolicy, literal_address
from trunkline_server.services.bounds import MAX_MEDIA_CONTEXT_BYTES, MAX_MEDIA_TYPE_CHARS
from trunkline_server.services.violations import Violations

SCHEMES: Final = ("https", "http", "gs", "s3")

# RFC 6838, 4.2
_MEDIA_TYPE_CHARS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+")
_DETAILS: Final = frozenset(v1.MediaDetail.values())
_ADDRESSES: Final = AddressPolicy()
_PLAIN: Final = re.compile(
    rf"(?:{'|'.join(SCHEMES)})://(?:[A-Za-z0-9_-]+\.)*[A-Za-z][A-Za-z0-9_-]*(?::[0-9]{{1,5}})?(?:[/?#][!-\[\]-~]*)?"
)
"""What nearly all addresses look like: an ASCII name that ends in no number. It is found a few times faster than by
taking the address apart, which could find no fault with it."""


def check_media(violations: Violations, media: v1.Media, where: str) -> None:
    """Notes what is wrong with a medium."""
    source = media.WhichOneof("source")
    if source is None or not getattr(media, source):
        violations.add(f"{where}.{source or 'source'}", "empty; set one of data, uri and file_id")
    elif source == "uri" and (mend := _uri_fault(media.uri)):
        violations.add(f"{where}.uri", mend)
    if source == "data" and not media.mime_type:
        violations.add(f"{where}.mime_type", "required with data; set it, such as image/png")
    elif media.mime_type and not _is_media_type(media.mime_type):
        violations.add(f"{where}.mime_type", "not a media type; write type/subtype, such as image/png")
    if media.detail not in _DETAILS:
        violations.add(f"{where}.detail", "not known; set one of MediaDetail")
    if media.context:
        violations.bound(media.context, f"{where}.context", MAX_MEDIA_CONTEXT_BYTES)


def _uri_fault(uri: str) -> str:
    """What is wrong with an address; empty if nothing is."""
    if _PLAIN.fullmatch(uri):
        return ""
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or not uri.isprintable() or " " in uri or "\\" in uri or parts.scheme not in SCHEMES:
        return (
            f"not an address; write one that begins with {', '.join(f'{scheme}://' for scheme in SCHEMES)}, or set data"
        )
    if _may_be_address(host):
        # Fetchers read hosts in more ways than one: percent signs and the digits of other scripts are among them.
        read = unicodedata.normalize("NFKC", unquote(host))
        address = literal_address(read)
        # Where some fetchers end a name, at a NUL, an address may end as well.
        if not read.isprintable() or (address is not None and not _ADDRESSES.permits(address)):
            return "a link-local or metadata address, or no host's; providers are not sent there"
    return ""


def _may_be_address(host: str) -> bool:
    """Whether it ends in a number, is an IPv6 address, or is written in a way that may hide either."""
    last = host.rstrip(".").rpartition(".")[2]
    return last[:1].isdigit() or ":" in host or "%" in host or not host.isascii()


def _is_media_type(text: str) -> bool:
    """type/subtype as in RFC 6838, section 4.2, and parameters behind it as they are."""
    kind, slash, subtype = text.partition(";")[0].rstrip().partition("/")
    return (
        bool(kind and slash and subtype)
        and len(text) <= MAX_MEDIA_TYPE_CHARS
        and text.isprintable()
        and _MEDIA_TYPE_CHARS.issuperset(kind)
        and _MEDIA_TYPE_CHARS.issuperset(subtype)
    )
