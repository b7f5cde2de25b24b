"""One engine behind both ways in, the frontend and grpcio alone; and what each of them said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.rpc import error_details_pb2, status_pb2

from remit.engine.clock import ManualClock
from remit.engine.facade import Engine
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.server.frontend.frontend import FrontendChoice
from remit.server.run.background import BackgroundServer
from remit.store.memory import MemoryStore

NOW_US = 1_800_000_000_000_000
CHECK, CHECK_MANY = "/remit.v1.Permissions/Check", "/remit.v1.Permissions/CheckMany"
SPICEDB = "/authzed.api.v1.PermissionsService"
CHECK_PERMISSION, CHECK_BULK = f"{SPICEDB}/CheckPermission", f"{SPICEDB}/CheckBulkPermissions"

SCHEMA = """
use expiration

caveat small(amount int, most int) { amount <= most }

definition user {}

definition folder {
    relation parent: folder
    relation viewer: user | user with small | user with expiration | folder#viewer
    permission view = viewer + parent->view
}
"""
FACTS = (
    "folder:top#viewer@user:ann",
    "folder:sub#parent@folder:top",
    'folder:top#viewer@user:cara[small:{"most":5}]',
    "folder:top#viewer@user:dan[expiration:2027-01-15T08:00:01Z]",
    "folder:sub#viewer@folder:top#viewer",
)


@dataclass(frozen=True, slots=True)
class Both:
    """One engine behind a frontend and behind grpcio alone."""

    engine: Engine
    clock: ManualClock
    door: BackgroundServer
    bare: BackgroundServer

    def native(self) -> dict[str, tuple[int, int, int]]:
        """Of each hot verb: yes, no, and left to Python."""
        frontend = self.door.server.frontend
        assert frontend is not None
        return {each.verb: (each.yes, each.no, each.elsewhere) for each in frontend.verbs()}


@contextmanager
def both(**options: Any) -> Iterator[Both]:
    """A store with the schema and the facts."""
    clock = ManualClock(NOW_US)
    engine = Engine(MemoryStore(clock_us=clock.now_us), clock)
    engine.schemas.write("", SCHEMA)
    engine.relationships.write("", [Update(Operation.TOUCH, parse_relationship(fact)) for fact in FACTS])
    with (
        BackgroundServer(engine, frontend=FrontendChoice.ON, **options) as door,
        BackgroundServer(engine, frontend=FrontendChoice.OFF, **options) as bare,
    ):
        yield Both(engine, clock, door, bare)
    engine.close()


@dataclass(frozen=True, slots=True)
class Refused:
    code: grpc.StatusCode
    reason: str
    message: str
    details: str


def told(
    channel: grpc.Channel,
    path: str,
    data: bytes,
    metadata: Sequence[tuple[str, str]] = (),
    compression: grpc.Compression | None = None,
) -> bytes | Refused:
    """What a call is told, whatever it is."""
    try:
        return cast(
            bytes,
            channel.unary_unary(path)(data, timeout=30, metadata=metadata, compression=compression),
        )
    except grpc.RpcError as error:
        call = cast(Any, error)
        info, status = error_details_pb2.ErrorInfo(), status_pb2.Status()
        status.ParseFromString(dict(call.trailing_metadata()).get("grpc-status-details-bin", b""))
        for detail in status.details:
            detail.Unpack(info)
        return Refused(call.code(), info.reason, call.details(), str(status))
