"""Small worlds of what once went wrong: each holds but for the lines named here, and they for the reason named."""

from __future__ import annotations

import pytest

from remit.notation import parse_time
from remit.world import World, verify
from tests.support.places import ROOT

NOW_US = parse_time("2027-01-01T00:00:00Z")

# world → line → what is found there instead
FINDINGS = {
    "conversions": dict.fromkeys(range(25, 30), "CAVEAT_FAILED"),
    "double-overflow": {12: "INVALID_CONTEXT", 17: "CAVEAT_FAILED"},
    "duplicate-lines": {},
    "mapped-addresses": {},
}


@pytest.mark.parametrize("name", FINDINGS)
def test_the_world_holds(name: str) -> None:
    world = World.read(ROOT / "tests" / "worlds" / f"{name}.yaml")
    assert {finding.line: finding.found for finding in verify(world, NOW_US)} == FINDINGS[name]


def test_every_world_is_told_of() -> None:
    assert {path.stem for path in (ROOT / "tests" / "worlds").glob("*.yaml")} == set(FINDINGS)
