"""What `remit top` shows: tables for a person, an object for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remit.cli.metrics import Figures


def figures_json(figures: Figures) -> dict[str, object]:
    # Programs know the work queues as `lanes`, as the metrics do.
    shape = {"lanes" if name == "queues" else name: value for name, value in asdict(figures).items()}
    shape["verbs"] = {
        verb: {key: value for key, value in asdict(each).items() if value is not None}
        for verb, each in figures.verbs.items()
    }
    shape["lanes"] = {name: {"in_flight": taken, "max": most} for name, (taken, most) in figures.queues.items()}
    shape["stores"] = {
        name: {"relationships": count, "revision": revision} for name, (count, revision) in figures.stores.items()
    }
    return shape


def view_of(figures: Figures) -> RenderableType:
    """Tables of what there is; what there is none of takes no room."""
    state = Text("ready", style="green") if figures.ready else Text("not ready", style="red")
    sizes = f"{_size(figures.memory_bytes)} memory  {_size(figures.store_bytes)} disk"
    life = f"  up {_duration(figures.uptime_s)}  {figures.cpu_cores:.2f} cores  {sizes}"
    head = Text.assemble(("remit ", "bold"), figures.version, "  ", state, life)
    verbs = _table("VERB", "REQUESTS", "PER S", "P50 MS", "P99 MS")
    for verb, each in figures.verbs.items():
        verbs.add_row(verb, f"{each.requests:,}", _rate(each.per_s), _number(each.p50_ms), _number(each.p99_ms))
    stores = _table("STORE", "RELATIONSHIPS", "REVISION")
    for name, (count, revision) in figures.stores.items():
        stores.add_row(name, f"{count:,}", f"{revision:,}")
    queues = " ".join(f"{name} {taken}/{most}" for name, (taken, most) in figures.queues.items())
    commits = f"{_rate(figures.commits_per_s)} a second"
    if figures.requests_per_commit is not None:
        commits += f", {figures.requests_per_commit:.1f} requests each, p99 {_number(figures.commit_p99_ms)} ms"
    lines = [
        ("verdicts", _listed(figures.verdicts_per_s)),
        ("refused", _listed(figures.refused_per_s)),
        ("failed", _listed(figures.failed_per_s)),
        ("in flight", queues),
        ("streams", " ".join(f"{verb} {count}" for verb, count in figures.streams.items() if count)),
        ("commits", f"{commits}, {figures.writes_waiting} waiting"),
    ]
    facts = Table.grid(padding=(0, 2))
    for name, value in lines:
        if value:
            facts.add_row(Text(name, style="bold"), value)
    return Group(head, "", verbs, "", facts, "", stores)


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _listed(rates: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {_rate(rate)}/s" for name, rate in rates.items() if rate)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _size(size: int) -> str:
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    shown = [f"{value}{unit}" for value, unit in parts if value]
    return " ".join(shown[:2]) or "0s"
