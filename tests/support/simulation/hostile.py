"""The server that hostile callers meet: keys, a store of theirs, and one they may not see, which holds a secret.

`told` asks anything of any method and tells all that came back; `require_decent` is what must hold of every answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from remit.access.key_file import changing_keys
from remit.access.keys import Right
from remit.engine.clock import SystemClock
from remit.model import LOCAL_CALLER, ObjectRef, Operation, Question, RelationshipFilter, SubjectRef, Update, Verdict
from remit.notation import parse_relationship
from remit.v1 import core_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
from tests.support.simulation.process import Served, serving
from tests.support.simulation.schemas import BROKEN, FULL
from tests.support.simulation.wire import WireEngine

OWN, OTHER, SCRATCH = "own", "other", "scratch"
SECRET = "crown-jewels"
GOOD = Question(ObjectRef("thing", SECRET), "use", SubjectRef("user", "a"))
PATIENCE_S = 20.0
FAILURES = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)  # of the server's own

_SERVICES = [
    service
    for file in (permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
]
METHODS: list[MethodDescriptor] = [method for service in _SERVICES for method in service.methods]


def path_of(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def method_of(name: str) -> MethodDescriptor:
    return next(method for method in METHODS if method.name == name)


@dataclass
class Hostile:
    """A running server. `own`: metadata with a key that may do everything in store `own`; `breaker`: with one that may
    make, copy and remove store `scratch`; `good`: somebody else's, who sees store `other`."""

    served: Served
    own: tuple[tuple[str, str], ...]
    breaker: tuple[tuple[str, str], ...]
    good: WireEngine
    channel: grpc.Channel
    token: str  # of store `other`, whose revision nothing may change

    @property
    def key(self) -> tuple[bytes, bytes]:
        """The header of `own`."""
        ((name, value),) = self.own
        return name.encode(), value.encode()

    def require_good(self) -> None:
        """That a good caller is served, and their store is as it was."""
        self.served.require_alive()
        answer = self.good.questions.check(OTHER, GOOD)
        assert (answer.verdict, answer.token) == (Verdict.YES, self.token)


@contextmanager
def hostile_server(folder: Path, *arguments: str) -> Iterator[Hostile]:
    keys = folder / "keys.json"
    rights = [Right.CHECK, Right.READ, Right.WRITE, Right.WRITE_MANAGED, Right.SCHEMA]
    texts = []
    with changing_keys(keys) as change:
        for principal, stores, held in (
            ("owner", [OWN, OTHER, SCRATCH], [*rights, Right.ADMIN]),
            ("fuzzer", [OWN], rights),
            ("breaker", [SCRATCH], [Right.ADMIN]),
        ):
            change.keys, _, text = change.keys.with_new(
                principal=principal, stores=stores, rights=held, now_us=SystemClock().now_us()
            )
            texts.append(text)
    owner, own, breaker = (((("authorization", f"Bearer {text}")),) for text in texts)
    with serving(folder, "--in-memory", "--keys", str(keys), *arguments) as served:
        good = WireEngine(served.endpoint, owner)
        channel = grpc.insecure_channel(served.endpoint, [("grpc.enable_http_proxy", 0)])
        try:
            for name in (OWN, OTHER):
                good.send(
                    "Stores/CreateStore", stores_pb2.CreateStoreRequest(name=name), stores_pb2.CreateStoreResponse
                )
                good.schemas.write(name, FULL)
            facts = [f"thing:{SECRET}#viewer@user:a", f"thing:{SECRET}#parent@thing:{SECRET}"]
            touches = [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts]
            token = good.relationships.write(OTHER, touches, caller=LOCAL_CALLER).token
            fill_own(good)
            yield Hostile(served, own, breaker, good, channel, token)
            served.require_nothing_failed()
        finally:
            good.close()
            channel.close()


def fill_own(good: WireEngine) -> None:
    """What store `own` holds at first, whatever has become of it."""
    facts = ["thing:x#viewer@user:a", "thing:x#parent@thing:y", "thing:y#viewer@group:g#member"]
    good.relationships.write(
        OWN, [Update(Operation.TOUCH, parse_relationship(fact)) for fact in facts], caller=LOCAL_CALLER
    )


# --- asking anything --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """`shown`: everything it tells."""

    code: grpc.StatusCode
    reason: str
    domain: str
    shown: str


@dataclass(frozen=True)
class Told:
    """All that came back of a call."""

    messages: tuple[bytes, ...]
    refusal: Refusal | None

    @property
    def reason(self) -> str:
        return self.refusal.reason if self.refusal is not None else ""


def told(
    channel: grpc.Channel,
    path: str,
    requests: Iterable[bytes],
    metadata: Sequence[tuple[str, str]] = (),
    most: int = 3,
) -> Told:
    """What a method answers, at most so many messages of it. To gRPC every kind of call is a stream both ways."""
    messages: list[bytes] = []
    call = channel.stream_stream(path)(iter(list(requests)), PATIENCE_S, metadata=tuple(metadata))
    try:
        for data in call:
            messages.append(data)
            if len(messages) == most:
                break
    except grpc.RpcError as error:
        return Told(tuple(messages), refusal_of(error))
    finally:
        call.cancel()
    return Told(tuple(messages), None)


def ask(hostile: Hostile, method: MethodDescriptor, requests: list[bytes], key: str = "own") -> Told:
    """What a method answers to whoever shows that key."""
    metadata = {"own": hostile.own, "breaker": hostile.breaker, "none": ()}[key]
    most = 1 if method.name == "Watch" else 5
    return told(hostile.channel, path_of(method), requests, metadata, most)


def refusal_of(error: grpc.RpcError) -> Refusal:
    call = cast(Any, error)
    info, status = error_details_pb2.ErrorInfo(), status_pb2.Status()
    trailers = dict(call.trailing_metadata() or ())
    status.ParseFromString(trailers.get("grpc-status-details-bin", b""))
    for detail in status.details:
        detail.Unpack(info)
    return Refusal(call.code(), info.reason, info.domain, f"{call.details()} {trailers} {status}")


def require_decent(method: MethodDescriptor, answer: Told) -> None:
    """A status with a reason, none that means that the server failed, and nothing of what the caller may not see."""
    refusal = answer.refusal
    if refusal is not None:
        assert refusal.reason and refusal.domain == "remit", f"{path_of(method)}: {refusal}"
        assert refusal.code not in FAILURES, f"{path_of(method)}: {refusal}"
        assert SECRET not in refusal.shown, refusal
    for data in answer.messages:
        assert SECRET.encode() not in data
        message = GetMessageClass(method.output_type).FromString(data)
        for result in getattr(message, "results", ()):
            assert result.error.code not in (grpc.StatusCode.INTERNAL.value[0], grpc.StatusCode.UNKNOWN.value[0]), (
                result
            )


# --- what is nearly right ---------------------------------------------------------------------------------------

_P, _R, _S, _T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
THING = core_pb2.ObjectReference(type="thing", id="x")
USER = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="a"))
FACT = core_pb2.Relationship(resource=THING, relation="viewer", subject=USER)
MEANT = core_pb2.RelationshipFilter(resource_type="thing")
TEMPLATES: dict[str, Any] = {
    "Check": _P.CheckRequest(store=OWN, resource=THING, permission="use", subject=USER),
    "CheckMany": _P.CheckManyRequest(
        store=OWN, items=[_P.CheckItem(resource=THING, permission="use", subject=USER)] * 2, contextual=[FACT]
    ),
    "Expand": _P.ExpandRequest(store=OWN, resource=THING, permission="use"),
    "LookupResources": _P.LookupResourcesRequest(
        store=OWN, resource_type=THING.type, permission="use", subject=USER, contextual=[FACT]
    ),
    "LookupSubjects": _P.LookupSubjectsRequest(
        store=OWN, resource=THING, permission="use", subject_type=USER.object.type, contextual=[FACT]
    ),
    "LookupPermissions": _P.LookupPermissionsRequest(store=OWN, resource=THING, subject=USER, contextual=[FACT]),
    "Write": _R.WriteRequest(
        store=OWN,
        updates=[_R.Update(operation=_R.OPERATION_TOUCH, relationship=FACT)],
        preconditions=[_R.Precondition(kind=_R.Precondition.KIND_MUST_MATCH, filter=MEANT)],
    ),
    "Delete": _R.DeleteRequest(store=OWN, filter=MEANT, dry_run=True),
    "Read": _R.ReadRequest(store=OWN, filter=MEANT),
    "Import": _R.ImportRequest(store=OWN, relationships=[FACT]),
    "Export": _R.ExportRequest(store=OWN, filter=MEANT),
    "Watch": _R.WatchRequest(store=OWN, filters=[MEANT]),
    "WriteSchema": _S.WriteSchemaRequest(store=OWN, schema=FULL),
    "ReadSchema": _S.ReadSchemaRequest(store=OWN),
    "DiffSchema": _S.DiffSchemaRequest(store=OWN, schema=FULL),
    "CreateStore": _T.CreateStoreRequest(name=SCRATCH),
    "DeleteStore": _T.DeleteStoreRequest(name=SCRATCH),
    "Backup": _T.BackupRequest(name=SCRATCH),
    "Restore": _T.RestoreRequest(name=SCRATCH, chunk=b"remit"),
}


# For calls made by hand.
CHECK = b"/remit.v1.Permissions/Check"
ASKED = TEMPLATES["Check"].SerializeToString()


def template_of(method: MethodDescriptor) -> Any:
    """A request that would be answered, or an empty one where nothing can be asked for."""
    request = GetMessageClass(method.input_type)()
    if method.name in TEMPLATES:
        request.CopyFrom(TEMPLATES[method.name])
    return request


def words(hostile: Hostile) -> list[str]:
    """Texts that mean something somewhere, and some that nearly do."""
    own = hostile.good.relationships.read(OWN, RelationshipFilter(), limit=1)
    other = hostile.good.relationships.read(OTHER, RelationshipFilter("thing"), limit=1)
    names = ["user", "group", "run", "thing", "ghost", "acme/doc", "viewer", "use", "link", "member", "parent", "odd"]
    ids = ["a", "b", "x", "*", "", "...", "anne@example.com", "x" * 1_024, "x" * 1_025, "a b", "ü", "\x00", "[", "#"]
    stores = [OWN, OTHER, SCRATCH, "default", "../own", "OWN", "own\x00"]
    tokens = [own.token, other.token, own.token[:-1], own.token.upper(), "r1.", "r2." + own.token[3:]]
    cursors = [own.next_cursor, other.next_cursor, own.next_cursor[:-4], "AAAA"]
    texts = ["small", "amount", FULL, *BROKEN, "{}", "9" * 400]
    return [*names, *ids, *stores, *tokens, *cursors, *texts]
