"""What a request asked and was told, read from its messages once it has ended: the data of metrics, traces and logs.

The handlers and the engine know nothing of it; it looks at what they took and gave.
Law: a caveat's context, a metadata text and a key never show in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from remit.engine.tokens import decode_token
from remit.errors import InvalidToken
from remit.model import DEFAULT_STORE, Verdict
from remit.notation import shortened
from remit.wire.spicedb import encode_permissionship
from remit.wire.values import decode_verdict

ERROR = "error"
_WORDS = {Verdict.YES: "yes", Verdict.NO: "no", Verdict.CONDITIONAL: "conditional"}
_PERMISSIONSHIP_WORDS = {encode_permissionship(verdict): word for verdict, word in _WORDS.items()}
VERDICTS = (*_WORDS.values(), ERROR)


@dataclass(frozen=True, slots=True)
class Told:
    """`verdicts` and `steps` of questions answered; `relationships` written or removed, None for what writes none."""

    verdicts: Sequence[str] = ()
    steps: Sequence[int] = ()
    relationships: int | None = None


def label_of(path: str) -> str:
    """What a method is called in metrics, traces and logs: its name, and of SpiceDB's `spicedb.` before it."""
    method = path.rpartition("/")[2]
    return f"spicedb.{method}" if path.startswith("/authzed.") else method


def told_by(method: str, request: Message | None, response: Message | None) -> Told:
    """What a method's answer told; nothing where it has none."""
    read = _TOLD.get(method)
    return read(request, response) if read is not None and response is not None else _NOTHING


def _check(_: Any, response: Any) -> Told:
    return Told((_word(response.verdict),), (response.steps,))


def _check_many(_: Any, response: Any) -> Told:
    answers = [each.answer if each.HasField("answer") else None for each in response.results]
    return Told(
        [ERROR if answer is None else _word(answer.verdict) for answer in answers],
        [answer.steps for answer in answers if answer is not None],
    )


def _check_permission(_: Any, response: Any) -> Told:
    return Told((_permissionship(response),))


def _check_bulk_permissions(_: Any, response: Any) -> Told:
    return Told([_permissionship(pair.item) if pair.HasField("item") else ERROR for pair in response.pairs])


def _permissionship(answer: Any) -> str:
    return _PERMISSIONSHIP_WORDS[answer.permissionship]


def _write_relationships(request: Any, _: Any) -> Told:
    return Told(relationships=len(request.updates))


def _write(request: Any, response: Any) -> Told:
    return Told(relationships=len(request.updates) + response.replaced) if response.token else _NOTHING


def _delete(_: Any, response: Any) -> Told:
    return Told(relationships=response.deleted) if response.token else _NOTHING


def _word(verdict: int) -> str:
    return _WORDS[decode_verdict(verdict)]


_NOTHING = Told()
_TOLD: Mapping[str, Callable[[Any, Any], Told]] = {
    "Check": _check,
    "CheckMany": _check_many,
    "Write": _write,
    "Delete": _delete,
    "spicedb.CheckPermission": _check_permission,
    "spicedb.CheckBulkPermissions": _check_bulk_permissions,
    "spicedb.WriteRelationships": _write_relationships,
}


# --- for traces and log lines -----------------------------------------------------------------------------------


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
    named = (getattr(response, name, None) for name in ("checked_at", "written_at", "read_at"))
    return next((each.token for each in named if each is not None), "")


def question_of(request: Message | None) -> str:
    """What was asked, in a line."""
    ask = _ASKED.get(request.DESCRIPTOR.name) if request is not None else None
    return shortened(ask(request), 500) if ask is not None else ""


def _question(item: Any) -> str:
    subject = item.subject
    relation = f"#{subject.relation}" if subject.relation else ""
    return f"{_set(item)}@{subject.object.type}:{subject.object.id}{relation}"


def _set(request: Any) -> str:
    return f"{request.resource.type}:{request.resource.id}#{request.permission}"


def _questions(request: Any) -> str:
    first = f": {_question(request.items[0])}, …" if request.items else ""
    return f"{len(request.items)} questions{first}"


def _filter(filter: Any) -> str:
    named = (f"{field.name}={value}" for field, value in filter.ListFields())
    return ", ".join(named) or "everything"


_ASKED: Mapping[str, Callable[[Any], str]] = {
    "CheckRequest": _question,
    "CheckManyRequest": _questions,
    "ExpandRequest": _set,
    "WriteRequest": lambda request: f"{len(request.updates)} updates, {len(request.preconditions)} preconditions",
    "DeleteRequest": lambda request: _filter(request.filter),
    "ReadRequest": lambda request: _filter(request.filter),
    "WriteSchemaRequest": lambda request: f"a schema of {len(request.schema)} characters",
    "DiffSchemaRequest": lambda request: f"a schema of {len(request.schema)} characters",
}
