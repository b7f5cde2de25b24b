"""Law: an Expand that the frontend answers is what grpcio's server would have told, byte for byte."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from remit.access.keys import Right
from remit.engine.tokens import encode_token
from remit.model import Operation, Update
from remit.notation import parse_relationship
from remit.v1 import core_pb2, permissions_pb2
from tests.support.guarded import Guarded, guarded
from tests.support.ways_in import Both, Refused, both, told

EXPAND = "/remit.v1.Permissions/Expand"
SCHEMA = """
use delegation
use expiration
use not_before
use self

caveat fits(any_of map<any>, most double) { size(any_of) < 9 && most > 0.0 }

definition user {
    relation boss: user
    permission live = self
}

definition group {
    relation member: user | group#member | user with fits
}

definition folder {
    relation parent: folder
    relation hold: user | user:*
    relation viewer: user | group#member | user with expiration | user with fits and expiration | user with not_before
    permission view = viewer + parent->view
    permission every = viewer.all(live)
    permission kept = (view & subject->live) - hold.exists()
    permission chained = view.along(boss)
    permission nobody = nil
    permission of_nothing = parent->kept + viewer->view
}
"""
# What a context may hold: each kind of value, empty ones, numbers of every size. No name begins with another of its
# map: in which order protobuf writes these is its own affair.
CONTEXT = (
    '{"z":null,"a":{"\\u00e9":[],"b":[1,-0.5,1e300,[true,false,null]]},'
    '"n":9007199254740991,"e":{"":{}},"0":0,"f":0.1,"s":"","t":"\\u0001\\ud83d\\ude00"}'
)
FACTS = (
    "folder:top#viewer@user:ann",
    "folder:top#viewer@group:b#member",
    "folder:top#viewer@group:a#member",
    "folder:top#viewer@user:dan[expiration:2027-01-15T08:00:01.5Z]",
    "folder:top#viewer@user:eve[not_before:1969-01-01T00:00:00.000001Z]",
    "folder:top#viewer@user:fay[expiration:2001-01-01T00:00:00Z]",
    'folder:top#viewer@user:gus[fits:{"most":1.5}][expiration:2027-01-15T08:00:01Z]',
    "folder:top#hold@user:zoe",
    "folder:sub#parent@folder:top",
    "folder:sub#parent@folder:sub",
    "group:a#member@group:b#member",
    "group:b#member@group:a#member",
    "folder:sub#hold@user:*",
    "group:a#member@user:ann[fits]",
    f'group:a#member@user:bob[fits:{{"any_of":{CONTEXT},"most":-0.0}}]',
    "user:ann#boss@user:bob",
)
PERMISSIONS = ["viewer", "view", "every", "kept", "chained", "nobody", "of_nothing", "parent", "hold"]

usual = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    with both(http="127.0.0.1:0") as pair:
        pair.engine.stores.create("rich")
        pair.engine.schemas.write("rich", SCHEMA)
        pair.engine.relationships.write("rich", [Update(Operation.TOUCH, parse_relationship(fact)) for fact in FACTS])
        yield pair


def request(
    permission: str = "view", id: str = "sub", type: str = "folder", store: str = "rich", depth: int = 0
) -> permissions_pb2.ExpandRequest:
    resource = core_pb2.ObjectReference(type=type, id=id)
    return permissions_pb2.ExpandRequest(store=store, resource=resource, permission=permission, depth=depth)


def same(door: grpc.Channel, bare: grpc.Channel, data: bytes) -> bytes | Refused:
    here, there = told(door, EXPAND, data), told(bare, EXPAND, data)
    assert in_order(here) == in_order(there)
    return here


def in_order(answer: bytes | Refused) -> bytes | Refused:
    if isinstance(answer, Refused):
        return answer
    return permissions_pb2.ExpandResponse.FromString(answer).SerializeToString(deterministic=True)


def counted(pair: Both) -> tuple[int, int]:
    """Answered at the frontend, and left to Python."""
    frontend = pair.door.server.frontend
    assert frontend is not None
    [expand] = [each for each in frontend.verbs() if each.verb == "Expand"]
    assert (expand.yes, expand.no, sum(expand.steps)) == (0, 0, 0), "it decides nothing"
    return expand.requests, expand.elsewhere


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_plain_expand_never_reaches_python(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, permission: str
) -> None:
    before = counted(pair)
    asked = [
        request(permission, id, depth=depth) for id in ("top", "sub", "unheard-of") for depth in (0, 1, 2, 2**32 - 1)
    ]
    for each in asked:
        answer = same(door, bare, each.SerializeToString())
        assert answer == in_order(answer), "in protobuf's own order"
        assert isinstance(answer, bytes) and permissions_pb2.ExpandResponse.FromString(answer).sets
    assert counted(pair) == (before[0] + len(asked), before[1])


types = st.sampled_from(["folder", "folder", "group", "user", "ghost", "Folder", ""])
ids = st.sampled_from(["top", "sub", "a", "b", "ann", "", "*", "a b", "é", "x" * 1_025])
names = st.sampled_from([*PERMISSIONS, "member", "live", "vieww", "", "View", "view_"])
stores = st.sampled_from(["rich", "rich", "", "other", "Bad Store"])
depths = st.sampled_from([0, 0, 1, 2, 3, 2**32 - 1])
requests = st.builds(request, names, ids, types, stores, depths)


@usual
@given(asked=requests)
def test_whatever_is_asked_is_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, asked: permissions_pb2.ExpandRequest
) -> None:
    same(door, bare, asked.SerializeToString())


BYTES = request(depth=2).SerializeToString()


@usual
@given(at=st.integers(0, len(BYTES)), cut=st.integers(0, 3), put=st.binary(max_size=3))
@example(
    at=len(BYTES) - 1, cut=1, put=b"\x82\x80\x80\x80\x10"
)  # a depth beyond 32 bits, of which protobuf takes the low
@example(at=len(BYTES), cut=0, put=b"\x28\x01")  # a second depth, which wins
def test_a_damaged_expand_is_answered_alike(
    pair: Both, door: grpc.Channel, bare: grpc.Channel, at: int, cut: int, put: bytes
) -> None:
    same(door, bare, BYTES[:at] + put + BYTES[at + cut :])


def exactly(pair: Both, asked: permissions_pb2.ExpandRequest) -> None:
    loaded = pair.engine.loaded.of("rich")
    asked.consistency.at_exactly = encode_token(loaded.identity, loaded.revision)


def ahead(pair: Both, asked: permissions_pb2.ExpandRequest) -> None:
    loaded = pair.engine.loaded.of("rich")
    asked.consistency.at_least = encode_token(loaded.identity, loaded.revision + 1)


def with_facts(pair: Both, asked: permissions_pb2.ExpandRequest) -> None:
    asked.contextual.add(
        resource=core_pb2.ObjectReference(type="folder", id="sub"),
        relation="hold",
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="user", id="ann")),
    )


def of_an_unknown_name(pair: Both, asked: permissions_pb2.ExpandRequest) -> None:
    asked.permission = "veiw"


def of_another_store(pair: Both, asked: permissions_pb2.ExpandRequest) -> None:
    asked.store = "other"


@pytest.mark.parametrize("change", [exactly, ahead, with_facts, of_an_unknown_name, of_another_store])
def test_what_is_not_plain_is_left_to_python(
    pair: Both,
    door: grpc.Channel,
    bare: grpc.Channel,
    change: Callable[[Both, permissions_pb2.ExpandRequest], None],
) -> None:
    asked = request()
    change(pair, asked)
    before = counted(pair)
    same(door, bare, asked.SerializeToString())
    assert counted(pair) == (before[0], before[1] + 1)


def test_at_least_as_fresh_as_the_head_is_plain(pair: Both, door: grpc.Channel, bare: grpc.Channel) -> None:
    loaded = pair.engine.loaded.of("rich")
    asked = request()
    asked.consistency.at_least = encode_token(loaded.identity, loaded.revision)
    before = counted(pair)
    assert isinstance(same(door, bare, asked.SerializeToString()), bytes)
    assert counted(pair) == (before[0] + 1, before[1])


def test_an_expand_that_is_large_is_left_to_python_and_a_smaller_one_is_not() -> None:
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as door, bare_of(pair) as bare:
        pair.engine.stores.create("rich")
        pair.engine.schemas.write("rich", SCHEMA)
        for id, count in (("many", 4_500), ("some", 2_000)):
            facts = [parse_relationship(f"group:{id}#member@user:{n}") for n in range(count)]
            for start in range(0, count, 1_000):
                updates = [Update(Operation.TOUCH, fact) for fact in facts[start : start + 1_000]]
                pair.engine.relationships.write("rich", updates)
        assert len(same_bytes(door, bare, request("member", "some", "group"))) > 64 * 1024
        assert counted(pair) == (1, 0)
        same_bytes(door, bare, request("member", "many", "group"))
        assert counted(pair) == (1, 1)


def test_long_contexts_are_bounded_by_their_bytes() -> None:
    """Each step is one fact, whatever its context takes."""
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as door, bare_of(pair) as bare:
        pair.engine.stores.create("rich")
        pair.engine.schemas.write("rich", SCHEMA)
        for id, count in (("few", 5), ("more", 60)):
            long = '{"any_of":{"s":"' + "x" * 20_000 + '"}}'
            facts = [parse_relationship(f"group:{id}#member@user:{n}[fits:{long}]") for n in range(count)]
            pair.engine.relationships.write("rich", [Update(Operation.TOUCH, fact) for fact in facts])
        assert len(same_bytes(door, bare, request("member", "few", "group"))) > 100_000
        assert counted(pair) == (1, 0)
        same_bytes(door, bare, request("member", "more", "group"))
        assert counted(pair) == (1, 1)


@pytest.mark.parametrize("operators", [16, 17])
def test_a_definition_that_nests_too_deep_is_python_s_to_refuse(operators: int) -> None:
    inner = "a"
    for level in range(operators):
        inner = f"({inner} {'&-'[level % 2]} b)"
    schema = (
        f"definition user {{}}\ndefinition doc {{\n relation a: user\n relation b: user\n permission p = {inner}\n}}"
    )
    with both() as pair, grpc.insecure_channel(pair.door.endpoint) as door, bare_of(pair) as bare:
        pair.engine.stores.create("rich")
        pair.engine.schemas.write("rich", schema)
        answer = same(door, bare, request("p", "1", "doc").SerializeToString())
        is_whole = isinstance(answer, bytes)
        assert is_whole == (operators == 16)
        assert counted(pair) == (int(is_whole), int(not is_whole))


def bare_of(pair: Both) -> grpc.Channel:
    return grpc.insecure_channel(pair.bare.endpoint)


def same_bytes(door: grpc.Channel, bare: grpc.Channel, asked: permissions_pb2.ExpandRequest) -> bytes:
    answer = same(door, bare, asked.SerializeToString())
    assert isinstance(answer, bytes)
    return answer


def test_native_answers_count_as_python_s_do() -> None:
    shown = []
    for is_door in (True, False):
        with both(http="127.0.0.1:0") as pair:
            server = pair.door if is_door else pair.bare
            with grpc.insecure_channel(server.endpoint) as channel:
                for permission in ("view", "viewer", "view"):
                    told(channel, EXPAND, request(permission, store="").SerializeToString())
                told(channel, EXPAND, request("veiw", store="").SerializeToString())
            with urllib.request.urlopen(f"{server.http_endpoint}/metrics", timeout=30) as response:
                lines = response.read().decode().splitlines()
            numbers = ("remit_requests_total", "remit_verdicts_total", "remit_request_seconds_count", "_steps_count")
            shown.append(sorted(line for line in lines if any(name in line for name in numbers)))
            assert counted(pair) == ((3, 1) if is_door else (0, 0))
    assert shown[0] == shown[1]
    assert any('remit_requests_total{reason="OK",verb="Expand"} 3.0' in line for line in shown[0])


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Guarded]:
    with guarded(tmp_path) as server:
        yield server


def test_a_key_expands_where_it_may_check_and_nowhere_else(server: Guarded) -> None:
    """Whoever may not is refused in the same words, whether its request could have been answered here or not."""
    plain = request("view", "top", store="")
    strange = request("view", "top", store="")
    exact = encode_token((loaded := server.server._engine.loaded.of("")).identity, loaded.revision)
    strange.consistency.at_exactly = exact
    key, other = server.make(Right.CHECK), server.make(Right.READ, Right.WRITE)
    with grpc.insecure_channel(server.server.endpoint) as channel:

        def ask(text: str | None, asked: permissions_pb2.ExpandRequest) -> bytes | Refused:
            metadata = [("authorization", f"Bearer {text}")] if text is not None else []
            return told(channel, EXPAND, asked.SerializeToString(), metadata)

        assert isinstance(ask(key, plain), bytes) and isinstance(ask(key, strange), bytes)
        for text, reason in ((other, "RIGHT_MISSING"), (None, "KEY_MISSING"), (key[:-1], "KEY_MISTYPED")):
            refused = ask(text, plain)
            assert isinstance(refused, Refused) and refused.reason == reason
            assert refused == ask(text, strange)
        plain.store = strange.store = "other"
        assert ask(key, plain) == ask(key, strange)
        server.revoke(key)
        refused = ask(key, plain)
        assert isinstance(refused, Refused) and refused.reason == "KEY_UNKNOWN"
