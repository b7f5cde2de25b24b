"""What a watch of a permission means: everyone who has it of every resource, and what two such sets differ by. Slow,
plain, and the judge of `permission_changes.py`.

The set is the list that LookupSubjects has of each resource that occurs in a relationship that counts. So a `*` stands
for everybody who is not listed apart, and a NO in a list is somebody whom it does not stand for.
Law: the set is Check, for every resource that occurs and every subject; and what two sets differ by, applied to the
first, is the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from heapq import merge
from typing import NamedTuple

from remit.errors import RemitError
from remit.eval.budget import Budget
from remit.eval.lookups import Place, all_subjects, is_same, lookup_subjects, occurs, order_of
from remit.eval.semantics import Answer, Evaluation
from remit.interrupt import Interrupt, never_interrupted
from remit.model import WILDCARD, ObjectRef, SubjectLookup, SubjectRef, Verdict, WatchedPermission

NO_ANSWER = Answer(Verdict.NO)

EntryAnswer = Answer | RemitError
Listed = Mapping[str, EntryAnswer]
"""What the list of one resource says of ids, in order, `*` first where it is among them."""


class Permissionship(NamedTuple):
    """What a subject has of a resource, and whether the resource's list names it. Whoever is not listed has what `*`
    has; nothing, where `*` is not listed."""

    answer: EntryAnswer
    listed: bool


class PermissionUpdate(NamedTuple):
    """That the list of a resource says something else of a subject than before; of everybody who is not listed, where
    the subject is `*`."""

    resource: ObjectRef
    subject: SubjectRef
    before: Permissionship
    now: Permissionship


def permission_set(evaluation: Evaluation, watched: WatchedPermission, place: Place) -> dict[str, Listed]:
    """By resource, everyone there is tried. `place` is of each list. Cost: O(resources x subjects) checks."""
    schema, graph, now_us = evaluation.schema, evaluation.equations.graph, evaluation.equations.now_us
    found: dict[str, Listed] = {}
    for id in sorted(set(graph.ids_of(watched.resource_type)) - {WILDCARD}):
        resource = ObjectRef(watched.resource_type, id)
        if not occurs(schema, graph, now_us, resource, Budget()):
            continue
        lookup = SubjectLookup(resource, watched.permission, watched.subject_type, watched.subject_relation)
        candidates = all_subjects(schema, graph, lookup, now_us, Budget())
        found[id] = dict(lookup_subjects(evaluation, lookup, place, candidates).entries)
    return found


def updates_between(
    watched: WatchedPermission, before: Mapping[str, Listed], now: Mapping[str, Listed]
) -> Iterator[PermissionUpdate]:
    """What the lists of any resources differ by, by resource and then by subject, `*` first."""
    for id in sorted({*before, *now}):
        yield from updates_of(watched, id, before.get(id, {}), now.get(id, {}))


def updates_of(
    watched: WatchedPermission, id: str, before: Listed, now: Listed, look: Interrupt = never_interrupted
) -> Iterator[PermissionUpdate]:
    """What the lists of one resource differ by; both are in order. Cost: O(their length)."""
    resource = ObjectRef(watched.resource_type, id)
    last = ""
    for each in merge(before, now, key=order_of):
        look()
        if each == last:
            continue
        last = each
        one, other = permissionship(before, each), permissionship(now, each)
        if one.listed == other.listed and (not one.listed or is_same(one.answer, other.answer)):
            continue
        subject = SubjectRef(watched.subject_type, each, watched.subject_relation)
        yield PermissionUpdate(resource, subject, one, other)


def permissionship(listed: Listed, id: str) -> Permissionship:
    """What a list says of an id."""
    said = listed.get(id)
    if said is not None:
        return Permissionship(said, True)
    return Permissionship(listed.get(WILDCARD, NO_ANSWER), False)
