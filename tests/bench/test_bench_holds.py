"""What a hold costs is measured of holds that silence, and is the same whatever is below."""

from __future__ import annotations

from pathlib import Path

from bench.holds import Subtree, measured


def test_a_hold_writes_as_much_whatever_is_below_it(tmp_path: Path) -> None:
    found = measured(tmp_path / "data", sizes=(3, 300), rounds=4)
    for verb in ("Hold", "Release"):
        few, many = (found[size][verb] for size in (3, 300))
        assert len(few.ns) == len(many.ns) == 4
        assert set(few.rows) == set(many.rows)


def test_a_subtree_has_each_run_once_and_its_last_at_the_end_of_a_chain() -> None:
    facts = list(Subtree(111).relationships())
    edges = {str(each.resource): str(each.subject) for each in facts if each.relation == "delegated_by"}
    assert len(edges) == 111
    assert [edges["run:111-0"], edges["run:111-110"]] == ["user:anne", "run:111-10"]
    assert sum(each.relation == "viewer" for each in facts) == 1 + 3
