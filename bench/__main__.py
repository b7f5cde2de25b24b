"""`python -m bench`: choose a size, measure, print tables, keep the result.

Examples:
  python -m bench                          everything, on 100,000 relationships; some two or three minutes
  python -m bench --size large             on a million
  python -m bench --only 'in process'      no server; `--only agents --only writes` by parts of names
  python -m bench --json --seconds 0.5     quick, and as JSON on standard output
  python -m bench peers --help             Remit beside SpiceDB and OpenFGA
A full run is kept in bench/results; one with --only is not, unless --output says where."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench.in_process import WrongAnswer
from bench.machine import commit, filesystem, load_average, machine, short_name
from bench.peers import command as peers_command
from bench.processes import Processors, pin
from bench.report import as_json, show
from bench.run import SLICES, RunOptions, run
from bench.world_options import add_world_options, sizes_of
from bench.worlds import World

WIDTH_MIN = 140  # a table cut off is no table: rather let a narrow terminal break its lines
RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    """0 when all was measured, 1 when an answer was wrong, 2 when what was asked for cannot be."""
    chosen = _parsed(arguments)
    err = Console(stderr=True, highlight=False)
    sizes = sizes_of(chosen)
    try:
        world = World(sizes, chosen.seed)
    except ValueError as error:
        err.print(f"[red]error[/red] {error}")
        return 2
    processors = Processors.chosen(chosen.pin)
    with tempfile.TemporaryDirectory(prefix="remit-bench-", dir=chosen.directory) as directory:
        described: dict[str, object] = {
            "format": 1,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit(),
            "machine": machine(),
            "filesystem": filesystem(Path(directory)),
            "seed": chosen.seed,
            "sizes": asdict(sizes),
            "seconds": chosen.seconds,
            "slices": SLICES,
            "pinned": asdict(processors),
            "load_average_before": load_average(),
        }
        pin(processors.load)
        options = RunOptions(chosen.seconds, tuple(chosen.only))
        try:
            with err.status("making the world") as status:
                measured = run(world, options, Path(directory), processors, status.update)
        except WrongAnswer as error:
            err.print(f"[red]wrong answer[/red] {error}; this run has no figures")
            return 1
    described["load_average_after"] = load_average()
    result = as_json(described, measured)
    if chosen.json:
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    else:
        show(Console(highlight=False, width=max(Console().width, WIDTH_MIN)), described, measured)
    output = chosen.output or (None if options.only else _kept_as(described, chosen.size))
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        err.print(f"kept in {output}")
    return 0


def _parsed(arguments: list[str] | None) -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m bench", description=summary, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", action="append", default=[], metavar="NAME", help="a part of a figure's name; may be repeated")
    add_world_options(add)
    add("--seconds", type=float, default=1.5, help="for each figure")
    add("--no-pin", dest="pin", action="store_false", help="leave the choice of processors to the system")
    add("--directory", type=Path, metavar="DIR", help="where the store is written; removed afterwards")
    add("--output", type=Path, metavar="FILE", help="where the result is kept")
    add("--json", action="store_true", help="the result on standard output instead of tables")
    return parser.parse_args(arguments)


def _kept_as(described: dict[str, object], size: str) -> Path:
    measured_machine = described["machine"]
    assert isinstance(measured_machine, dict), "it was described by `machine`"
    return RESULTS / f"{str(described['at'])[:10]}-{short_name(measured_machine)}-{size}.json"


if __name__ == "__main__":
    # As an interrupt does: what was started here ends with it, and what was written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(peers_command.main(sys.argv[2:]) if sys.argv[1:2] == ["peers"] else main())
