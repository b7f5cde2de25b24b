"""AddVersion, Certify and Decertify: of what an agent is made, and who has looked at it.

A version is known by digests of its model, its prompt and its tools, which never change. It is certified until a time,
by somebody who does not own the agent, with a snapshot of what its runs could be given that day, so that drift can be
shown later. The snapshot takes long, so it is made outside the writer, of a view that is pinned: nothing is decided by
it, and it says of which revision it is.
Law: nobody certifies what they own; and what is certified is so until a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from remit.engine.agents.descriptions import (
    ADDED,
    CERTIFICATION,
    CERTIFIED,
    VERSION_RECORD,
    Digests,
    VersionState,
    agent_of,
    agent_state,
    describe_version,
    version_state,
)
from remit.engine.agents.lifecycles import ABSENT, AGENT, VERSION
from remit.engine.agents.performing import (
    LOCALLY,
    Decision,
    Performed,
    Submission,
    Verbs,
    checked_reason,
    registry_of,
    require_agents,
)
from remit.engine.agents.scene import Scene
from remit.engine.agents.supposing import supposing
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.request_view import RequestView
from remit.errors import (
    CertifierOwns,
    InvalidArgument,
    InvalidReference,
    LimitExceeded,
    ObjectUnknown,
    RemitError,
    VersionOfAnotherAgent,
)
from remit.eval.evaluator import Evaluator
from remit.eval.lookups import Place
from remit.interrupt import Interrupt, looked_at, paced
from remit.model import PLAIN, ObjectRef, Qualifiers, RelationshipKey, ResourceLookup, SubjectRef, Verdict
from remit.notation import checked_id, checked_object, format_time, shortened

CERTIFIED_DAYS_MAX = 400
_DAY_US = 24 * 3600 * 1_000_000

DIGEST_LENGTH_MAX = 256

# Of tools, and of datasets. Their ids have some forty characters, so a snapshot fits its record unless they are long.
SNAPSHOT_MAX = 500
SNAPSHOT_BYTES_MAX = 48 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the runs of a version could be given at most, at a revision: the ids of tools and datasets, and
    which of them are theirs for some calls only. `complete`: there are no others, and of none it was left open."""

    revision: int
    tools: tuple[str, ...]
    datasets: tuple[str, ...]
    if_called: tuple[ObjectRef, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class CertifiedVersion:
    """A version as it stands after it was certified; and what it could do then, None where the request was carried out
    before."""

    version: VersionState
    snapshot: Snapshot | None


class Versions:
    """The versions of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs, evaluator: Evaluator, limits: Limits) -> None:
        self._verbs = verbs
        self._evaluator = evaluator
        self._limits = limits

    def add(
        self,
        store: str,
        agent: str,
        id: str,
        *,
        digests: Digests,
        like: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[VersionState]:
        """Add a version to a registered agent; not certified yet. `like` is an earlier one of the same agent, whose
        digests count where none are given. Raises ObjectUnknown, LifecycleRefused, VersionOfAnotherAgent, and what
        `Verbs.perform` raises."""
        owner = ObjectRef("agent", checked_id(agent, field="agent"))
        version = _version(id, "version")
        earlier = _version(like, "like") if like else None
        _check_digests(digests)

        def decide(scene: Scene) -> Decision[VersionState]:
            state = agent_state(scene, owner)
            if state == ABSENT:
                raise ObjectUnknown(
                    f"nothing is known of `{owner}`: look at how it is spelt, or register it first",
                    field="agent",
                    object=owner,
                )
            AGENT.after(state, "AddVersion", owner)
            _require_free(scene, version, owner)
            before = _earlier(scene, earlier, owner) if earlier is not None else Digests()
            whole = Digests(
                digests.model or before.model, digests.prompt or before.prompt, digests.tools or before.tools
            )
            if whole == Digests():
                raise InvalidArgument(
                    "a version is known by a digest: give one, or a version that has some", field="digests"
                )
            differs = whole.differing(before) if earlier is not None else ()
            for each in scene.related(version, "certified"):
                scene.remove(each)  # written before there was anything to look at
            scene.touch(version, "version_of", owner)
            said = {name: value for name in whole.__slots__ if (value := getattr(whole, name))}
            document = {"agent": agent, "at": format_time(scene.now_us), "by": scene.caller.principal, "digests": said}
            compared = {"differs": list(differs), "like": like} if like else {}
            scene.keep(VERSION_RECORD, version, {**document, **compared})
            told = VersionState(
                id, agent, ADDED, whole, like, differs, added_by=scene.caller.principal, added_at_us=scene.now_us
            )
            return Decision(told, id, {"agent": agent, "version": id, "digests": said, **compared})

        return self._verbs.perform(store, "AddVersion", submission, decide, _described)

    def certify(
        self,
        store: str,
        id: str,
        *,
        until_us: int,
        reason: str = "",
        directory: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[CertifiedVersion]:
        """Certify a version until a time, in place of what the directory certified before. Raises ObjectUnknown,
        LifecycleRefused, CertifierOwns, LimitExceeded where the time is too far, and what `Verbs.perform` raises."""
        version = _version(id, "version")
        registry = registry_of(directory)
        checked_reason(reason)
        snapshot = self._snapshot(store, version, registry, submission.interrupt)

        def decide(scene: Scene) -> Decision[CertifiedVersion]:
            agent = _required(scene, version)
            AGENT.after(agent_state(scene, agent), "Certify", agent)
            VERSION.after(version_state(scene, version), "Certify", version)
            _require_foreign(scene, agent)
            _require_time(until_us, scene.now_us)
            scene.touch(version, "certified", registry, Qualifiers(expiration_us=until_us))
            by, end = scene.caller.principal, format_time(until_us)
            document = {"at": format_time(scene.now_us), "by": by, "reason": reason, "until": end}
            scene.keep(CERTIFICATION, version, {**document, "could": _said(snapshot)})
            ends = [
                qualifiers.expiration_us
                for subject, qualifiers in scene.edges(version, "certified")
                if subject.object != registry
            ]
            latest = None if None in ends else max([until_us, *(each for each in ends if each is not None)])
            told = replace(
                describe_version(scene, version), state=CERTIFIED, certified_by=by, certified_until_us=latest
            )
            entry = {"version": id, "agent": agent.id, "directory": registry.id, "until": end, "reason": reason}
            return Decision(CertifiedVersion(told, snapshot), id, entry)

        def again(scene: Scene, made: str) -> CertifiedVersion:
            return CertifiedVersion(_described(scene, made), None)

        return self._verbs.perform(store, "Certify", submission, decide, again)

    def decertify(
        self, store: str, id: str, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[VersionState]:
        """Take away every certification of a version, whichever directory's: its runs stop. One that has none is told
        to have none. Raises ObjectUnknown, and what `Verbs.perform` raises."""
        version = _version(id, "version")
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[VersionState]:
            agent = _required(scene, version)
            state = VERSION.after(version_state(scene, version), "Decertify", version)
            told = describe_version(scene, version)
            for each in scene.related(version, "certified"):
                scene.remove(each)
            entry = {"version": id, "agent": agent.id, "reason": reason}
            return Decision(replace(told, state=state, certified_by="", certified_until_us=None), id, entry)

        return self._verbs.perform(store, "Decertify", submission, decide, _described)

    # --- what a version can do ----------------------------------------------------------------------------------

    def _snapshot(self, store: str, version: ObjectRef, registry: ObjectRef, interrupt: Interrupt) -> Snapshot:
        """As if it were certified: until it is, its runs can be given nothing. Cost: a page of each lookup."""
        view = self._verbs.views.of(store, interrupt=interrupt)
        require_agents(view.schema)
        supposed = supposing(view, {RelationshipKey(version, "certified", SubjectRef(*registry)): PLAIN})
        lists = [self._granted(supposed, type, version, interrupt) for type in ("tool", "dataset")]
        (tools, some_tools, all_tools), (datasets, some_datasets, all_datasets) = lists
        return Snapshot(view.revision, tools, datasets, (*some_tools, *some_datasets), all_tools and all_datasets)

    def _granted(
        self, view: RequestView, type: str, version: ObjectRef, interrupt: Interrupt
    ) -> tuple[tuple[str, ...], tuple[ObjectRef, ...], bool]:
        """The ids; which of them for some calls only, as objects; and whether these are all."""
        lookup = ResourceLookup(type, "granted", SubjectRef(*version))
        place = Place("", SNAPSHOT_MAX, self._limits.steps_max, interrupt)
        entries, following, _ = self._evaluator.lookup_resources(view, lookup, place)
        ids: list[str] = []
        some: list[ObjectRef] = []
        complete, room = following is None, SNAPSHOT_BYTES_MAX // 2
        for id, answer in looked_at(entries, paced(interrupt, ROWS_BETWEEN_INTERRUPTS)):
            if isinstance(answer, RemitError):
                complete = False
                continue
            is_for_some = answer.verdict is Verdict.CONDITIONAL
            room -= len(id) * (2 if is_for_some else 1) + 20
            if room < 0:
                complete = False
                break
            ids.append(id)
            if is_for_some:
                some.append(ObjectRef(type, id))
        return tuple(ids), tuple(some), complete


def _version(id: str, field: str) -> ObjectRef:
    return ObjectRef("agent_version", checked_id(id, field=field))


def _check_digests(digests: Digests) -> None:
    for name in digests.__slots__:
        digest = getattr(digests, name)
        if len(digest) > DIGEST_LENGTH_MAX or not all("!" <= each <= "~" for each in digest):
            raise InvalidArgument(
                f"`{shortened(digest)}` is not 1 to {DIGEST_LENGTH_MAX} printable ASCII characters without spaces, as "
                "in `sha256:…`",
                field=f"digests.{name}",
            )


def _required(scene: Scene, version: ObjectRef) -> ObjectRef:
    """The agent of a version that there is. Raises ObjectUnknown."""
    agent = agent_of(scene, version)
    if agent is None:
        raise ObjectUnknown(f"there is no version `{version.id}`: add it first", field="version", object=version)
    return agent


def _require_free(scene: Scene, version: ObjectRef, owner: ObjectRef) -> None:
    agent = agent_of(scene, version)
    if agent is not None and agent != owner:
        raise VersionOfAnotherAgent(
            f"`{version}` is a version of `{agent}`: give one of `{owner}` an id of its own, such as "
            f"`{owner.id}/{version.id}`",
            field="version",
            version=version,
            agent=agent,
        )
    VERSION.after(version_state(scene, version), "AddVersion", version)


def _earlier(scene: Scene, earlier: ObjectRef, owner: ObjectRef) -> Digests:
    agent = agent_of(scene, earlier)
    if agent is None:
        raise ObjectUnknown(f"there is no version `{earlier.id}` to be like", field="like", object=earlier)
    if agent != owner:
        raise VersionOfAnotherAgent(
            f"`{earlier}` is a version of `{agent}`: a version of `{owner}` is like an earlier one of its own",
            field="like",
            version=earlier,
            agent=agent,
        )
    return describe_version(scene, earlier).digests


def _require_time(until_us: int, now_us: int) -> None:
    if until_us <= now_us:
        raise InvalidArgument(
            f"`{format_time(until_us)}` is over: a version is certified until a time that is to come", field="until"
        )
    if until_us - now_us > CERTIFIED_DAYS_MAX * _DAY_US:
        raise LimitExceeded(
            f"`{format_time(until_us)}` is more than {CERTIFIED_DAYS_MAX} days away: certify it for less, then anew",
            field="until",
            name="certified_days_max",
            limit=CERTIFIED_DAYS_MAX,
            given=-(-(until_us - now_us) // _DAY_US),
        )


def _require_foreign(scene: Scene, agent: ObjectRef) -> None:
    """That whoever certifies owns the agent neither themselves nor through a team, nor a system that owns it."""
    for certifier in _named_by(scene.caller.principal):
        owners = [owner for owner, _ in scene.edges(agent, "owner")]
        systems = [owner.object for owner in owners if owner.type == "system"]
        owners += [owner for system in systems for owner, _ in scene.edges(system, "owner")]
        for owner in owners:
            if owner == certifier or (owner.relation and not scene.rules_out(owner.object, owner.relation, certifier)):
                raise CertifierOwns(
                    f"`{certifier}` answers for `{agent}`, by `{owner}`: a version is certified by somebody else",
                    agent=agent,
                    owner=owner,
                )


def _named_by(principal: str) -> Sequence[SubjectRef]:
    """Who in the graph a key's principal may be: `user:anne`, or `anne`; and `system:x` names a system."""
    type, colon, id = principal.partition(":")
    written = [ObjectRef("user", principal), *([ObjectRef(type, id)] if colon and type in ("user", "system") else [])]
    found = []
    for each in written:
        try:
            found.append(SubjectRef(*checked_object(each)))
        except InvalidReference:
            continue  # no object has such an id, and so no owner
    return found


def _said(snapshot: Snapshot) -> dict[str, object]:
    return {
        "complete": snapshot.complete,
        "datasets": list(snapshot.datasets),
        "if_called": [str(each) for each in snapshot.if_called],
        "revision": snapshot.revision,
        "tools": list(snapshot.tools),
    }


def _described(scene: Scene, id: str) -> VersionState:
    return describe_version(scene, ObjectRef("agent_version", id))
