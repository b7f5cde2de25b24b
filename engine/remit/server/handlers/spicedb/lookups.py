"""SpiceDB's lookups: LookupResources and LookupSubjects, streams of what `engine/lookups.py` finds, by id.

A stream is of one revision and one time, and goes through them a page at a time; it ends with an error at the first of
whom it cannot be told. `*` comes last, with all whom it does not stand for and who would have come in the same call.
Law: what a stream gave can be gone on after, by the cursor of any of its messages; all that is told then together is
what Check says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from authzed.api.v1 import permission_service_pb2

from remit.engine.cursors import (
    LookupCursor,
    SubjectsCursor,
    answer_digest,
    decode_lookup_cursor,
    decode_subjects_cursor,
    encode_lookup_cursor,
    encode_subjects_cursor,
)
from remit.engine.facade import Engine
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS
from remit.engine.lookups import ENTRIES_AT_ONCE, LookupWalk
from remit.errors import AnswerTooLarge, InvalidCursor, RemitError
from remit.eval.lookups import Entry, order_of
from remit.eval.semantics import Answer
from remit.interrupt import paced
from remit.model import WILDCARD, ResourceLookup, SubjectLookup, Verdict
from remit.notation import checked_name, checked_type
from remit.server.call import Call
from remit.server.handlers.spicedb import DEFAULT
from remit.server.limits.request_size import read_context
from remit.server.streams import Stream, only_request
from remit.server.verb import Queue
from remit.wire.spicedb.answers import Consistency, decode_consistency, decode_cursor, encode_cursor, encode_token
from remit.wire.spicedb.facts import decode_object, decode_subject, decode_subject_relation
from remit.wire.spicedb.lookups import encode_excluded, encode_resource, encode_subject
from remit.wire.values import unknown_enum

_P = permission_service_pb2

# Of the message about `*`, which has to hold all that are excluded: more than this no client takes by default.
_EXCLUDED_BYTES_MAX = 4 * 1024 * 1024 - 64 * 1024

_Request = permission_service_pb2.LookupResourcesRequest | permission_service_pb2.LookupSubjectsRequest


# --- resources --------------------------------------------------------------------------------------------------


async def lookup_resources(
    engine: Engine, requests: AsyncIterator[permission_service_pb2.LookupResourcesRequest], stream: Stream
) -> AsyncGenerator[permission_service_pb2.LookupResourcesResponse, None]:
    found = _Resources(engine, await only_request(requests), stream.call)
    while (entries := await stream.run_until_heavy(Queue.READS, found.more)) is not None:
        for id, answer in entries:
            stream.call.interrupt()
            yield found.message(id, answer)


class _Resources:
    """One stream. `more` may begin again until it has returned."""

    def __init__(self, engine: Engine, request: permission_service_pb2.LookupResourcesRequest, call: Call) -> None:
        engine.limits.require_limit("page_max", request.optional_limit, "optional_limit")
        self._engine = engine
        self._request = request
        self._call = call
        self._walk: LookupWalk | None = None
        self._after = ""
        self._left = request.optional_limit  # 0: as many as there are
        self._is_over = False

    def more(self) -> Sequence[Entry] | None:
        """What comes next, perhaps nothing yet; None at the end."""
        if self._is_over:
            return None
        if self._walk is None:
            self._walk = self._begin()
        entries, following = self._walk.page(self._walk.view(), self._after, self._left or ENTRIES_AT_ONCE)
        self._after, self._is_over = following or "", following is None
        if self._left:
            self._left -= len(entries)
            self._is_over |= not self._left
        return entries

    def _begin(self) -> LookupWalk:
        request, limits = self._request, self._engine.limits
        lookup = ResourceLookup(
            checked_type(request.resource_object_type, field="resource_object_type"),
            checked_name(request.permission, field="permission"),
            decode_subject(request.subject, "subject"),
            read_context(request.context, limits, "context") if request.HasField("context") else {},
        )
        at, cursor = _place(request)
        walk = self._engine.lookups.walk(DEFAULT, lookup, **at, interrupt=self._call.interrupt)
        self._after = decode_lookup_cursor(cursor, walk.binding).after
        return walk

    def message(self, id: str, answer: Answer | RemitError) -> permission_service_pb2.LookupResourcesResponse:
        """Raises what there is instead of an answer."""
        walk = _begun(self._walk)
        cursor = encode_lookup_cursor(LookupCursor(id), walk.binding)
        return encode_resource(id, _told(answer), encode_token(walk.token), encode_cursor(walk.token, cursor))


# --- subjects ---------------------------------------------------------------------------------------------------


async def lookup_subjects(
    engine: Engine, requests: AsyncIterator[permission_service_pb2.LookupSubjectsRequest], stream: Stream
) -> AsyncGenerator[permission_service_pb2.LookupSubjectsResponse | bytes, None]:
    found = _Subjects(engine, await only_request(requests), stream.call)
    while (entries := await stream.run_until_heavy(Queue.READS, found.more)) is not None:
        for id, answer in entries:
            stream.call.interrupt()
            yield found.message(id, answer)
    if found.tells_everybody:
        yield await stream.run_until_heavy(Queue.READS, found.everybody)


class _Subjects:
    """One stream. `more` may begin again until it has returned.

    Whom `*` does not stand for is told with it, at the end. Whoever goes on after a message that came before it has not
    been told yet, and so the list is gone through again from where the telling began: whom it names before is left
    out, and only whom it excludes is taken."""

    def __init__(self, engine: Engine, request: permission_service_pb2.LookupSubjectsRequest, call: Call) -> None:
        engine.limits.require_limit("page_max", request.optional_concrete_limit, "optional_concrete_limit")
        self._engine = engine
        self._request = request
        self._call = call
        self._walk: LookupWalk | None = None
        self._begin_at = SubjectsCursor()
        self._with_wildcard = _includes_wildcards(request)
        self._everybody: Answer | None = None  # of `*`, where it is told
        self._excluded = _P.LookupSubjectsResponse()
        self._excluded_bytes = 0
        self._after = ""
        self._is_mixed = False  # with those whom `*` does not stand for
        self._has_begun = False
        self._left = request.optional_concrete_limit  # 0: as many as there are
        self._is_over = False

    def more(self) -> Sequence[Entry] | None:
        """Who comes next, `*` aside, perhaps nobody yet; None at the end. Raises AnswerTooLarge."""
        if self._is_over:
            return None
        if self._walk is None:
            self._walk = self._begin()
        walk, view = self._walk, self._walk.view()
        if not self._has_begun and self._begin_at.after:
            self._begin_from(walk.page(view, "", 1)[0])
        entries, following = walk.page(view, self._after, self._at_once())
        if not self._has_begun:
            self._begin_from(entries)
        return self._take(entries, following)

    def _begin(self) -> LookupWalk:
        request, limits = self._request, self._engine.limits
        lookup = SubjectLookup(
            decode_object(request.resource, "resource"),
            checked_name(request.permission, field="permission"),
            checked_type(request.subject_object_type, field="subject_object_type"),
            decode_subject_relation(request.optional_subject_relation, "optional_subject_relation"),
            read_context(request.context, limits, "context") if request.HasField("context") else {},
        )
        at, cursor = _place(request)
        walk = self._engine.lookups.walk(DEFAULT, lookup, **at, interrupt=self._call.interrupt)
        self._begin_at = decode_subjects_cursor(cursor, walk.binding)
        return walk

    def _begin_from(self, entries: Sequence[Entry]) -> None:
        """By the first of the whole list, which is `*` where there is one. Raises the error that everybody has, for who
        does not want `*` as well: whoever has the same is in no list. Raises InvalidCursor where `*` was told with
        another answer before."""
        after, told, answered = self._begin_at
        everybody = _told(entries[0].answer) if entries and entries[0].id == WILDCARD else None
        if self._with_wildcard:
            if answered and (everybody is None or answered != answer_digest(everybody)):
                message = "what `*` has is not what it had when the cursor was given: begin the lookup anew"
                raise InvalidCursor(message, field="optional_cursor")
            self._everybody = everybody
        self._after = told if self._everybody is not None else after
        self._is_mixed, self._has_begun = everybody is not None, True

    def _at_once(self) -> int:
        """One more than are asked for, for `*` may be first; and all that may be where others come among them."""
        return self._left + 1 if self._left and not self._is_mixed else ENTRIES_AT_ONCE

    def _take(self, entries: Sequence[Entry], following: str | None) -> Sequence[Entry]:
        look = paced(self._call.interrupt, ROWS_BETWEEN_INTERRUPTS)
        concrete: list[Entry] = []
        excluded: list[permission_service_pb2.ResolvedSubject] = []
        size, after, is_enough = self._excluded_bytes, self._after, False
        for entry in entries:
            look()
            id, answer = entry
            if id == WILDCARD:
                continue
            if isinstance(answer, RemitError):
                concrete.append(entry)  # whose turn it is to be told ends the stream
                break
            if self._everybody is not None and _is_other(answer, self._everybody):
                excluded.append(encode_excluded(id, answer))
                size += excluded[-1].ByteSize() + len(id) + 8
                _require_room(size)
            if answer.verdict is not Verdict.NO and order_of(id) > order_of(self._begin_at.after):
                concrete.append(entry)
                is_enough = len(concrete) == self._left
            after = id
            if is_enough:
                break
        # From here on nothing is looked at: it is taken as a whole, or begun again.
        self._excluded.excluded_subjects.extend(excluded)
        self._excluded.excluded_subject_ids.extend(each.subject_object_id for each in excluded)
        self._excluded_bytes, self._is_over = size, is_enough or following is None
        self._after = after if self._is_over else following or after
        if self._left:
            self._left -= len(concrete)
        return concrete

    def message(self, id: str, answer: Answer | RemitError) -> permission_service_pb2.LookupSubjectsResponse:
        """Of somebody. Raises what there is instead of an answer."""
        return self._message(id, _told(answer), self._begin_at._replace(after=id))

    @property
    def tells_everybody(self) -> bool:
        return self._everybody is not None

    def everybody(self) -> bytes:
        """The message of `*`, once all others are told, with whom it does not stand for. Raises AnswerTooLarge."""
        assert self._everybody is not None, "it is told where there is one"
        last = self._after or WILDCARD
        place = SubjectsCursor(last, last, answer_digest(self._everybody))
        self._excluded.MergeFrom(self._message(WILDCARD, self._everybody, place))
        data = self._excluded.SerializeToString()
        self._engine.limits.require_response(len(data))
        return data

    def _message(self, id: str, answer: Answer, place: SubjectsCursor) -> permission_service_pb2.LookupSubjectsResponse:
        walk = _begun(self._walk)
        cursor = encode_subjects_cursor(place, walk.binding)
        return encode_subject(id, answer, encode_token(walk.token), encode_cursor(walk.token, cursor))


def _includes_wildcards(request: permission_service_pb2.LookupSubjectsRequest) -> bool:
    """Raises InvalidArgument."""
    match request.wildcard_option:
        case _P.LookupSubjectsRequest.WILDCARD_OPTION_EXCLUDE_WILDCARDS:
            return False
        case (
            _P.LookupSubjectsRequest.WILDCARD_OPTION_UNSPECIFIED
            | _P.LookupSubjectsRequest.WILDCARD_OPTION_INCLUDE_WILDCARDS
        ):
            return True
        case other:
            raise unknown_enum(other, "wildcard_option", "INCLUDE_WILDCARDS, EXCLUDE_WILDCARDS")


def _is_other(answer: Answer, everybody: Answer) -> bool:
    """Whether somebody has less, or not certainly as much, as `*` says. Who has a YES is listed by themselves."""
    return answer.verdict is not Verdict.YES and (answer.verdict, answer.missing) != (
        everybody.verdict,
        everybody.missing,
    )


def _require_room(size: int) -> None:
    if size > _EXCLUDED_BYTES_MAX:
        raise AnswerTooLarge(
            f"those whom `*` does not stand for take more than the {_EXCLUDED_BYTES_MAX} bytes of a message: "
            "look up a part at a time, by `optional_concrete_limit`, or without wildcards",
            limit=_EXCLUDED_BYTES_MAX,
            given=size,
        )


# --- both -------------------------------------------------------------------------------------------------------


def _place(request: _Request) -> tuple[Consistency, str]:
    """The revision that the cursor goes on in, else the one that the consistency asks for; and the cursor."""
    at = decode_consistency(request.consistency)
    if not request.HasField("optional_cursor"):
        return at, ""
    token, cursor = decode_cursor(request.optional_cursor)
    return {"at_exactly": token}, cursor


def _told(answer: Answer | RemitError) -> Answer:
    """Raises what there is instead of an answer: whoever was left out in silence would look like a no."""
    if isinstance(answer, RemitError):
        raise answer
    return answer


def _begun(walk: LookupWalk | None) -> LookupWalk:
    assert walk is not None, "what is told was found"
    return walk
