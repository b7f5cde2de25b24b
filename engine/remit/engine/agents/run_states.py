"""How a run stands, as its facts and its record say.

Law: what a run is given and whether it lives is said by facts; the record adds what they cannot say: the values that it
is bound to, which they have as digests, who started it, and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from remit.interrupt import never_interrupted
from remit.model import ObjectRef, RecordKey, Relationship, RelationshipFilter
from remit.notation import parse_time
from remit.store.port import ReadTransaction

RUN = "run"


class RunLife(Enum):
    """Where a run is in its life. Whether something above it is held is asked of its chain."""

    LIVE = "live"
    OVER = "over"  # its time has run out: it has no intent any more
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class RunState:
    """One run. `holds`: the ids of those that are on the run itself. Times are microseconds since the epoch, None where
    nothing says so: of a run that was written as facts, or whose intent has no end."""

    id: str
    delegator: ObjectRef
    version: str
    profiles: tuple[str, ...]
    intent: str
    bindings: Mapping[str, str]
    life: RunLife
    holds: tuple[str, ...]
    credential: str
    spawned_by: str
    spawned_at_us: int | None
    ends_at_us: int | None

    @property
    def object(self) -> ObjectRef:
        return ObjectRef(RUN, self.id)


def run_state(
    view: ReadTransaction, id: str, now_us: int, look: Callable[[], None] = never_interrupted
) -> RunState | None:
    """The run as the view has it; None where nothing says what started it. `look` is called for every row looked at.
    Cost: O(relationships of the run log n), whatever is below it."""
    run = ObjectRef(RUN, id)
    own = [each.relationship for each in view.scan(RelationshipFilter(RUN, id), look=look)]
    said: dict[str, list[str]] = {}
    delegator: ObjectRef | None = None
    for each in own:
        if each.qualifiers.counts_at(now_us):
            said.setdefault(each.relation, []).append(each.subject.id)
            if each.relation == "delegated_by":
                delegator = each.subject.object
    if delegator is None:
        return None
    profiles = profiles_of(view, run, look)
    declared = [each for each in profiles if each.relation == "declarer" and each.qualifiers.counts_at(now_us)]
    held = [each.resource.id for each in profiles if each.relation == "holder" and each.qualifiers.counts_at(now_us)]
    ends = [each.qualifiers.expiration_us for each in profiles if each.relation == "declarer"]
    stored = view.get_record(RecordKey(RUN, run))
    record = json.loads(stored.record.document) if stored is not None else {}
    if "terminated" in said:
        life = RunLife.TERMINATED
    else:
        life = RunLife.LIVE if declared else RunLife.OVER
    return RunState(
        id,
        delegator,
        next(iter(said.get("instance_of", ())), ""),
        tuple(held),
        declared[0].resource.id if declared else "",
        record.get("bindings", {}),
        life,
        tuple(said.get("hold", ())),
        next(iter(said.get("spawned_by", ())), ""),
        stored.provenance.principal if stored is not None else "",
        parse_time(record["at"]) if record else None,
        None if None in ends else max((each for each in ends if each is not None), default=_end_of(record)),
    )


def profiles_of(
    view: ReadTransaction, run: ObjectRef, look: Callable[[], None] = never_interrupted
) -> list[Relationship]:
    """By which relationships profiles name a run: as their holder, or as one who has declared them; those that are over
    among them. Cost: O(those log n)."""
    # The subject whole and the type of the resource: so that the runs below it are not looked at.
    filter = RelationshipFilter("profile", subject_type=run.type, subject_id=run.id, subject_relation="")
    return [each.relationship for each in view.scan(filter, look=look)]


def _end_of(record: Mapping[str, str]) -> int | None:
    return parse_time(record["ends_at"]) if record else None
