"""Laws of the judge in a table: each call under each document is a yes, a no, unknown, or asks the graph."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from itertools import product
from typing import Any

import pytest

from remit.arguments import values
from remit.arguments.call import ReadCall, read_call
from remit.arguments.document import parse_document
from remit.arguments.json_text import canonical_text
from remit.arguments.judge import judge
from remit.arguments.judged import Judged, Known, Related, Unjudged
from remit.arguments.side import Side
from remit.errors import InvalidCall, Status
from remit.model import Call, ObjectRef
from tests.support.arguments.bounds import answer_of, leaves_of
from tests.support.arguments.random_calls import DECLARED
from tests.support.arguments.tables import rows_of, text_of

ROWS = rows_of("judged_calls", "calls")


def call_of(row: dict[str, Any]) -> ReadCall:
    arguments = canonical_text(row["arguments"]).encode()
    call = read_call(Call(row.get("tool", "t"), arguments, row.get("purpose", "")))
    return call.typed(call.arguments, row["types"]) if "types" in row else call


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["note"])
def test_a_call_is_judged_as_the_table_says(row: dict[str, Any]) -> None:
    judged = judge(parse_document(json.dumps(row["document"]), Side(row["side"]), DECLARED), call_of(row))
    assert answer_of(judged) == row["expected"], judged
    if row["expected"] == "unknown":
        assert Unjudged(row["pointer"], row["reason"]) in set(leaves_of(judged))


def test_the_table_has_enough_of_each() -> None:
    assert min(Counter(row["expected"] for row in ROWS).values()) >= 5


def judged_of(document: dict[str, Any], arguments: dict[str, Any], side: Side = Side.ARGUMENTS) -> Judged:
    call = read_call(Call("t", canonical_text(arguments).encode()))
    return judge(parse_document(json.dumps(document), side, DECLARED), call)


MEMBERS_OF = {
    "path": ({"subpath": "/"}, {"glob": "**"}),
    "url": ({"url": {"host": "example.com"}},),
    "host": ({"host": "example.com"},),
    "address": ({"cidr": "0.0.0.0/0"},),
    "decimal": ({"min": "0"}, {"max": "0"}),
    "date": ({"min": "2000-01-01"}, {"max": "2000-01-01"}),
}


@pytest.mark.parametrize("type", MEMBERS_OF)
def test_a_value_that_is_refused_is_unknown_on_both_sides_and_no_other(type: str) -> None:
    for row in rows_of("hostile_values", "values"):
        if row["type"] != type:
            continue
        arguments = {"a": text_of(row, "value")}
        for member, side in product(MEMBERS_OF[type], Side):
            answer = answer_of(judged_of({"a": member}, arguments, side))
            # An address in the place of a host is accepted, and judged where it is listed.
            assert (answer == "unknown") is ("refused" in row) or type in ("host", "url"), row
            assert answer == "unknown" or "refused" not in row, row


def test_what_is_asked_of_the_graph_names_object_permission_and_place() -> None:
    document = {"to": {"each": {"related": {"type": "user", "permission": "contact"}}}}
    assert set(leaves_of(judged_of(document, {"to": ["bob@x", "BOB@x"]}))) == {
        Related(ObjectRef("user", "bob@x"), "contact", "/to/0"),
        Related(ObjectRef("user", "BOB@x"), "contact", "/to/1"),
    }


@pytest.mark.parametrize("value", ["881", 881, True, None, 1e21, "é"])
def test_a_binding_is_named_by_the_digest_of_its_value(value: Any) -> None:
    digest = sha256(canonical_text(value).encode()).hexdigest()
    judged = judged_of({"invoice": {"equals": {"binding": "invoice"}}}, {"invoice": value})
    assert judged == Related(ObjectRef("binding", f"invoice/{digest}"), "link", "/invoice")


def test_a_known_part_says_why() -> None:
    judged = judged_of({"amount": {"max": "100.00"}}, {"amount": 120})
    assert judged == Known(False, "`/amount` is more than `100.00`")
    assert judged_of({}, {"a": 1, "b": [1, 2]}) == Known(False, "`/a` is not named, and 1 more")


class CountedList(list):
    """Counts what is taken from it in order."""

    taken = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            self.taken += 1
            yield each


def test_what_a_part_does_not_name_is_not_gone_through_for_each_part() -> None:
    parts = 200
    document = parse_document(json.dumps({"any_of": [{"/a/0": {}}] * parts}), Side.ARGUMENTS, ())
    items = CountedList(range(900))
    call = ReadCall("t", "", {"a": items})
    assert answer_of(judge(document, call)) == "no"
    assert items.taken <= len(items) + 3 * parts  # once to see that all of it can be judged
    assert Known(False, "`/a/1` is not named, and 898 more") in leaves_of(judge(document, call))


def test_a_text_is_looked_at_once_however_many_parts_speak_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    refusal_of_urls = values._REFUSALS["url"]
    monkeypatch.setitem(values._REFUSALS, "url", lambda text: looked.append(text) or refusal_of_urls(text))
    urls = [f"https://a/{index}" for index in range(20)]
    part = {"a": {"each": {"url": {"host": "b"}}}}
    call = read_call(Call("t", canonical_text({"a": [*urls]}).encode()))
    for parts in (2, 40):
        document = parse_document(json.dumps({"any_of": [part] * parts}), Side.ARGUMENTS, ())
        assert answer_of(judge(document, call)) == "no"
    assert looked == urls


def test_a_call_that_cannot_be_read_is_refused_by_place_and_reason() -> None:
    with pytest.raises(InvalidCall) as raised:
        read_call(Call("t", b'{"amount": 1e2}'))
    assert str(raised.value) == ("the call's argument `/amount` is the number `1e2`, which RFC 8785 writes as `100`")
    assert (raised.value.reason, raised.value.status) == ("INVALID_CALL", Status.INVALID_ARGUMENT)
    assert raised.value.field == "call.arguments"


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (Call("", b"{}"), "call.tool"),
        (Call("*", b"{}"), "call.tool"),
        (Call("a b", b"{}"), "call.tool"),
        (Call("t" * 1_025, b"{}"), "call.tool"),
        (Call("t", b"{}", descriptor="#"), "call.descriptor"),
        (Call("t", b"{}", purpose="x" * 257), "call.purpose"),
        (Call("t", b"{}", purpose="é" * 129), "call.purpose"),
        (Call("t", b"{}", purpose="e\u0301"), "call.purpose"),
        (Call("t", b"{}", purpose="\ud800"), "call.purpose"),
        (Call("t", b""), "call.arguments"),
        (Call("t", b'{"a":"' + b"x" * 65_530 + b'"}'), "call.arguments"),
    ],
)
def test_a_call_of_a_wrong_part_is_refused(call: Call, field: str) -> None:
    with pytest.raises(InvalidCall) as raised:
        read_call(call)
    assert raised.value.field == field


def test_the_canonical_bytes_are_those_that_were_judged() -> None:
    call = read_call(Call("t", b' {"b": [1, {"\\u0061": "\\u00e9"}], "a": 1} '))
    assert call.canonical == '{"a":1,"b":[1,{"a":"é"}]}'.encode()
    assert call.typed({"a": 1, "c": True}, {}).canonical == b'{"a":1,"c":true}'
