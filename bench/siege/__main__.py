"""`python -m bench.siege`: everybody who ever kept a stop waiting, at once, and what a steady client sees meanwhile.

Examples:
  python -m bench.siege                        all of them, over both ways in; the result is kept in bench/results
  python -m bench.siege --each --way frontend  one after the other, each on a server of its own: which one hurts
  python -m bench.siege --only writes --only imports --seconds 10
It ends with 1 where a stop was lost, a steady call failed, memory passed its bound, or something was kept."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import commit, filesystem, load_average, machine, short_name
from bench.siege.certificate import make_certificate
from bench.siege.report import as_json, show_each, show_row, show_whole
from bench.siege.siege import Outcome, Terms, Way, besiege
from bench.siege.table import ATTACKERS, BEYOND_GRPCIO, rights_of_callers
from bench.siege.world import LARGE, SMALL, make_world

WAYS = {"frontend": (Way.FRONTEND,), "grpcio": (Way.GRPCIO,), "both": tuple(Way)}
RESULTS = Path(__file__).parent.parent / "results"


def main() -> int:
    chosen = _parsed()
    names = [name for name in ATTACKERS if not chosen.only or any(part in name for part in chosen.only)]
    names = [name for name in names if chosen.tls or not ATTACKERS[name].needs_tls]
    described: dict[str, object] = {
        "format": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "seconds": chosen.seconds,
        "load_average_before": load_average(),
    }
    print(f"{short_name(machine())}, load {load_average()}", flush=True)
    left_out: dict[str, list[str]] = {}
    outcomes: dict[str, dict[str, Outcome]] = {}
    with tempfile.TemporaryDirectory(prefix="remit-siege-", dir=chosen.directory) as folder:
        described["filesystem"] = filesystem(Path(folder))
        world = make_world(Path(folder), SMALL if chosen.small else LARGE, rights_of_callers())
        certificate = make_certificate(Path(folder)) if chosen.tls else None
        for way in WAYS[chosen.way]:
            terms = Terms(way, chosen.seconds, not chosen.without_keys, certificate, chosen.nice)
            outcomes[way.name.lower()] = found = {}
            withstood = names_for(way, names, is_chosen=bool(chosen.only))
            left_out[way.name.lower()] = [name for name in names if name not in withstood]
            if chosen.each:
                show_each(way)
                for name in withstood:
                    found[name] = besiege(world, terms, [name])
                    show_row(name, found[name])
            else:
                found["all"] = besiege(world, terms, withstood)
                show_whole(way, found["all"])
            if left_out[way.name.lower()]:
                print(f"left out, beyond {way.name.lower()}: {', '.join(left_out[way.name.lower()])}")
    described["left_out"] = left_out
    described["load_average_after"] = load_average()
    print(f"load afterwards {load_average()}")
    _keep(chosen, described, outcomes)
    return 1 if any(outcome.faults for found in outcomes.values() for outcome in found.values()) else 0


def names_for(way: Way, names: Sequence[str], *, is_chosen: bool) -> list[str]:
    """Those that are asked of a way in; whoever names attackers gets them, also those that it does not withstand."""
    return [name for name in names if is_chosen or way is Way.FRONTEND or name not in BEYOND_GRPCIO]


def _parsed() -> argparse.Namespace:
    summary, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m bench.siege",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--seconds", type=float, default=10.0, help="how long each siege goes on")
    add(
        "--way",
        choices=WAYS,
        default="both",
        help="who listens: the frontend, grpcio alone, or first one, then the other",
    )
    add(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="attackers with this in their names; may be repeated",
    )
    add("--each", action="store_true", help="one attacker at a time, each on a server of its own")
    add("--without-keys", action="store_true", help="a server that asks for none, where everybody may do everything")
    add(
        "--tls", action="store_true", help="a server that speaks TLS, and those who begin a handshake and do not end it"
    )
    add("--small", action="store_true", help="fewer facts, smaller requests")
    add("--not-nice", dest="nice", action="store_false", help="attackers at the priority of everybody else")
    add("--directory", type=Path, metavar="DIR", help="where the stores are written; removed afterwards")
    add("--output", type=Path, metavar="FILE", help="where the result is kept")
    return parser.parse_args()


def _keep(chosen: argparse.Namespace, described: dict[str, object], outcomes: dict[str, dict[str, Outcome]]) -> None:
    """Where it was asked for, or where all of it was done as usual."""
    is_usual = not (chosen.only or chosen.each or chosen.small or chosen.without_keys or chosen.tls) and chosen.nice
    name = f"{str(described['at'])[:10]}-{short_name(machine())}-siege.json"
    output: Path | None = chosen.output or (RESULTS / name if is_usual and chosen.way == "both" else None)
    if output is None:
        return
    result = described | {
        "ways": {way: {name: as_json(each) for name, each in found.items()} for way, found in outcomes.items()}
    }
    output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"kept in {output}")


if __name__ == "__main__":
    sys.exit(main())
