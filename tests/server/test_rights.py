"""Every verb asks for its right, shows no store to whom may not see it, and is in the table."""

from __future__ import annotations

import inspect
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from starlette.routing import Route

import remit.v1
from remit.access.keys import ALL_STORES, Right
from remit.model import Operation, RelationshipFilter, Update
from remit.notation import parse_relationship
from remit.server.http.server import pages
from remit.server.rights import HTTP_RIGHTS
from remit.server.verbs import STREAMING, STREAMS, UNARY, VERBS
from remit.v1 import core_pb2, relationships_pb2, stores_pb2
from tests.support.keyed import Keyed, Refusal, ask, keyed_server
from tests.support.verb_requests import request

# Written down a second time, by hand and in another shape: a slip in one of the two shows.
EXPECTED = {
    "check": [
        "Check",
        "CheckMany",
        "Expand",
        "LookupResources",
        "LookupSubjects",
        "LookupPermissions",
        "WatchPermission",
    ],
    "read": [
        "Read",
        "Export",
        "Watch",
        "ReadSchema",
        "DiffSchema",
        "ListConsents",
        "DescribeRun",
        "ListRuns",
        "ShowChain",
        "ShowSubtree",
        "ListTools",
        "DescribeTool",
        "ListAgents",
        "DescribeAgent",
        "Orphans",
        "Impact",
    ],
    "write": ["Write", "Delete", "Import"],
    "schema": ["WriteSchema"],
    "spawn": ["Spawn", "Renew", "Narrow", "DeclareIntent"],
    "consent": ["GiveConsent", "WithdrawConsent"],
    "hold": ["Hold"],
    "release": ["Release"],
    "terminate": ["Terminate"],
    "register": [
        "RegisterAgent",
        "ChangeAgent",
        "RetireAgent",
        "AddVersion",
        "TransferOwner",
        "RegisterTool",
        "ProposeDescriptor",
        "ChangeTool",
        "RetireTool",
    ],
    "accept": ["AcceptDescriptor", "RejectDescriptor", "RelaxTool"],
    "certify": ["Certify", "Decertify"],
    "apply": ["Apply"],
    "admin": ["CreateStore", "DeleteStore", "Backup", "Restore"],
    "": ["ListStores", "WhoAmI"],
}
WANTED = {verb: right for right, verbs in EXPECTED.items() for verb in verbs}
MAKES = ("CreateStore", "Restore")


def declared() -> dict[str, str]:
    """Path → verb, of every method in proto/."""
    folder = Path(inspect.getfile(remit.v1)).parent
    found = {}
    for file in sorted(folder.glob("*_pb2.py")):
        module = __import__(f"remit.v1.{file.stem}", fromlist=["DESCRIPTOR"])
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                found[f"/{service.full_name}/{method.name}"] = method.name
    return found


SERVED = {verb.path for verb in (*VERBS, *STREAMS)}
RIGHTS = {verb.path: verb.right for verb in (*UNARY, *STREAMING)}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed_server(tmp_path_factory.mktemp("keys")) as keyed:
        yield keyed


@pytest.fixture(scope="module")
def channel(keyed: Keyed) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(keyed.server.endpoint) as channel:
        yield channel


def test_every_verb_there_is_has_its_line_in_the_table_and_in_this_test() -> None:
    assert {path for path in RIGHTS if path.startswith("/remit.")} == set(declared())  # SpiceDB's: test_spicedb_wire
    assert sorted(WANTED) == sorted(declared().values())
    assert set(declared()) >= SERVED
    for path, verb in declared().items():
        right = RIGHTS[path]
        assert (right.value if right is not None else "") == WANTED[verb]
        request(verb, "own")


@pytest.mark.parametrize("path", sorted(declared()))
def test_a_verb_is_answered_exactly_where_the_table_says(keyed: Keyed, channel: grpc.Channel, path: str) -> None:
    """Every right on its own × {a store the key sees, one it does not, one that is not there}."""
    verb = declared()[path]
    if path not in SERVED:
        refused = ask(channel, path, request(verb, "own"))
        assert isinstance(refused, Refusal)
        assert refused.code is grpc.StatusCode.UNIMPLEMENTED
        return
    own = {"DeleteStore": "doomed", "CreateStore": "fresh", "Restore": "restored"}.get(verb, "own")
    for right in Right:
        text = keyed.holding(right, stores=["own", "doomed", "fresh", "restored"])
        answers = {store: ask(channel, path, request(verb, store), text) for store in (own, "other", "never")}
        if WANTED[verb] not in ("", right.value):
            for answer in answers.values():
                assert isinstance(answer, Refusal)
                assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "RIGHT_MISSING")
                assert f"`{WANTED[verb]}`" in answer.message
                assert answer.shown == _of(answers["never"]).shown  # nothing of the store shows
        elif WANTED[verb] == "":
            assert all(isinstance(answer, bytes) for answer in answers.values())
        else:
            allowed = answers[own]
            if verb == "Restore" and isinstance(allowed, Refusal):
                # What was sent is no backup, and so it says: it was let in.
                assert allowed.code is grpc.StatusCode.INVALID_ARGUMENT, allowed
            else:
                assert isinstance(allowed, bytes), allowed
            unseen, missing = _of(answers["other"]), _of(answers["never"])
            expected = (
                (grpc.StatusCode.PERMISSION_DENIED, "STORE_NOT_ALLOWED")
                if verb in MAKES
                else (grpc.StatusCode.NOT_FOUND, "STORE_NOT_FOUND")
            )
            assert (missing.code, missing.reason) == expected
            assert unseen.shown.replace("other", "never") == missing.shown
            assert unseen.message.replace("other", "never") == missing.message
            assert (unseen.code, unseen.reason) == expected


def _of(answer: Refusal | bytes | None) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


@pytest.mark.parametrize("path", sorted(SERVED))
def test_no_verb_answers_without_a_key(keyed: Keyed, channel: grpc.Channel, path: str) -> None:
    message = request(declared()[path], "own")
    mistyped = keyed.make(Right.AUDIT)[:-1] + "!"
    revoked = keyed.make(*(right for right in Right if right is not Right.AUDIT))
    keyed.revoke(revoked)
    for text, reason in ((None, "KEY_MISSING"), (mistyped, "KEY_MISTYPED"), (revoked, "KEY_UNKNOWN")):
        refused = _of(ask(channel, path, message, text))
        assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, reason)
        key_id = text[3:11] if text is not None else ""
        assert "own" not in refused.message.replace("unknown", "").replace(key_id, "")
    garbled = _of(ask(channel, path, core_pb2.SubjectReference(relation="x" * 100), None))
    assert garbled.reason == "KEY_MISSING"  # who calls comes before what is said


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic cm9vdDpyb290", "rk_", "Bearer  ", "BearerX rk_x"]
)
def test_what_is_no_bearer_of_a_key_is_refused(channel: grpc.Channel, authorization: str) -> None:
    refused = _of(ask(channel, "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), metadata=[
        ("authorization", authorization)
    ]))  # fmt: skip
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "KEY_MISSING")


def test_two_keys_in_one_request_are_none(keyed: Keyed, channel: grpc.Channel) -> None:
    texts = [keyed.make(Right.READ), keyed.make(Right.WRITE)]
    metadata = [("authorization", f"Bearer {text}") for text in texts]
    assert _of(ask(channel, "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), metadata=metadata)).reason == (
        "KEY_MISSING"
    )


def test_the_scheme_is_written_in_any_case(keyed: Keyed, channel: grpc.Channel) -> None:
    text = keyed.make(Right.READ)
    for scheme in ("bearer", "BEARER"):
        metadata = [("authorization", f"{scheme} {text}")]
        assert isinstance(ask(channel, "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), metadata=metadata), bytes)


def test_an_expired_key_says_so_to_who_has_it(keyed: Keyed, channel: grpc.Channel) -> None:
    text = keyed.make(Right.READ, expiration_us=keyed.clock.now_us() + 1)
    request_ = stores_pb2.WhoAmIRequest()
    assert isinstance(ask(channel, "/remit.v1.Stores/WhoAmI", request_, text), bytes)
    keyed.clock.advance_us(1)
    refused = _of(ask(channel, "/remit.v1.Stores/WhoAmI", request_, text))
    assert (refused.code, refused.reason) == (grpc.StatusCode.UNAUTHENTICATED, "KEY_EXPIRED")


# --- what is open -------------------------------------------------------------------------------------------------

HEALTH, REFLECTION = "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"
OPEN: dict[str, Message] = {
    f"/{HEALTH}/Check": health_pb2.HealthCheckRequest(),
    f"/{HEALTH}/Watch": health_pb2.HealthCheckRequest(),
    f"/{REFLECTION}/ServerReflectionInfo": reflection_pb2.ServerReflectionRequest(list_services="*"),
}


def test_every_service_there_is_asks_for_rights_or_is_known_to_be_open(channel: grpc.Channel) -> None:
    answer = ask(channel, f"/{REFLECTION}/ServerReflectionInfo", OPEN[f"/{REFLECTION}/ServerReflectionInfo"])
    assert isinstance(answer, bytes)
    listed = reflection_pb2.ServerReflectionResponse.FromString(answer).list_services_response.service
    services = {path.split("/")[1] for path in (*RIGHTS, *OPEN)}
    assert {service.name for service in listed} == services


@pytest.mark.parametrize("path", OPEN)
def test_health_and_reflection_are_open_and_show_nothing_of_a_store(
    keyed: Keyed, channel: grpc.Channel, path: str
) -> None:
    """To whoever asks: load balancers have no key."""
    answers = {ask(channel, path, OPEN[path], text) for text in (None, "rk_nobodys", *map(keyed.make, Right))}
    [answer] = answers
    assert isinstance(answer, bytes)
    assert b"other" not in answer and b"own" not in answer
    assert b"default" not in answer


# --- the HTTP edge ------------------------------------------------------------------------------------------------

HTTP_OPEN = {"/healthz", "/readyz", "/version"}


def asked_over_http(edge: Keyed, path: str, text: str | None) -> tuple[int, str]:
    request = urllib.request.Request(edge.server.http_endpoint + path)
    if text is not None:
        request.add_header("Authorization", f"Bearer {text}")
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_every_path_of_the_edge_is_answered_exactly_where_the_table_says(tmp_path: Path) -> None:
    """Every path × {no key, one that is none, every right on its own} × {own store, another, one that is not there}."""
    routes = {cast(Route, route).path for route in pages(list, lambda _: b"", has_calls=False).routes}
    assert routes == HTTP_OPEN | set(HTTP_RIGHTS)
    with keyed_server(tmp_path, http="127.0.0.1:0") as edge:
        for path in sorted(HTTP_OPEN):
            told = {asked_over_http(edge, path, text) for text in (None, "rk_nobodys", edge.make(Right.CHECK))}
            assert len(told) == 1
            [(code, body)] = told
            assert code == 200
            assert not any(name in body for name in ("other", "own", "default"))
        for path, needed in HTTP_RIGHTS.items():
            for text, reason in ((None, "KEY_MISSING"), ("rk_nobodys", "KEY_MISTYPED")):
                code, body = asked_over_http(edge, path, text)
                assert (code, json.loads(body)["reason"]) == (401, reason)
            for right in Right:
                for store in ("own", "other", "never"):
                    code, body = asked_over_http(edge, path, edge.make(right, stores=[store]))
                    if right is needed:
                        assert code == 200
                        shown = set(re.findall(r'store="([^"]*)"', body))
                        assert shown == {store} - {"never"}
                    else:
                        assert (code, json.loads(body)["reason"]) == (403, "RIGHT_MISSING")
                        assert not any(f'"{name}"' in body for name in ("own", "other", "default"))


# --- managed relations --------------------------------------------------------------------------------------------

_MANAGED = "use delegation\ndefinition hold {}\ndefinition run { managed relation hold: hold\nrelation note: hold }"


@pytest.mark.parametrize(
    ("rights", "allowed"),
    [
        ([Right.WRITE], False),
        ([Right.WRITE, Right.WRITE_MANAGED], True),
        ([Right.WRITE_MANAGED], False),
        ([Right.WRITE, Right.ADMIN, Right.SCHEMA, Right.HOLD, Right.RELEASE], False),
    ],
)
def test_a_managed_relation_is_written_with_write_managed_beside_write(
    keyed: Keyed, channel: grpc.Channel, rights: list[Right], allowed: bool
) -> None:
    keyed.engine.schemas.write("default", _MANAGED)
    text = keyed.make(*rights, stores=["default"], principal="svc:gw")
    hold = core_pb2.Relationship(
        resource=core_pb2.ObjectReference(type="run", id="r-7"),
        relation="hold",
        subject=core_pb2.SubjectReference(object=core_pb2.ObjectReference(type="hold", id="h-1")),
    )
    R = relationships_pb2
    runs = RelationshipFilter(resource_type="run")
    written = [Update(Operation.TOUCH, parse_relationship("run:r-7#hold@hold:h-1"))]
    for there, verb, message in (
        (False, "Write", R.WriteRequest(updates=[R.Update(operation=R.OPERATION_TOUCH, relationship=hold)])),
        (False, "Import", R.ImportRequest(relationships=[hold])),
        (True, "Write", R.WriteRequest(updates=[R.Update(operation=R.OPERATION_DELETE, relationship=hold)])),
        (True, "Delete", R.DeleteRequest(filter=core_pb2.RelationshipFilter(resource_type="run"))),
    ):
        keyed.engine.relationships.delete("default", runs)
        if there:
            keyed.engine.relationships.write("default", written)
        answer = ask(channel, f"/remit.v1.Relationships/{verb}", message, text)
        stored = [each.provenance.principal for each in keyed.engine.relationships.read("default", runs).items]
        if allowed:
            assert isinstance(answer, bytes)
            assert stored == ([] if there else ["svc:gw"])
        else:
            assert _of(answer).code is grpc.StatusCode.PERMISSION_DENIED
            assert _of(answer).reason == ("MANAGED_RELATION" if Right.WRITE in rights else "RIGHT_MISSING")
            assert stored == (["local"] if there else [])


# --- who is written down ------------------------------------------------------------------------------------------


def test_a_write_remembers_the_keys_principal_and_the_run_it_came_from(keyed: Keyed, channel: grpc.Channel) -> None:
    text = keyed.make(Right.WRITE, stores=["other"], principal="service:gateway")
    message = request("Write", "other")
    for run in ("r-7", ""):
        metadata = [("x-remit-run", run)] if run else []
        assert isinstance(ask(channel, "/remit.v1.Relationships/Write", message, text, metadata), bytes)
        [stored] = keyed.engine.relationships.read("other", RelationshipFilter(resource_id="top")).items
        assert (stored.provenance.principal, stored.provenance.run) == ("service:gateway", run)


@pytest.mark.parametrize("run", ["a b", "#", "*", "x" * 1025])
def test_what_is_no_run_is_refused(keyed: Keyed, channel: grpc.Channel, run: str) -> None:
    text = keyed.make(Right.WRITE)
    refused = _of(ask(channel, "/remit.v1.Relationships/Write", request("Write", "own"), text, [("x-remit-run", run)]))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REFERENCE")


def test_a_call_acts_for_one_run_and_not_for_two(keyed: Keyed, channel: grpc.Channel) -> None:
    text, runs = keyed.make(Right.WRITE), [("x-remit-run", "r-7"), ("x-remit-run", "r-8")]
    refused = _of(ask(channel, "/remit.v1.Relationships/Write", request("Write", "own"), text, runs))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")


def test_who_am_i_tells_what_the_key_is(keyed: Keyed, channel: grpc.Channel) -> None:
    until_us = keyed.clock.now_us() + 86_400_000_000
    text = keyed.make(Right.READ, Right.CHECK, stores=["own", "other"], principal="anne", expiration_us=until_us)
    answer = ask(channel, "/remit.v1.Stores/WhoAmI", stores_pb2.WhoAmIRequest(), text)
    assert isinstance(answer, bytes)
    identity = stores_pb2.WhoAmIResponse.FromString(answer)
    assert (identity.principal, identity.key_id) == ("anne", text[3:11])
    assert (list(identity.stores), list(identity.rights)) == (["other", "own"], ["check", "read"])
    assert identity.expiration.ToMicroseconds() == until_us
    assert identity.version


@pytest.mark.skipif("/remit.v1.Stores/ListStores" not in SERVED, reason="ListStores is not served yet")
def test_list_stores_shows_the_stores_that_the_key_sees(keyed: Keyed, channel: grpc.Channel) -> None:
    def listed(*stores: str) -> set[str]:
        text = keyed.make(Right.READ, stores=stores)
        answer = ask(channel, "/remit.v1.Stores/ListStores", stores_pb2.ListStoresRequest(), text)
        assert isinstance(answer, bytes)
        return {store.name for store in stores_pb2.ListStoresResponse.FromString(answer).stores}

    assert listed("own") == {"own"}
    assert listed("other", "own", "never") == {"other", "own"}
    assert listed("never") == set()
    assert listed(ALL_STORES) >= {"default", "other", "own"}


def test_a_wildcard_sees_every_store_and_still_none_that_is_not_there(keyed: Keyed, channel: grpc.Channel) -> None:
    text = keyed.make(Right.READ, stores=[ALL_STORES])
    for store, there in (("own", True), ("other", True), ("never", False)):
        answer: Any = ask(channel, "/remit.v1.Relationships/Read", request("Read", store), text)
        assert isinstance(answer, bytes) == there
    assert _of(answer).reason == "STORE_NOT_FOUND"
    # Said in the very words that a key hears which may not see the store.
    narrow = _of(ask(channel, "/remit.v1.Relationships/Read", request("Read", "never"), keyed.make(Right.READ)))
    assert narrow == answer


def test_the_right_comes_before_the_request_is_read_and_the_store_before_what_it_says(
    keyed: Keyed, channel: grpc.Channel
) -> None:
    reader, writer = keyed.make(Right.READ), keyed.make(Right.WRITE)
    with grpc.insecure_channel(keyed.server.endpoint) as raw:
        call = raw.unary_unary("/remit.v1.Relationships/Write")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff\xff", metadata=[("authorization", f"Bearer {reader}")])
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\xff\xff", metadata=[("authorization", f"Bearer {writer}")])
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    nonsense = relationships_pb2.WriteRequest(store="other", updates=[relationships_pb2.Update()])
    assert _of(ask(channel, "/remit.v1.Relationships/Write", nonsense, writer)).reason == "STORE_NOT_FOUND"
    nonsense.store = "own"
    assert _of(ask(channel, "/remit.v1.Relationships/Write", nonsense, writer)).reason == "INVALID_ARGUMENT"
