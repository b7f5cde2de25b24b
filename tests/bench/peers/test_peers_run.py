"""Laws of a run over several servers: what was asked is measured, what cannot be is said, and a liar has no figure."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench.over_grpc import Load
from bench.peers.command import held_of, main, options_of, parsed
from bench.peers.costs import Costs
from bench.peers.generator import AsyncioGenerator
from bench.peers.histogram import Histogram
from bench.peers.measure import Run
from bench.peers.plot import Bar, svg
from bench.peers.remit_wire import RemitPeer
from bench.peers.rows import FIXED, Row
from bench.peers.run import Held, Measured, Memory, RunOptions
from bench.peers.table import ratios, show
from bench.peers.world import Workload
from bench.world_options import sizes_of
from tests.support.tiny_world import TINY_FLAGS, empty_remit, tiny_world

QUICK = ("--seconds", "0.02", "--repetitions", "1")
OPTIONS = RunOptions(seconds=0.02, repetitions=1, growth=False)


def test_a_run_measures_says_what_cannot_be_asked_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "result.json"
    only = ("hot pair", "zipf", "with writes", "storm, along", "durable", "expand", "import")
    flags = [flag for name in only for flag in ("--only", name)]
    with empty_remit() as address:
        wires = ("--remit", address, "--remit-wire", "both", "--no-growth")
        assert main([*TINY_FLAGS, *QUICK, *wires, *flags, "--json", "--output", str(kept)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(kept.read_text(encoding="utf-8"))
    rows = told["rows"]
    figures = {(row["workload"], row["peer"], row["mode"], row.get("in_flight")) for row in rows if "rate" in row}
    for peer in ("Remit", "Remit, SpiceDB's wire"):
        for in_flight in (1, 64):
            assert ("hot pair", peer, "closed loop", in_flight) in figures
        assert ("documents by Zipf, alpha 0.99", peer, "fixed rate", None) in figures
        assert ("spawn storm, along", peer, "closed loop", 32) in figures
        assert ("durable writes", peer, "closed loop", 32) in figures
    notes = {(row["workload"], row["peer"]): row["note"] for row in rows if "note" in row}
    assert list(notes) == [("expand viewers", "Remit, SpiceDB's wire")]
    assert "no ExpandPermissionTree" in notes["expand viewers", "Remit, SpiceDB's wire"]
    mixed = [row for row in rows if row["workload"].endswith("with writes")]
    assert len(mixed) == 2 and all(row["extra"]["asked_after"] > 0 for row in mixed)
    assert all(row["rate_low"] <= row["rate"] <= row["rate_high"] for row in rows if "rate" in row)
    assert told["ratios"]["hot pair: Remit : Remit, SpiceDB's wire"] > 0
    assert told["memory"]["Remit"]["relationships"] > 4_500
    assert told["seed"] == 1 and told["plan"]["repetitions"] == 1 and told["machine"]["cores"] > 0
    ElementTree.parse(kept.with_suffix(".svg"))  # our own picture


class Liar(RemitPeer):
    """Says that it was asked the opposite of what it was."""

    kind = "liar"

    def load_of(self, workload: Workload, *, fresh: bool = False) -> Load:
        load = super().load_of(workload, fresh=fresh)
        turned = load.requests[1:] + load.requests[:1]  # type: ignore[operator]  # they are lists
        return Load(load.path, turned, load.require)


def measured(peer: type[RemitPeer], options: RunOptions) -> Measured:
    async def run(address: str) -> Measured:
        held = Held(peer(address), Costs(()))
        try:
            return await Run(tiny_world(), options, [held], AsyncioGenerator(), lambda _: None).all()
        finally:
            await held.peer.close()

    with empty_remit() as address:
        return asyncio.run(run(address))


def test_a_liar_has_no_figure_and_the_run_is_wrong() -> None:
    found = measured(Liar, RunOptions(seconds=0.05, repetitions=1, growth=False, only=("200 pairs",)))
    assert [row.rate for row in found.rows] == [None]
    assert found.rows[0].note.startswith("WRONG ANSWER: `document:")
    assert found.is_wrong


def test_a_server_that_is_not_empty_or_not_there_is_not_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with empty_remit() as address:
        flags = [*TINY_FLAGS, *QUICK, "--remit", address, "--only", "hot pair", "--json"]
        assert main([*flags, "--loaded"]) == 2
        assert "holds no world of the benchmark" in " ".join(capsys.readouterr().err.split())
        assert main([*flags, "--no-growth"]) == 0
        assert main(flags) == 2
        assert "give the benchmark an empty" in " ".join(capsys.readouterr().err.split())
        assert main([*flags, "--loaded"]) == 0
    assert main(flags) == 2
    assert "UNAVAILABLE" in capsys.readouterr().err


def test_a_world_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--relationships", "10"]) == 2
    assert "is too small" in capsys.readouterr().err


# --- flags ----------------------------------------------------------------------------------------------------------


def named(*flags: str) -> list[tuple[str, str]]:
    async def held() -> list[tuple[str, str]]:
        found = held_of(parsed(list(flags)))
        for each in found:
            await each.peer.close()
        return [(each.name, each.peer.address) for each in found]

    return asyncio.run(held())


def test_any_subset_of_servers_can_be_named() -> None:
    remit, spicedb, openfga = ("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
    assert named("--openfga", openfga) == [("OpenFGA", openfga)]
    assert named("--spicedb", spicedb, "--remit", remit) == [("Remit", remit), ("SpiceDB", spicedb)]
    wires = [("Remit", remit), ("Remit, SpiceDB's wire", remit), ("OpenFGA", openfga)]
    assert named("--remit", remit, "--openfga", openfga, "--remit-wire", "both") == wires
    assert named("--remit", remit, "--remit-wire", "spicedb") == wires[1:2]
    assert named() == []


def test_a_plan_is_what_the_flags_say() -> None:
    chosen = parsed(["--seconds", "0.5", "--rate", "100", "--tuples", "50", "--only", "hot", "--only", "Zipf"])
    options = options_of(chosen)
    assert (options.seconds, options.rate, options.tuples_a_second, options.repetitions) == (0.5, 100.0, 50.0, 3)
    assert options.growth and not options.loaded
    assert options.wants("hot pair") and options.wants("documents by Zipf") and not options.wants("mandates")
    assert RunOptions().wants("anything")
    assert not options_of(parsed(["--loaded"])).growth, "what is there already cannot be asked when it was smaller"
    assert sizes_of(parsed(["--size", "huge"])).relationships == 10_000_000
    assert sizes_of(parsed(["--size", "huge", "--questions", "7"])).questions == 7


@pytest.mark.parametrize("flags", (["--rate", "0"], ["--seconds", "-1"], ["--repetitions", "0"], ["--seconds", "nan"]))
def test_what_is_not_above_nothing_is_refused(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(flags)
    assert flags[0] in capsys.readouterr().err


# --- what is told -----------------------------------------------------------------------------------------------------


def test_ratios_are_of_the_same_thing() -> None:
    rows = [
        Row("hot pair", "Remit", in_flight=64, rate=100.0, cpu_us=10.0),
        Row("hot pair", "Remit", in_flight=1, rate=7.0),
        Row("hot pair", "SpiceDB", in_flight=64, rate=50.0),
        Row("along", "SpiceDB", in_flight=64, note="cannot be asked"),
        Row("random documents", "Remit", in_flight=64, rate=1.0, cpu_us=30.0),
        Row("random documents", "Remit", in_flight=1, rate=1.0, cpu_us=90.0),
        Row("random documents, in a tenth", "Remit", in_flight=64, rate=1.0, cpu_us=20.0),
    ]
    assert ratios(rows) == {
        "hot pair: Remit : SpiceDB": 2.0,
        "Remit: CPU of a check in the whole world : in a tenth of it": 1.5,
    }


def test_tables_show_each_figure_beside_remits_and_each_reason_once() -> None:
    latencies = Histogram([1_500_000] * 10).percentiles()
    figure = {"in_flight": 64, "rate_low": 90.0, "rate_high": 110.0, "latencies": latencies, "generator_busy": 0.95}
    rows = [
        Row("hot pair", "SpiceDB", rate=50.0, client="native", cpu_us=12.0, **figure),
        Row("hot pair", "Remit", rate=100.0, client="Python", **figure),
        Row("hot pair", "Remit", FIXED, rate=40.0, offered=42.0, client="native", **figure),
        Row("along", "SpiceDB", in_flight=64, unit="checks", note="cannot be asked: why"),
        Row("more along", "SpiceDB", in_flight=64, unit="checks", note="cannot be asked: why"),
    ]
    memory = {"Remit": Memory(1 << 20, 3 << 20, 1_000), "SpiceDB": Memory()}
    console = Console(file=StringIO(), width=200)
    show(console, {"generator": "both", "start_s": 1.25}, Measured(rows, memory))
    assert isinstance(console.file, StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines() if line.strip()]
    spicedb = next(line for line in lines if "SpiceDB" in line and "50" in line)
    assert spicedb[-9:] == ["50", "40%", "0.5", "12", "1.50", "1.50", "1.50", "rs", "0.95!"]
    remit = next(line for line in lines if "Remit" in line and "100" in line)
    assert remit[-9:] == ["100", "20%", "1", "?", "1.50", "1.50", "1.50", "py", "0.95!"]
    fixed = next(line for line in lines if "42/s" in line)
    assert fixed[-8:] == ["40", "50%", "?", "1.50", "1.50", "1.50", "rs", "0.95!"], "no ratio: each had its own rate"
    text = " ".join(word for line in lines for word in line)
    assert text.count("why") == 1 and "SpiceDB has no figure for along, more along: cannot be asked: why" in text
    assert "Remit 1 3 1,000 2,097" in text and "SpiceDB ? ? 0 ?" in text
    assert "1.25 s until it answered" in text


def test_a_generator_that_was_busy_all_the_time_is_told_of() -> None:
    assert Row("x", "y", rate=1.0, generator_busy=0.95).is_limited_by_generator
    assert not Row("x", "y", rate=1.0, generator_busy=0.5).is_limited_by_generator
    assert Row("x", "y", rate=1.0, cpu_us=20.0).per_core == 50_000


def test_a_picture_shows_every_bar_with_its_figure_longer_for_more() -> None:
    bars = [
        Bar("hot <pair>", "Remit", 250_000.0),
        Bar("hot <pair>", "SpiceDB", 11_800.0),
        Bar("cold", "Remit", 90.0),
        Bar("cold", "SpiceDB", 0.0, "refused"),
    ]
    root = ElementTree.fromstring(svg("a & b", bars))  # our own picture
    space = "{http://www.w3.org/2000/svg}"
    texts = [each.text for each in root.iter(f"{space}text")]
    assert {"250k", "11.8k", "90", "hot <pair>", "cold", "Remit", "SpiceDB: refused", "a & b"} <= set(texts)
    widths = [
        float(each.get("width", "0")) for each in root.iter(f"{space}rect") if each.find(f"{space}title") is not None
    ]
    assert len(widths) == 3
    assert widths[0] > widths[1] > widths[2] > 0
    assert "nothing was measured" in svg("none", [])
