"""The kinds of records there are, and what is a record of each.

A record describes an object beside its relationships, and is written by Remit's own verbs only, in the revision of the
facts that it goes with. Where the content of a document matters to a decision, a fact chooses the document by its name;
so what that name stands for can never change: it is fixed once written, or is the digest of the document itself.
Law: whoever has the digest by which a fact names a document knows its every byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256

from remit.arguments.tool_schema import read_descriptor
from remit.errors import DescriptorInvalid, InvalidArgument, LimitExceeded, RecordRefused
from remit.model import Record, RecordKey
from remit.store.port import DOCUMENT_BYTES_MAX
from remit.suggest import did_you_mean


class Naming(Enum):
    """What an object's name promises of the document that is kept of it."""

    CHANGING = 1  # nothing: a later one takes its place
    FIXED = 2  # that it stays what it was first
    DIGEST = 3  # that it is the document's own SHA-256, in hexadecimal digits


@dataclass(frozen=True, slots=True)
class RecordKind:
    """Of which type the objects are that it tells about; "" where they may be of any."""

    type: str
    naming: Naming


KINDS: Mapping[str, RecordKind] = {
    "agent": RecordKind("agent", Naming.CHANGING),  # its ceilings, and how its runs prove who they are
    "consent": RecordKind("consent", Naming.FIXED),  # whose it is, for which agents, and who gave it
    "certification": RecordKind("agent_version", Naming.CHANGING),  # who certified it last, and what it could do then
    "applied": RecordKind("applied", Naming.CHANGING),  # what a document has written (see `agents/applies.py`)
    "descriptor": RecordKind("descriptor", Naming.DIGEST),  # a tool, as it described itself
    "hold": RecordKind("hold", Naming.FIXED),  # who placed it, and why
    "mapping": RecordKind("mapping", Naming.DIGEST),  # which arguments of a tool name which resources
    "profile": RecordKind("profile", Naming.FIXED),  # what may be done, and how
    "request": RecordKind("request", Naming.FIXED),  # what was carried out lately (see `agents/remembered.py`)
    "run": RecordKind("run", Naming.CHANGING),  # with what it was started, by whom, and until when
    "session": RecordKind("session", Naming.CHANGING),  # which run lives under a name of its delegator's
    "swept": RecordKind("", Naming.FIXED),  # that it was over for good, and its name does not return (see `ended.py`)
    "version": RecordKind("agent_version", Naming.FIXED),  # by what it is known: its model, its prompt and its tools
    "tool": RecordKind("tool", Naming.CHANGING),  # which descriptor waits to be accepted, or that it was retired
}
"""By name. A kind is added, and never changed."""

AGENT = "agent"
APPLIED = "applied"
DESCRIPTOR = "descriptor"
PROFILE = "profile"
REQUEST = "request"
RUN = "run"
SESSION = "session"
SWEPT = "swept"
TOOL = "tool"

RECORDS_MAX = 100  # in one revision: with documents of full size, six mebibytes of a changelog


def is_fixed(kind: str) -> bool:
    """Whether a document of that kind stays what it was first."""
    return KINDS[kind].naming is not Naming.CHANGING


def check_records(records: Sequence[Record], records_max: int = RECORDS_MAX) -> None:
    """That one request may write them, wherever there are none. Raises LimitExceeded, InvalidArgument, RecordRefused.
    Cost: O(bytes)."""
    if len(records) > records_max:
        raise LimitExceeded(
            f"`{len(records)}` records in one write, which may have {records_max}",
            field="records",
            name="records_max",
            limit=records_max,
            given=len(records),
        )
    seen: set[RecordKey] = set()
    for index, record in enumerate(records):
        check_record(record, f"records[{index}]")
        if record.key in seen:
            raise InvalidArgument(f"record `{record.key}` occurs twice in one request", field=f"records[{index}]")
        seen.add(record.key)


def check_record(record: Record, field: str = "") -> None:
    """That it could be written, wherever nothing is. Raises RecordRefused. Cost: O(bytes)."""
    kind = KINDS.get(record.kind)
    if kind is None:
        guess = did_you_mean(record.kind, KINDS) or f"there are {', '.join(f'`{name}`' for name in sorted(KINDS))}"
        raise _refused(record, f"there is no kind of records `{record.kind}`; {guess}", field)
    if kind.type and record.object.type != kind.type:
        raise _refused(record, f"a record `{record.kind}` is of a `{kind.type}`, not `{record.object}`", field)
    size = len(record.document)
    if size > DOCUMENT_BYTES_MAX:
        raise _refused(record, f"its document has {size} bytes, and may have {DOCUMENT_BYTES_MAX}", field)
    if kind.naming is Naming.DIGEST and record.object.id != (digest := sha256(record.document).hexdigest()):
        raise _refused(record, f"`{record.object}` is not the digest of its document: name it `{digest}`", field)
    if record.kind == DESCRIPTOR:
        try:
            read_descriptor(record.document)
        except DescriptorInvalid as error:
            raise _refused(record, error.message, field) from error


def _refused(record: Record, problem: str, field: str) -> RecordRefused:
    return RecordRefused(f"record `{record.key}`: {problem}", field=field, record=record.key)
