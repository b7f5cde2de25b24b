"""How a verb of agents is carried out: judged in the store's one writer, written as one revision, remembered.

A verb is a decision: a function from what it sees (`scene.py`) to what its caller is told, which stages what it writes
on the way. It runs within the transaction, so that it is judged against its predecessors of the batch, and perhaps
twice; what takes long is done before it, and judged again there only where something could have changed.
A request that is sent again is answered with how things stand now, as a revision that changes nothing: so its answer is
durable for the same reason as that of the first.
Law: a verb is one revision, whole or absent, and an id of a request is carried out once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from remit.engine.admission import KnownContexts, Scanning
from remit.engine.agents.scene import Scene, Sight
from remit.engine.clock import Clock
from remit.engine.commits import commit
from remit.engine.descriptors import Descriptors
from remit.engine.limits import Limits
from remit.engine.loaded import LoadedStores
from remit.engine.remembered import UNNAMED, RequestKey, checked_request_id, recall, remembered
from remit.engine.request_view import RequestView, RequestViews
from remit.engine.tokens import require_at_least
from remit.engine.tool_constraints import check_tool_constraints
from remit.errors import (
    AgentsNotInSchema,
    CallUnjudgeable,
    CaveatFailed,
    LimitExceeded,
    NegativeCycle,
    RemitError,
    StepBudgetSpent,
)
from remit.eval.evaluator import Evaluator
from remit.eval.semantics import Answer
from remit.interrupt import Interrupt, never_interrupted
from remit.language.plan import Schema
from remit.model import LOCAL_CALLER, Caller, ObjectRef, Question, SubjectRef, Verdict
from remit.notation import canonical_json, checked_id
from remit.store.port import SMALL_WEIGHT_MAX, Draft, WriteTransaction

T = TypeVar("T")

REASON_BYTES_MAX = 1024

# What the verbs write: a schema that has no place for all of it is none of theirs.
WRITTEN: Mapping[str, tuple[str, ...]] = {
    "agent": ("domain", "hold", "owner", "registered", "terminated"),
    "agent_version": ("certified", "hold", "terminated", "version_of"),
    "binding": ("of",),
    "consent": ("agent", "run", "withdrawn"),
    "credential": ("hold", "registered"),
    "profile": ("declarer", "hold", "holder"),
    "run": ("delegated_by", "hold", "instance_of", "spawned_by", "terminated"),
    "tool": ("descriptor", "domain", "hold", "maps", "observed", "registered", "risk", "tag", "untagged"),
    "user": ("consent", "hold", "registered"),
}
# Of all questions that a verb asks within its transaction, while all other writers wait: some 16 ms of Python. A run's
# chain takes some hundreds; a group of hundreds of whom nobody is there is not looked through.
STEPS_ASKED_MAX = 1_000

# Whom the verbs name where a relation asks for a directory and the request has named none.
REGISTRY = ObjectRef("directory", "remit")
_HAS_AGENTS = "has what the verbs of agents write"


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What a verb's caller is told; what it made, by which a repeated request finds it again; and the entry that the
    verb leaves, which names what it was about."""

    told: T
    made: str = ""
    entry: Mapping[str, object] = field(default_factory=dict)


class Performed(NamedTuple, Generic[T]):
    """What the caller is told, and the revision that it is; a token of "" for a dry run."""

    told: T
    token: str
    revision: int


@dataclass(frozen=True, slots=True)
class Submission:
    """Who asks for a verb, how its request is known, and when to give up."""

    caller: Caller = LOCAL_CALLER
    key: RequestKey = UNNAMED
    dry_run: bool = False
    before_bulk: Interrupt = never_interrupted
    interrupt: Interrupt = never_interrupted


LOCALLY = Submission()  # within the process


class Bulk(NamedTuple):
    """Of a verb that writes more than a few facts: about how many changes, how many records it may write, and what was
    found out of its constraints beforehand."""

    changes: int
    records_max: int
    known: KnownContexts


class Verbs:
    """Carries verbs out, in all stores. Safe from many threads."""

    def __init__(
        self,
        stores: LoadedStores,
        views: RequestViews,
        descriptors: Descriptors,
        evaluator: Evaluator,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.stores = stores
        self.views = views
        self._descriptors = descriptors
        self._evaluator = evaluator
        self.clock = clock
        self.limits = limits

    @contextmanager
    def looking(self, store: str, at_least: str = "", interrupt: Interrupt = never_interrupted) -> Iterator[Sight]:
        """What is there now, for who changes nothing. Raises StoreNotFound, SchemaNotFound, AgentsNotInSchema, what a
        token is refused with, and what the interrupt raises."""
        loaded = self.stores.of(store)
        with self.stores.view(loaded.identity) as view:
            require_at_least(at_least, loaded.identity, view.head.revision)
            require_agents(self.stores.plans.of_transaction(view))
            yield Sight(view, self.clock.now_us(), Scanning(self.limits.scanned_max, interrupt))

    def perform(
        self,
        store: str,
        verb: str,
        submission: Submission,
        decide: Callable[[Scene], Decision[T]],
        again: Callable[[Scene, str], T],
        bulk: Bulk | None = None,
    ) -> Performed[T]:
        """Carry a verb out, by its name in the API. `again` tells how things stand of what an earlier request of the
        same id made. Raises StoreNotFound, SchemaNotFound, AgentsNotInSchema, RequestIdReused, what `decide` raises,
        and what a write is refused with; then nothing has happened."""
        loaded = self.stores.of(store)
        checked_request_id(submission.key.id)
        scanning = Scanning(self.limits.scanned_max, submission.interrupt)
        told: list[T] = []

        def admission(view: WriteTransaction) -> Draft:
            told.clear()
            scanning.begin()
            schema = self.stores.plans.of_transaction(view)
            require_agents(schema)
            answers = self._answers(view, submission.interrupt)
            scene = Scene(view, self.clock.now_us(), scanning, schema, submission.caller, answers)
            if bulk is not None:
                scene.known, scene.records_max = bulk.known, bulk.records_max
            made = recall(view, submission.caller, verb, submission.key, scene.now_us)
            if made is not None:
                told.append(again(scene, made))
                return Draft(submission.caller.principal)
            decision = decide(scene)
            scene.records += remembered(submission.caller, verb, submission.key, decision.made, scene.now_us)
            scene.write()
            check_tool_constraints(view, schema, scene.updates, self._descriptors, scene.now_us, scanning)
            told.append(decision.told)
            return Draft(submission.caller.principal, entry_json=_entry(verb, submission, decision.entry))

        committed = commit(
            self.stores,
            loaded,
            admission,
            submission.caller,
            submission.dry_run,
            scanning,
            changes=bulk.changes if bulk is not None else 0,
            changes_max=max(bulk.changes, SMALL_WEIGHT_MAX) if bulk is not None else SMALL_WEIGHT_MAX,
            before_bulk=submission.before_bulk,
            interrupt=submission.interrupt,
        )
        return Performed(told[0], committed.token, committed.revision)

    def verdicts(self, view: RequestView, questions: Sequence[Question], interrupt: Interrupt) -> list[Verdict]:
        """What a pinned view answers, for what is judged before the writer is asked for. Raises what one of them has
        instead of an answer, and what the interrupt raises."""
        answers = self._evaluator.check_many(view, questions, self.limits.steps_max, interrupt)
        for each in answers:
            if isinstance(each, RemitError):
                raise each
        return [each.verdict for each in answers if isinstance(each, Answer)]

    def _answers(
        self, view: WriteTransaction, interrupt: Interrupt
    ) -> Callable[[ObjectRef, str, SubjectRef], Verdict | None]:
        left = min(STEPS_ASKED_MAX, self.limits.steps_max)

        def answers(resource: ObjectRef, permission: str, subject: SubjectRef) -> Verdict | None:
            nonlocal left
            question = Question(resource, permission, subject)
            try:
                answer = self._evaluator.check(self.views.staged(view), question, left, interrupt)
            except StepBudgetSpent:
                left = 0
                return None
            except (CallUnjudgeable, CaveatFailed, NegativeCycle):
                return None
            left -= answer.steps
            return answer.verdict

        return answers


def require_agents(schema: Schema) -> None:
    """That the store has the agent schema. Raises AgentsNotInSchema. Cost: O(1), once for each schema more."""
    if _HAS_AGENTS in schema.worked_out:
        return
    for type, relations in WRITTEN.items():
        definition = schema.definitions.get(type)
        for relation in relations:
            if definition is None or relation not in definition.relations:
                raise AgentsNotInSchema(
                    f"the schema of this store has no relation `{type}#{relation}`: the verbs of agents are for those "
                    'with `import "remit:agents@1"`',
                    missing=f"{type}#{relation}",
                )
    schema.worked_out[_HAS_AGENTS] = True


def registry_of(directory: str) -> ObjectRef:
    """The directory of that id; Remit's own for "". Raises InvalidReference."""
    return ObjectRef(REGISTRY.type, checked_id(directory, field="directory")) if directory else REGISTRY


def new_id(prefix: str) -> str:
    """An id that nobody guesses: the prefix, `-` and 80 random bits."""
    return f"{prefix}-{secrets.token_hex(10)}"


def checked_reason(reason: str) -> str:
    """Why somebody stops or releases, or LimitExceeded."""
    size = len(reason.encode())
    if size > REASON_BYTES_MAX:
        raise LimitExceeded(
            f"the reason has {size} bytes, and may have {REASON_BYTES_MAX}",
            field="reason",
            name="reason_bytes_max",
            limit=REASON_BYTES_MAX,
            given=size,
        )
    return reason


def _entry(verb: str, submission: Submission, entry: Mapping[str, object]) -> str:
    """With the run that the caller speaks for: a revision has only its principal."""
    named = {"request_id": submission.key.id} if submission.key.id else {}
    named |= {"written_by_run": submission.caller.run} if submission.caller.run else {}
    return canonical_json({"verb": verb, **named, **entry})
