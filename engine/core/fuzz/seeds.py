"""What each fuzz target begins with: one of everything that is said rightly, as Python's protobuf and msgpack write it.

`python seeds.py corpus` writes them; without them a fuzzer spends its first hours on finding out what protobuf is."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgpack
from authzed.api.v1 import core_pb2 as zed_core
from authzed.api.v1 import permission_service_pb2 as zed

from remit.v1 import core_pb2, permissions_pb2

REVISION = "r1.AAECAwQFBgcICQoLDA0ODwAAAAAAAAABAAAAAAAAAQJpVIyW"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CHECK = b"/remit.v1.Permissions/Check"
KEY = b"\0\0\0\x01doc\0a\0viewer\0user\0anne\0"


def question(relation: str = "") -> dict[str, object]:
    subject = core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann"), relation=relation)
    resource = core_pb2.ObjectReference(type="doc", id="readme")
    return {"resource": resource, "permission": "view", "subject": subject}


def zed_question(relation: str = "") -> dict[str, object]:
    user = zed_core.ObjectReference(object_type="user", object_id="ann")
    subject = zed_core.SubjectReference(object=user, optional_relation=relation)
    resource = zed_core.ObjectReference(object_type="doc", object_id="readme")
    return {"resource": resource, "permission": "view", "subject": subject}


def questions() -> list[bytes]:
    """The first byte says of which kind."""
    head = core_pb2.Consistency(at_least=REVISION)
    fresh = zed.Consistency(at_least_as_fresh=zed_core.ZedToken(token=REVISION))
    call = permissions_pb2.Call(tool="pay", arguments=b'{"amount":"99"}', purpose="invoices")
    items = [permissions_pb2.CheckItem(**question(each)) for each in ("", "member")]
    zed_items = [zed.CheckBulkPermissionsRequestItem(**zed_question(each)) for each in ("...", "member")]
    resource = core_pb2.ObjectReference(type="doc", id="readme")
    said = [
        (0, permissions_pb2.CheckRequest(**question())),
        (0, permissions_pb2.CheckRequest(store="own", consistency=head, **question("member"))),
        (0, permissions_pb2.CheckRequest(call=call, **question())),
        (1, permissions_pb2.CheckManyRequest(store="own", consistency=head, items=items)),
        (1, permissions_pb2.CheckManyRequest(items=[permissions_pb2.CheckItem(call=call, **question())])),
        (2, zed.CheckPermissionRequest(**zed_question("..."))),
        (2, zed.CheckPermissionRequest(consistency=fresh, **zed_question())),
        (2, zed.CheckPermissionRequest(consistency=zed.Consistency(fully_consistent=True), **zed_question())),
        (3, zed.CheckBulkPermissionsRequest(consistency=fresh, items=zed_items)),
        (4, permissions_pb2.ExpandRequest(resource=resource, permission="view")),
        (
            4,
            permissions_pb2.ExpandRequest(store="own", consistency=head, resource=resource, permission="view", depth=2),
        ),
    ]
    return [bytes((kind,)) + message.SerializeToString() for kind, message in said]


def rows() -> list[bytes]:
    """As `arbitrary` reads them: what varies in length says at the end how long it is."""
    values = [["anne", "", 7], ["anne", "", 256, "c", "{}", None, -2], ["anne", "", 7, None, "", 5, 2**40, KEY[4:]]]
    return [bytes((4, 1)) + KEY + b"\x01" + msgpack.packb(value) + bytes((len(KEY),)) for value in values]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def head_of(path: bytes) -> bytes:
    """Literals that enter no table, without Huffman's code."""
    pairs = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"door",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
    }
    return b"".join(b"\0" + bytes((len(a),)) + a + bytes((len(b),)) + b for a, b in pairs.items())


def frames() -> list[bytes]:
    asked = permissions_pb2.CheckRequest(**question()).SerializeToString()
    body = b"\0" + len(asked).to_bytes(4, "big") + asked
    head = head_of(CHECK)
    call = frame(1, 4, 1, head) + frame(0, 1, 1, body)
    begin = PREFACE + frame(4, 0, 0)
    return [
        begin + call,
        begin + frame(1, 4, 1, head_of(b"/remit.v1.Relationships/Write")) + frame(0, 1, 1, bytes(5)),
        begin
        + frame(1, 0, 1, head[:20])
        + frame(9, 4, 1, head[20:])
        + frame(0, 0, 1, body[:9])
        + frame(6, 0, 0, KEY[:8]),
        begin
        + call
        + frame(3, 0, 1, bytes((0, 0, 0, 8)))
        + frame(8, 0, 0, bytes((0, 0, 0, 1)))
        + frame(7, 0, 0, bytes(8)),
    ]


def arguments() -> list[bytes]:
    """A document and a line feed before the call's arguments."""
    related = {"type": "user", "permission": "contact"}
    said: list[tuple[object, object]] = [
        ({"a": {"max": "99.99"}, "b": {"equals": "x", "optional": True}}, {"a": 99.99, "b": "x"}),
        ({"to": {"each": {"related": related}, "min_items": 0}, "additional": True}, {"to": ["ann"], "b": None}),
        ({"a": {"url": {"host": ".example.com", "path": "/srv"}}}, {"a": "https://a.example.com/srv/a?b#c"}),
        ({"a": {"subpath": "/srv", "glob": "/srv/**/*.t?t"}}, {"a": "/srv/a/b.txt"}),
        ({"a": {"cidr": ["10.0.0.0/8", "2001:db8::/32"]}, "b": {"host": "xn--bcher-kva.eu"}}, {"a": "::1", "b": "a"}),
        ({"a": {"some": {"not_one_of": [1, "a", None]}}, "b": {"unrelated": related, "if_present": True}}, {"a": [1]}),
        ({"any_of": [{"/a/0": {"equals": {"binding": "i"}}}, {"all_of": [{"a": {"any_of": [{}]}}]}]}, {"a": [1e-7]}),
        ({"tool": {"prefix": "erp."}, "a": {"min": "2026-01-31", "max_length": 10}}, {"a": "2026-02-01"}),
    ]
    return [b"\n".join(json.dumps(each).encode() for each in pair) for pair in said]


SEEDS = {
    "questions": questions(),
    "answers": [],
    "tokens": [bytes(4) + REVISION.encode()],
    "notation": [b"view", b"acme/doc", b"anne@example.com"],
    "rows": rows(),
    "frames": frames(),
    "arguments": arguments(),
}


if __name__ == "__main__":
    for target, seeds in SEEDS.items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number}").write_bytes(seed)
