"""`python -m bench peers`: Remit beside whoever is named, over their own wires, in one run.

Examples:
  python -m bench peers                                     Remit alone, started here
  python -m bench peers --spicedb 127.0.0.1:50052 --spicedb-key k --openfga 127.0.0.1:8081
  python -m bench peers --remit 127.0.0.1:50051 --remit-wire both --only 'hot pair'
  python -m bench peers --loaded --spicedb …                once more on what an earlier run has loaded
How to start the others is in bench/README.md. A full run is kept in bench/results, as JSON and as a picture; one with
--only is not, unless --output says where."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.machine import commit, filesystem, load_average, machine, short_name
from bench.peers.costs import Costs, flags_of, listener, version_of
from bench.peers.fitting import FittingGenerator
from bench.peers.generator import AsyncioGenerator, Generator
from bench.peers.measure import Run
from bench.peers.native import BINARY, BUILD, NativeGenerator
from bench.peers.openfga_wire import OpenfgaPeer
from bench.peers.plot import bars_of, svg
from bench.peers.remit_wire import RemitPeer
from bench.peers.run import Held, Measured, RunOptions
from bench.peers.spicedb_wire import CONSISTENCIES, RemitBySpicedbPeer, SpicedbPeer
from bench.peers.table import as_json, show
from bench.peers.world import PeerWorld
from bench.processes import Processors, pin, remit_server
from bench.world_options import add_world_options, sizes_of

WIDTH_MIN = 160  # a table cut off is no table: rather let a narrow terminal break its lines
RESULTS = Path(__file__).parent.parent / "results"
GENERATORS = ("auto", "native", "asyncio")
WIRES = ("remit", "spicedb", "both")


def main(arguments: list[str] | None = None) -> int:
    """0 when all was measured, 1 when a server answered wrongly, 2 when what was asked for cannot be."""
    chosen = parsed(arguments)
    err = Console(stderr=True, highlight=False)
    sizes = sizes_of(chosen)
    if chosen.loaded and chosen.remit is None and not chosen.without_remit:
        err.print("[red]error[/red] a Remit started here holds nothing: `--loaded` needs `--remit HOST:PORT`")
        return 2
    try:
        world = PeerWorld(sizes, chosen.seed)
    except ValueError as error:
        err.print(f"[red]error[/red] {error}")
        return 2
    try:
        generator_of(chosen)
    except FileNotFoundError as error:
        err.print(f"[red]error[/red] {error}")
        return 2
    processors = Processors.chosen(chosen.pin)
    with tempfile.TemporaryDirectory(prefix="remit-bench-", dir=chosen.directory) as directory:
        data = Path(directory) / "data"
        described: dict[str, object] = {
            "format": 1,
            "what": "peers",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": machine(),
            "filesystem": filesystem(Path(directory)),
            "note": chosen.note,
            "seed": chosen.seed,
            "sizes": asdict(sizes),
            "plan": asdict(options_of(chosen)),
            "pinned": asdict(processors),
            "load_average_before": load_average(),
        }
        pin(processors.load)
        with err.status("making the world") as status:
            measured = _measured(chosen, world, data, processors, described, status.update)
    described["load_average_after"] = load_average()
    return _told(chosen, described, measured, err)


def _measured(
    chosen: argparse.Namespace,
    world: PeerWorld,
    data: Path,
    processors: Processors,
    described: dict[str, object],
    progress: Callable[[str], None],
) -> Measured:
    own = chosen.remit is None and not chosen.without_remit
    with ExitStack() as servers:
        if own:
            progress("starting Remit")
            chosen.remit = servers.enter_context(remit_server(data, processors.server)).address
        try:
            measured = asyncio.run(_run(chosen, world, described, progress))
        except asyncio.CancelledError:  # a stream of grpc makes this of a signal that met it
            raise SystemExit("ended by a signal") from None
    if own:
        progress("starting Remit again on all of it")
        with remit_server(data, processors.server) as again:
            described["start_s"] = round(again.started_s, 3)
            described["start_bytes"] = Costs((again.pid,)).resident_bytes()
    return measured


async def _run(
    chosen: argparse.Namespace, world: PeerWorld, described: dict[str, object], progress: Callable[[str], None]
) -> Measured:
    held = held_of(chosen)
    generator = generator_of(chosen)
    described["generator"] = generator.name
    described["servers"] = {
        each.name: {
            "address": each.peer.address,
            "versions": [version_of(pid) for pid in each.costs.pids],
            "flags": [flags_of(pid) for pid in each.costs.pids],
        }
        for each in held
        if not each.shared_with
    }
    try:
        return await Run(world, options_of(chosen), held, generator, progress).all()
    finally:
        for each in held:
            await each.peer.close()


def generator_of(chosen: argparse.Namespace) -> Generator:
    """Where the native one is built, whichever fits; else the one in Python. Raises FileNotFoundError."""
    if chosen.generator == "asyncio":
        return AsyncioGenerator()
    native = NativeGenerator(chosen.load_binary, chosen.connections)
    if chosen.load_binary.exists():
        return native if chosen.generator == "native" else FittingGenerator(native, AsyncioGenerator())
    if chosen.generator == "native":
        raise FileNotFoundError(f"`{chosen.load_binary}` is not there: build it with `{BUILD}`")
    return AsyncioGenerator()


def _told(chosen: argparse.Namespace, described: dict[str, object], measured: Measured, err: Console) -> int:
    if measured.is_empty and not measured.is_wrong:
        for row in measured.rows:
            err.print(f"[red]error[/red] {row.peer}: {row.note}")
        err.print("nothing was measured")
        return 2
    result = as_json(described, measured)
    if chosen.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        show(Console(highlight=False, width=max(Console().width, WIDTH_MIN)), described, measured)
    output = chosen.output or (None if chosen.only else _kept_as(described, chosen.size))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        rows = sizes_of(chosen).relationships
        title = f"Remit and its peers, {rows:,} relationships, seed {chosen.seed}: a second, on a logarithmic scale"
        output.with_suffix(".svg").write_text(svg(title, bars_of(measured.rows)), encoding="utf-8")
        err.print(f"kept in {output} and {output.with_suffix('.svg').name}")
    for row in measured.rows:
        if row.note.startswith("WRONG"):
            err.print(f"[red]{row.peer}[/red], {row.workload}: {row.note}")
    return 1 if measured.is_wrong else 0


# --- what was asked for -----------------------------------------------------------------------------------------


def held_of(chosen: argparse.Namespace) -> list[Held]:
    """The servers named, Remit first. Must be called where an event loop runs: channels belong to one."""
    found: list[Held] = []
    if chosen.remit is not None:
        costs = _costs(chosen.remit, chosen.remit_pid)
        if chosen.remit_wire in ("remit", "both"):
            found.append(Held(RemitPeer(chosen.remit, chosen.remit_key), costs))
        if chosen.remit_wire in ("spicedb", "both"):
            shared_with = found[0].name if found else ""
            found.append(Held(RemitBySpicedbPeer(chosen.remit, chosen.remit_key), costs, shared_with))
    if chosen.spicedb is not None:
        spicedb = SpicedbPeer(chosen.spicedb, chosen.spicedb_key, chosen.spicedb_consistency)
        found.append(Held(spicedb, _costs(chosen.spicedb, chosen.spicedb_pid)))
    if chosen.openfga is not None:
        openfga = OpenfgaPeer(chosen.openfga, chosen.openfga_key)
        found.append(Held(openfga, _costs(chosen.openfga, chosen.openfga_pid)))
    return found


def _costs(address: str, given: list[int]) -> Costs:
    """Those whose pids were given, and the one that listens there, where it is found."""
    found = listener(address)
    return Costs(tuple(dict.fromkeys([*([found] if found is not None else []), *given])))


def options_of(chosen: argparse.Namespace) -> RunOptions:
    return RunOptions(
        seconds=chosen.seconds,
        repetitions=chosen.repetitions,
        only=tuple(chosen.only),
        rate=chosen.rate,
        tuples_a_second=chosen.tuples,
        loaded=chosen.loaded,
        growth=chosen.growth and not chosen.loaded,
    )


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m bench peers",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_servers(parser.add_argument_group("servers"))
    add = parser.add_argument_group("what is measured").add_argument
    add("--only", action="append", default=[], metavar="NAME", help="a part of a workload's name; may be repeated")
    add("--seconds", type=_positive, default=2.0, help="of one stretch of asking")
    add("--repetitions", type=_whole, default=3, help="stretches of each figure, which is their median")
    add("--rate", type=_positive, metavar="N", help="requests a second at the fixed rate; else half of what each can")
    add("--tuples", type=_positive, default=2_000.0, metavar="N", help="written a second beside checks")
    add("--loaded", action="store_true", help="the servers hold this world already, from an earlier run")
    add("--no-growth", dest="growth", action="store_false", help="leave out the world of a tenth of the size")
    add = parser.add_argument_group("the world").add_argument
    add_world_options(add)
    add = parser.add_argument_group("the run").add_argument
    add(
        "--generator",
        choices=GENERATORS,
        default="auto",
        help="native: bench/load; auto: whichever fits",
    )
    add("--load-binary", type=Path, default=BINARY, metavar="FILE", help="the native generator")
    add("--connections", type=_whole, default=1, help="of the native generator, among which what is in flight is split")
    add("--no-pin", dest="pin", action="store_false", help="leave the choice of processors to the system")
    add("--directory", type=Path, metavar="DIR", help="where a Remit started here keeps its store; removed afterwards")
    add("--output", type=Path, metavar="FILE", help="where the result is kept; the picture beside it")
    add("--note", default="", help="kept with the result: what no flag says, such as how a server was built")
    add("--json", action="store_true", help="the result on standard output instead of tables")
    return parser.parse_args(arguments)


def _add_servers(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    pids = "processes whose cost counts besides the one that listens, with all below them; may be repeated"
    for name, note in (("remit", "started here if nobody says"), ("spicedb", "gRPC"), ("openfga", "gRPC, not HTTP")):
        add(f"--{name}", metavar="HOST:PORT", help=f"where it listens ({note})")
        add(f"--{name}-key", metavar="KEY", help="sent as a bearer token")
        add(f"--{name}-pid", type=int, action="append", default=[], metavar="PID", help=pids)
    add("--remit-wire", choices=WIRES, default="remit", help="remit.v1, SpiceDB's, or first the one and then the other")
    add("--without-remit", action="store_true", help="start none; only the others are measured")
    add(
        "--spicedb-consistency",
        choices=CONSISTENCIES,
        default=CONSISTENCIES[0],
        help="of checks; those beside writes and after them are always fresh",
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"`{text}` is not above 0")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not at least 1")
    return number


def _kept_as(described: dict[str, object], size: str) -> Path:
    measured_machine = described["machine"]
    assert isinstance(measured_machine, dict), "it was described by `machine`"
    return RESULTS / f"{str(described['at'])[:10]}-{short_name(measured_machine)}-peers-{size}.json"
