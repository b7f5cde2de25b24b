"""A run over several servers as tables for people and as JSON to keep.

Law: a rate is shown beside the range it is the median of, and beside Remit's of the same run; a reason why there is no
figure stands where the figure would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.peers.rows import CLOSED, FIXED, IMPORT, Row, name_of, rounded
from bench.peers.run import Measured
from bench.peers.world import IN_A_TENTH

REMIT = "Remit"
_COLD = "random documents"
_CLIENTS = {"native": "rs ", "Python": "py ", "": ""}
_GROWN = "CPU of a check in the whole world : in a tenth of it"
_HEADINGS = (
    "",
    "server",
    "in flight",
    "a second",
    "range",
    ": Remit",
    "CPU µs",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "client",
)


def ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Remit's rate to each other's, by workload; and what each one's checks cost more in a world ten times as large."""
    found: dict[str, float] = {}
    for row in rows:
        remit = _same(rows, row, REMIT)
        if row.peer != REMIT and row.rate and remit is not None and remit.rate and row.mode != FIXED:
            found[f"{name_of(row)}: Remit : {row.peer}"] = remit.rate / row.rate
        if row.workload == IN_A_TENTH and row.cpu_us:
            grown = [each for each in rows if (each.workload, each.peer) == (_COLD, row.peer)]
            for each in grown:
                if each.mode == CLOSED and each.in_flight == row.in_flight and each.cpu_us:
                    found[f"{row.peer}: {_GROWN}"] = each.cpu_us / row.cpu_us
    return found


def as_json(described: Mapping[str, object], measured: Measured) -> dict[str, object]:
    memory = {
        name: {
            "empty_bytes": each.empty_bytes,
            "full_bytes": each.full_bytes,
            "relationships": each.facts,
            "bytes_a_relationship": rounded(each.bytes_a_fact),
        }
        for name, each in measured.memory.items()
    }
    return {
        **described,
        "memory": memory,
        "ratios": {name: rounded(value) for name, value in ratios(measured.rows).items()},
        "rows": [row.as_json() for row in measured.rows],
    }


def show(console: Console, described: Mapping[str, object], measured: Measured) -> None:
    """Everything in tables, and under them what they do not say."""
    _show_rows(console, f"The same questions, in turns; client: {described['generator']}", measured.rows)
    _show_notes(console, measured.rows)
    _show_memory(console, described, measured)
    grown = {name: value for name, value in ratios(measured.rows).items() if name.endswith(_GROWN)}
    for name, value in grown.items():
        console.print(f"{name}: {value:.3g}")
    console.print(
        "[dim]CPU is that of the server and of all its processes, its database included where its pid was given, for "
        "one of what is counted.\n"
        "Latencies in the closed loop leave out those whom a stall kept from asking (coordinated omission); at a fixed "
        "rate they count from when a request was meant to leave.\n"
        "client: who asked (rs: bench/load, py: Python), and how busy its core was; above 0.9 (marked !) it was the "
        "client that was measured.[/dim]"
    )


def _show_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    table = _table(title, _HEADINGS)
    servers = list(dict.fromkeys(row.peer for row in rows))
    told = sorted((row for row in rows if row.rate is not None), key=lambda row: servers.index(row.peer))
    for name in dict.fromkeys(name_of(row) for row in rows if row.rate is not None):
        for number, row in enumerate(each for each in told if name_of(each) == name):
            table.add_row("" if number else f"{name} ({row.unit})", row.peer, *_figures(rows, row))
        table.add_section()
    console.print(table)


def _show_notes(console: Console, rows: Sequence[Row]) -> None:
    """Where a server has no figure, and why; what is the same for several workloads is said once."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.note:
            found.setdefault((row.peer, row.note), []).append(name_of(row))
    for (peer, note), names in found.items():
        console.print(f"{peer} has no figure for {', '.join(f'[bold]{name}[/bold]' for name in names)}: {note}")
    if found:
        console.print()


def _figures(rows: Sequence[Row], row: Row) -> list[str]:
    assert row.rate is not None and row.rate_low is not None and row.rate_high is not None, "a row with a figure"
    remit = _same(rows, row, REMIT)
    compared = remit is not None and remit.rate and row.mode != FIXED
    asked = f"{row.offered:,.0f}/s" if row.offered is not None else f"{row.in_flight}"
    writes = row.extra.get("tuples_a_second")
    return [
        asked + (f", {writes:,.0f} w/s" if writes is not None else ""),
        f"{row.rate:,.0f}",
        f"{(row.rate_high - row.rate_low) / row.rate:.0%}",
        f"{row.rate / remit.rate:.3g}" if compared and remit is not None and remit.rate else "",
        f"{row.cpu_us:,.3g}" if row.cpu_us is not None else "?",
        *(_ms(row.latencies.get(name)) for name in ("p50_us", "p99_us", "p99.9_us")),
        f"{_CLIENTS[row.client]}{row.generator_busy or 0:.2f}{'!' if row.is_limited_by_generator else ''}",
    ]


def _show_memory(console: Console, described: Mapping[str, object], measured: Measured) -> None:
    table = _table("Memory", ("server", "MiB before", "MiB with the world", "relationships", "bytes each"))
    for name, each in measured.memory.items():
        table.add_row(
            name,
            _mib(each.empty_bytes),
            _mib(each.full_bytes),
            f"{each.facts:,}",
            f"{each.bytes_a_fact:,.0f}" if each.bytes_a_fact is not None else "?",
        )
    console.print(table)
    started, bytes_then = described.get("start_s"), described.get("start_bytes")
    if isinstance(started, float):
        held = f", {_mib(bytes_then)} MiB then" if isinstance(bytes_then, int) else ""
        console.print(f"Remit started again on all of it: {started:.2f} s until it answered{held}\n")


def _same(rows: Sequence[Row], row: Row, peer: str) -> Row | None:
    """The row of another server for the same thing. Loading is the same thing by whatever verb."""
    for each in rows:
        same = each.workload == row.workload and (row.workload == IMPORT or each.in_flight == row.in_flight)
        if each.peer == peer and same and (row.workload == IMPORT or each.mode == row.mode):
            return each
    return None


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number < 2 else "right", no_wrap=number < 2)
    return table


def _ms(us: float | None) -> str:
    if us is None:
        return ""
    return f"{us / 1000:.3f}" if us < 1_000 else f"{us / 1000:.2f}" if us < 10_000 else f"{us / 1000:,.0f}"


def _mib(count: int | None) -> str:
    return "?" if count is None else f"{count / (1 << 20):,.0f}"
