"""RegisterAgent, ChangeAgent and RetireAgent: who answers for an agent, where it stands, and how far its runs may go.

An agent is registered by one revision with all that makes it live but its versions: a directory, owners of whom one is
there now, and a domain that an estate can stop. Its ceilings are a record, which Spawn looks at.
Law: no verb leaves an agent without an owner who is there; and an id that was retired never returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from remit.engine.admission import check_relationship
from remit.engine.agents.ceiling_record import NO_CEILINGS, Ceilings, checked_ceilings, write_ceilings
from remit.engine.agents.descriptions import (
    AGENT_RECORD,
    REGISTERED,
    TERMINATED,
    AgentState,
    agent_state,
    describe_agent,
)
from remit.engine.agents.lifecycles import ABSENT, AGENT
from remit.engine.agents.performing import (
    LOCALLY,
    REGISTRY,
    Decision,
    Performed,
    Submission,
    Verbs,
    checked_reason,
    registry_of,
)
from remit.engine.agents.placement import require_movable, require_placed
from remit.engine.agents.scene import Scene, require_known
from remit.errors import InvalidArgument, LimitExceeded, ObjectUnknown, OwnerNotPresent
from remit.model import ObjectRef, Relationship, SubjectRef
from remit.notation import checked_id, format_time

OWNERS_MAX = 20


@dataclass(frozen=True, slots=True)
class Retired:
    """What was retired; `was_over`: it had been, or was terminated, before."""

    agent: AgentState
    was_over: bool


class Registrations:
    """The registrations of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def register(
        self,
        store: str,
        id: str,
        *,
        owners: Sequence[SubjectRef],
        domain: str,
        ceilings: Ceilings = NO_CEILINGS,
        directory: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[AgentState]:
        """Register an agent. Raises LifecycleRefused where it is or was registered, ObjectUnknown, OwnerNotPresent,
        DomainNotPlaced, DomainStopped, and what `Verbs.perform` raises."""
        agent = _agent(id)
        if not owners:
            raise InvalidArgument("`owners` is empty: an agent has somebody who answers for it", field="owners")
        owners = _checked_owners(owners)
        place = ObjectRef("domain", checked_id(domain, field="domain"))
        registry = registry_of(directory)
        checked_ceilings(ceilings)

        def decide(scene: Scene) -> Decision[AgentState]:
            AGENT.after(agent_state(scene, agent), "RegisterAgent", agent)
            _require_owners(scene, agent, owners)
            _require_place(scene, agent, place)
            scene.touch(agent, "registered", registry)
            _replace(scene, agent, "owner", owners)
            _replace(scene, agent, "domain", [SubjectRef(*place)])
            by = scene.caller.principal
            document = {"at": format_time(scene.now_us), "by": by}
            scene.keep(AGENT_RECORD, agent, document | write_ceilings(ceilings))
            told = AgentState(id, REGISTERED, tuple(sorted(owners)), True, place, ceilings, by, scene.now_us)
            entry = {"agent": id, "directory": registry.id, **_said(owners, place, ceilings)}
            return Decision(told, id, entry)

        return self._verbs.perform(store, "RegisterAgent", submission, decide, _described)

    def change(
        self,
        store: str,
        id: str,
        *,
        owners: Sequence[SubjectRef] = (),
        domain: str = "",
        ceilings: Ceilings | None = None,
        submission: Submission = LOCALLY,
    ) -> Performed[AgentState]:
        """Replace what is named: all owners, the domain, all ceilings. Raises ObjectUnknown, LifecycleRefused,
        OwnerNotPresent, DomainNotPlaced, DomainStopped, and what `Verbs.perform` raises."""
        agent = _agent(id)
        if not (owners or domain or ceilings is not None):
            raise InvalidArgument("nothing is to be changed: name owners, a domain or ceilings", field="owners")
        owners = _checked_owners(owners)
        place = ObjectRef("domain", checked_id(domain, field="domain")) if domain else None
        if ceilings is not None:
            checked_ceilings(ceilings)

        def decide(scene: Scene) -> Decision[AgentState]:
            _after(scene, "ChangeAgent", agent)
            if owners:
                _require_owners(scene, agent, owners)
                _replace(scene, agent, "owner", owners)
            elif not _is_owned(scene, agent):
                raise OwnerNotPresent(
                    f"no owner of `{agent}` is there any more: name owners in the same request, one of whom is",
                    field="owners",
                    agent=agent,
                )
            if place is not None:
                _require_place(scene, agent, place)
                _replace(scene, agent, "domain", [SubjectRef(*place)])
            before = describe_agent(scene, agent, is_owned=True)
            if ceilings is not None:
                document = scene.document(AGENT_RECORD, agent) or {}
                registered = {name: document[name] for name in ("at", "by") if name in document}
                scene.keep(AGENT_RECORD, agent, registered | write_ceilings(ceilings))
            told = replace(
                before,
                owners=tuple(sorted(owners)) or before.owners,
                domain=place or before.domain,
                ceilings=before.ceilings if ceilings is None else ceilings,
            )
            return Decision(told, id, {"agent": id, **_said(owners, place, ceilings)})

        return self._verbs.perform(store, "ChangeAgent", submission, decide, _described)

    def retire(self, store: str, id: str, *, reason: str = "", submission: Submission = LOCALLY) -> Performed[Retired]:
        """End an agent's registration and terminate it: its id never returns. What has ended is told to be over.
        Raises ObjectUnknown, and what `Verbs.perform` raises."""
        agent = _agent(id)
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[Retired]:
            before = describe_agent(scene, agent, is_owned=_is_owned(scene, agent))
            _after(scene, "RetireAgent", agent)
            for each in scene.related(agent, "registered"):
                scene.remove(each)
            was_over = before.state == TERMINATED
            if not was_over:
                scene.touch(agent, "terminated", REGISTRY)
            told = Retired(replace(before, state=TERMINATED), was_over)
            return Decision(told, id, {"agent": id, "reason": reason})

        def again(scene: Scene, made: str) -> Retired:
            return Retired(_described(scene, made), True)

        return self._verbs.perform(store, "RetireAgent", submission, decide, again)


def _agent(id: str) -> ObjectRef:
    return ObjectRef("agent", checked_id(id, field="agent"))


def require_few_owners(count: int) -> None:
    """Raises LimitExceeded."""
    if count > OWNERS_MAX:
        raise LimitExceeded(
            f"an agent has at most {OWNERS_MAX} owners, and {count} are named: make a team of them",
            field="owners",
            name="owners_max",
            limit=OWNERS_MAX,
            given=count,
        )


def _checked_owners(owners: Sequence[SubjectRef]) -> tuple[SubjectRef, ...]:
    """Each once, in their order. Raises LimitExceeded."""
    require_few_owners(len(owners))
    return tuple(dict.fromkeys(owners))


def _after(scene: Scene, event: str, agent: ObjectRef) -> None:
    state = agent_state(scene, agent)
    if state == ABSENT:
        raise ObjectUnknown(
            f"nothing is known of `{agent}`: look at how it is spelt, or register it first", field="agent", object=agent
        )
    AGENT.after(state, event, agent)


def _require_owners(scene: Scene, agent: ObjectRef, owners: Sequence[SubjectRef]) -> None:
    """That each may own it and is known, and one is there now. Of a userset its team is asked, as the schema does."""
    for index, owner in enumerate(owners):
        field = f"owners[{index}]"
        check_relationship(scene.schema, Relationship(agent, "owner", owner), field)
        require_known(scene, owner.object, field)
    # A team may be more than can be looked through, and nobody else is judged then.
    people_first = sorted(owners, key=lambda owner: bool(owner.relation))
    if not any(scene.asks(owner.object, "present", SubjectRef(*agent)) for owner in people_first):
        raise OwnerNotPresent(
            f"of the owners of `{agent}` nobody is there now, or certain to be: "
            f"{', '.join(f'`{each}`' for each in owners)}; name one who is registered and not held, a system that such "
            "a one owns, or a smaller team",
            field="owners",
            agent=agent,
        )


def _require_place(scene: Scene, agent: ObjectRef, domain: ObjectRef) -> None:
    require_known(scene, domain, "domain")
    require_placed(scene, agent, domain)
    require_movable(scene, agent, domain)


def _replace(scene: Scene, agent: ObjectRef, relation: str, subjects: Sequence[SubjectRef]) -> None:
    """What is there already stays as it is, with who wrote it."""
    there = scene.related(agent, relation)
    for each in there:
        if each.subject not in subjects:
            scene.remove(each)
    for subject in subjects:
        if all(each.subject != subject for each in there):
            scene.touch(agent, relation, subject)


def _is_owned(scene: Scene, agent: ObjectRef) -> bool:
    return scene.asks(agent, "owned", SubjectRef(*agent))


def _described(scene: Scene, id: str) -> AgentState:
    agent = ObjectRef("agent", id)
    return describe_agent(scene, agent, is_owned=_is_owned(scene, agent))


def _said(owners: Sequence[SubjectRef], domain: ObjectRef | None, ceilings: Ceilings | None) -> dict[str, object]:
    """What of it a request names, as an entry tells it."""
    said: dict[str, object] = {}
    if owners:
        said["owners"] = [str(each) for each in owners]
    if domain is not None:
        said["domain"] = domain.id
    if ceilings is not None:
        said["ceilings"] = write_ceilings(ceilings)
    return said
