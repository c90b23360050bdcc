"""Which addresses a provider may have, and how an address may be written."""

import pytest

from trunkline_server.core.addresses import AddressPolicy, literal_address

METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.0.23",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
    "fe80::1%eth0",
]
NOBODY = [
    "0.0.0.0",
    "0.0.0.1",
    "::",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "ff05::2",
]
IN_OTHER_CLOTHES = {
    "mapped": "::ffff:169.254.169.254",
    "mapped, in hexadecimal": "::ffff:a9fe:a9fe",
    "compatible": "::169.254.169.254",
    "translated": "::ffff:0:169.254.169.254",
    "NAT64": "64:ff9b::169.254.169.254",
    "NAT64 of a network's own, 96 bits": "64:ff9b:1::169.254.169.254",
    "NAT64 of a network's own, 48 bits": "64:ff9b:1:a9fe:a9:fe00::",
    "6to4": "2002:a9fe:a9fe::1",
    "Teredo, client": "2001:0:102:304::5601:5601",
    "Teredo, server": "2001:0:a9fe:a9fe::",
    "ISATAP": "2001:db8::5efe:169.254.169.254",
    "ISATAP, its own": "2001:db8::200:5efe:a9fe:a9fe",
    "mapped multicast": "::ffff:224.0.0.1",
    "mapped nobody": "::ffff:0.0.0.0",
}
FIT = [
    "127.0.0.1",
    "::1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd00::1",
    "1.1.1.1",
    "2606:4700::1111",
    "::ffff:10.0.0.1",
    "64:ff9b::1.1.1.1",
    "2002:101:101::1",
]


@pytest.mark.parametrize("address", [*METADATA, *NOBODY])
def test_metadata_and_nobody_are_refused(address: str) -> None:
    """An address that hands out credentials, or belongs to no single host, is refused, and taken once it is listed."""
    assert not AddressPolicy().permits(address)
    assert AddressPolicy([address]).permits(address)


@pytest.mark.parametrize("address", IN_OTHER_CLOTHES.values(), ids=IN_OTHER_CLOTHES.keys())
def test_no_clothes_hide_an_address(address: str) -> None:
    """An IPv6 address that stands for a refused IPv4 address is refused, and taken where that one is listed."""
    assert not AddressPolicy().permits(address)
    assert AddressPolicy(["169.254.0.0/16", "224.0.0.0/4", "0.0.0.0/8"]).permits(address)


@pytest.mark.parametrize("address", FIT)
def test_models_may_run_at_home(address: str) -> None:
    """Loopback, private and public addresses are taken, also in other clothes."""
    assert AddressPolicy().permits(address)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe%eth0",
    ],
)
def test_an_address_in_any_spelling(host: str) -> None:
    """What the system's resolver would take for an address is read as that address."""
    assert str(literal_address(host)) == "169.254.169.254"


@pytest.mark.parametrize(
    "host",
    ["", "host.example", "169.254.169.254.nip.io", "1.2.3.4 x", "256.1.1.1", "a%lo", "\u2460", "1.2.3.4\0", "a\0"],
)
def test_a_name_is_no_address(host: str) -> None:
    """A name is left to the look-up, whose addresses are checked."""
    assert literal_address(host) is None
