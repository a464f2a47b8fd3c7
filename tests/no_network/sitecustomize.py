"""Keeps every test on this machine: a socket that would leave it is refused and written down.

tests/conftest.py loads this file and puts its folder on PYTHONPATH, so that Python loads it by
itself (as `sitecustomize`) in every process that a test starts. An audit hook sees all sockets of
the interpreter, those of C extensions that go through Python's socket module included. Sockets that
a native library opens on its own (Rust, C++) are out of its sight.
"""

import ipaddress
import os
import sys

# Where refusals are written down, one address a line: code under test may swallow the exception.
LOG_VARIABLE = "FILBERT_REFUSED_SOCKETS"

_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_RESOLVING = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})


class NetworkRefusedError(RuntimeError):
    """A test tried to reach another machine. No OSError: retries and fallbacks must not hide it."""


def stays_here(host: object) -> bool:
    """Whether an address names this machine: loopback, or no host at all."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if not isinstance(host, str) or host in ("", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_unspecified


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in _SENDING:
        address = arguments[1]
        if not isinstance(address, tuple):  # a Unix socket's path, or a connected socket
            return
        host = address[0]
    elif event in _RESOLVING:
        address = host = arguments[0]
    else:
        return
    if stays_here(host):
        return
    if log := os.environ.get(LOG_VARIABLE):
        with open(log, "a", encoding="utf-8") as file:  # noqa: PTH123 (pathlib is slow to import)
            file.write(f"{event} {address!r}\n")
    raise NetworkRefusedError(
        f"tests stay on this machine: {event} to {address!r} was refused (only loopback is open)"
    )


sys.addaudithook(_refuse)
