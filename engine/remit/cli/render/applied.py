"""What `remit apply` has changed, or would: a document a line, with its facts below it.

Law: what is told takes a sign as well as a colour, so that a pipe says the same."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from rich.text import Text

from remit.cli.render.output import for_reader, out
from remit.engine.agents.applies import Change, DocumentChange, FactChange

_SIGNS = {Change.ADDED: "+", Change.CHANGED: "~", Change.REMOVED: "-", Change.UNCHANGED: "=", Change.LEFT: "!"}
_STYLES = {Change.ADDED: "green", Change.CHANGED: "yellow", Change.REMOVED: "red", Change.LEFT: "magenta"}


def print_differences(changes: Sequence[DocumentChange]) -> None:
    """Those that are as they were are left out: how many they are is for `counted`."""
    console = out()
    for each in changes:
        if each.change is not Change.UNCHANGED or each.facts:
            console.print(_line(each.change, f"{each.kind}/{each.name}"))
            for fact in each.facts:
                for change, text in _facts(fact):
                    console.print(Text("    ") + _line(change, text))


def counted(changes: Sequence[DocumentChange]) -> str:
    """`3 documents: 1 added, 2 unchanged`."""
    counts = {change: sum(each.change is change for each in changes) for change in Change}
    told = ", ".join(f"{count} {change.name.lower()}" for change, count in counts.items() if count)
    return f"{len(changes)} document{'' if len(changes) == 1 else 's'}" + (f": {told}" if told else "")


def _facts(fact: FactChange) -> Iterator[tuple[Change, str]]:
    if fact.before:
        yield Change.REMOVED, fact.before
        yield Change.ADDED, fact.fact
    elif fact.change is Change.LEFT:
        yield Change.LEFT, f"{fact.fact}  (somebody else has changed it since)"
    else:
        yield fact.change, fact.fact


def _line(change: Change, text: str) -> Text:
    return Text(for_reader(sys.stdout, f"{_SIGNS[change]} {text}"), style=_STYLES.get(change, ""))
