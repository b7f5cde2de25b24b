"""Law: each attack stands beside the call that it is made of, and what no world can hold the compiler refuses.

The attacks are the worlds `attack-*.yaml`, which `test_worlds.py` asks as it asks all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from remit.errors import WorldInvalid
from remit.model import Verdict
from remit.world import World
from tests.support.places import SMALL_WORLDS

ATTACKS = sorted(SMALL_WORLDS.glob("attack-*.yaml"))

# Of `may_use - (stopped - excused)`: each relation with the constraint of the other side, and what it is refused as. A
# pattern on `excused` would excuse calls by what it does not look at.
WRONG_SIDES = {
    "may_use: user with matching": "matching-not-subtracted",
    "stopped: user with arguments": "arguments-subtracted",
    "excused: user with matching": "matching-not-subtracted",
}


def test_there_are_attacks() -> None:
    assert len(ATTACKS) >= 8


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_whoever_attacks_may_make_the_call_unharmed(path: Path) -> None:
    """Otherwise a world that says no to whatever it is asked would pass for one that withstands."""
    assertions = [each for each in World.read(path).assertions if each.call is not None]
    lets_through = {each.subject for each in assertions if each.expected is Verdict.YES}
    refuses = {each.subject for each in assertions if each.expected in (Verdict.NO, None)}
    assert lets_through & refuses


@pytest.mark.parametrize(("wrong", "code"), WRONG_SIDES.items())
def test_a_constraint_on_the_wrong_side_cannot_be_written(wrong: str, code: str, tmp_path: Path) -> None:
    text = (SMALL_WORLDS / "attack-taken-back-twice.yaml").read_text(encoding="utf-8")
    swapped = {"matching": "arguments", "arguments": "matching"}
    relation, _, kind = wrong.rpartition(" ")
    right = f"relation {relation} {swapped[kind]}\n"
    assert text.count(right) == 1
    path = tmp_path / "world.yaml"
    path.write_text(text.replace(right, f"relation {wrong}\n"), encoding="utf-8")
    with pytest.raises(WorldInvalid) as refused:
        World.read(path)
    assert f"[{code}]" in "".join(str(finding) for finding in refused.value.findings)
