"""bench/README.md, and what README says of speed, are what the kept results hold."""

from __future__ import annotations

import json
import re
from math import floor, log10
from typing import Any

from tests.support.docs.blocks import table_cells
from tests.support.places import ROOT

PAGE = "../bench/README.md"
RESULTS = ROOT / "bench" / "results"
TEXT = " ".join((ROOT / "bench" / "README.md").read_text(encoding="utf-8").split())


def kept(size: str) -> dict[str, Any]:
    """The one result of that size beside the peers that the page names."""
    (name,) = set(re.findall(rf"`results/(\S+-peers-{size}\.json)`", TEXT))
    result: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return result


def rates(result: dict[str, Any], workload: str, in_flight: int) -> dict[str, float]:
    """How many a second each server answered in the closed loop."""
    return {
        row["peer"]: row["rate"]
        for row in result["rows"]
        if (row["workload"], row.get("in_flight"), row["mode"]) == (workload, in_flight, "closed loop")
    }


def two_digits(number: float) -> str:
    rounded = round(number, 1 - floor(log10(number)))
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.1f}"


def test_every_ratio_is_that_of_the_kept_result() -> None:
    result = kept("small")
    rows = table_cells(PAGE, "## What came out")
    assert len(rows) == 6
    for workload, in_flight, spicedb, openfga in rows:
        of = rates(result, workload, int(in_flight))
        ratios = [two_digits(of["Remit"] / of[peer]) for peer in ("SpiceDB", "OpenFGA")]
        assert [spicedb, openfga] == ratios, workload
    assert f"of {result['sizes']['relationships']:,} relationships" in TEXT


def test_the_processor_time_of_lists_is_that_of_the_kept_result() -> None:
    taken = {(row["workload"], row["peer"]): row.get("cpu_us") for row in kept("lists")["rows"]}
    rows = table_cells(PAGE, "## What lists came to")
    assert len(rows) == 5
    for workload, *told in rows:
        for peer, time_ms in zip(("Remit", "SpiceDB", "OpenFGA"), told, strict=True):
            cpu_us = taken[workload, peer]
            assert time_ms == ("none in time" if cpu_us is None else two_digits_ms(cpu_us)), (workload, peer)


def two_digits_ms(us: float) -> str:
    digits = 1 - floor(log10(us / 1000))
    rounded = round(us / 1000, digits)
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:.{digits}f}"


def test_the_large_world_is_answered_and_loaded_as_fast_as_both_pages_say() -> None:
    result = kept("large")
    assert result["sizes"]["relationships"] == 1_000_000
    rate = round(rates(result, "random documents", 64)["Remit"], -3)
    assert f"Remit answered {rate:,.0f} random documents a second with 64 in flight" in TEXT
    assert f"began to answer {result['start_s']:.1f} seconds after its start" in TEXT
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"it answered {rate:,.0f} checks of random documents a second among a million relationships" in readme
