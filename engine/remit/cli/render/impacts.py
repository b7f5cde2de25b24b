"""What would stop, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remit.cli.render.delegations import StandsAlone
from remit.cli.render.output import columns
from remit.client import ImpactResult, StopsOfType, WouldStop

_PLURALS = {
    "run": "runs",
    "agent": "agents",
    "agent_version": "versions",
    "user": "people",
    "system": "systems",
    "tool": "tools",
    "dataset": "datasets",
    "profile": "profiles",
    "credential": "credentials",
    "domain": "domains",
    "estate": "estates",
}
_SINGULARS = {"agent_version": "version", "user": "person"}
_ALONE_SHOWN = 10
_OBJECTS_SHOWN = 5


def stops_in_words(stops: WouldStop | None) -> str:
    """`3 runs, 1 agent`; with `at least` where there may be more."""
    types = stops.types if stops is not None else ()
    counts = ", ".join(f"{each.count:,} {_named(each.type, each.count)}" for each in types) or "nothing"
    return f"at least {counts}" if stops is not None and stops.more else counts


def impact_lines(impact: ImpactResult, alone: Sequence[StandsAlone]) -> Iterator[str]:
    """Each type with how many would stop and which; then who stands alone."""
    if impact.stops.types:
        yield from columns([("TYPE", "STOPS", "WHICH"), *(_row(each) for each in impact.stops.types)])
    if alone:
        yield ""
        rows = [(str(each.principal), str(each.run), str(each.runs), str(each.agents)) for each in alone[:_ALONE_SHOWN]]
        yield from columns([("FOR", "STANDS ALONE", "BEFORE RUNS", "AGENTS"), *rows])
        if len(alone) > _ALONE_SHOWN:
            yield f"and {len(alone) - _ALONE_SHOWN} more: `--json` tells all"


def _row(each: StopsOfType) -> tuple[str, str, str]:
    shown = [str(object) for object in each.objects[:_OBJECTS_SHOWN]]
    more = each.count - len(shown)
    return each.type, f"{each.count:,}", ", ".join([*shown, *([f"and {more:,} more"] if more else [])])


def _named(type: str, count: int) -> str:
    return _SINGULARS.get(type, type) if count == 1 else _PLURALS[type]
