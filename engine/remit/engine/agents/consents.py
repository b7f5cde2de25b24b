"""GiveConsent and WithdrawConsent: a person lets agents act for them, or a directory for everybody whom it knows.

A consent is an object with an id of the server's, which no later one has again. Withdrawn it is over, and so is every
run that was started under it; given anew it is another, and old runs stay silent.
Law: what is withdrawn stays so, whatever is written afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from remit.engine.agents.lifecycles import ABSENT, CONSENT
from remit.engine.agents.performing import (
    LOCALLY,
    REGISTRY,
    Decision,
    Performed,
    Submission,
    Verbs,
    checked_reason,
    new_id,
)
from remit.engine.agents.scene import Scene, require_known
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.errors import InvalidArgument, LimitExceeded, ObjectUnknown
from remit.interrupt import Interrupt, looked_at, never_interrupted, paced
from remit.model import ObjectRef, RecordKey, RelationshipFilter
from remit.notation import checked_id, checked_object, format_time, parse_time
from remit.store.port import ReadTransaction

_KIND = "consent"
_GIVERS = ("user", "directory")

AGENTS_MAX = 100  # that one consent names
CONSENTS_MAX = 1_000  # that are listed of one giver


@dataclass(frozen=True, slots=True)
class ConsentState:
    """One consent: whose, for which agents, and whether it stands. `given_at_us` is in microseconds since the epoch,
    None where it was written as facts."""

    id: str
    giver: ObjectRef
    agents: tuple[str, ...]
    is_withdrawn: bool
    reason: str
    given_by: str
    given_at_us: int | None


class Consents:
    """The consents of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    def give(
        self,
        store: str,
        giver: ObjectRef,
        agents: Sequence[str],
        *,
        reason: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[ConsentState]:
        """Let agents act for a person, or for everybody whom a directory knows. Raises ObjectUnknown, InvalidArgument,
        and what `Verbs.perform` raises."""
        checked_object(giver, field="giver")
        if giver.type not in _GIVERS:
            raise InvalidArgument(
                f"`{giver}` gives no consent: a person does (`user`), or a `directory` for its people", field="giver"
            )
        named = tuple(sorted({checked_id(each, field="agents") for each in agents}))
        if not named:
            raise InvalidArgument("a consent is for at least one agent, and none is named", field="agents")
        if len(named) > AGENTS_MAX:
            raise LimitExceeded(
                f"a consent for {len(named)} agents, of which one may name {AGENTS_MAX}",
                field="agents",
                name="agents_max",
                limit=AGENTS_MAX,
                given=len(named),
            )
        checked_reason(reason)
        consent = ObjectRef(_KIND, new_id("c"))

        def decide(scene: Scene) -> Decision[ConsentState]:
            require_known(scene, giver, "giver")
            CONSENT.after(ABSENT, "GiveConsent", consent)
            scene.touch(giver, "consent", consent)
            for each in named:
                agent = ObjectRef("agent", each)
                require_known(scene, agent, "agents")
                scene.touch(consent, "agent", agent)
            document = {"agents": list(named), "at": format_time(scene.now_us), "giver": str(giver), "reason": reason}
            scene.keep(_KIND, consent, document)
            told = ConsentState(consent.id, giver, named, False, reason, scene.caller.principal, scene.now_us)
            entry = {"consent": consent.id, "giver": str(giver), "agents": list(named), "reason": reason}
            return Decision(told, consent.id, entry)

        return self._verbs.perform(store, "GiveConsent", submission, decide, _required)

    def withdraw(
        self, store: str, id: str, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[ConsentState]:
        """End a consent for good, and with it every run that was started under it. Withdrawn again it is withdrawn.
        Raises ObjectUnknown, and what `Verbs.perform` raises."""
        consent = ObjectRef(_KIND, checked_id(id, field="id"))
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[ConsentState]:
            state = _required(scene, id)
            CONSENT.after("withdrawn" if state.is_withdrawn else "given", "WithdrawConsent", consent)
            scene.touch(consent, "withdrawn", REGISTRY)
            return Decision(replace(state, is_withdrawn=True), id, {"consent": id, "reason": reason})

        return self._verbs.perform(store, "WithdrawConsent", submission, decide, _required)

    def list(self, store: str, giver: ObjectRef, *, interrupt: Interrupt = never_interrupted) -> list[ConsentState]:
        """Those of a person or a directory, withdrawn ones among them, CONSENTS_MAX at most."""
        checked_object(giver, field="giver")
        look = paced(interrupt, ROWS_BETWEEN_INTERRUPTS)
        with self._verbs.looking(store, interrupt=interrupt) as sight:
            view, now_us = sight.view, sight.now_us
            filter = RelationshipFilter(giver.type, giver.id, relation="consent")
            named = [each.relationship.subject.id for each in islice(view.scan(filter, look=look), CONSENTS_MAX)]
            states = [_state(view, each, now_us, look) for each in looked_at(named, interrupt)]
        return [each for each in states if each is not None]


def _required(scene: Scene, id: str) -> ConsentState:
    """Raises ObjectUnknown."""
    state = _state(scene.view, id, scene.now_us, scene.scanning.look)
    if state is None:
        consent = ObjectRef(_KIND, id)
        raise ObjectUnknown(f"there is no consent `{id}`", field="id", object=consent)
    return state


def _state(
    view: ReadTransaction, id: str, now_us: int, look: Callable[[], None] = never_interrupted
) -> ConsentState | None:
    """None where nobody's consent is called that. `look` is called for every row looked at."""
    consent = ObjectRef(_KIND, id)
    agents = [
        each.relationship.subject.id
        for each in view.scan(RelationshipFilter(_KIND, id, relation="agent"), look=look)
        if each.relationship.qualifiers.counts_at(now_us)
    ]
    is_withdrawn = next(iter(view.scan(RelationshipFilter(_KIND, id, relation="withdrawn"))), None) is not None
    named = RelationshipFilter(relation="consent", subject_type=_KIND, subject_id=id, subject_relation="")
    giver = next((each.relationship.resource for each in view.scan(named)), None)
    if giver is None:
        return None
    stored = view.get_record(RecordKey(_KIND, consent))
    record = json.loads(stored.record.document) if stored is not None else {}
    return ConsentState(
        id,
        giver,
        tuple(agents),
        is_withdrawn,
        record.get("reason", ""),
        stored.provenance.principal if stored is not None else "",
        parse_time(record["at"]) if record else None,
    )
