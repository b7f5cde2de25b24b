"""Lists of which the whole is known, and pages of them: what a person may view, and who may view a document.

Law: every page is compared with the expected one, inside the time that is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.in_process import WrongAnswer
from remit.engine.facade import Engine
from remit.engine.lookups import PageOptions
from remit.model import ResourceLookup, SubjectLookup

PAGE = 100


class KnownList(NamedTuple):
    """A lookup and all ids that it finds, sorted."""

    lookup: ResourceLookup | SubjectLookup
    ids: tuple[str, ...]


def pages(engine: Engine, lists: Sequence[KnownList]) -> Callable[[int], None]:
    """Takes the next page of the lists each time it is called, from beginning to end, one list after the other. Raises
    WrongAnswer."""
    place, told, cursor = 0, 0, ""

    def take(_: int) -> None:
        nonlocal place, told, cursor
        lookup, ids = lists[place % len(lists)]
        options = PageOptions(limit=PAGE, cursor=cursor)
        if isinstance(lookup, ResourceLookup):
            page = engine.lookups.resources("", lookup, options)
        else:
            page = engine.lookups.subjects("", lookup, options)
        found = tuple(id for id, _ in page.entries)
        if found != ids[told : told + PAGE]:
            raise WrongAnswer(f"a page of {lookup} is not the {PAGE} ids from number {told} on")
        told, cursor = told + len(found), page.next_cursor
        if not cursor:
            if told != len(ids):
                raise WrongAnswer(f"{lookup} ended after {told} of {len(ids)} ids")
            place, told = place + 1, 0

    return take
