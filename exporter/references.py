"""Points of reference: who should answer as long as our own network works.

Any answer counts, a refusal too: what matters is that something came back.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

_ROUTES = Path("/proc/net/route")
_NAME_SERVERS = Path("/etc/resolv.conf")
# resolv.conf(5): more are not asked.
_MOST_NAME_SERVERS = 3
# Flags of a route (route(8)): up, and by a gateway.
_UP_BY_GATEWAY = 0x3
# What closed ports are asked for: TCP's discard, and where traceroute begins.
_CLOSED_TCP, _CLOSED_UDP = 9, 33434
_DNS = 53
# RFC 792: an echo request; the kernel fills in its checksum and identifier.
_ECHO = struct.pack("!BBHHH", 8, 0, 0, 0, 1)

Ask = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Reference:
    """Somebody to ask: the default gateway, a name server, or an address of the config."""

    kind: Literal["gateway", "nameserver", "address"]
    host: str
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.kind == "address" else f"{self.kind} {host}"


def declared(addresses: Iterable[str]) -> tuple[Reference, ...]:
    """The references that the config names, as ip:port."""
    split = (address.rpartition(":") for address in addresses)
    return tuple(Reference("address", host.strip("[]"), int(port)) for host, _, port in split)


def found(routes: Path = _ROUTES, name_servers: Path = _NAME_SERVERS) -> tuple[Reference, ...]:
    """The default gateways and the name servers of this machine, without those on it.

    A name server on this machine (Docker's, systemd's) answers although nothing else does.
    """
    references = [Reference("gateway", host) for host in _gateways(_text(routes))]
    references += [Reference("nameserver", host) for host in _servers(_text(name_servers))]
    return tuple(one for one in dict.fromkeys(references) if not is_own(one.host))


def is_own(address: str) -> bool:
    """Whether an IP address is this machine's."""
    ip = ipaddress.ip_address(address)
    if ip.is_loopback:
        return True
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((address, _CLOSED_UDP))  # sends nothing; only chooses the way
        except OSError:
            return False
        return str(sock.getsockname()[0]) == address


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _gateways(table: str) -> Iterable[str]:
    """From /proc/net/route, whose addresses are hexadecimal in the machine's byte order."""
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) < 8 or (columns[1], columns[7]) != ("00000000", "00000000"):
            continue
        if int(columns[3], 16) & _UP_BY_GATEWAY == _UP_BY_GATEWAY:
            yield socket.inet_ntoa(struct.pack("=I", int(columns[2], 16)))


def _servers(text: str) -> Iterable[str]:
    words = [line.split() for line in text.splitlines()]
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    for host in named[:_MOST_NAME_SERVERS]:
        try:
            yield str(ipaddress.ip_address(host))
        except ValueError:
            continue  # what the system's resolver cannot read it does not ask either


# --- asking -------------------------------------------------------------------------------------


async def answers(reference: Reference, timeout: float) -> bool:
    """Whether anything comes back from a reference within so many seconds."""
    pending = {asyncio.ensure_future(ask()) for ask in _ways(reference)}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    try:
        while pending and (left := deadline - loop.time()) > 0:
            done, pending = await asyncio.wait(
                pending, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            if any(task.result() for task in done):
                return True
        return False
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _ways(reference: Reference) -> tuple[Ask, ...]:
    """How it is asked, all at once: gateways differ in what they answer."""
    host = reference.host
    match reference.kind:
        case "address":
            return (partial(_tcp, host, reference.port),)
        case "nameserver":
            question = partial(_datagram, host, _DNS, _question())
            return (question, partial(_tcp, host, _DNS))
        case _:
            return (
                partial(_tcp, host, _CLOSED_TCP),
                partial(_datagram, host, _CLOSED_UDP, b""),
                partial(_datagram, host, 0, _ECHO, socket.IPPROTO_ICMP),
            )


def _question() -> bytes:
    """RFC 1035: who serves the root? Every server has an answer, be it a refusal."""
    return os.urandom(2) + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + b"\0\0\x02\0\x01"


async def _tcp(host: str, port: int) -> bool:
    return await _asked(host, port, socket.SOCK_STREAM, 0, None)


async def _datagram(host: str, port: int, text: bytes, protocol: int = 0) -> bool:
    return await _asked(host, port, socket.SOCK_DGRAM, protocol, text)


async def _asked(
    host: str, port: int, kind: socket.SocketKind, protocol: int, text: bytes | None
) -> bool:
    """Connect, and send `text` if there is one and wait for what comes back."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    address: Any = (host, port, 0, 0) if ":" in host else (host, port)
    try:
        with socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol) as sock:
            await loop.sock_connect(sock, address)
            if text is not None:
                # Not the loop's: uvloop sends no empty datagrams.
                sock.send(text)
                await loop.sock_recv(sock, 512)
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    except OSError:  # also where the system does not let us send echo requests
        return False
    return True
