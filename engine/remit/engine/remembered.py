"""Which requests were carried out lately, so that one sent again is not carried out again.

A record is kept in the revision of what the request did: so both are there, or neither. Its object is named by the
hour, then a digest of who asked, for which verb and under which `request_id`: so what is old is found without a look
at what is not. Whoever sends the same id with another request has lost count, and is refused.
Law: a request id within the hour is carried out once, however often it is sent, also where the process was killed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import NamedTuple

from remit.engine.record_kinds import REQUEST
from remit.errors import InvalidArgument, RequestIdReused
from remit.model import Caller, ObjectRef, Record, RecordKey
from remit.notation import canonical_json, shortened
from remit.store.port import ReadTransaction

REMEMBERED_US = 3600 * 1_000_000
_PATTERN = re.compile(r"[\x21-\x7e]{1,128}")


class RequestKey(NamedTuple):
    """By what a request is known: the id that its sender chose, "" for none, and a digest of all that it asks."""

    id: str = ""
    digest: str = ""


UNNAMED = RequestKey()


def checked_request_id(id: str) -> str:
    """The id, or InvalidArgument."""
    if id and not _PATTERN.fullmatch(id):
        raise InvalidArgument(
            f"request id `{shortened(id)}` is not 1 to 128 printable ASCII characters without spaces",
            field="request_id",
        )
    return id


def recall(view: ReadTransaction, caller: Caller, verb: str, key: RequestKey, now_us: int) -> str | None:
    """What an earlier request of the same id made, "" where that has no name; None where there was none. Raises
    RequestIdReused. Cost: O(log n)."""
    if not key.id:
        return None
    hour = now_us // REMEMBERED_US
    for each in (hour, hour - 1):
        stored = view.get_record(RecordKey(REQUEST, _object(caller, verb, key.id, each)))
        if stored is None:
            continue
        document = json.loads(stored.record.document)
        if document["at_us"] <= now_us - REMEMBERED_US:
            continue
        if document["digest"] != key.digest:
            raise RequestIdReused(
                f"`{key.id}` was the id of another {verb} within the last hour: give each request an id of its own, "
                "and send one again as it was",
                field="request_id",
                request_id=key.id,
            )
        return str(document["made"])
    return None


def remembered(caller: Caller, verb: str, key: RequestKey, made: str, now_us: int) -> list[Record]:
    """The record by which a request is recalled; none where it has no id."""
    if not key.id:
        return []
    object = _object(caller, verb, key.id, now_us // REMEMBERED_US)
    document = canonical_json({"at_us": now_us, "digest": key.digest, "made": made})
    return [Record(REQUEST, object, document.encode())]


def forgettable(view: ReadTransaction, now_us: int, count_max: int) -> list[RecordKey]:
    """Some records that are of no use any more, oldest first. Cost: O(those)."""
    before = f"{now_us // REMEMBERED_US - 1:09d}"
    return list(islice(_named_before(view, before), count_max))


def _named_before(view: ReadTransaction, before: str) -> Iterator[RecordKey]:
    for stored in view.records(REQUEST):
        if stored.record.object.id >= before:
            return
        yield stored.record.key


def _object(caller: Caller, verb: str, id: str, hour: int) -> ObjectRef:
    # Who asks is the key's principal, and the run it speaks for: another caller's ids are another's.
    named = "\0".join((caller.principal, caller.run, verb, id))
    return ObjectRef("request", f"{hour:09d}-{sha256(named.encode()).hexdigest()}")
