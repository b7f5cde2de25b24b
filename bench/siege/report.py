"""What a siege came to, as tables, and as JSON.

Law: a fault is printed as such, however good the figures beside it are."""

from __future__ import annotations

from bench.figures import Latencies
from bench.siege.siege import Outcome, Way
from bench.siege.steady import (
    CHECK,
    DELETE,
    HEALTHZ,
    HOLD,
    KINDS,
    NEW_PROBE,
    PROBE,
    PROMISED,
    SLEEP,
    WATCH,
    WATCH_HEALTH,
)

PROMISED_MS = 100.0
_MIB = 1 << 20
_SHOWN = (HOLD, DELETE, PROBE, NEW_PROBE, HEALTHZ, WATCH_HEALTH, CHECK, WATCH, SLEEP)


def show_whole(way: Way, outcome: Outcome) -> None:
    """A table of the steady client's calls, and one of the attackers'."""
    print(f"\n== {way.name.lower()}: {len(outcome.counts)} attackers at once")
    print(f"{'':20}{'calls':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'p99 alone':>12}")
    for kind in KINDS:
        if kind in outcome.latencies:
            figure, alone = outcome.latencies[kind], outcome.alone.get(kind)
            row = "".join(f"{each:>10.1f}" for each in _milliseconds(figure))
            late = "  late" if kind in PROMISED and figure.p99_us > PROMISED_MS * 1_000 else ""
            print(f"{kind:20}{figure.count:>8}{row}{(_milliseconds(alone)[1] if alone else 0):>12.1f}{late}")
    print(f"\n{'attacker':32}{'answered':>12}{'refused':>12}")
    for name, counts in outcome.counts.items():
        print(f"{name:32}{counts.answered:>12,}{counts.refused:>12,}")
    memory = outcome.memory
    print(
        f"\nmemory: {memory.before // _MIB} MiB before, {memory.peak // _MIB} at most, {memory.after // _MIB} after; "
        f"{memory.stated // _MIB} more are stated"
    )
    print(
        f"all released after {outcome.released_s:.1f} s; stopped in {_stopped(outcome)} s; "
        f"log {outcome.log_bytes / 1024:,.0f} KiB"
    )
    _show_faults(outcome)


def show_each(way: Way) -> None:
    """The head of a table with a row for each attacker."""
    print(f"\n== {way.name.lower()}: one attacker at a time; milliseconds: p50 p99 max")
    heads = "".join(f"{each:>17.16}" for each in _SHOWN)
    tail = f"{'MiB more, kept':>16}{'released':>9}{'stop':>6}{'answered/refused':>20}{'log KiB':>9}"
    print(f"{'':28}{heads}{tail}", flush=True)


def show_row(name: str, outcome: Outcome) -> None:
    cells = []
    for kind in _SHOWN:
        figure = outcome.latencies.get(kind)
        cells.append("-" if figure is None else " ".join(f"{each:.0f}" for each in _milliseconds(figure)))
    memory, counts = outcome.memory, outcome.counts[name]
    grown = f"{(memory.peak - memory.before) // _MIB}, {(memory.after - memory.before) // _MIB}"
    print(
        f"{name:28}"
        + "".join(f"{cell:>17}" for cell in cells)
        + f"{grown:>16}{outcome.released_s:>9.1f}{_stopped(outcome):>6}"
        + f"{f'{counts.answered:,}/{counts.refused:,}':>20}{outcome.log_bytes // 1024:>9,}",
        flush=True,
    )
    _show_faults(outcome)


def _show_faults(outcome: Outcome) -> None:
    for fault in outcome.faults:
        print(f"  FAULT {fault}", flush=True)


def _milliseconds(figure: Latencies) -> tuple[float, float, float]:
    """The middle, the 99th percentile, the most."""
    return figure.p50_us / 1_000, figure.p99_us / 1_000, figure.max_us / 1_000


def _stopped(outcome: Outcome) -> str:
    return "never" if outcome.stopped_s is None else f"{outcome.stopped_s:.1f}"


def as_json(outcome: Outcome) -> dict[str, object]:
    """Milliseconds and mebibytes, as they are printed."""

    def figures(of: dict[str, Latencies]) -> dict[str, dict[str, float]]:
        names = "p50_ms", "p99_ms", "max_ms"
        return {
            kind: {"calls": each.count}
            | {name: round(value, 2) for name, value in zip(names, _milliseconds(each), strict=True)}
            for kind, each in of.items()
        }

    memory = outcome.memory
    return {
        "steady": figures(dict(outcome.latencies)),
        "steady_alone": figures(dict(outcome.alone)),
        "attackers": {
            name: {"answered": each.answered, "refused": each.refused} for name, each in outcome.counts.items()
        },
        "memory_mib": {
            "before": memory.before // _MIB,
            "peak": memory.peak // _MIB,
            "after": memory.after // _MIB,
            "stated_more": memory.stated // _MIB,
        },
        "released_s": round(outcome.released_s, 2),
        "stopped_s": None if outcome.stopped_s is None else round(outcome.stopped_s, 2),
        "log_bytes": outcome.log_bytes,
        "faults": outcome.faults,
    }
