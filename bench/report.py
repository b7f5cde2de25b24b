"""The figures as tables for people and as JSON to keep.

Law: a rate is shown beside what it is to be compared with: the hot pair, the engine in process, the bare echo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table

from bench.figures import BARE_LMDB, ECHO, GRPC, IN_PROCESS, Figure, Ratio, find
from bench.run import IN_FLIGHT, WRITES, Measured
from bench.worlds import BULK

_HOT = "hot pair"
_COLD = "random documents"
_IN_BULK = f"bulk of {BULK}, random documents"
_MOST = IN_FLIGHT[-1]


def ratios(figures: Sequence[Figure]) -> list[Ratio]:
    """What the run says in ratios, as far as it has the figures for them."""
    found: list[Ratio] = []

    def compare(name: str, above: Figure | None, below: Figure | None) -> None:
        if above is not None and below is not None:
            found.append(Ratio(name, above.rate / below.rate))

    def compare_p50(name: str, above: Figure | None, below: Figure | None) -> None:
        if above is not None and below is not None:
            found.append(Ratio(name, above.latencies.p50_us / below.latencies.p50_us))

    def compare_cpu(name: str, above: Figure | None, below: Figure | None) -> None:
        if above is not None and below is not None and below.cpu_us:
            found.append(Ratio(name, above.cpu_us / below.cpu_us))

    cold = find(figures, _COLD, IN_PROCESS)
    compare("hot pair : random documents, in process", find(figures, _HOT, IN_PROCESS), cold)
    compare("bulk items : single checks of random documents, in process", find(figures, _IN_BULK, IN_PROCESS), cold)
    for name in (_HOT, _COLD):
        served, bare = find(figures, name, GRPC, _MOST), find(figures, name, ECHO, _MOST)
        compare(f"over gRPC, {_MOST} in flight : in process, {name}", served, find(figures, name, IN_PROCESS))
        compare(f"Remit : bare echo, {_MOST} in flight, {name}", served, bare)
        compare_cpu(f"CPU of a call : CPU of a check in process, {name}", served, find(figures, name, IN_PROCESS))
        compare_cpu(f"CPU of a call : CPU of a bare echo, {name}", served, bare)
        one, bare_one = find(figures, name, GRPC), find(figures, name, ECHO)
        compare_p50(f"p50 of Remit : p50 of bare echo, one at a time, {name}", one, bare_one)
    compare(
        f"bulk items : single checks of random documents, over gRPC, {_MOST} in flight",
        find(figures, _IN_BULK, GRPC, _MOST),
        find(figures, _COLD, GRPC, _MOST),
    )
    one, many = find(figures, WRITES, IN_PROCESS), find(figures, WRITES, IN_PROCESS, _MOST)
    compare(f"durable writes, {_MOST} in flight : one at a time, in process", many, one)
    compare("durable writes, one at a time : bare LMDB commits", one, find(figures, WRITES, BARE_LMDB))
    compare(
        f"durable writes, {_MOST} in flight : one at a time, over gRPC",
        find(figures, WRITES, GRPC, _MOST),
        find(figures, WRITES, GRPC),
    )
    return found


def as_json(described: dict[str, object], measured: Measured) -> dict[str, object]:
    """Everything that is kept of a run. `described`: machine, seed, sizes and the like."""
    rows = measured.relationships
    store: dict[str, object] = {
        "relationships": rows,
        "fill_s": round(measured.fill_s, 2),
        "fill_rows_per_s": round(rows / measured.fill_s),
        "disk_bytes_per_row": round(measured.disk_bytes / rows),
        "load_s": round(measured.load_s, 2),
        "load_rows_per_s": round(rows / measured.load_s),
    }
    if measured.servers is not None:
        store["server"] = asdict(measured.servers) | {"bytes_per_row": _bytes_a_row(measured)}
    return {
        **described,
        "store": store,
        "ratios": {each.name: float(f"{each.value:.3g}") for each in ratios(measured.figures)},
        "figures": [figure.as_json() for figure in measured.figures],
    }


def show(console: Console, described: dict[str, object], measured: Measured) -> None:
    """Tables, and under them what they do not say."""
    _show_store(console, described, measured)
    figures = measured.figures
    _show_in_process(console, [each for each in figures if each.where in (IN_PROCESS, BARE_LMDB)])
    _show_over_grpc(console, figures)
    found = ratios(figures)
    if found:
        table = _table("Ratios within this run", "what : what", "times")
        for ratio in found:
            table.add_row(ratio.name, f"{ratio.value:.3g}")
        console.print(table)


def _show_store(console: Console, described: dict[str, object], measured: Measured) -> None:
    rows = measured.relationships
    table = _table(
        f"A store of {rows:,} relationships, seed {described['seed']}", "", "seconds", "rows/s", "bytes a row"
    )
    on_disk = f"{measured.disk_bytes / rows:,.0f} on disk"
    table.add_row("filled, 1,000 rows a request", f"{measured.fill_s:.2f}", f"{rows / measured.fill_s:,.0f}", on_disk)
    table.add_row("loaded by an engine", f"{measured.load_s:.2f}", f"{rows / measured.load_s:,.0f}", "")
    servers = measured.servers
    if servers is not None:
        in_memory = _bytes_a_row(measured)
        resident = "" if in_memory is None else f"{in_memory:,.0f} in memory"
        table.add_row("server started on it", f"{servers.start_s:.2f}", "", resident)
        table.add_row("server started on nothing", f"{servers.empty_start_s:.2f}", "", "")
    console.print(table)


def _bytes_a_row(measured: Measured) -> float | None:
    """What a server on the store has in memory beyond a server on nothing."""
    servers = measured.servers
    if servers is None or servers.resident_bytes is None or servers.empty_resident_bytes is None:
        return None
    return round((servers.resident_bytes - servers.empty_resident_bytes) / measured.relationships)


def _show_in_process(console: Console, figures: Sequence[Figure]) -> None:
    if not figures:
        return
    hot = find(figures, _HOT, IN_PROCESS)
    table = _table(
        "In process: questions from one thread, writes from as many as are in flight",
        *("", "in flight", "a second", "spread", "CPU µs", "p50 µs", "p99 µs", ": hot pair"),
    )
    for each in figures:
        table.add_row(
            each.name if each.where == IN_PROCESS else f"{each.name}: {each.where}",
            str(each.in_flight),
            f"{each.rate:,.0f}",
            _spread(each),
            f"{each.cpu_us:,.0f}",
            f"{each.latencies.p50_us:,.0f}",
            f"{each.latencies.p99_us:,.0f}",
            f"{each.rate / hot.rate:.3f}" if hot is not None and each.name != WRITES else "",
        )
    console.print(table)


def _show_over_grpc(console: Console, figures: Sequence[Figure]) -> None:
    served = [each for each in figures if each.where == GRPC]
    if not served:
        return
    table = _table(
        "Over gRPC: one asyncio client, closed loop, latencies in ms",
        *("", "in flight", "a second", "spread", "CPU µs", "p50", "p90", "p99", "max"),
        *(": in process", ": echo", "p50 : echo", "CPU : echo"),
    )
    for each in served:
        inside = find(figures, each.name, IN_PROCESS, each.in_flight if each.name == WRITES else 1)
        bare = find(figures, each.name, ECHO, each.in_flight)
        latencies = each.latencies
        table.add_row(
            each.name,
            str(each.in_flight),
            f"{each.rate:,.0f}",
            _spread(each),
            f"{each.cpu_us:,.0f}",
            *(_ms(us) for us in (latencies.p50_us, latencies.p90_us, latencies.p99_us, latencies.max_us)),
            _of(each.rate, inside.rate if inside else None),
            _of(each.rate, bare.rate if bare else None),
            _of(latencies.p50_us, bare.latencies.p50_us if bare else None),
            _of(each.cpu_us, bare.cpu_us if bare else None),
        )
    console.print(table)
    console.print(
        "[dim]Of a bulk its items are counted, and its latency is that of the whole.\n"
        "Closed loop: a stall of the server holds back the requests that would have met it (coordinated omission), so "
        "latencies compare servers and promise no response time.\n"
        "The echo is a grpc.aio server with nothing in it, sent the same requests in turn with Remit, and answering "
        "with as many bytes.\n"
        "CPU is that of the server, all threads, for one of what is counted.[/dim]\n"
    )


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=not number)
    return table


def _spread(figure: Figure) -> str:
    """How far the slices are apart."""
    return f"{(figure.rate_high - figure.rate_low) / figure.rate:.0%}"


def _ms(us: float) -> str:
    """Three digits, as many as mean anything."""
    return f"{us / 1000:.2f}" if us < 10_000 else f"{us / 1000:.1f}" if us < 100_000 else f"{us / 1000:,.0f}"


def _of(value: float, other: float | None) -> str:
    return f"{value / other:.2f}" if other else ""
