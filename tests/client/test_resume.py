"""What clients know of streams: pieces become whole revisions, what passes is gone on after, no message of an import
holds a triple twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.client import resume, uploads
from remit.client.answers import ChangeKind, Imported, Permissionship, Reset
from remit.client.resume import ResumableExport, ResumablePermissionWatch, ResumableWatch, Retries
from remit.client.uploads import ImportUpload
from remit.errors import CaveatFailed, InvalidArgument, InvalidRelationship, RemoteError, Status
from remit.model import RelationshipFilter, Verdict
from remit.notation import format_relationship, parse_relationship
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2
from remit.wire.facts import encode_relationship
from remit.wire.status import encode_status
from remit.wire.values import encode_time

P, R = permissions_pb2, relationships_pb2
P_RESET_GONE = P.WatchPermissionResponse.RESET_GONE
YES = core_pb2.VERDICT_YES


def change(number: int, kind: R.WatchedChange.Kind.ValueType = R.WatchedChange.KIND_TOUCHED) -> R.WatchedChange:
    fact = encode_relationship(parse_relationship(f"doc:{number}#viewer@user:ann"))
    return R.WatchedChange(kind=kind, relationship=fact)


# --- watch ------------------------------------------------------------------------------------------------------

revisions = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=6)


@settings(deadline=None)
@given(pieces_of=revisions, breaks=st.sets(st.integers(0, 30)))
def test_each_revision_is_given_once_and_whole_wherever_the_stream_breaks(
    pieces_of: list[list[int]], breaks: set[int]
) -> None:
    """`pieces_of` says how many changes each piece of each revision has."""
    messages: list[R.WatchResponse] = []
    wanted: list[list[str]] = []
    count = 0
    for revision, sizes in enumerate(pieces_of, start=1):
        ids = []
        for place, size in enumerate(sizes):
            token = str(revision) if place + 1 == len(sizes) else ""
            messages.append(R.WatchResponse(token=token, changes=[change(count + n) for n in range(size)]))
            ids += [str(count + n) for n in range(size)]
            count += size
        wanted.append(ids)
    watch = ResumableWatch("", "0", (), 0)
    given_: list[list[str]] = []
    sent = 0
    while watch.token != str(len(pieces_of)):
        after = watch.request().after
        begin = next((n + 1 for n, message in enumerate(messages) if message.token == after), 0)
        for message in messages[begin:]:
            event = watch.receive(message)
            if event is not None:
                assert event.token == watch.token
                given_.append([each.relationship.resource.id for each in event.changes])
            sent += 1
            if sent in breaks:
                break
    assert given_ == wanted


def test_an_event_holds_what_the_message_says() -> None:
    watch = ResumableWatch("tenant", "", [RelationshipFilter(resource_type="doc")], 250)
    request = watch.request()
    assert (request.store, request.after, request.checkpoint_interval_ms) == ("tenant", "", 250)
    assert [each.resource_type for each in request.filters] == ["doc"]
    beat = watch.receive(R.WatchResponse(token="t1", checkpoint=True))
    assert beat is not None and beat.checkpoint and beat.token == watch.token == "t1"
    message = R.WatchResponse(
        token="t2", changes=[change(1), change(2, R.WatchedChange.KIND_DELETED)], schema="s", written_by="svc"
    )
    message.metadata.update({"why": "because"})
    message.committed_at.FromMicroseconds(5)
    event = watch.receive(message)
    assert event is not None
    assert [(each.kind, each.relationship.resource.id) for each in event.changes] == [
        (ChangeKind.TOUCHED, "1"),
        (ChangeKind.DELETED, "2"),
    ]
    assert (event.schema, event.metadata, event.written_by, event.committed_at_us) == (
        "s",
        {"why": "because"},
        "svc",
        5,
    )
    assert watch.request().after == "t2"


def test_a_change_of_a_kind_that_is_not_known_is_not_passed_over() -> None:
    watch = ResumableWatch("", "", (), 0)
    with pytest.raises(KeyError):
        watch.receive(R.WatchResponse(token="t", changes=[change(1, R.WatchedChange.KIND_UNSPECIFIED)]))


def test_a_filter_that_no_server_would_take_is_refused_here() -> None:
    with pytest.raises(InvalidArgument, match="exclude each other"):
        ResumableWatch("", "", [RelationshipFilter(resource_id="a", resource_id_prefix="a")], 0)


# --- a watch of a permission ------------------------------------------------------------------------------------


def update(number: int) -> P.PermissionUpdate:
    resource = core_pb2.ObjectReference(type="doc", id=str(number))
    subject = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann"))
    before, now = P.Permissionship(verdict=core_pb2.VERDICT_NO), P.Permissionship(verdict=YES, listed=True)
    return P.PermissionUpdate(resource=resource, subject=subject, before=before, now=now)


@settings(deadline=None)
@given(pieces_of=revisions, breaks=st.sets(st.integers(0, 30)))
def test_each_step_is_given_once_and_whole_wherever_the_stream_breaks(
    pieces_of: list[list[int]], breaks: set[int]
) -> None:
    """`pieces_of` says how many updates each piece of each step has."""
    messages: list[P.WatchPermissionResponse] = []
    wanted: list[list[str]] = []
    count = 0
    for step, sizes in enumerate(pieces_of, start=1):
        ids = []
        for place, size in enumerate(sizes):
            token = str(step) if place + 1 == len(sizes) else ""
            updates = [update(count + n) for n in range(size)]
            messages.append(P.WatchPermissionResponse(token=token, evaluated_at=encode_time(step), updates=updates))
            ids += [str(count + n) for n in range(size)]
            count += size
        wanted.append(ids)
    watch = ResumablePermissionWatch("", "doc#view@user", "0", 0, 0)
    given_: list[list[str]] = []
    sent = 0
    while watch.token != str(len(pieces_of)):
        request = watch.request()
        assert request.evaluated_at == encode_time(int(request.after)), "the time goes with its token"
        begin = next((n + 1 for n, message in enumerate(messages) if message.token == request.after), 0)
        for message in messages[begin:]:
            event = watch.receive(message)
            if event is not None:
                assert (event.token, event.evaluated_at_us) == (watch.token, watch.evaluated_at_us)
                given_.append([each.resource.id for each in event.updates])
            sent += 1
            if sent in breaks:
                break
    assert given_ == wanted


def test_an_update_holds_what_the_message_says() -> None:
    watch = ResumablePermissionWatch("tenant", "doc#view@group#member", "", None, 250)
    request = watch.request()
    assert (request.store, request.after, request.HasField("evaluated_at")) == ("tenant", "", False)
    assert (request.resource_type, request.permission) == ("doc", "view")
    assert (request.subject_type, request.subject_relation) == ("group", "member")
    everybody = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="group", id="*"), relation="member")
    failed = P.Permissionship(listed=True, error=encode_status(CaveatFailed("it failed")))
    maybe = P.Permissionship(verdict=core_pb2.VERDICT_CONDITIONAL, missing=["day"], listed=True)
    told = P.PermissionUpdate(resource=update(1).resource, subject=everybody, before=maybe, now=failed)
    event = watch.receive(P.WatchPermissionResponse(token="t", evaluated_at=encode_time(5), updates=[told]))
    assert event is not None
    (found,) = event.updates
    assert (str(found.resource), str(found.subject)) == ("doc:1", "group:*#member")
    assert found.before == Permissionship(Verdict.CONDITIONAL, ("day",), True)
    assert found.now.verdict is None and found.now.error is not None
    assert found.now.error.reason == "CAVEAT_FAILED"
    reset = watch.receive(P.WatchPermissionResponse(token="u", evaluated_at=encode_time(6), reset=P_RESET_GONE))
    assert reset is not None and reset.reset is Reset.GONE


def test_a_reset_of_a_kind_that_is_not_known_is_not_passed_over() -> None:
    watch = ResumablePermissionWatch("", "doc#view@user", "", None, 0)
    unknown = P.WatchPermissionResponse.FromString(b"\x0a\x01t" + b"\x20\x63")
    with pytest.raises(KeyError):
        watch.receive(unknown)


# --- export -----------------------------------------------------------------------------------------------------


def test_an_export_keeps_its_first_token_and_goes_on_no_older_than_it() -> None:
    export = ResumableExport("", None, "asked", "")
    assert export.request().consistency == core_pb2.Consistency(at_least="asked")
    page = export.receive(R.ExportResponse(relationships=[change(1).relationship], cursor="c1", token="t1"))
    assert [format_relationship(each) for each in page.relationships] == ["doc:1#viewer@user:ann"]
    again = export.request()
    assert (again.cursor, again.consistency.at_least) == ("c1", "t1")
    assert export.receive(R.ExportResponse(cursor="c2", token="t9")).token == "t1"
    assert export.token == "t1"


# --- trying again -----------------------------------------------------------------------------------------------


def failure(reason: str, status: Status, retry_after_s: float | None = None) -> RemoteError:
    return RemoteError(reason, status, "it failed", retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (failure("UNAVAILABLE", Status.UNAVAILABLE), True),
        (failure("DRAINING", Status.UNAVAILABLE, 1.0), True),
        (failure("CANCELLED", Status.CANCELLED), True),
        (failure("SLOW_CONSUMER", Status.ABORTED), True),
        (failure("TOO_MANY_STREAMS", Status.RESOURCE_EXHAUSTED, 0.1), True),
        (failure("REVISION_GONE", Status.OUT_OF_RANGE), False),
        (failure("KEY_UNKNOWN", Status.UNAUTHENTICATED), False),
        (failure("STORE_NOT_FOUND", Status.NOT_FOUND), False),
        (failure("INTERNAL", Status.INTERNAL), False),
    ],
)
def test_only_what_passes_is_tried_again_and_only_once_it_has_begun(error: RemoteError, passes: bool) -> None:
    begun = Retries(resume=True)
    begun.went_well()
    if passes:
        assert 0 < begun.pause_s(error) <= resume.PAUSE_MAX_S
    else:
        with pytest.raises(RemoteError) as caught:
            begun.pause_s(error)
        assert caught.value is error
    for retries in (Retries(resume=True), Retries(resume=False)):
        with pytest.raises(RemoteError):
            retries.pause_s(error)


def test_pauses_grow_up_to_a_bound_and_begin_anew_when_it_goes_well() -> None:
    retries = Retries(resume=True)
    retries.went_well()
    error = failure("UNAVAILABLE", Status.UNAVAILABLE)
    pauses = [retries.pause_s(error) for _ in range(2_000)]
    assert pauses[0] <= resume.PAUSE_FIRST_S
    assert min(pauses[20:]) >= resume.PAUSE_MAX_S / 2 and max(pauses) <= resume.PAUSE_MAX_S
    retries.went_well()
    assert retries.pause_s(error) <= resume.PAUSE_FIRST_S
    assert retries.pause_s(failure("DRAINING", Status.UNAVAILABLE, 4.0)) > 4.0


# --- import -----------------------------------------------------------------------------------------------------

lines = st.lists(
    st.builds(
        lambda number, until: f"doc:{number}#viewer@user:ann{until}",
        st.integers(0, 9),
        st.sampled_from(["", "[expiration:2099-01-01T00:00:00Z]"]),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(given_=lines)
def test_messages_hold_everything_in_order_and_no_triple_twice(given_: list[str]) -> None:
    importing = ImportUpload("tenant", None)
    with pytest.MonkeyPatch.context() as few:
        few.setattr(uploads, "BATCH_MAX", 4)
        messages = list(importing.messages(given_))
    sent = [[(each.resource.id, bool(each.HasField("expiration"))) for each in m.relationships] for m in messages]
    assert [each for message in sent for each in message] == [(line[4], "expiration" in line) for line in given_]
    for message in sent:
        assert 0 < len({id for id, _ in message}) == len(message) <= 4
    assert all(message.store == "tenant" for message in messages)
    assert importing.failure is None


def test_messages_are_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "BATCH_BYTES", 3_000)
    messages = list(ImportUpload("", None).messages(f"doc:{'x' * 900}{n}#viewer@user:ann" for n in range(7)))
    assert [len(message.relationships) for message in messages] == [3, 3, 1]


def test_what_came_before_a_failure_of_the_callers_own_is_still_sent() -> None:
    def broken() -> Iterator[str]:
        yield "doc:1#viewer@user:ann"
        yield "doc:2#viewer"

    importing = ImportUpload("", None)
    (message,) = importing.messages(broken())
    assert [each.resource.id for each in message.relationships] == ["1"]
    assert isinstance(importing.failure, InvalidRelationship)


def test_a_refused_import_says_how_many_are_written_and_which_was_not() -> None:
    told: list[int] = []
    importing = ImportUpload("", told.append)
    importing.receive(R.ImportResponse(token="t", imported=2_000))
    assert (importing.done, told) == (Imported("t", 2_000), [2_000])
    error = RemoteError("X", Status.FAILED_PRECONDITION, "no", field="relationships[17].subject", metadata={"a": "b"})
    assert importing.refused(error).metadata == {"a": "b", "imported": "2000", "index": "2017"}
    other = RemoteError("X", Status.UNAVAILABLE, "no", field="store")
    assert importing.refused(other).metadata == {"imported": "2000"}
