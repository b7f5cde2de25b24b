"""Runs that are over: ended for good once their time ran out long ago, and swept once nobody can ask how they were.

A run that was started by a verb has an end, and is given no other once that is past. So when the store's own sweep
removes the last of what it had declared, a retention later, the same revision ends it for good. What was ended, so or
by Terminate, is swept as a whole when the changelog no longer reaches back to before that (`ended.py`): of a million
runs that have ended nothing is left in memory. Runs that somebody wrote as facts, without a verb, are theirs to end.
A round looks at so many ends at most, and the next one goes on where it stopped.
Law: what is ended here could do nothing before, and what is swept could not either."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from remit.engine.ended import PRINCIPAL, sweep_ended
from remit.engine.loaded import LoadedStore, LoadedStores
from remit.interrupt import Interrupt, never_interrupted
from remit.model import (
    ObjectRef,
    Provenance,
    RecordKey,
    Relationship,
    RelationshipFilter,
    RelationshipKey,
    StoredRelationship,
    SubjectRef,
)
from remit.store.port import WriteTransaction

LOOKED_AT_MAX = 1_000  # ends in a round: some milliseconds
_AT_ONCE = 100  # runs that are swept between two looks at whether to go on

_RUN, _END = "run", "terminated"
_BY = SubjectRef("directory", PRINCIPAL)  # whom Terminate names too
# By the subject first, so that only ends are looked at, however many runs live.
_ENDS = RelationshipFilter(_RUN, relation=_END, subject_type=_BY.type, subject_id=_BY.id, subject_relation="")


class EndedRuns:
    """The sweep of the runs of all stores, by one thread."""

    def __init__(self, stores: LoadedStores) -> None:
        self._stores = stores
        self._after: dict[bytes, RelationshipKey] = {}  # by the store's uuid: the end that was looked at last

    def sweep(self, loaded: LoadedStore, interrupt: Interrupt = never_interrupted) -> None:
        """Sweep some of the runs that ended long ago. Cost: O(looked at), and O(relationships log n) each."""
        uuid = loaded.identity.uuid
        with self._stores.view(loaded.identity) as view:
            ends = list(islice(view.scan(_ENDS, self._after.get(uuid)), LOOKED_AT_MAX))
            oldest = view.head.oldest_revision
        if len(ends) < LOOKED_AT_MAX:
            self._after.pop(uuid, None)  # the next round begins anew
        else:
            self._after[uuid] = ends[-1].relationship.key
        due = [each.relationship.resource for each in ends if each.provenance.revision <= oldest]
        for some in (due[at : at + _AT_ONCE] for at in range(0, len(due), _AT_ONCE)):
            interrupt()
            sweep_ended(self._stores, loaded, some, _END)


def end_where_over(stores: LoadedStores, view: WriteTransaction, over: Iterable[Relationship], now_us: int) -> None:
    """End the runs whose last intent is among what is over, which is about to be removed, where a verb has started
    them. Cost: O(log n + their profiles) each."""
    runs = {each.subject.object for each in over if _is_intent(each)}
    definition = stores.plans.of_transaction(view).definitions.get(_RUN) if runs else None
    if definition is None or _END not in definition.relations or not definition.relations[_END].final:
        return
    for run in sorted(runs):
        end = RelationshipKey(run, _END, _BY)
        if view.get_record(RecordKey(_RUN, run)) is None or view.get(end) is not None or _has_intent(view, run, now_us):
            continue
        written = Relationship(run, _END, _BY)
        view.put(StoredRelationship(written, Provenance(PRINCIPAL, "", view.next_revision)))


def _is_intent(relationship: Relationship) -> bool:
    key = relationship.key
    return (key.resource.type, key.relation, key.subject.type) == ("profile", "declarer", _RUN)


def _has_intent(view: WriteTransaction, run: ObjectRef, now_us: int) -> bool:
    named = RelationshipFilter("profile", subject_type=_RUN, subject_id=run.id, subject_relation="")
    return any(
        each.relationship.relation == "declarer" and not each.relationship.qualifiers.is_over(now_us)
        for each in view.scan(named)
    )
