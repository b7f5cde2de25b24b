"""Hold and Release: one fact that silences everything below the place it is put on, until it is taken away again.

Each hold has an id of its own, so that two people's holds do not cancel, and a record of who placed it and why, which
stays when it is released: an id is used once.
Law: hold, then release, is nothing; and a stop waits for nothing that a caller can fill."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from remit.engine.agents.lifecycles import ABSENT, HOLD
from remit.engine.agents.performing import LOCALLY, Decision, Performed, Submission, Verbs, checked_reason, new_id
from remit.engine.agents.scene import Scene, require_holdable, require_known
from remit.errors import ObjectUnknown
from remit.model import ObjectRef, Relationship, RelationshipFilter
from remit.notation import checked_id, checked_object, format_time, parse_object, parse_time

_KIND = "hold"
_RELATION = "hold"


@dataclass(frozen=True, slots=True)
class HoldState:
    """One hold: what it is on, whether it stands, and what its record says; `placed_at_us` is in microseconds since the
    epoch, None where it was written as a fact, without a record."""

    id: str
    on: ObjectRef
    is_placed: bool
    reason: str
    placed_by: str
    placed_at_us: int | None


class Holds:
    """The holds of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def hold(
        self, store: str, on: ObjectRef, *, reason: str, id: str = "", submission: Submission = LOCALLY
    ) -> Performed[HoldState]:
        """Silence an object and everything below it. `id` "": one is made. Raises ObjectUnknown, NotHoldable,
        LifecycleRefused where the id was used before, and what `Verbs.perform` raises."""
        checked_object(on, field="on")
        hold = ObjectRef(_KIND, checked_id(id, field="id") if id else new_id("h"))
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[HoldState]:
            require_holdable(scene.schema, on, "on")
            require_known(scene, on, "on")
            HOLD.after(_state(scene, hold), "Hold", hold)
            scene.touch(on, _RELATION, hold)
            scene.keep(_KIND, hold, {"at": format_time(scene.now_us), "on": str(on), "reason": reason})
            told = HoldState(hold.id, on, True, reason, scene.caller.principal, scene.now_us)
            return Decision(told, hold.id, {"hold": hold.id, "on": str(on), "reason": reason})

        return self._verbs.perform(store, "Hold", submission, decide, _described)

    def release(
        self, store: str, id: str, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[HoldState]:
        """Take a hold away, wherever it is; what else is held stays so. Released again it is released. Raises
        ObjectUnknown, and what `Verbs.perform` raises."""
        hold = ObjectRef(_KIND, checked_id(id, field="id"))
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[HoldState]:
            state = _state(scene, hold)
            if state == ABSENT:
                raise ObjectUnknown(f"there is no hold `{id}`", field="id", object=hold)
            HOLD.after(state, "Release", hold)
            told = _described(scene, id)
            for placed in _placed(scene, hold):
                scene.remove(placed)
            entry = {"hold": id, "on": str(told.on), "reason": reason}
            return Decision(_released(told), id, entry)

        return self._verbs.perform(store, "Release", submission, decide, _described)


def _state(scene: Scene, hold: ObjectRef) -> str:
    if _placed(scene, hold):
        return "placed"
    return ABSENT if scene.record(_KIND, hold) is None else "released"


def _placed(scene: Scene, hold: ObjectRef) -> list[Relationship]:
    """Where a hold is. By the verb it is in one place; who writes holds as facts may have put it in several."""
    filter = RelationshipFilter(relation=_RELATION, subject_type=hold.type, subject_id=hold.id)
    return [each.relationship for each in scene.scanning.matching(scene.view, filter, "id")]


def _described(scene: Scene, id: str) -> HoldState:
    hold = ObjectRef(_KIND, id)
    placed = _placed(scene, hold)
    stored = scene.record(_KIND, hold)
    if stored is None:
        return HoldState(id, placed[0].resource, True, "", "", None)
    said = json.loads(stored.record.document)
    author = stored.provenance.principal
    return HoldState(id, parse_object(said["on"]), bool(placed), said["reason"], author, parse_time(said["at"]))


def _released(hold: HoldState) -> HoldState:
    return replace(hold, is_placed=False)
