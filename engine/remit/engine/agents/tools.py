"""Tools: registered with what they say of themselves, accepted by a right of its own, changed, retired.

What a tool says of its arguments is a descriptor, kept under its digest. Proposed it is *pending*, which a record of
the tool says and no answer rests on; accepted it is a fact, by which calls are judged. Who accepts names the digest, so
that what was seen is what is accepted, whatever the tool has proposed meanwhile.
Law: no call passes that did not before but by AcceptDescriptor and RelaxTool."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from remit.arguments.tool_schema import read_descriptor
from remit.engine.agents.performing import (
    LOCALLY,
    REGISTRY,
    Decision,
    Performed,
    Submission,
    Verbs,
    checked_reason,
)
from remit.engine.agents.placement import require_movable, require_placed
from remit.engine.agents.scene import Scene
from remit.engine.agents.tool_states import (
    ID_LENGTH_MAX,
    ToolState,
    document_of,
    required,
    state_of,
    stored_of,
    tool_of,
)
from remit.engine.record_kinds import DESCRIPTOR
from remit.engine.record_kinds import TOOL as KIND
from remit.errors import (
    DescriptorInvalid,
    DescriptorNotPending,
    InvalidArgument,
    LimitExceeded,
    WideningRefused,
)
from remit.model import ObjectRef, Record, Relationship, SubjectRef
from remit.notation import checked_id, format_time, shortened
from remit.store.port import SMALL_DOCUMENTS_BYTES
from remit.suggest import did_you_mean

RISKS = ("low", "medium", "high")
"""How much harm a tool can do, least first."""

TAGS_MAX = 32
ACCEPTED_MAX = 8  # descriptors of one tool at a time

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Tools:
    """The tools of all stores. Safe from many threads."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs

    # --- by the right to register -------------------------------------------------------------------------------

    def register(
        self,
        store: str,
        id: str,
        *,
        domain: str,
        descriptor: bytes,
        tags: Sequence[str] = (),
        is_untagged: bool = False,
        risk: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[ToolState]:
        """Register a tool, whose descriptor is pending until it is accepted. It has tags, or is untagged because
        somebody looked; what nobody has rated (`risk` "") is high. Raises DescriptorInvalid, DomainNotPlaced,
        LifecycleRefused, and what `Verbs.perform` raises."""
        tool, place = tool_of(id), ObjectRef("domain", checked_id(domain, field="domain"))
        if len(id) > ID_LENGTH_MAX:
            raise LimitExceeded(
                f"`{shortened(id)}` has {len(id)} characters, and a tool's id may have {ID_LENGTH_MAX}",
                field="tool",
                name="id_length_max",
                limit=ID_LENGTH_MAX,
                given=len(id),
            )
        named = _tags(tags, "tags")
        if bool(named) == is_untagged:
            raise InvalidArgument(
                "a tool has tags, or is `untagged` because somebody looked and none fits: say one of the two",
                field="tags",
            )
        rated = _checked_risk(risk) or RISKS[-1]
        kept = _read(descriptor, submission)

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "RegisterTool")
            require_placed(scene, tool, place)
            # What facts said of it while it was not registered: nothing of that may let a call through.
            for relation in ("descriptor", "domain", "risk"):
                for each in stored_of(scene, tool, relation):
                    scene.remove(each)
            scene.touch(tool, "registered", REGISTRY)
            scene.touch(tool, "domain", place)
            scene.touch(tool, "risk", ObjectRef("risk", rated))
            for tag in named:
                scene.touch(tool, "tag", tag)
            if is_untagged:
                scene.touch(tool, "untagged", REGISTRY)
            scene.checked_records.append(kept)
            _keep(scene, tool, _pending(scene, kept.object.id))
            told = replace(
                before,
                is_registered=True,
                domain=domain,
                risk=rated,
                tags=_with(before.tags, named),
                is_untagged=before.is_untagged or is_untagged,
                accepted=(),
                pending=kept.object.id,
            )
            entry = {"tool": id, "descriptor": kept.object.id, "domain": domain, "risk": rated}
            return Decision(told, id, {**entry, "tags": [tag.id for tag in named]})

        return self._verbs.perform(store, "RegisterTool", submission, decide, _again)

    def propose(
        self, store: str, id: str, *, descriptor: bytes, submission: Submission = LOCALLY
    ) -> Performed[ToolState]:
        """Say what a tool says of itself now: pending until it is accepted, in the place of what was pending before.
        One that is accepted already leaves nothing pending. Raises DescriptorInvalid, ObjectUnknown, LifecycleRefused,
        and what `Verbs.perform` raises."""
        tool = tool_of(id)
        kept = _read(descriptor, submission)
        digest = kept.object.id

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "ProposeDescriptor")
            entry = {"tool": id, "descriptor": digest}
            if digest in before.accepted:
                _keep(scene, tool, {})
                return Decision(replace(before, pending=""), id, entry)
            if digest != before.pending:
                scene.checked_records.append(kept)
                _keep(scene, tool, _pending(scene, digest))
            return Decision(replace(before, pending=digest), id, entry)

        return self._verbs.perform(store, "ProposeDescriptor", submission, decide, _again)

    def change(
        self, store: str, id: str, *, tags: Sequence[str] = (), risk: str = "", submission: Submission = LOCALLY
    ) -> Performed[ToolState]:
        """Give a tool more tags, or a higher risk. Raises WideningRefused for anything that lets more through,
        ObjectUnknown, LifecycleRefused, and what `Verbs.perform` raises."""
        tool, more = tool_of(id), _tags(tags, "tags")
        _checked_risk(risk)
        if not more and not risk:
            raise InvalidArgument("nothing is to change: name tags, or a risk", field="tags")

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "ChangeTool")
            if risk and _rank(risk) < _rank(before.risk):
                raise WideningRefused(
                    f"`{tool}` is of {before.risk} risk, and would be of {risk}: to lower it is RelaxTool's, which "
                    "needs the right `accept`",
                    field="risk",
                )
            if more and not before.tags and not before.is_untagged:
                raise WideningRefused(
                    f"`{tool}` is offered to nobody, since nobody has tagged it, and with a tag it would be: that is "
                    "RelaxTool's, which needs the right `accept`",
                    field="tags",
                )
            _require_few_tags(before.tags, more)
            for tag in more:
                scene.touch(tool, "tag", tag)
            if more:
                for each in stored_of(scene, tool, "untagged"):
                    scene.remove(each)
            if risk:
                _rate(scene, tool, risk)
            told = replace(
                before,
                tags=_with(before.tags, more),
                is_untagged=before.is_untagged and not more,
                risk=risk or before.risk,
            )
            return Decision(told, id, {"tool": id, "tags": [tag.id for tag in more], "risk": told.risk})

        return self._verbs.perform(store, "ChangeTool", submission, decide, _again)

    def retire(
        self, store: str, id: str, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[ToolState]:
        """Take a tool out of every registry, for good: its id is not registered again. Retired again it is retired.
        Raises ObjectUnknown, and what `Verbs.perform` raises."""
        tool = tool_of(id)
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "RetireTool")
            for each in stored_of(scene, tool, "registered"):
                scene.remove(each)
            if not before.is_retired:
                _keep(scene, tool, {"reason": reason, "retired_at": format_time(scene.now_us)})
            told = replace(before, is_registered=False, is_retired=True, pending="")
            return Decision(told, id, {"tool": id, "reason": reason})

        return self._verbs.perform(store, "RetireTool", submission, decide, _again)

    # --- by the right to accept ---------------------------------------------------------------------------------

    def accept(
        self, store: str, id: str, digest: str, *, keep_earlier: bool = False, submission: Submission = LOCALLY
    ) -> Performed[ToolState]:
        """Judge calls by the pending descriptor from now on, and no more by those that were accepted before, unless
        they are kept. Raises DescriptorNotPending where the digest is not what is pending, ConstraintsUnfit where
        constraints on the tool do not fit it, ObjectUnknown, LifecycleRefused, and what `Verbs.perform` raises."""
        tool, descriptor = tool_of(id), _descriptor(digest)
        self._read_before(store, digest, submission)

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "AcceptDescriptor")
            if digest != before.pending:
                raise _not_pending(before, digest)
            if scene.record(DESCRIPTOR, descriptor) is None:
                raise DescriptorNotPending(
                    f"`{descriptor}` is pending for `{tool}`, and is not kept: propose it anew", field="digest"
                )
            earlier = before.accepted
            if not keep_earlier:
                earlier = ()
                for each in stored_of(scene, tool, "descriptor"):
                    scene.remove(each)
            elif len(earlier) >= ACCEPTED_MAX:
                raise LimitExceeded(
                    f"`{tool}` has {len(earlier)} accepted descriptors, and may have {ACCEPTED_MAX}: reject one, or "
                    "keep none of the earlier",
                    field="keep_earlier",
                    name="accepted_max",
                    limit=ACCEPTED_MAX,
                    given=len(earlier) + 1,
                )
            scene.touch(tool, "descriptor", descriptor)
            _keep(scene, tool, {})
            told = replace(before, accepted=(digest, *earlier), pending="")
            dropped = [each for each in before.accepted if each not in told.accepted]
            entry = {"tool": id, "descriptor": digest, "dropped": dropped, "widens": ["descriptor"]}
            return Decision(told, id, entry)

        return self._verbs.perform(store, "AcceptDescriptor", submission, decide, _again)

    def _read_before(self, store: str, digest: str, submission: Submission) -> None:
        """Read a descriptor where no write waits for it: constraints on the tool are compared with it in the writer."""
        with self._verbs.looking(store, interrupt=submission.interrupt) as sight:
            document = document_of(sight, digest)
        if document is not None and len(document) > SMALL_DOCUMENTS_BYTES:
            submission.before_bulk()
        self._verbs.views.of(store, interrupt=submission.interrupt).descriptor(digest)

    def reject(
        self, store: str, id: str, digest: str, *, reason: str = "", submission: Submission = LOCALLY
    ) -> Performed[ToolState]:
        """Forget what is pending, or take back what was accepted. Raises DescriptorNotPending where the digest is
        neither, ObjectUnknown, LifecycleRefused, and what `Verbs.perform` raises."""
        tool, descriptor = tool_of(id), _descriptor(digest)
        checked_reason(reason)

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "RejectDescriptor")
            entry = {"tool": id, "descriptor": digest, "reason": reason}
            if digest == before.pending:
                _keep(scene, tool, {})
                return Decision(replace(before, pending=""), id, entry)
            if digest not in before.accepted:
                raise _not_pending(before, digest)
            scene.remove(Relationship(tool, "descriptor", SubjectRef(*descriptor)))
            left = tuple(each for each in before.accepted if each != digest)
            return Decision(replace(before, accepted=left), id, entry)

        return self._verbs.perform(store, "RejectDescriptor", submission, decide, _again)

    def relax(
        self,
        store: str,
        id: str,
        *,
        remove_tags: Sequence[str] = (),
        is_untagged: bool = False,
        risk: str = "",
        domain: str = "",
        submission: Submission = LOCALLY,
    ) -> Performed[ToolState]:
        """Take tags from a tool, set its risk, or move it to another domain, whose holds and guardrails are others. It
        keeps a tag, or becomes untagged. Raises DomainNotPlaced, DomainStopped, ObjectUnknown, LifecycleRefused, and
        what `Verbs.perform` raises."""
        tool, fewer = tool_of(id), _tags(remove_tags, "remove_tags")
        place = ObjectRef("domain", checked_id(domain, field="domain")) if domain else None
        _checked_risk(risk)
        if not (fewer or is_untagged or risk or domain):
            raise InvalidArgument(
                "nothing is to change: name tags to remove, a risk, a domain, or say `untagged`", field="remove_tags"
            )

        def decide(scene: Scene) -> Decision[ToolState]:
            before = required(scene, tool, "RelaxTool")
            left = tuple(each for each in before.tags if ObjectRef("tag", each) not in fewer)
            if left and is_untagged:
                raise InvalidArgument(
                    f"`{tool}` would be untagged, and has the tags {_quoted(left)}: remove them too", field="untagged"
                )
            if not left and not is_untagged and not before.is_untagged:
                raise InvalidArgument(
                    f"`{tool}` would have no tag left: say `untagged` beside it, if none fits", field="untagged"
                )
            for tag in fewer:
                scene.remove(Relationship(tool, "tag", SubjectRef(*tag)))
            if is_untagged:
                scene.touch(tool, "untagged", REGISTRY)
            if risk:
                _rate(scene, tool, risk)
            if place is not None:
                require_placed(scene, tool, place)
                require_movable(scene, tool, place)
                for each in stored_of(scene, tool, "domain"):
                    scene.remove(each)
                scene.touch(tool, "domain", place)
            told = replace(
                before,
                tags=left,
                is_untagged=before.is_untagged or is_untagged,
                risk=risk or before.risk,
                domain=domain or before.domain,
            )
            named = {
                "tag": left != before.tags,
                "risk": told.risk != before.risk,
                "domain": told.domain != before.domain,
            }
            widens = [each for each, is_so in named.items() if is_so]
            entry = {"tool": id, "tags": list(left), "risk": told.risk, "domain": told.domain, "widens": widens}
            return Decision(told, id, entry)

        return self._verbs.perform(store, "RelaxTool", submission, decide, _again)


# --- what a request names ---------------------------------------------------------------------------------------


def _descriptor(digest: str) -> ObjectRef:
    if not _DIGEST.fullmatch(digest):
        raise InvalidArgument(
            f"`{shortened(digest)}` is no digest of a descriptor: 64 hexadecimal digits, as DescribeTool tells them",
            field="digest",
        )
    return ObjectRef(DESCRIPTOR, digest)


def _tags(tags: Sequence[str], field: str) -> tuple[ObjectRef, ...]:
    if len(tags) > TAGS_MAX:
        raise _too_many_tags(len(tags), field)
    return tuple(
        dict.fromkeys(ObjectRef("tag", checked_id(each, field=f"{field}[{i}]")) for i, each in enumerate(tags))
    )


def _require_few_tags(before: Sequence[str], more: Sequence[ObjectRef]) -> None:
    count = len({*before, *(tag.id for tag in more)})
    if count > TAGS_MAX:
        raise _too_many_tags(count, "tags")


def _too_many_tags(count: int, field: str) -> LimitExceeded:
    return LimitExceeded(
        f"a tool may have {TAGS_MAX} tags, and these are {count}",
        field=field,
        name="tags_max",
        limit=TAGS_MAX,
        given=count,
    )


def _checked_risk(risk: str) -> str:
    if risk and risk not in RISKS:
        guess = did_you_mean(risk, RISKS) or f"there are {_quoted(RISKS)}"
        raise InvalidArgument(f"`{shortened(risk)}` is no risk: {guess}", field="risk")
    return risk


def _rank(risk: str) -> int:
    """What facts call otherwise counts as more than all; a tool that nobody has rated, as less."""
    if not risk:
        return -1
    return RISKS.index(risk) if risk in RISKS else len(RISKS)


def _read(document: bytes, submission: Submission) -> Record:
    """The record of a descriptor. Raises DescriptorInvalid."""
    if len(document) > SMALL_DOCUMENTS_BYTES:
        submission.before_bulk()
    try:
        read_descriptor(document)
    except DescriptorInvalid as error:
        error.field = "descriptor"
        raise
    return Record(DESCRIPTOR, ObjectRef(DESCRIPTOR, sha256(document).hexdigest()), document)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


# --- what is refused, and what becomes of it -------------------------------------------------------------------------


def _not_pending(state: ToolState, digest: str) -> DescriptorNotPending:
    if digest in state.accepted:
        stands = "it is accepted already"
    else:
        stands = f"`{state.pending}` is" if state.pending else "nothing is"
    return DescriptorNotPending(
        f"`descriptor:{digest}` is not pending for `tool:{state.id}`, {stands}: look at it as it is now",
        field="digest",
        pending=state.pending,
    )


def _again(scene: Scene, made: str) -> ToolState:
    return state_of(scene, tool_of(made))


def _keep(scene: Scene, tool: ObjectRef, document: Mapping[str, object]) -> None:
    scene.keep(KIND, tool, document)


def _pending(scene: Scene, digest: str) -> Mapping[str, object]:
    return {"pending": digest, "proposed_at": format_time(scene.now_us), "proposed_by": scene.caller.principal}


def _rate(scene: Scene, tool: ObjectRef, risk: str) -> None:
    for each in stored_of(scene, tool, "risk"):
        scene.remove(each)
    scene.touch(tool, "risk", ObjectRef("risk", risk))


def _with(before: Sequence[str], more: Sequence[ObjectRef]) -> tuple[str, ...]:
    return tuple(sorted({*before, *(tag.id for tag in more)}))
