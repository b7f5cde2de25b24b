"""What a request asked and was told, read from its messages once it has ended: the data of metrics, traces and logs.

The handlers and the engine know nothing of it; it looks at what they took and gave. Which reader is whose says the
table of verbs.
Law: a caveat's context, a call's arguments, a metadata text and a key never show in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from google.protobuf.message import Message

from remit.engine.tokens import decode_token
from remit.errors import InvalidToken
from remit.model import DEFAULT_STORE, Verdict
from remit.notation import shortened
from remit.wire.spicedb.answers import encode_permissionship
from remit.wire.values import decode_verdict

ERROR = "error"
_WORDS = {Verdict.YES: "yes", Verdict.NO: "no", Verdict.CONDITIONAL: "conditional"}
_PERMISSIONSHIP_WORDS = {encode_permissionship(verdict): word for verdict, word in _WORDS.items()}
VERDICTS = (*_WORDS.values(), ERROR)


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """`verdicts` and `steps` of questions answered; `relationships` written or removed, None for what writes none."""

    verdicts: Sequence[str] = ()
    steps: Sequence[int] = ()
    relationships: int | None = None


NOTHING = RequestSummary()


class Reader(NamedTuple):
    """How to read the messages of a method: `summary` of a request and its answer; `question`, what was asked, in a
    line, for the log of slow requests."""

    summary: Callable[[Any, Any], RequestSummary] = lambda request, response: NOTHING
    question: Callable[[Any], str] = lambda request: ""


# --- summaries --------------------------------------------------------------------------------------------------


def _check(_: Any, response: Any) -> RequestSummary:
    return RequestSummary((_word(response.verdict),), (response.steps,))


def _check_many(_: Any, response: Any) -> RequestSummary:
    answers = [each.answer if each.HasField("answer") else None for each in response.results]
    return RequestSummary(
        [ERROR if answer is None else _word(answer.verdict) for answer in answers],
        [answer.steps for answer in answers if answer is not None],
    )


def _page_of_lookup(_: Any, response: Any) -> RequestSummary:
    return RequestSummary(steps=(response.steps,))


def _check_permission(_: Any, response: Any) -> RequestSummary:
    return RequestSummary((_permissionship(response),))


def _check_bulk_permissions(_: Any, response: Any) -> RequestSummary:
    return RequestSummary([_permissionship(pair.item) if pair.HasField("item") else ERROR for pair in response.pairs])


def _permissionship(answer: Any) -> str:
    return _PERMISSIONSHIP_WORDS[answer.permissionship]


def _write_relationships(request: Any, _: Any) -> RequestSummary:
    return RequestSummary(relationships=len(request.updates))


def _delete_relationships(_: Any, response: Any) -> RequestSummary:
    return RequestSummary(relationships=response.relationships_deleted_count)


def _write(request: Any, response: Any) -> RequestSummary:
    return RequestSummary(relationships=len(request.updates) + response.replaced) if response.token else NOTHING


def _delete(_: Any, response: Any) -> RequestSummary:
    return RequestSummary(relationships=response.deleted) if response.token else NOTHING


def _word(verdict: int) -> str:
    return _WORDS[decode_verdict(verdict)]


# --- questions --------------------------------------------------------------------------------------------------


def _question(item: Any) -> str:
    calling = f" calling {shortened(item.call.tool)}" if item.HasField("call") else ""
    return f"{_set(item)}@{_subject(item.subject)}{calling}"


def _subject(subject: Any) -> str:
    relation = f"#{subject.relation}" if subject.relation else ""
    return f"{subject.object.type}:{subject.object.id}{relation}"


def _set(request: Any) -> str:
    return f"{request.resource.type}:{request.resource.id}#{request.permission}"


def _resources(request: Any) -> str:
    return f"{request.resource_type}#{request.permission}@{_subject(request.subject)}"


def _subjects(request: Any) -> str:
    relation = f"#{request.subject_relation}" if request.subject_relation else ""
    return f"{_set(request)}@{request.subject_type}{relation}"


def _permissions(request: Any) -> str:
    return f"{request.resource.type}:{request.resource.id}@{_subject(request.subject)}"


def _questions(request: Any) -> str:
    first = f": {_question(request.items[0])}, …" if request.items else ""
    return f"{len(request.items)} questions{first}"


def _filter(request: Any) -> str:
    named = (f"{field.name}={value}" for field, value in request.filter.ListFields())
    return ", ".join(named) or "everything"


def _updates(request: Any) -> str:
    return f"{len(request.updates)} updates, {len(request.preconditions)} preconditions"


def _held(request: Any) -> str:
    return f"hold {_object(request.on)}"


def _released(request: Any) -> str:
    return f"release {shortened(request.id)}"


def _terminated(request: Any) -> str:
    return f"terminate {_object(request.object)}"


def _consent_given(request: Any) -> str:
    return f"consent of {_object(request.giver)}"


def _consent_withdrawn(request: Any) -> str:
    return f"withdraw {shortened(request.id)}"


def _spawned(request: Any) -> str:
    return f"run of {shortened(request.version)} below {_object(request.delegator)}"


def _of_run(request: Any) -> str:
    return f"run {shortened(request.run)}"


def _runs(request: Any) -> str:
    of = _object(request.delegator) if request.HasField("delegator") else shortened(request.version) or "all"
    return f"runs of {of}"


def _subtree(request: Any) -> str:
    return f"runs below {_object(request.object)}"


def _agent(verb: str) -> Callable[[Any], str]:
    return lambda request: f"{verb} agent:{shortened(request.agent)}"


def _version(verb: str) -> Callable[[Any], str]:
    return lambda request: f"{verb} agent_version:{shortened(request.version)}"


def _orphans(request: Any) -> str:
    return f"orphans if {_object(request.leaving)} left" if request.HasField("leaving") else "orphans"


def _transferred(request: Any) -> str:
    some = f" {len(request.only)}" if request.only else ""
    return f"transfer{some} from {_subject(request.from_owner)} to {_subject(request.to_owner)}"


def _impact(request: Any) -> str:
    return f"impact of {_object(request.object)}{' leaving' if request.leaving else ''}"


def _of_tool(verb: str) -> Reader:
    return Reader(question=lambda request: f"{verb} tool:{shortened(request.tool)}")


def _applied(request: Any) -> str:
    return f"apply {len(request.documents)} documents of `{shortened(request.set) or 'default'}`"


def _object(object: Any) -> str:
    return f"{object.type}:{object.id}"


def _schema(request: Any) -> str:
    return f"a schema of {len(request.schema)} characters"


# --- readers, for the table of verbs ----------------------------------------------------------------------------

PLAIN = Reader()
CHECK = Reader(_check, _question)
CHECK_MANY = Reader(_check_many, _questions)
EXPAND = Reader(question=_set)
LOOKUP_RESOURCES = Reader(_page_of_lookup, _resources)
LOOKUP_SUBJECTS = Reader(_page_of_lookup, _subjects)
LOOKUP_PERMISSIONS = Reader(_page_of_lookup, _permissions)
WRITE = Reader(_write, _updates)
DELETE = Reader(_delete, _filter)
READ = Reader(question=_filter)
SCHEMA = Reader(question=_schema)
HOLD = Reader(question=_held)
RELEASE = Reader(question=_released)
TERMINATE = Reader(question=_terminated)
GIVE_CONSENT = Reader(question=_consent_given)
WITHDRAW_CONSENT = Reader(question=_consent_withdrawn)
LIST_CONSENTS = Reader(question=_consent_given)
SPAWN = Reader(question=_spawned)
OF_RUN = Reader(question=_of_run)
LIST_RUNS = Reader(question=_runs)
SHOW_SUBTREE = Reader(question=_subtree)
REGISTER_AGENT = Reader(question=_agent("register"))
CHANGE_AGENT = Reader(question=_agent("change"))
RETIRE_AGENT = Reader(question=_agent("retire"))
DESCRIBE_AGENT = Reader(question=_agent("describe"))
ADD_VERSION = Reader(question=_version("add"))
CERTIFY = Reader(question=_version("certify"))
DECERTIFY = Reader(question=_version("decertify"))
ORPHANS = Reader(question=_orphans)
TRANSFER_OWNER = Reader(question=_transferred)
IMPACT = Reader(question=_impact)
REGISTER_TOOL = _of_tool("register")
PROPOSE_DESCRIPTOR = _of_tool("propose a descriptor of")
ACCEPT_DESCRIPTOR = _of_tool("accept a descriptor of")
REJECT_DESCRIPTOR = _of_tool("reject a descriptor of")
CHANGE_TOOL = _of_tool("change")
RELAX_TOOL = _of_tool("relax")
RETIRE_TOOL = _of_tool("retire")
DESCRIBE_TOOL = _of_tool("describe")
APPLY = Reader(question=_applied)
CHECK_PERMISSION = Reader(_check_permission)
CHECK_BULK_PERMISSIONS = Reader(_check_bulk_permissions)
WRITE_RELATIONSHIPS = Reader(_write_relationships)
DELETE_RELATIONSHIPS = Reader(_delete_relationships)


# --- what is read from any message ------------------------------------------------------------------------------


def store_of(request: Message | None) -> str:
    """The store a request is about; "" where it is about none, or was not read."""
    for name in ("store", "name"):
        if request is not None and name in request.DESCRIPTOR.fields_by_name:
            return shortened(getattr(request, name)) or DEFAULT_STORE
    return ""


def revision_of(response: Message | None) -> int | None:
    """The revision an answer is of, where it has one."""
    token: str = getattr(response, "token", "") or _zed_token(response)
    try:
        return decode_token(token)[2] if token else None
    except InvalidToken:
        return None


def _zed_token(response: Message | None) -> str:
    """The token in an answer of SpiceDB's form."""
    named = (
        getattr(response, name, None) for name in ("checked_at", "written_at", "deleted_at", "read_at", "expanded_at")
    )
    return next((each.token for each in named if each is not None), "")
