"""What the lookups of a world find, by their meaning: every object there is, judged one after the other.

Law: a list is what a server would answer, whatever pages it would come in."""

from __future__ import annotations

from collections.abc import Callable

from remit.errors import RemitError
from remit.eval.budget import STEPS_MAX, Budget
from remit.eval.lookups import Entry, LookupPage, Place, all_resources, all_subjects, lookup_resources, lookup_subjects
from remit.eval.semantics import Evaluation
from remit.graph.plain import Graph
from remit.interrupt import never_interrupted
from remit.language.names import require_type
from remit.language.plan import Schema
from remit.model import WILDCARD, Lookup, ObjectRef, PermissionLookup, ResourceLookup, SubjectRef, Verdict
from remit.world.expected_lists import format_entry


def find_list(schema: Schema, graph: Graph, lookup: Lookup, *, now_us: int) -> list[str]:
    """The entries, as `format_entry` writes them. Raises UnknownType, UnknownRelation, and the error of an entry that
    has no answer. Cost: a check of every object of the type."""
    evaluation = Evaluation(schema, graph, now_us=now_us, context=lookup.context)
    if isinstance(lookup, PermissionLookup):
        return _permissions(evaluation, lookup)
    if isinstance(lookup, ResourceLookup):
        evaluation.goal(ObjectRef(lookup.resource_type, ""), lookup.permission, lookup.subject)
        objects = all_resources(graph, lookup)
        entries = _every_page(lambda place: lookup_resources(evaluation, lookup, place, objects), len(graph))
        return [_entry(ObjectRef(lookup.resource_type, entry.id), entry) for entry in entries]
    type, relation = lookup.subject_type, lookup.subject_relation
    evaluation.goal(lookup.resource, lookup.permission, SubjectRef(type, "", relation))
    everybody = all_subjects(schema, graph, lookup, now_us, Budget())
    entries = _every_page(lambda place: lookup_subjects(evaluation, lookup, place, everybody), len(graph))
    excluded = [str(SubjectRef(type, id, relation)) for id, answer in entries if _is_no(Entry(id, answer))]
    listed = [entry for entry in entries if not _is_no(entry)]
    return [
        _entry(SubjectRef(type, entry.id, relation), entry, excluded if entry.id == WILDCARD else [])
        for entry in listed
    ]


def _every_page(page_at: Callable[[Place], LookupPage], facts: int) -> list[Entry]:
    """A page has room for all there can be, but only so many steps."""
    entries: list[Entry] = []
    after: str | None = ""
    while after is not None:
        page = page_at(Place(after, facts * 2 + 2, STEPS_MAX, never_interrupted))
        entries += page.entries
        after = page.next_after
    return entries


def _permissions(evaluation: Evaluation, lookup: PermissionLookup) -> list[str]:
    names = require_type(evaluation.schema, lookup.resource.type, field="resource").permissions
    found = []
    for name in sorted(names):
        answer = evaluation.check(lookup.resource, name, lookup.subject, Budget())
        if answer.verdict is not Verdict.NO:
            found.append(_entry(name, Entry(name, answer)))
    return found


def _is_no(entry: Entry) -> bool:
    return not isinstance(entry.answer, RemitError) and entry.answer.verdict is Verdict.NO


def _entry(what: object, entry: Entry, excluded: list[str] | None = None) -> str:
    if isinstance(entry.answer, RemitError):
        raise entry.answer
    return format_entry(what, is_conditional=entry.answer.verdict is Verdict.CONDITIONAL, excluded=excluded)
