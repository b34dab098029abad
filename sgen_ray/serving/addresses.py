"""Where a webhook may lead: an address on the Internet, and none by which this service would reach what its senders
cannot. The address that was checked is the one that is connected to; a name that changes its mind meanwhile does no
harm."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import NoReturn

import httpx

_MOST = 4
_AZURE = ipaddress.ip_address("168.63.129.16")  # looks public, and is every Azure machine's own
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # private in newer Pythons only; Oracle's metadata is there
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """Why nothing is sent there; one line."""


def is_public(address: Address) -> bool:
    """Not this machine, not its network, nobody's metadata service, and no other way to write one of these."""
    if isinstance(address, ipaddress.IPv6Address):
        inner: list[Address] = [each for each in (address.ipv4_mapped, address.sixtofour) if each is not None]
        inner += address.teredo or ()
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
        if inner:
            return all(is_public(each) for each in inner)
    return (
        address.is_global
        and not (address.is_multicast or address.is_reserved or address.is_private or address.is_unspecified)
        and address != _AZURE
        and address not in _PROTOCOLS
    )


def check_url(url: str, *, private: bool = False) -> httpx.URL:
    """What can be said of it without asking a name server.

    private: http, and addresses that are not public, may be.

    Raises:
        Refused
    """
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Refused("the webhook's URL is none; write it like https://example.com/films") from error
    if found.scheme not in (("https", "http") if private else ("https",)) or not found.host:
        raise Refused("a webhook's URL begins with https://")
    if not 0 < (443 if found.port is None else found.port) < 65536:
        raise Refused(f"{found.port} is no port")
    if found.userinfo or found.fragment:
        raise Refused("a webhook's URL has no user name, password or #fragment")
    if any(not letter.isprintable() or letter.isspace() for letter in url):
        raise Refused("a webhook's URL has no spaces or control characters")
    if not private:
        try:  # also of addresses in disguise: 2130706433, 0x7f.1, 017700000001
            numeric = socket.getaddrinfo(found.host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            numeric = []
        _only_public(found.host, [str(entry[4][0]) for entry in numeric])
        if found.host == "localhost" or found.host.endswith((".localhost", ".local", ".internal")):
            _refuse(found.host)
    return found


async def resolve(url: httpx.URL, *, private: bool = False) -> list[str]:
    """Its addresses, to be connected to as they are.

    Raises:
        Refused: there is none, or one that is not public.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        entries = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        entries = []
    found = list(dict.fromkeys(str(entry[4][0]) for entry in entries))[:_MOST]
    if not private:
        _only_public(url.host, found)
    return found or _refuse(url.host)


def _only_public(host: str, addresses: list[str]) -> None:
    for address in addresses:
        if not is_public(ipaddress.ip_address(address.partition("%")[0])):
            _refuse(host)


def _refuse(host: str) -> NoReturn:
    """The same for a name that is not there and for one that is in this network: nobody learns which there are."""
    raise Refused(f"{host} leads to no address on the Internet")
