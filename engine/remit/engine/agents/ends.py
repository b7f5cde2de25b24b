"""Terminate: a run, a version or an agent ends for good, and with it everything below.

Law: what is terminated stays terminated, whatever is written afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from remit.engine.agents.lifecycles import ABSENT, AGENT, RUN, VERSION
from remit.engine.agents.performing import LOCALLY, REGISTRY, Decision, Performed, Submission, Verbs, checked_reason
from remit.engine.agents.scene import Scene, require_known
from remit.errors import NotTerminable
from remit.model import ObjectRef
from remit.notation import checked_object, parse_object

_RELATION = "terminated"
_LIFECYCLES = {each.kind: each for each in (AGENT, VERSION, RUN)}


@dataclass(frozen=True, slots=True)
class Ended:
    """What was terminated; `was_over`: it had been before."""

    object: ObjectRef
    was_over: bool


class Ends:
    """The ends of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def terminate(
        self, store: str, object: ObjectRef, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[Ended]:
        """End a run, a version or an agent for good. What has ended is told to be over. Raises ObjectUnknown,
        NotTerminable, and what `Verbs.perform` raises."""
        checked_object(object, field="object")
        checked_reason(reason)
        lifecycle = _LIFECYCLES.get(object.type)
        if lifecycle is None:
            raise NotTerminable(
                f"`{object}` cannot be terminated: {', '.join(f'`{kind}`' for kind in _LIFECYCLES)} can, and what else "
                "is to be stopped is held",
                field="object",
                object=object,
            )

        def decide(scene: Scene) -> Decision[Ended]:
            require_known(scene, object, "object")
            was_over = scene.has(object, _RELATION)
            state = _RELATION if was_over else next(each for each in lifecycle.states if each not in _NOT_LIVING)
            lifecycle.after(state, "Terminate", object)
            scene.touch(object, _RELATION, REGISTRY)
            return Decision(Ended(object, was_over), str(object), {"object": str(object), "reason": reason})

        def again(scene: Scene, made: str) -> Ended:
            return Ended(parse_object(made), True)

        return self._verbs.perform(store, "Terminate", submission, decide, again)


_NOT_LIVING = (ABSENT, _RELATION)
