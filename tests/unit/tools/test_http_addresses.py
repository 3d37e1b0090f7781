"""Nothing that a model can write, and nothing that a name can answer, leads to an address that is refused."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadworthy.domain.errors import RequestNotSent
from roadworthy.tools import http
from roadworthy.tools.http.addresses import why_refused
from roadworthy.tools.http.exchange import Exchange

REFUSED = {
    "0.0.0.0": "unspecified",
    "10.1.2.3": "private",
    "100.64.0.1": "CGNAT",
    "100.100.100.200": "metadata",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "metadata",
    "169.254.0.1": "link-local",
    "169.254.169.254": "metadata",
    "172.31.255.255": "private",
    "192.0.0.192": "metadata",
    "192.88.99.1": "reserved",
    "192.168.0.1": "private",
    "198.18.0.1": "reserved",
    "224.0.0.251": "multicast",
    "239.255.255.255": "multicast",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::7f00:1": "compatible",
    "::ffff:127.0.0.1": "mapped",
    "::ffff:93.184.216.34": "mapped",
    "::ffff:0:127.0.0.1": "mapped",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b:1::a00:1": "NAT64",
    "100::1": "reserved",
    "2001::1": "Teredo",
    "2001:10::1": "reserved",
    "2001:db8::1": "examples",
    "2002:7f00:1::": "6to4",
    "2600::5efe:a00:1": "ISATAP",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata",
    "fe80::1": "link-local",
    "fec0::1": "link-local",
    "ff02::1": "multicast",
}
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111"]
MAY_BE_OWN = {"loopback", "private", "CGNAT"}


@pytest.mark.parametrize(("text", "kind"), REFUSED.items())
def test_an_address_that_is_not_public_is_refused_and_named(text: str, kind: str) -> None:
    address = ip_address(text)
    assert kind in (why_refused(address) or "")
    assert (why_refused(address, own_network=True) is None) is (kind in MAY_BE_OWN)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_not_refused(text: str) -> None:
    assert why_refused(ip_address(text)) is None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_what_is_not_global_by_the_standard_library_is_refused_too(address: IPv4Address | IPv6Address) -> None:
    # Which knows fewer kinds, except for one network of anycast servers that it calls reserved.
    if not address.is_global and address not in IPv6Network("2001:4:112::/48"):
        assert why_refused(address) is not None


def _spellings(address: IPv4Address) -> list[str]:
    a, b, c, d = address.packed
    whole = int(address)
    return [
        str(address),
        f"{address}.",
        str(whole),
        hex(whole),
        oct(whole).replace("0o", "0"),
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"{a}.{b}.{c << 8 | d}",
        f"{a}.{b << 16 | c << 8 | d}",
        f"{a:03}.{b:03}.{c:03}.{d:03}",
        f"{a + 256}.{b}.{c}.{d}",
        "".join(chr(0xFEE0 + ord(each)) if each.isdigit() else each for each in str(address)),
        str(address).replace(".", "。"),
        "".join(f"%{ord(each):02x}" for each in str(address)),
        f"[::ffff:{address}]",
        f"[::{address}]",
        f"[64:ff9b::{address}]",
        f"[::ffff:0:{address}]",
        f"[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::]",
        f"[::ffff:{address}%25lo]",
        f"[::ffff:{address}%lo]",
    ]


def _urls(host: str, port: int) -> list[str]:
    return [
        f"http://{host}:{port}/",
        f"HTTP://{host}:{port}",
        f"http://allowed.example@{host}:{port}/",
        f"http://allowed.example:80@{host}:{port}/",
        f"http://{host}:{port}#@allowed.example/",
        f"http://{host}:{port}\\@allowed.example/",
        f"http://allowed.example\\@{host}:{port}/",
        f"http:\\\\{host}:{port}/",
        f"http:/{host}:{port}/",
        f"http:{host}:{port}/",
        f"http:///{host}:{port}/",
        f"//{host}:{port}/",
        f" http://{host}:{port}/",
        f"ht\ttp://{host}:{port}/",
        f"http://{host}\r\n:{port}/",
        f"http://{host}\0.allowed.example:{port}/",
        f"file://{host}:{port}/",
    ]


class Loopback:
    """Counts who came, over both kinds of addresses, wherever they thought that they were going."""

    def __init__(self) -> None:
        self.came = 0
        self.servers: list[asyncio.Server] = []

    async def listen(self) -> int:
        self.servers.append(await asyncio.start_server(self._connected, "127.0.0.1", 0))
        port: int = self.servers[0].sockets[0].getsockname()[1]
        self.servers.append(await asyncio.start_server(self._connected, "::1", port))
        return port

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def close(self) -> None:
        for server in self.servers:
            server.close()
            await server.wait_closed()


_REFUSED_ADDRESSES = st.one_of(
    st.sampled_from([IPv4Address("127.0.0.1"), IPv4Address("0.0.0.0"), IPv4Address("169.254.169.254")]),
    st.ip_addresses(v=4, network="127.0.0.0/8"),
)
_HOSTS = st.one_of(
    _REFUSED_ADDRESSES.flatmap(lambda address: st.sampled_from(_spellings(address))),
    st.sampled_from(["[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "localhost", "LOCALHOST.", "any.allowed.example"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12),
)


def test_whatever_url_the_model_writes_nothing_reaches_a_refused_address() -> None:
    answers: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        return answers

    async def fuzz() -> None:
        loopback = Loopback()
        port = await loopback.listen()
        client = http.Client(
            ["http://*", f"http://*:{port}", f"http://allowed.example:{port}"], seconds=5, resolve=resolve
        )
        loop, tried = asyncio.get_running_loop(), 0

        @settings(max_examples=150, deadline=None, database=None)
        @given(
            st.data(),
            st.lists(st.sampled_from(["127.0.0.1", "::1", "::ffff:127.0.0.1", "1.1.1.1"]), min_size=1, max_size=3),
        )
        def one(data: st.DataObject, addresses: list[str]) -> None:
            nonlocal tried
            # One public address does not make the others welcome; alone it would lead outside.
            answers[:] = addresses if set(addresses) != {"1.1.1.1"} else ["::1"]
            url = data.draw(_HOSTS.flatmap(lambda host: st.sampled_from(_urls(host, port))))
            tried += 1
            with pytest.raises((http.RequestRefused, RequestNotSent)):
                asyncio.run_coroutine_threadsafe(client.get(url), loop).result(10)

        try:
            await asyncio.to_thread(one)
            assert tried >= 100
            assert loopback.came == 0
            # And the server is there for those that may come.
            friend = http.Client([f"http://127.0.0.1:{port}"], allow_private=["127.0.0.1"])
            assert (await friend.get(f"http://127.0.0.1:{port}/")).status == 200
        finally:
            await loopback.close()

    asyncio.run(fuzz())


async def test_a_name_that_changes_its_addresses_is_connected_to_where_it_was_checked() -> None:
    """DNS rebinding: what is answered the second time is never asked for."""
    loopback = Loopback()
    port = await loopback.listen()
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    client = http.Client([f"http://shop.example:{port}"], allow_private=["shop.example"], resolve=resolve)
    try:
        assert (await client.get(f"http://shop.example:{port}/")).status == 200
        assert (asked, loopback.came) == (["shop.example"], 1)
        with pytest.raises(http.AddressRefused, match="metadata"):
            await client.get(f"http://shop.example:{port}/")
        assert loopback.came == 1
    finally:
        await loopback.close()


async def test_a_name_with_one_refused_address_is_refused_whole() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["1.1.1.1", "10.0.0.5"]

    with pytest.raises(http.AddressRefused, match=r"10\.0\.0\.5.*private"):
        await http.Client(["shop.example"], resolve=resolve).get("https://shop.example/")


async def test_the_address_of_the_socket_itself_is_looked_at_last() -> None:
    exchange = Exchange([ip_address("1.1.1.1")], 5, 1000, None)
    with pytest.raises(http.AddressRefused, match=r"127\.0\.0\.1"):
        exchange._socket((2, 1, 6, "", ("127.0.0.1", 80)))
