"""Orphans and TransferOwner: who answers for what, seen before they leave, and handed over in one revision.

An agent or a system without an owner who is there does nothing any more, which is safe and rarely what was meant. So
it can be asked beforehand what would stand alone if a person left, and all that they own can be given to another.
Law: after a transfer nothing of what was meant is the old owner's, whatever was live still is, and what others own is
as it was; and who is there, and who is owned, is said by the schema's permissions alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from remit.engine.agents.below import OWNING, below
from remit.engine.agents.performing import (
    LOCALLY,
    Decision,
    Performed,
    Submission,
    Verbs,
    checked_reason,
    require_agents,
)
from remit.engine.agents.scene import Scene, require_known
from remit.engine.agents.supposing import if_gone
from remit.engine.cursors import decode_names_cursor, encode_names_cursor
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.request_view import RequestView
from remit.errors import InvalidArgument, LimitExceeded, NotOwned, ObjectUnknown, OwnerNotPresent, RemitError
from remit.eval.budget import Budget
from remit.eval.evaluator import Evaluator
from remit.eval.lookups import in_order, occurs
from remit.graph.view import GraphView
from remit.interrupt import Interrupt, looked_at, never_interrupted, paced
from remit.model import WILDCARD, ObjectRef, Question, Relationship, RelationshipKey, SubjectRef, Verdict
from remit.notation import checked_object, checked_subject, parse_object

_OWNER = "owner"
_OWNED = ("agent", "system")  # in the order they are listed
_OWNERS = frozenset({("user", ""), ("team", "member"), ("system", "")})

# Of one transfer: all other writers wait for it, some tens of milliseconds. Its entry and its record name all of them,
# so their names are bounded too, to what fits a record.
OBJECTS_MAX = 1_000
NAMES_BYTES_MAX = 48 * 1024

# Of one page of orphans, which may look at many before it finds one: natively some tens of milliseconds.
JUDGED_MAX = 8_192
_JUDGED_AT_ONCE = 256
OWNERS_TOLD_MAX = 10


@dataclass(frozen=True, slots=True)
class Orphan:
    """An agent or a system without an owner who is there, and some of those who are named as its owners.
    `is_undecided`: the question was not finished, so that it may have one."""

    object: ObjectRef
    owners: tuple[SubjectRef, ...]
    is_undecided: bool


@dataclass(frozen=True, slots=True)
class OrphanPage:
    """Agents by id, then systems; where to go on, "" at the end; and the revision and time it is of."""

    orphans: tuple[Orphan, ...]
    next_cursor: str
    token: str
    evaluated_at_us: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """What an owner was given, by name: agents first."""

    source: SubjectRef
    target: SubjectRef
    objects: tuple[ObjectRef, ...]


class Owners:
    """The owners of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs, evaluator: Evaluator, limits: Limits) -> None:
        self._verbs = verbs
        self._evaluator = evaluator
        self._limits = limits

    # --- who has none -------------------------------------------------------------------------------------------

    def orphans(
        self,
        store: str,
        *,
        leaving: ObjectRef | None = None,
        limit: int = 0,
        cursor: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> OrphanPage:
        """A page of the agents and systems that have no owner who is there; with `leaving`, a person, of those that
        this person answers for and that would have none if they were gone. What has been terminated needs none. A page
        may end before it is full. Raises StoreNotFound, AgentsNotInSchema, ObjectUnknown, InvalidCursor, and
        StepBudgetSpent where too much is below the person."""
        if leaving is not None and checked_object(leaving, field="leaving").type != "user":
            raise InvalidArgument(f"`{leaving}` is no person: name one as `user:anne`", field="leaving")
        view = self._verbs.views.of(store, interrupt=interrupt)
        require_agents(view.schema)
        listed = f"orphans {leaving or ''}"
        after = decode_names_cursor(cursor, view.identity, listed)
        budget = Budget(self._limits.steps_max, interrupt)
        if leaving is None:
            candidates, judged = _all_owned(view.graph, interrupt), view
        else:
            _require_known(view, leaving, budget)
            candidates, judged = self._answered_for(view, leaving, budget), if_gone(view, leaving)
        later = (each for each in candidates if _place(each) > _place_of(after))
        limit = min(limit or self._limits.page_max, self._limits.page_max)
        orphans: list[Orphan] = []
        last, count = after, 0
        while some := list(islice(later, _JUDGED_AT_ONCE)):
            for object, orphan in zip(some, self._judge(judged, some, budget), strict=True):
                if len(orphans) == limit or count == JUDGED_MAX:
                    following = encode_names_cursor(last, view.identity, listed)
                    return OrphanPage(tuple(orphans), following, view.token, view.now_us)
                last, count = str(object), count + 1
                if orphan is not None:
                    orphans.append(orphan)
        return OrphanPage(tuple(orphans), "", view.token, view.now_us)

    def _answered_for(self, view: RequestView, person: ObjectRef, budget: Budget) -> Iterator[ObjectRef]:
        found = below(view.graph, person, OWNING, view.now_us, self._limits.steps_max, budget.spend)
        return iter(sorted((each for each in found.objects if each.type in _OWNED), key=_place))

    def _judge(self, view: RequestView, objects: Sequence[ObjectRef], budget: Budget) -> list[Orphan | None]:
        there = [each for each in objects if _is_there(view, each, budget)]
        questions = [Question(each, "owned", SubjectRef(*each)) for each in there]
        answers = self._evaluator.check_many(view, questions, self._limits.steps_max, budget.interrupt)
        lonely = {
            each: answer
            for each, answer in zip(there, answers, strict=True)
            if isinstance(answer, RemitError) or answer.verdict is not Verdict.YES
        }
        return [
            Orphan(each, _named(view, each), isinstance(lonely[each], RemitError)) if each in lonely else None
            for each in objects
        ]

    # --- one after the other ------------------------------------------------------------------------------------

    def transfer(
        self,
        store: str,
        source: SubjectRef,
        target: SubjectRef,
        *,
        only: Sequence[ObjectRef] = (),
        reason: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[Transfer]:
        """Give every agent and system that `source` owns, or `only` some of them, to `target`, who must be there. Who
        is in which team stays as it is. Raises InvalidArgument, ObjectUnknown, NotOwned, OwnerNotPresent,
        LimitExceeded, and what `Verbs.perform` raises."""
        _checked_owner(source, "from_owner")
        _checked_owner(target, "to_owner")
        if source == target:
            raise InvalidArgument(
                f"`{source}` is both who hands over and who takes over: name another", field="to_owner"
            )
        checked_reason(reason)
        wanted = _checked_only(only)
        # Whoever owns may be named by a million grants besides, so they are gone through while nobody waits.
        view = self._verbs.views.of(store, interrupt=submission.interrupt)
        before = () if wanted else _owned_by(view, source, submission.interrupt)

        def decide(scene: Scene) -> Decision[Transfer]:
            require_known(scene, source.object, "from_owner")
            require_known(scene, target.object, "to_owner")
            named = wanted or {*before, *_since(scene, view.revision, source)}
            scene.scanning.require_small(2 * len(named))
            objects = _checked_owned(scene, source, sorted(named, key=_place), only=bool(wanted))
            if not scene.asks(target.object, "present", SubjectRef(*target.object)):
                raise OwnerNotPresent(
                    f"`{target}` could answer for nothing: it is not certain that anybody is there. Name a person who "
                    "is registered and not held, a team with such a member, or a system that such a one owns",
                    field="to_owner",
                    owner=target,
                )
            for each in objects:
                scene.touch(each, _OWNER, target)
                scene.remove(Relationship(each, _OWNER, source))
            names = [str(each) for each in objects]
            entry = {"from": str(source), "to": str(target), "objects": names, "reason": reason}
            return Decision(Transfer(source, target, objects), " ".join(names), entry)

        def again(scene: Scene, made: str) -> Transfer:
            objects = map(parse_object, made.split())
            return Transfer(source, target, tuple(each for each in objects if _owns(scene, target, each)))

        return self._verbs.perform(store, "TransferOwner", submission, decide, again)


def _owned_by(view: RequestView, owner: SubjectRef, interrupt: Interrupt) -> tuple[ObjectRef, ...]:
    """Cost: O(relationships that name the owner). Raises LimitExceeded."""
    look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
    nodes = looked_at(view.graph.nodes_of(owner), look)
    owned = tuple(object for object, relation in nodes if relation == _OWNER and object.type in _OWNED)
    if len(owned) > OBJECTS_MAX:
        raise _too_many(f"`{owner}` owns {len(owned)} agents and systems", "from_owner", len(owned))
    return owned


def _since(scene: Scene, revision: int, owner: SubjectRef) -> Iterator[ObjectRef]:
    """What they may own besides: of what was written after the revision, the predecessors in the batch among it.
    Cost: O(changes since)."""
    committed = (change.key for delta in scene.view.changelog(revision) for change in delta.changes)
    for key in looked_at(chain(committed, scene.view.changed()), scene.scanning.look):
        if key.relation == _OWNER and key.subject == owner and key.resource.type in _OWNED:
            yield key.resource


def _checked_owner(owner: SubjectRef, field: str) -> None:
    checked_subject(owner, field=field)
    if (owner.type, owner.relation) not in _OWNERS:
        raise InvalidArgument(
            f"`{owner}` cannot own: an owner is a person (`user:anne`), the members of a team (`team:finance#member`) "
            "or a system (`system:nightly`)",
            field=field,
        )


def _checked_only(only: Sequence[ObjectRef]) -> tuple[ObjectRef, ...]:
    if len(only) > OBJECTS_MAX:
        raise _too_many(f"`only` names {len(only)} agents and systems", "only", len(only))
    seen: set[ObjectRef] = set()
    for index, each in enumerate(only):
        field = f"only[{index}]"
        if checked_object(each, field=field).type not in _OWNED:
            raise InvalidArgument(f"`{each}` is not handed over by this: agents and systems are", field=field)
        if each in seen:
            raise InvalidArgument(f"`{each}` occurs twice in one request", field=field)
        seen.add(each)
    return tuple(sorted(only, key=_place))


def _checked_owned(scene: Scene, owner: SubjectRef, named: Sequence[ObjectRef], *, only: bool) -> tuple[ObjectRef, ...]:
    """Those that are the owner's as the predecessors left it; of `only` some every one has to be."""
    objects = tuple(each for each in named if _owns(scene, owner, each))
    if only and (missing := set(named).difference(objects)):
        raise NotOwned(f"`{min(missing)}` is not owned by `{owner}`", field="only", object=min(missing))
    if not objects:
        raise NotOwned(f"`{owner}` owns no agent and no system: nothing is to be handed over", field="from_owner")
    if len(objects) > OBJECTS_MAX:
        raise _too_many(f"`{owner}` owns {len(objects)} agents and systems", "from_owner", len(objects))
    # In a text of JSON, and as many characters as bytes: ids are ASCII.
    size = sum(len(json.dumps(str(each))) for each in objects)
    if size > NAMES_BYTES_MAX:
        raise LimitExceeded(
            f"the names of {len(objects)} agents and systems have {size} bytes, and those of one transfer may have "
            f"{NAMES_BYTES_MAX}: hand them over in parts, by `only`",
            field="only" if only else "from_owner",
            name="transfer_names_bytes_max",
            limit=NAMES_BYTES_MAX,
            given=size,
        )
    return objects


def _owns(scene: Scene, owner: SubjectRef, object: ObjectRef) -> bool:
    return scene.view.get(RelationshipKey(object, _OWNER, owner)) is not None


def _too_many(problem: str, field: str, given: int) -> LimitExceeded:
    return LimitExceeded(
        f"{problem}, and one transfer may have {OBJECTS_MAX}: hand them over in parts, by `only`",
        field=field,
        name="transfer_objects_max",
        limit=OBJECTS_MAX,
        given=given,
    )


# --- order, and who is there at all -----------------------------------------------------------------------------


def _all_owned(graph: GraphView, interrupt: Interrupt) -> Iterator[ObjectRef]:
    for type in _OWNED:
        yield from (ObjectRef(type, id) for id in in_order({*graph.ids_of(type)} - {WILDCARD}, interrupt))


def _place(object: ObjectRef) -> tuple[int, str]:
    return _OWNED.index(object.type), object.id


def _place_of(after: str) -> tuple[int, str]:
    return _place(parse_object(after)) if after else (-1, "")


def _named(view: RequestView, object: ObjectRef) -> tuple[SubjectRef, ...]:
    edges = view.graph.edges(object, _OWNER)
    owners = (owner for owner, qualifiers in edges if qualifiers.counts_at(view.now_us))
    return tuple(sorted(islice(owners, OWNERS_TOLD_MAX)))


def _is_there(view: RequestView, object: ObjectRef, budget: Budget) -> bool:
    """Whether a directory or an owner knows it, and it is not over for good: what is only named somewhere is nobody's
    to own."""
    if object.type == "agent" and _leads_anywhere(view, object, "terminated", budget):
        return False
    return any(_leads_anywhere(view, object, relation, budget) for relation in ("registered", _OWNER))


def _leads_anywhere(view: RequestView, object: ObjectRef, relation: str, budget: Budget) -> bool:
    for _, qualifiers in view.graph.edges(object, relation):
        budget.spend()
        if qualifiers.counts_at(view.now_us):
            return True
    return False


def _require_known(view: RequestView, person: ObjectRef, budget: Budget) -> None:
    if not occurs(view.schema, view.graph, view.now_us, person, budget):
        raise ObjectUnknown(
            f"nothing is known of `{person}`: no relationship that counts names it; look at how it is spelt",
            field="leaving",
            object=person,
        )
