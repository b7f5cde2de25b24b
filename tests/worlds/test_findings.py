"""Worlds of what was once taken for a yes: of each, the lines that do not hold, and the reason that says why."""

from __future__ import annotations

import pytest

from remit.notation import parse_time
from remit.world import World, verify
from tests.support.places import SMALL_WORLDS

NOW_US = parse_time("2027-01-01T00:00:00Z")
WORLDS = SMALL_WORLDS / "findings"

# world → line → what is found there
FINDINGS = {
    "conversions": dict.fromkeys(range(25, 30), "CAVEAT_FAILED"),
    "double-overflow": {12: "INVALID_CONTEXT", 17: "CAVEAT_FAILED"},
    "records": {13: "RECORD_NOT_ALLOWED", 15: "RECORD_NOT_ALLOWED", 17: "UNKNOWN_TYPE", 19: "RECORD_NOT_ALLOWED"},
}


@pytest.mark.parametrize("name", FINDINGS)
def test_a_world_is_found_wrong_where_it_is_said(name: str) -> None:
    world = World.read(WORLDS / f"{name}.yaml")
    assert {finding.line: finding.found for finding in verify(world, NOW_US)} == FINDINGS[name]


def test_every_world_has_its_findings_here() -> None:
    assert {path.stem for path in WORLDS.glob("*.yaml")} == set(FINDINGS)
