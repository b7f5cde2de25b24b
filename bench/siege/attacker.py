"""What an attacker is, and how most of them go about it: the same call again and again, refused or not.

Law: an attacker that goes by verbs names them once, in the paths that it calls."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import grpc

from bench.siege.target import Target
from remit.access.keys import Right
from remit.server.verbs import STREAMING, UNARY

Attack = Callable[[Target, int], Iterator[bool]]
"""By one of many at once, who has that number: an item for each call or connection, whether it was answered or taken.
It may raise OSError or RpcError, and is begun again then."""

Messages = Callable[[Target, int], Sequence[bytes]]
"""What one of many asks, in turns; made before it asks anything."""

RETRY_S = 0.01  # after a refusal: who does not even wait so long measures the machine
RIGHTS = {verb.path: verb.right for verbs in (UNARY, STREAMING) for verb in verbs}


@dataclass(frozen=True, slots=True)
class Attacker:
    """`clients`: how many do it at once, on connections of their own or on one, as the attack says. `verbs`: the paths
    of the table of verbs that it calls with whole requests. `rights`: of its key, where it has one."""

    attack: Attack
    clients: int = 1
    verbs: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    needs_tls: bool = False


def asks(path: str, messages: Messages, clients: int) -> Attacker:
    """One caller on one connection, with so many calls of a verb under way."""

    def attack(target: Target, number: int) -> Iterator[bool]:
        send = _shared(target).unary_unary(path, None, None)
        for message in itertools.cycle(messages(target, number)):
            try:
                send(message, metadata=target.metadata())
                yield True
            except grpc.RpcError:
                yield False
                time.sleep(RETRY_S)

    return by_verbs(attack, clients, path)


def reads(path: str, messages: Messages, clients: int) -> Attacker:
    """One caller on one connection, with so many streams of answers, each read to its end and begun again."""

    def attack(target: Target, number: int) -> Iterator[bool]:
        open_stream = _shared(target).unary_stream(path, None, None)
        for message in itertools.cycle(messages(target, number)):
            for _ in open_stream(message, metadata=target.metadata()):
                yield True

    return by_verbs(attack, clients, path)


def sends(path: str, messages: Messages, clients: int) -> Attacker:
    """One caller on one connection, with so many streams of requests that do not end."""

    def attack(target: Target, number: int) -> Iterator[bool]:
        said = itertools.cycle(messages(target, number))
        for _ in _shared(target).stream_stream(path, None, None)(said, metadata=target.metadata()):
            yield True

    return by_verbs(attack, clients, path)


def by_verbs(attack: Attack, clients: int, *paths: str) -> Attacker:
    """An attacker with a key that may do what these verbs need, and nothing else. Any key may ask the others."""
    rights = dict.fromkeys(RIGHTS[path] or Right.CHECK for path in paths)
    return Attacker(attack, clients, paths, tuple(rights))


_LOCK = threading.Lock()
_CHANNELS: dict[str, grpc.Channel] = {}


def _shared(target: Target) -> grpc.Channel:
    """All of one attack share a connection, and so are one caller without keys too."""
    with _LOCK:
        if target.endpoint not in _CHANNELS:
            _CHANNELS[target.endpoint] = target.channel()
        return _CHANNELS[target.endpoint]
