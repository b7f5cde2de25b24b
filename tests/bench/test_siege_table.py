"""Whoever is in the siege's table: every verb has somebody who calls it, and nobody holds more than it needs."""

from __future__ import annotations

from bench.siege.steady import KINDS, PROMISED, corrected
from bench.siege.table import ATTACKERS
from remit.access.keys import ALL_RIGHTS
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
