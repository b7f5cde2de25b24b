"""Where the server may listen: one address, taken by nobody else, and reached only by whom it can tell apart.

Laws: while there are no keys to tell callers apart, nothing outside this machine can reach the server; keys
and facts cross a network only encrypted, unless somebody said in so many words that they may not be."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from remit.errors import AddressRefused, InvalidArgument
from remit.notation import shortened


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric host and a port, 0 for any that is free."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Protection:
    """What a server has against strangers: `keyed`, it asks callers for keys; `encrypted`, it speaks TLS;
    `insecure_plaintext`, whoever started it takes the responsibility for not encrypting, as where a proxy does.
    `keyable`: it could be given keys."""

    keyed: bool = False
    encrypted: bool = False
    insecure_plaintext: bool = False
    keyable: bool = True


NO_PROTECTION = Protection()


def checked_address(text: str, protection: Protection = NO_PROTECTION) -> Address:
    """`HOST:PORT` → the one address it means. Raises InvalidArgument, or AddressRefused where a server with that
    protection should not listen.

    A name is resolved to a single address, IPv4 first: with both, a second server could take the half that is free."""
    host, colon, port_text = text.rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit() or int(port_text) > 65_535:
        raise InvalidArgument(f"`{shortened(text)}` is not an address: write HOST:PORT, as in `127.0.0.1:50051`")
    found = _resolved(host.removeprefix("[").removesuffix("]"), text)
    address = Address(found, int(port_text))
    if address.is_loopback:
        return address
    if not protection.keyed:
        or_a_key = ", or make a key with `remit key bootstrap`" if protection.keyable else ""
        raise AddressRefused(
            f"`{shortened(text)}` can be reached by others, and there are no keys to tell callers apart: listen on a "
            f"loopback address, as in `127.0.0.1:{port_text}`{or_a_key}",
            address=address,
        )
    if not protection.encrypted and not protection.insecure_plaintext:
        raise AddressRefused(
            f"`{shortened(text)}` can be reached by others, and keys would travel to it unencrypted: give a "
            "certificate with `--tls-cert` and `--tls-key`, or say `--insecure-plaintext` where something in front of "
            "it encrypts",
            address=address,
        )
    return address


def _resolved(host: str, text: str) -> str:
    if not host:
        return "0.0.0.0"  # noqa: S104  # what an empty host means everywhere; judged by the caller
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"the host of `{shortened(text)}` cannot be found: {error}") from error
    by_family = sorted(found, key=lambda entry: entry[0] is not socket.AF_INET)
    return str(by_family[0][4][0])


def listening_socket(address: Address) -> socket.socket:
    """A socket that listens there. Raises AddressRefused, with the reason, where that cannot be."""
    listener = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        # Without SO_REUSEADDR a restart would wait for the last connections to be forgotten; a second listener it
        # does not let in.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = ": is another server running there?" if error.errno == errno.EADDRINUSE else ""
        raise AddressRefused(f"cannot listen on `{address}`: {reason.lower()}{hint}", address=address) from error
    return listener


def probe(address: Address) -> None:
    """Whether the address is free now; gRPC itself would not tell why it is not. Raises AddressRefused."""
    if address.port:
        listening_socket(address).close()
