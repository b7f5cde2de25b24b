"""Tokens and cursors where they do not belong: of another store or life of it, the future, another query; damaged,
endless, empty. Each is refused for what it is, by every method that takes one."""

from __future__ import annotations

import pytest

from remit.engine.tokens import decode_token, encode_token
from remit.model import RelationshipFilter
from remit.store.port import StoreIdentity
from remit.v1 import permissions_pb2, relationships_pb2
from tests.support.simulation.hostile import OTHER, OWN, Hostile, ask, fill_own, method_of, require_decent, template_of

LOOKUPS = ["LookupResources", "LookupSubjects", "LookupPermissions"]
AT_LEAST = ["Check", "CheckMany", "Expand", *LOOKUPS, "Read", "Export", "ReadSchema", "DiffSchema"]
AT_EXACTLY = ["Check", "CheckMany", "Expand", *LOOKUPS, "ReadSchema"]


def wrong_tokens(hostile: Hostile) -> dict[str, str]:
    """Each with the reason it is refused for."""
    right = hostile.good.relationships.read(OWN, RelationshipFilter()).token
    uuid, epoch, head = decode_token(right)
    checked = encode_token(StoreIdentity("", uuid, epoch), 2**64 - 1)
    return {
        hostile.token: "FOREIGN_TOKEN",
        encode_token(StoreIdentity("", uuid, epoch + 1), head): "FOREIGN_TOKEN",
        encode_token(StoreIdentity("", bytes(16), epoch), head): "FOREIGN_TOKEN",
        encode_token(StoreIdentity("", uuid, epoch), head + 1): "FUTURE_TOKEN",
        checked: "FUTURE_TOKEN",
        right[:-1] + ("A" if right[-1] != "A" else "B"): "INVALID_TOKEN",
        right[:-1]: "INVALID_TOKEN",
        right + "=": "INVALID_TOKEN",
        right.replace("r1.", "r2."): "INVALID_TOKEN",
        "": "INVALID_TOKEN",
        "r1." + "é" * 48: "INVALID_TOKEN",
        "x" * 100_000: "INVALID_TOKEN",
    }


@pytest.mark.parametrize(
    ("name", "word"), [(name, "at_least") for name in AT_LEAST] + [(name, "at_exactly") for name in AT_EXACTLY]
)
def test_a_token_that_is_not_of_this_store_and_life_is_refused_for_what_it_is(
    hostile: Hostile, name: str, word: str
) -> None:
    method = method_of(name)
    for token, reason in wrong_tokens(hostile).items():
        request = template_of(method)
        setattr(request.consistency, word, token)
        answer = ask(hostile, method, [request.SerializeToString()])
        require_decent(method, answer)
        assert answer.reason == reason, f"{token[:60]} in {name}: {answer}"


def test_a_list_is_never_of_the_past(hostile: Hostile) -> None:
    token = hostile.good.relationships.read(OWN, RelationshipFilter()).token
    for name in sorted({*AT_LEAST} - {*AT_EXACTLY}):
        method = method_of(name)
        request = template_of(method)
        request.consistency.at_exactly = token
        assert ask(hostile, method, [request.SerializeToString()]).reason == "INVALID_ARGUMENT", name


def test_a_watch_from_a_wrong_token_is_refused(hostile: Hostile) -> None:
    method = method_of("Watch")
    for token, reason in wrong_tokens(hostile).items():
        if token:  # empty means from now on
            request = relationships_pb2.WatchRequest(store=OWN, after=token)
            assert ask(hostile, method, [request.SerializeToString()]).reason == reason


def test_a_watch_of_a_permission_from_a_wrong_token_is_refused(hostile: Hostile) -> None:
    method = method_of("WatchPermission")
    for token, reason in wrong_tokens(hostile).items():
        if token:  # empty means from now on
            request = permissions_pb2.WatchPermissionRequest(
                store=OWN, resource_type="thing", permission="use", subject_type="user", after=token
            )
            request.evaluated_at.FromSeconds(1)
            answer = ask(hostile, method, [request.SerializeToString()])
            require_decent(method, answer)
            assert answer.reason == reason, f"{token[:60]}: {answer}"


@pytest.mark.parametrize("name", ["Read", "Export"])
def test_a_cursor_of_another_query_or_none_is_refused(hostile: Hostile, name: str) -> None:
    fill_own(hostile.good)
    method = method_of(name)
    right = hostile.good.relationships.read(OWN, RelationshipFilter("thing"), limit=1).next_cursor
    others = [
        hostile.good.relationships.read(OWN, RelationshipFilter(), limit=1).next_cursor,
        hostile.good.relationships.read(OWN, RelationshipFilter("thing", subject_type="user"), limit=1).next_cursor
        or "AAAA",
    ]
    for cursor in [*others, right[:-1], right[4:], right + right, "é", "x" * 100_000]:
        request = template_of(method)
        request.cursor = cursor
        answer = ask(hostile, method, [request.SerializeToString()])
        require_decent(method, answer)
        assert answer.reason == "INVALID_CURSOR", f"{cursor[:80]}: {answer}"
    request = template_of(method)
    request.cursor = right
    assert ask(hostile, method, [request.SerializeToString()]).reason == ""


def test_a_cursor_of_another_store_tells_nothing_of_it(hostile: Hostile) -> None:
    """It is a place, and a place is in every store: what is there is the caller's own."""
    method = method_of("Read")
    request = template_of(method)
    request.cursor = hostile.good.relationships.read(OTHER, RelationshipFilter("thing"), limit=1).next_cursor
    assert request.cursor
    require_decent(method, ask(hostile, method, [request.SerializeToString()]))


@pytest.mark.parametrize("name", LOOKUPS)
def test_a_cursor_of_a_list_of_facts_or_none_is_refused_by_a_lookup(hostile: Hostile, name: str) -> None:
    fill_own(hostile.good)
    method = method_of(name)
    right = hostile.good.relationships.read(OWN, RelationshipFilter(), limit=1).next_cursor
    for cursor in [right, right[:-1], right + right, "AAAA", "é", "x" * 100_000]:
        request = template_of(method)
        request.cursor = cursor
        answer = ask(hostile, method, [request.SerializeToString()])
        require_decent(method, answer)
        assert answer.reason == "INVALID_CURSOR", f"{cursor[:80]}: {answer}"
