"""Whoever is in the siege's table: every verb has somebody who calls it, and nobody holds more than it needs."""

from __future__ import annotations

import math

import pytest

from bench.siege.__main__ import names_for
from bench.siege.siege import Way, kept_of
from bench.siege.steady import CHECK, KINDS, PROMISED, Steady, corrected
from bench.siege.table import ATTACKERS, BEYOND_GRPCIO
from remit.access.keys import ALL_RIGHTS
from remit.cli.metrics import parse_metrics
from remit.server.verbs import STREAMING, UNARY

PATHS = {verb.path: verb for verb in (*UNARY, *STREAMING)}


def test_every_verb_is_called_by_an_attacker() -> None:
    called = {path for attacker in ATTACKERS.values() for path in attacker.verbs}
    assert sorted(PATHS.keys() - called) == [], "give each an attacker in bench/siege/table.py"
    assert sorted(called - PATHS.keys()) == []


def test_who_calls_a_verb_has_a_key_that_may() -> None:
    for name, attacker in ATTACKERS.items():
        needed = {right for path in attacker.verbs if (right := PATHS[path].right) is not None}
        assert needed <= set(attacker.rights) < ALL_RIGHTS, name


def test_promised_are_stops_and_health() -> None:
    assert set(PROMISED) < set(KINDS)


def test_a_stall_counts_for_all_who_would_have_met_it() -> None:
    """Asked every 50 ms: of one that took 180, three more would have waited 130, 80 and 30."""
    ms = 1_000_000
    assert corrected([180 * ms, 50 * ms, 7 * ms], 0.05) == [each * ms for each in (180, 130, 80, 30, 50, 7)]


def test_whatever_a_call_ends_with_is_counted() -> None:
    def fail() -> None:
        raise ValueError("not an answer")

    steady = Steady()
    assert steady.ask(CHECK, fail) is None
    assert steady.failed[CHECK] == {"ValueError: not an answer": 1}
    assert len(steady.taken_ns[CHECK]) == 1


def test_floods_are_left_out_over_grpcio_unless_they_are_asked_for() -> None:
    assert names_for(Way.FRONTEND, list(ATTACKERS), is_chosen=False) == list(ATTACKERS)
    assert set(ATTACKERS) - set(names_for(Way.GRPCIO, list(ATTACKERS), is_chosen=False)) == BEYOND_GRPCIO
    assert names_for(Way.GRPCIO, ["rapid resets"], is_chosen=True) == ["rapid resets"]


FREE = {
    "remit_in_flight": 0,
    "remit_unsent_bytes": 0,
    "remit_unanswered_bytes": 0,
    "remit_calls": 0,
    "remit_writes_waiting": 0,
    "remit_watchers": 0,
    "remit_door_connections": 0,
    "remit_door_proxied": 0,
    "remit_door_strangers": 0,
    "remit_door_handshakes": 0,
}


def metrics(values: dict[str, int]) -> str:
    return "".join(f"# TYPE {name} gauge\n{name} {value}\n" for name, value in values.items())


@pytest.mark.parametrize("name", FREE)
def test_what_is_held_or_not_told_after_all_have_left_is_a_fault(name: str) -> None:
    assert kept_of(parse_metrics(metrics(FREE)), Way.FRONTEND) == {}
    assert kept_of(parse_metrics(metrics(FREE | {name: 3})), Way.FRONTEND) == {name: 3}
    untold = {each: value for each, value in FREE.items() if each != name}
    assert kept_of(parse_metrics(metrics(untold)), Way.FRONTEND) == {name: math.inf}
    assert kept_of(parse_metrics(metrics(untold)), Way.GRPCIO) == ({} if "_door_" in name else {name: math.inf})
