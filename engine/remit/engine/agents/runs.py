"""Spawn, Renew, Narrow, DeclareIntent: a run is started below a person, a system or another run, and lives for a while.

What would take long is judged before the writer is asked for, on a pinned view: that every link of the chain is live,
and that the delegator has what it would give. In the writer is looked at what must be so in the very revision: ids,
ceilings, consent, and whether something was held or ended meanwhile.
Law: whatever is written at the same time, a run below a link that is not live is allowed nothing: its chain is asked at
every call, and so a Spawn that comes too late starts a run that may do nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from remit.arguments.narrower import narrower_use
from remit.engine.agents.ceilings import RunCeilings
from remit.engine.agents.chains import DEPTH_MAX, RUN, Chain, chain_of, first_of, with_agent
from remit.engine.agents.excess import covered_by, excess_of, given_by, refused_as_excess
from remit.engine.agents.lifecycles import RUN as RUN_LIFECYCLE
from remit.engine.agents.performing import LOCALLY, Decision, Performed, Submission, Verbs, new_id, require_agents
from remit.engine.agents.run_requests import SpawnOrder, checked_lifetime, checked_order
from remit.engine.agents.run_states import RunLife, RunState, profiles_of, run_state
from remit.engine.agents.scene import Scene, require_known
from remit.engine.request_view import RequestView
from remit.errors import (
    ConsentMissing,
    LimitExceeded,
    NotLive,
    NotNarrower,
    ObjectUnknown,
    RemitError,
    RightMissing,
    SessionDiffers,
)
from remit.interrupt import Interrupt, looked_at
from remit.model import ObjectRef, Qualifiers, Question, Relationship, RelationshipFilter, SubjectRef, Verdict
from remit.notation import checked_id, format_time


@dataclass(frozen=True, slots=True)
class Spawned:
    """The run, and whether it was there already, under its session's name. `excess`: of a dry run, what the delegator
    has not itself, in full; the run of a dry run has the id ""."""

    run: RunState
    was_there: bool
    excess: tuple[ObjectRef, ...] = ()


_FOUND = "found "  # before the id of a run that a request found and did not start: no id has a space


class _Judged(NamedTuple):
    """What was found out before the writer was asked for. `depth`: how many runs from the root to this one. `refusal`:
    why there will be none, unless there is one already, under its session or from a request that was sent before."""

    depth: int = 0
    excess: tuple[ObjectRef, ...] = ()
    refusal: RemitError | None = None


class Runs:
    """The runs of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    # --- Spawn --------------------------------------------------------------------------------------------------

    def spawn(self, store: str, order: SpawnOrder, *, submission: Submission = LOCALLY) -> Performed[Spawned]:
        """Start a run, or find the one that lives under the order's session. Raises NotLive, CeilingExceeded,
        ConsentMissing, Excess, SessionDiffers, ObjectUnknown, RightMissing below a person, and what `Verbs.perform`
        raises."""
        order = checked_order(order)
        caller = submission.caller
        if order.delegator.type == "user" and not caller.may_spawn_unproven:
            raise RightMissing(
                f"to start a run below a person, who has not shown that they are there, key `{caller.credential}` of "
                f"`{caller.principal}` needs the right `spawn-unproven` beside `spawn`",
                right="spawn-unproven",
                verb="Spawn",
                key=caller.credential,
            )
        id = new_id("r")
        judged = self._judged(store, order, submission)

        def decide(scene: Scene) -> Decision[Spawned]:
            found = _of_session(scene, order)
            if found is not None:
                entry = {"run": found.id, "session": order.session}
                return Decision(Spawned(found, True), f"{_FOUND}{found.id}", entry)
            if judged.refusal is not None:
                raise judged.refusal
            run = _spawned(scene, order, id, judged.depth)
            if submission.dry_run:
                run = replace(run, id="")
            shown = Spawned(run, False, judged.excess)
            entry = {"run": id, "delegator": str(order.delegator), "version": order.version, "intent": order.intent}
            return Decision(shown, id, entry)

        def again(scene: Scene, made: str) -> Spawned:
            return Spawned(_required(scene, made.removeprefix(_FOUND)), made.startswith(_FOUND))

        return self._verbs.perform(store, "Spawn", submission, decide, again)

    def _judged(self, store: str, order: SpawnOrder, submission: Submission) -> _Judged:
        view = self._verbs.views.of(store, interrupt=submission.interrupt)
        require_agents(view.schema)
        try:
            for profile in (*order.profiles, order.intent):
                _require_profile(view, profile)
            depth = len(self._require_live(view, order, submission).runs) + 1
            resources = [*given_by(view, order.profiles), *covered_by(view, order.intent)]
            excess = excess_of(self._verbs, view, order.delegator, resources, submission.interrupt)
        except (NotLive, LimitExceeded, ObjectUnknown) as refusal:
            return _Judged(refusal=refusal)
        if excess and not submission.dry_run:
            return _Judged(refusal=refused_as_excess(order.delegator, excess))
        return _Judged(depth, tuple(excess))

    def _require_live(self, view: RequestView, order: SpawnOrder, submission: Submission) -> Chain:
        """The delegator's chain, where all of it, the version and its agent, and the caller's credential are live.
        Raises NotLive. Cost: a question for each."""
        chain = chain_of(order.delegator, lambda run: first_of(view, run, "delegated_by"))
        if chain.root is None:
            raise NotLive(
                f"`{order.delegator}` stands below no person and no system, or more than {DEPTH_MAX} runs deep",
                field="delegator",
                object=order.delegator,
            )
        links = dict.fromkeys([*(each for run in chain.runs for each in with_agent(view, run)), chain.root])
        version, agent = order.version_object, first_of(view, order.version_object, "version_of")
        if agent is None:
            raise _not_live(version, "live", "version")
        asked = [(each, "live", "delegator") for each in links]
        asked += [(each, "live", "version") for each in (version, agent) if each not in links]
        asked.append((ObjectRef("credential", submission.caller.credential), "usable", ""))
        questions = [Question(each, permission, SubjectRef(*each)) for each, permission, _ in asked]
        verdicts = self._verbs.verdicts(view, questions, submission.interrupt)
        for (link, permission, field), verdict in zip(asked, verdicts, strict=True):
            if verdict is not Verdict.YES:
                raise _not_live(link, permission, field)
        return chain

    # --- what becomes of a run ----------------------------------------------------------------------------------

    def renew(
        self, store: str, run: str, *, lifetime_s: int = 0, submission: Submission = LOCALLY
    ) -> Performed[RunState]:
        """Let a run live for so long from now; where it lives longer already, it stays so. What it was given for less
        long, and not when it was started, ends as before. Raises LifecycleRefused, CeilingExceeded, ObjectUnknown."""
        checked_id(run, field="run")
        checked_lifetime(lifetime_s)

        def decide(scene: Scene) -> Decision[RunState]:
            state = _required(scene, run)
            RUN_LIFECYCLE.after(state.life.value, "Renew", state.object)
            ends_at_us = scene.now_us + _ceilings(
                scene, _agent_of(scene, state.object, ObjectRef("agent_version", state.version or "-"))
            ).lifetime_us(lifetime_s)
            if state.ends_at_us is not None and state.ends_at_us < ends_at_us:
                for each in _started_with(scene, state):
                    end = each.qualifiers._replace(expiration_us=ends_at_us)
                    scene.touch(each.resource, each.relation, state.object, end)
                state = _kept(scene, state, ends_at_us=ends_at_us)
            return Decision(state, run, {"run": run, "lifetime_s": lifetime_s})

        return self._verbs.perform(store, "Renew", submission, decide, _required)

    def narrow(self, store: str, run: str, intent: str, *, submission: Submission = LOCALLY) -> Performed[RunState]:
        """Declare a profile that covers nothing that what the run has declared does not. Raises NotNarrower,
        LifecycleRefused, ObjectUnknown."""

        def judge(view: RequestView, current: str) -> RemitError | None:
            return _wider(view, intent, current, submission.interrupt)

        return self._declare(store, "Narrow", run, intent, judge, submission)

    def declare_intent(
        self, store: str, run: str, intent: str, *, submission: Submission = LOCALLY
    ) -> Performed[RunState]:
        """Replace what a run has declared. Raises Excess for what its delegator has not itself, CeilingExceeded,
        LifecycleRefused, ObjectUnknown."""

        def judge(view: RequestView, _: str) -> RemitError | None:
            delegator = first_of(view, ObjectRef(RUN, run), "delegated_by")
            if delegator is None:
                return None  # the writer says so
            excess = excess_of(self._verbs, view, delegator, covered_by(view, intent), submission.interrupt)
            return refused_as_excess(delegator, excess) if excess else None

        return self._declare(store, "DeclareIntent", run, intent, judge, submission)

    def _declare(
        self,
        store: str,
        verb: str,
        run: str,
        intent: str,
        judge: Callable[[RequestView, str], RemitError | None],
        submission: Submission,
    ) -> Performed[RunState]:
        checked_id(run, field="run")
        checked_id(intent, field="intent")
        while True:
            view = self._verbs.views.of(store, interrupt=submission.interrupt)
            require_agents(view.schema)
            current = _declared(view, run)
            decide = _declaring(verb, run, intent, current, judge(view, current))
            try:
                return self._verbs.perform(store, verb, submission, decide, _required)
            except _DeclaredMeanwhile:
                submission.interrupt()


def _declaring(
    verb: str, run: str, intent: str, current: str, refusal: RemitError | None
) -> Callable[[Scene], Decision[RunState]]:
    def decide(scene: Scene) -> Decision[RunState]:
        state = _required(scene, run)
        RUN_LIFECYCLE.after(state.life.value, verb, state.object)
        if state.intent != current:
            raise _DeclaredMeanwhile
        if refusal is not None:
            raise refusal
        require_known(scene, ObjectRef("profile", intent), "intent")
        if verb == "DeclareIntent":
            _ceilings(
                scene, _agent_of(scene, state.object, ObjectRef("agent_version", state.version or "-"))
            ).require_profile(intent)
        entry = {"run": run, "intent": intent, "before": current}
        if intent == current:
            return Decision(state, run, entry)
        for each in profiles_of(scene.view, state.object, scene.scanning.look):
            if each.relation == "declarer":
                scene.remove(each)
        end = Qualifiers(expiration_us=state.ends_at_us)
        scene.touch(ObjectRef("profile", intent), "declarer", state.object, end)
        return Decision(_kept(scene, replace(state, intent=intent)), run, entry)

    return decide


class _DeclaredMeanwhile(Exception):  # not an error: how a verb leaves its transaction to be judged again
    """The run has declared another intent than the one that was compared with."""


# --- in the writer ----------------------------------------------------------------------------------------------


def _of_session(scene: Scene, order: SpawnOrder) -> RunState | None:
    """The run that lives under the order's session. Raises SessionDiffers where it is another than is asked for."""
    if not order.session:
        return None
    document = scene.document("session", order.session_object)
    run = _state(scene, str(document["run"])) if document is not None else None
    if run is None or run.life is not RunLife.LIVE:
        return None
    started = scene.document(RUN, run.object) or {}
    asked = {"profiles": list(order.profiles), "intent": order.intent, "bindings": dict(order.bindings)}
    for name, value in asked.items():
        if started[name] != value:
            raise SessionDiffers(
                f"session `{order.session}` is that of `{run.object}`, which was started with other {name}: ask for "
                "the same, terminate it first, or name another session",
                field=name,
                run=run.id,
            )
    return run


def _spawned(scene: Scene, order: SpawnOrder, id: str, depth: int) -> RunState:
    """Stage a run. Raises NotLive, CeilingExceeded, ConsentMissing, ObjectUnknown."""
    agent = _require_version(scene, order)
    version_above = _require_delegator(scene, order.delegator)
    credential = ObjectRef("credential", scene.caller.credential)
    _require(credential, _said(scene, credential), "", has=("registered",), has_not=("hold",))
    ceilings = _ceilings(scene, agent)
    ceilings.require_depth(depth)
    for profile in dict.fromkeys((*order.profiles, order.intent)):
        ceilings.require_profile(profile)
    if version_above is not None:
        same = version_above == order.version_object
        above = ceilings if same else _ceilings(scene, _agent_of(scene, order.delegator, version_above))
        _require_fan_out(scene, order.delegator, above)
    ends_at_us = scene.now_us + ceilings.lifetime_us(order.lifetime_s)

    run, until = ObjectRef(RUN, id), Qualifiers(expiration_us=ends_at_us)
    if order.delegator.type == "user":
        scene.touch(_consent(scene, order.delegator, agent), "run", run)
    scene.touch(run, "delegated_by", order.delegator)
    scene.touch(run, "instance_of", order.version_object)
    scene.touch(run, "spawned_by", credential)
    for profile in order.profiles:
        scene.touch(ObjectRef("profile", profile), "holder", run, until)
    scene.touch(ObjectRef("profile", order.intent), "declarer", run, until)
    for binding in order.binding_objects():
        scene.touch(binding, "of", run)
    if order.session:
        scene.keep("session", order.session_object, {"run": id})
    state = RunState(
        id,
        order.delegator,
        order.version,
        tuple(order.profiles),
        order.intent,
        order.bindings,
        RunLife.LIVE,
        (),
        credential.id,
        scene.caller.principal,
        scene.now_us,
        ends_at_us,
    )
    document = {
        "at": format_time(scene.now_us),
        "bindings": dict(order.bindings),
        "by": scene.caller.principal,
        "ends_at": format_time(ends_at_us),
        "intent": order.intent,
        "profiles": list(order.profiles),
        **({"session": order.session_object.id} if order.session else {}),
    }
    scene.keep(RUN, run, document)
    return state


def _require_version(scene: Scene, order: SpawnOrder) -> ObjectRef:
    """The agent of the version, both live still. Raises NotLive."""
    version = order.version_object
    said = _said(scene, version)
    _require(version, said, "version", has=("certified", "version_of"), has_not=("hold", "terminated"))
    agent = said["version_of"]
    _require(agent, _said(scene, agent), "version", has=("registered",), has_not=("hold", "terminated"))
    return agent


def _require_delegator(scene: Scene, delegator: ObjectRef) -> ObjectRef | None:
    """That it was not held, ended or over meanwhile; of a run the version. What is above it was live a moment ago, and
    is asked at every call. Raises NotLive."""
    if delegator.type == "user":  # of whom much else may be said
        if not scene.has(delegator, "registered") or scene.has(delegator, "hold"):
            raise _not_live(delegator, "live", "delegator")
        return None
    said = _said(scene, delegator)
    if delegator.type != RUN:
        _require(delegator, said, "delegator", has=("registered",), has_not=("hold",))
        return None
    _require(delegator, said, "delegator", has=("delegated_by",), has_not=("hold", "terminated"))
    if not any(
        each.relation == "declarer" and each.qualifiers.counts_at(scene.now_us)
        for each in profiles_of(scene.view, delegator, scene.scanning.look)
    ):
        raise NotLive(f"`{delegator}` is over", field="delegator", object=delegator)
    return said.get("instance_of")


def _said(scene: Scene, object: ObjectRef) -> dict[str, ObjectRef]:
    """Where each relation of an object leads that counts now, one of many where it is many. One look for all of them:
    that is what a verb's time in the writer is spent on. Cost: O(its relationships)."""
    filter = RelationshipFilter(object.type, object.id)
    rows = (each.relationship for each in scene.scanning.matching(scene.view, filter, "delegator"))
    return {each.relation: each.subject.object for each in rows if each.qualifiers.counts_at(scene.now_us)}


def _require(
    object: ObjectRef, said: Mapping[str, ObjectRef], field: str, *, has: Iterable[str], has_not: Iterable[str]
) -> None:
    """Raises NotLive."""
    if not said.keys() >= set(has) or not said.keys().isdisjoint(has_not):
        raise _not_live(object, "live", field)


def _require_fan_out(scene: Scene, delegator: ObjectRef, ceilings: RunCeilings) -> None:
    """`ceilings`: those of the delegator's agent. Raises CeilingExceeded. Cost: O(runs that were ever started below and
    not swept), where there is such a ceiling."""
    if ceilings.fan_out_max is None:
        return
    below = RelationshipFilter(RUN, None, None, "delegated_by", RUN, delegator.id, "")
    living = 0
    for each in scene.scanning.matching(scene.view, below, "delegator"):
        state = _state(scene, each.relationship.resource.id)
        living += state is not None and state.life is RunLife.LIVE
        if living >= ceilings.fan_out_max:
            raise ceilings.exceeded(
                "fan_out_max", ceilings.fan_out_max, living + 1, "{limit} runs live below one of `{agent}`"
            )


def _consent(scene: Scene, person: ObjectRef, agent: ObjectRef) -> ObjectRef:
    """A consent that stands, of the person or of a directory that knows them, for that agent. Raises ConsentMissing."""
    directories = [each.subject.object for each in scene.related(person, "registered")]
    for giver in (person, *directories):
        for each in scene.related(giver, "consent"):
            consent = each.subject.object
            if scene.has(consent, "agent", agent) and not scene.has(consent, "withdrawn"):
                return consent
    raise ConsentMissing(
        f"neither `{person}` nor a directory that knows them lets `{agent}` act for them: they give their consent with "
        "GiveConsent",
        field="delegator",
        person=person,
        agent=agent,
    )


def _required(scene: Scene, run: str) -> RunState:
    """Raises ObjectUnknown."""
    state = _state(scene, run)
    if state is None:
        object = ObjectRef(RUN, run)
        raise ObjectUnknown(f"there is no `{object}`", field="run", object=object)
    return state


def _state(scene: Scene, run: str) -> RunState | None:
    return run_state(scene.view, run, scene.now_us, scene.scanning.look)


def _agent_of(scene: Scene, run: ObjectRef, version: ObjectRef) -> ObjectRef:
    """Raises NotLive where a run that was written as facts is an instance of nothing."""
    agent = _said(scene, version).get("version_of")
    if agent is None:
        raise NotLive(f"`{run}` is no instance of an agent's version", field="run", object=run)
    return agent


def _ceilings(scene: Scene, agent: ObjectRef) -> RunCeilings:
    return RunCeilings.of(agent, scene.document("agent", agent))


def _started_with(scene: Scene, state: RunState) -> Iterator[Relationship]:
    """What the run was given when it was started, and still is: it ends when the run does."""
    for each in profiles_of(scene.view, state.object, scene.scanning.look):
        if each.qualifiers.expiration_us == state.ends_at_us:
            yield each


def _kept(scene: Scene, state: RunState, *, ends_at_us: int | None = None) -> RunState:
    """The state as it follows, which the record of the run says too."""
    state = replace(state, ends_at_us=ends_at_us) if ends_at_us is not None else state
    record = scene.document(RUN, state.object)
    if record is not None and state.ends_at_us is not None:
        scene.keep(RUN, state.object, {**record, "ends_at": format_time(state.ends_at_us)})
    return state


# --- on a pinned view -------------------------------------------------------------------------------------------


def _declared(view: RequestView, run: str) -> str:
    """What a run has declared; "" for nothing that counts now."""
    subject = SubjectRef(RUN, run)
    for profile, relation in view.graph.nodes_of(subject):
        if (profile.type, relation) == ("profile", "declarer"):
            qualifiers = view.graph.find(profile, relation, subject)
            if qualifiers is not None and qualifiers.counts_at(view.now_us):
                return profile.id
    return ""


def _wider(view: RequestView, intent: str, current: str, interrupt: Interrupt) -> NotNarrower | None:
    """Where the profile covers what the other does not, or for calls that the other does not."""
    now, before = SubjectRef("profile", intent, "declares"), SubjectRef("profile", current, "declares")
    for resource in looked_at(covered_by(view, intent), interrupt):
        ours, theirs = (view.graph.find(resource, "in_intent", each) for each in (now, before))
        if ours is None:
            continue
        if theirs is None:
            reason = f"which `{current}` does not"
        else:
            found = narrower_use(ours, theirs, view.now_us)
            if found:
                continue
            at = f"at `{found.pointer}`, " if found.pointer else ""
            reason = f"for calls for which `{current}` does not: {at}{found.reason}"
        return NotNarrower(
            f"`profile:{intent}` covers `{resource}`, {reason}", field="intent", resource=resource, reason=reason
        )
    return None


def _require_profile(view: RequestView, profile: str) -> None:
    """That somebody has heard of it, so that a misspelt one is told to be. Raises ObjectUnknown."""
    object = ObjectRef("profile", profile)
    named = (view.graph.nodes_of(SubjectRef("profile", profile, each)) for each in ("holds", "declares"))
    if not any(named) and all(first_of(view, object, each) is None for each in ("holder", "declarer")):
        raise ObjectUnknown(
            f"nothing is known of `{object}`: no relationship names it; look at how it is spelt",
            field="profiles",
            object=object,
        )


def _not_live(object: ObjectRef, permission: str, field: str) -> NotLive:
    what = {"agent_version": "certified", "run": "started"}.get(object.type, "registered")
    return NotLive(
        f"`{object}` is not live: it must be {what}, and neither held nor over, nor what it stands in; ask why with "
        f"`remit check --explain '{object}#{permission}@{object}'`",
        field=field,
        object=object,
    )
