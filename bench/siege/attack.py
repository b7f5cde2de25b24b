"""Attackers at work: each a process of its own, so that what they do is not done by the one that measures, and at the
lowest priority, or on a few processors they would measure themselves.

Law: an attack ends with the `with` that began it, or with the process that did, whatever its code is at; and all its
connections with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

import grpc

from bench.siege.attacker import RETRY_S
from bench.siege.table import ATTACKERS
from bench.siege.target import Target

READY_WITHIN_S = 10.0
NICE = 19
FIRST_SOURCE = 2  # of the addresses of this machine, 127.0.0.1 being the steady client's
# A child is a copy of a process that has imported all of this once, and has no threads and no connections.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls and connections of one attacker: answered or taken; and refused or let go."""

    answered: int
    refused: int


@dataclass(frozen=True, slots=True)
class Attacks:
    """Those that go on."""

    _tallies: Mapping[str, _Tally]

    def counts(self) -> dict[str, Counts]:
        return {name: Counts(int(each.answered.value), int(each.refused.value)) for name, each in self._tallies.items()}


@dataclass(frozen=True, slots=True)
class _Tally:
    answered: Synchronized[int]
    refused: Synchronized[int]
    is_ready: Event  # once something of it was answered or refused


@contextmanager
def attacked(targets: Mapping[str, Target], *, nice: bool = True) -> Iterator[Attacks]:
    """While each of these attackers attacks the target that is its own, all of them at once."""
    tallies = {name: _Tally(_PROCESSES.Value("q", 0), _PROCESSES.Value("q", 0), _PROCESSES.Event()) for name in targets}
    processes = [
        _PROCESSES.Process(target=_attack, args=(name, target, tallies[name], NICE if nice else 0), daemon=True)
        for name, target in targets.items()
    ]
    try:
        for process in processes:
            process.start()
        deadline_s = time.monotonic() + READY_WITHIN_S
        for tally in tallies.values():
            tally.is_ready.wait(max(0.0, deadline_s - time.monotonic()))
        yield Attacks(tallies)
    finally:
        _end(processes)


def _end(processes: Sequence[multiprocessing.process.BaseProcess]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()


def _attack(name: str, target: Target, tally: _Tally, nice: int) -> None:
    os.nice(nice)
    attacker = ATTACKERS[name]
    for number in range(attacker.clients):
        one = replace(target, source=f"127.0.0.{FIRST_SOURCE + number}")
        threading.Thread(target=_again_and_again, args=(name, one, number, tally), daemon=True).start()
    besieger = multiprocessing.parent_process()
    assert besieger is not None, "an attack is a process of its own"
    besieger.join()  # whatever ends it: the `with` does not run where it is killed
    os._exit(0)


def _again_and_again(name: str, target: Target, number: int, tally: _Tally) -> None:
    while True:
        try:
            for is_answered in ATTACKERS[name].attack(target, number):
                _count(tally, is_answered)
        except (OSError, grpc.RpcError):
            _count(tally, False)
        time.sleep(RETRY_S)


def _count(tally: _Tally, is_answered: bool) -> None:
    counter = tally.answered if is_answered else tally.refused
    with counter.get_lock():
        counter.value += 1
    tally.is_ready.set()
