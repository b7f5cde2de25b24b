"""Where one constraint document is narrower than another, trap by trap, and with what reason it is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.judge import judge, read_call
from remit.arguments.judged import Unjudged
from remit.arguments.narrower import Narrower, narrower, narrower_use
from remit.arguments.side import Side
from remit.arguments.tree import Document
from remit.model import Call, CaveatUse, Qualifiers

CONTACT = {"related": {"type": "user", "permission": "contact"}}
MEMBER = {"related": {"type": "user", "permission": "member"}}


def document(written: dict[str, Any], side: Side = Side.ARGUMENTS) -> Document:
    return parse_document(json.dumps(written), side, ANY_PERMISSION)


def compared(first: dict[str, Any], second: dict[str, Any], side: Side = Side.ARGUMENTS) -> Narrower:
    return narrower(document(first, side), document(second, side))


def of(constraint: dict[str, Any]) -> dict[str, Any]:
    return {"x": constraint}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        # values that are counted
        ({"equals": "a"}, {"one_of": ["a", "b"]}),
        ({"one_of": [1, 2]}, {"one_of": [3, 2, 1.0]}),
        ({"one_of": ["a", "b"]}, {"any_of": [{"equals": "a"}, {"equals": "b"}]}),
        ({"equals": "a"}, {"not_one_of": ["b"]}),
        ({"prefix": "a"}, {"not_one_of": ["b"]}),
        ({"not_one_of": ["a", "b"]}, {"not_one_of": ["a"]}),
        ({"equals": 5}, {"not_one_of": [6]}),
        # bounds, exactly
        ({"min": "1.00", "max": "99.99"}, {"max": "100"}),
        ({"min": "2026-02-01"}, {"min": "2026-01-31"}),
        ({"max_length": 2}, {"max_length": 3}),
        ({"glob": "a?"}, {"max_length": 2}),
        # texts, by what they match
        ({"prefix": "abc"}, {"prefix": "ab"}),
        ({"subpath": "/a/b"}, {"subpath": "/a"}),
        ({"subpath": "/a/b"}, {"prefix": "/a/b"}),
        ({"subpath": "/a"}, {"subpath": "/"}),
        ({"subpath": "/a"}, {"glob": "/**"}),
        ({"subpath": "/", "prefix": "/a/"}, {"subpath": "/a"}),
        ({"glob": "/a/*/c"}, {"glob": "/a/**"}),
        ({"glob": "/a/b*"}, {"prefix": "/a/"}),
        ({"url": {"host": "h.example", "path": "/a"}}, {"prefix": "https://h.example"}),
        # networks, hosts, URLs
        ({"cidr": "10.1.0.0/16"}, {"cidr": ["192.168.0.0/16", "10.0.0.0/8"]}),
        ({"host": "a.example.com"}, {"host": ".example.com"}),
        ({"host": ".a.example.com"}, {"host": ".example.com"}),
        ({"url": {"host": "h.example"}}, {"url": {"host": "h.example", "scheme": ["https", "http"]}}),
        ({"url": {"host": "h.example"}}, {"url": {"host": "h.example", "port": [443, 8443]}}),
        ({"url": {"host": "h.example", "path": "/a/b"}}, {"url": {"host": ".example", "path": "/a"}}),
        # lists and what is combined
        ({"each": {"equals": "a"}, "min_items": 2}, {"each": {"prefix": "a"}}),
        ({"any_of": [{"equals": "a"}, {"prefix": "ab"}]}, {"prefix": "a"}),
        ({"all_of": [{"prefix": "a"}, {"max_length": 3}]}, {"max_length": 3, "prefix": "a"}),
        ({"prefix": "ab"}, {"any_of": [{"prefix": "x"}, {"prefix": "a"}]}),
        ({"each": {"max_length": 3}}, {"any_of": [{"each": {}}, {"equals": 1}]}),
        # goals
        (CONTACT, CONTACT),
        ({**CONTACT, "prefix": "a"}, CONTACT),
        (CONTACT, {"any_of": [MEMBER, CONTACT]}),
        (CONTACT, {"not_one_of": ["no id"]}),
        ({"equals": {"binding": "invoice"}, "one_of": ["a"]}, {"equals": {"binding": "invoice"}}),
    ],
)
def test_less_is_narrower(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert compared(of(first), of(second)) == Narrower(True)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({"one_of": ["a", "b"]}, {"equals": "a"}, '`"b"`'),
        ({"equals": 1}, {"equals": True}, "`1`"),
        ({"one_of": [1]}, {"one_of": [True]}, "`1`"),
        ({"not_one_of": [1]}, {"not_one_of": [True]}, "does not follow"),
        ({"min": "1"}, {"min": "1.01"}, "does not follow"),
        ({"min": "2026-01-31"}, {"min": "1"}, "does not follow"),
        ({"prefix": "ab"}, {"prefix": "abc"}, '`"ab"`'),
        ({"subpath": "/a"}, {"prefix": "/a/"}, '`"/a"`'),
        ({"glob": "/a/*"}, {"glob": "/a/b*"}, "may be"),
        ({"cidr": "10.0.0.0/7"}, {"cidr": "10.0.0.0/8"}, "does not follow"),
        ({"host": "example.com"}, {"host": ".example.com"}, '`"example.com"`'),
        ({"url": {"host": "h", "port": [8443]}}, {"url": {"host": "h"}}, "does not follow"),
        ({"url": {"host": "h"}}, {"url": {"host": "h", "path": "/"}}, "does not follow"),
        # A prefix is never within a subpath: the second is unknown of what is no path.
        ({"prefix": "/a/"}, {"subpath": "/a"}, "does not follow"),
        # Nor a glob: a tool may call it an email address, of which no subpath says anything.
        ({"glob": "/a/**"}, {"subpath": "/a"}, "does not follow"),
        ({"equals": "example.com"}, {"host": "example.com"}, "a tool may call a path"),
        ({"equals": 5}, {"max": "5"}, "a tool may call a"),
        ({"min": "1"}, {"not_one_of": [0]}, "does not follow"),
        ({}, {"max_length": 9}, "may be anything"),
        ({"each": {}, "min_items": 0}, {"each": {}}, "fewer elements"),
        ({"each": {"prefix": "a"}}, {"each": {"prefix": "ab"}}, "`/x/*`"),
        ({"max_length": 3}, {"each": {}}, "does not follow"),
        ({"any_of": [{"equals": "a"}, {"equals": "c"}]}, {"one_of": ["a", "b"]}, '`"c"`'),
        ({"one_of": ["a", "b"], **CONTACT}, {"any_of": [{"equals": "a", **CONTACT}, MEMBER]}, "no single part"),
        (CONTACT, MEMBER, "does not follow"),
        (CONTACT, {"related": {"type": "team", "permission": "contact"}}, "does not follow"),
        ({"equals": {"binding": "a"}}, {"equals": {"binding": "b"}}, "does not follow"),
        # The second has no cover for what the lists within the list hold.
        ({"any_of": [{"each": {"each": {}}}]}, {"each": {"max_length": 9}}, "`/x/*`"),
    ],
)
def test_what_may_be_more_is_not(first: dict[str, Any], second: dict[str, Any], why: str) -> None:
    found = compared(of(first), of(second))
    assert not found
    assert found.pointer in ("/x", "/x/*")
    assert why in found.reason


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"a": {"equals": 1}}, {"a": {}}),
        ({"a": {"equals": 1}}, {"a": {"equals": 1}, "b": {"equals": 2, "optional": True}}),
        ({"a": {"equals": 1}}, {"a": {"equals": 1, "optional": True}}),
        ({"a": {"equals": 1}}, {"additional": True}),
        ({"/a/b": {"equals": 1}}, {"a": {}}),
        ({"/a/b": {"equals": 1}}, {"/a/b": {}, "/a/c": {"equals": 2, "optional": True}}),
        ({"tool": {"equals": "pay"}}, {"tool": {"one_of": ["pay", "read"]}}),
        ({"any_of": [{"a": {}}, {"b": {}}]}, {"any_of": [{"b": {}}, {"c": {}}, {"a": {}}]}),
        ({"all_of": [{"a": {"prefix": "x"}}, {"a": {"max_length": 2}}]}, {"a": {"prefix": "x", "max_length": 3}}),
        ({"a": {"prefix": "x", "max_length": 2}}, {"all_of": [{"a": {"prefix": "x"}}, {"a": {"max_length": 2}}]}),
        ({"any_of": [{"a": {}}]}, {"a": {}}),
    ],
)
def test_a_document_with_less_is_narrower(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert compared(first, second) == Narrower(True)


@pytest.mark.parametrize(
    ("first", "second", "pointer", "why"),
    [
        ({"a": {}}, {}, "/a", "which the second does not name"),
        ({"a": {"optional": True}}, {"a": {}}, "/a", "without `/a`"),
        ({"a": {}}, {"a": {}, "b": {}}, "/b", "without `/b`"),
        (
            {"a": {}, "additional": True},
            {"a": {}, "b": {"equals": 1, "optional": True}, "additional": True},
            "/b",
            "names",
        ),
        ({"additional": True}, {"a": {"optional": True}}, "", "arguments that it does not name"),
        # What stands before a name may hold no names: then the second is unknown.
        ({"a": {}}, {"a": {}, "additional": True, "tool": {"prefix": "x"}}, "", "the tool"),
        ({"a": {}}, {"/a/b": {"optional": True}}, "/a/b", "names"),
        ({"/a/0": {}}, {"/a/0": {}, "/a/b": {"optional": True}}, "/a/b", "names"),
        ({}, {"purpose": {"equals": "invoices"}}, "", "the purpose"),
        ({"any_of": [{"a": {}}, {"b": {}}]}, {"a": {}}, "/a", "without `/a`"),
        ({"additional": True}, {"any_of": [{"a": {}}, {"b": {}}]}, "/a", "no single part"),
    ],
)
def test_a_document_with_more_is_not(first: dict[str, Any], second: dict[str, Any], pointer: str, why: str) -> None:
    found = compared(first, second)
    assert (bool(found), found.pointer) == (False, pointer)
    assert why in found.reason


@pytest.mark.parametrize(
    ("first", "second", "is_narrower"),
    [
        ({}, {"a": {"equals": 1}}, True),
        ({"a": {"equals": 1}}, {}, False),
        ({"a": {"prefix": "a"}}, {"a": {"prefix": "ab"}}, True),
        ({"a": {"prefix": "ab"}}, {"a": {"prefix": "a"}}, False),
        ({"a": {"equals": 1}}, {"a": {"equals": 1, "if_present": True}}, True),
        ({"a": {"equals": 1, "if_present": True}}, {"a": {"equals": 1}}, False),
        ({"a": {"equals": 1}}, {"a": {"equals": 1}, "b": {}}, True),
        ({"a": {"some": {"prefix": "a"}}}, {"a": {"some": {"equals": "ab"}}}, True),
        ({"any_of": [{"a": {"equals": 1}}, {"b": {}}]}, {"a": {"equals": 1}}, True),
        # What is no path is unknown to the first, which holds it back; where it is one, the second says no more.
        ({"a": {"subpath": "/a"}}, {"a": {"prefix": "/a/"}}, True),
        # And what is no path the second may match, which lets the first's prefix judge it a no.
        ({"a": {"prefix": "/a"}}, {"a": {"subpath": "/a"}}, False),
        ({"a": {"unrelated": CONTACT["related"]}}, {"a": {"unrelated": CONTACT["related"], "prefix": "x"}}, True),
        ({"a": {"unrelated": CONTACT["related"]}}, {"a": CONTACT}, False),
        ({"a": {"host": "example.com"}}, {"a": {"host": ["example.com", "10.0.0.1"]}}, True),
    ],
)
def test_a_denial_that_matches_more_is_narrower(
    first: dict[str, Any], second: dict[str, Any], is_narrower: bool
) -> None:
    found = compared(first, second, Side.MATCHING)
    assert bool(found) is is_narrower, found
    assert is_narrower or "the first" in found.reason


def test_documents_of_two_sides_are_not_compared() -> None:
    assert not narrower(document({}), document({}, Side.MATCHING))


def test_types_that_are_known_say_what_a_text_is() -> None:
    first, second = document(of({"prefix": "/a/"})), document(of({"subpath": "/a"}))
    assert narrower(first, second, {"/x": "path"})
    assert not narrower(first, second, {"/x": "url"})
    assert not narrower(first, second, {})
    assert narrower(document(of({"equals": "h"})), document(of({"host": "h"})), {"/x": "host"})
    # A number may be an index or a name, so whatever the tool says of either may be so.
    first, second = document({"/x/0": {"prefix": "/a/"}}), document({"/x/0": {"subpath": "/a"}})
    assert narrower(first, second, {"/x/*": "path", "/x/0": "path"})
    assert not narrower(first, second, {"/x/*": "path"})


# --- what is too much -------------------------------------------------------------------------------------------


def list_of(count: int, constraint: dict[str, Any]) -> Any:
    arguments = json.dumps({"x": [f"a{index}" for index in range(count)]}).encode()
    return judge(document({"x": constraint}), read_call(Call("t", arguments)))


def test_what_asks_more_of_a_list_is_not_narrower_unless_the_list_is_short() -> None:
    both = {"each": {"any_of": [CONTACT, MEMBER]}}
    assert not isinstance(list_of(60, {"each": CONTACT}), Unjudged)
    assert isinstance(list_of(60, both), Unjudged), "two questions for each of sixty are too many"
    found = compared(of({"each": CONTACT}), of(both))
    assert not found and "`max_length`" in found.reason and found.pointer == "/x/*"
    assert compared(of({"each": CONTACT, "max_length": 50}), of(both))
    assert not compared(of({"each": CONTACT, "max_length": 51}), of(both))
    assert compared(of({"each": {"any_of": [CONTACT, MEMBER]}}), of({"each": {"any_of": [MEMBER, CONTACT]}}))
    assert compared(of(CONTACT), of({"any_of": [CONTACT, MEMBER]})), "a single value asks few"
    assert compared(of({"each": CONTACT}), {"x": {"each": CONTACT}, "cc": {"each": CONTACT, "optional": True}})


def test_what_takes_more_judgements_of_a_list_is_not_narrower_unless_the_list_is_short() -> None:
    dear = {"each": {"any_of": [{"prefix": "a"}, *({"equals": f"b{index}"} for index in range(10))]}}
    assert not isinstance(list_of(900, {"each": {"prefix": "a"}}), Unjudged)
    assert isinstance(list_of(900, dear), Unjudged), "twenty judgements for each of nine hundred are too many"
    found = compared(of({"each": {"prefix": "a"}}), of(dear))
    assert not found and "`max_length`" in found.reason
    assert compared(of({"each": {"prefix": "a"}, "max_length": 300}), of(dear))
    assert compared(of(dear), of(dear))


BINDING = {"equals": {"binding": "invoice"}}
LONG_GLOB = {"glob": "b" * 1_000}  # which takes a judgement of each character
NUMBERS = {"min": "0"}


@pytest.mark.parametrize(
    ("side", "first", "second", "arguments"),
    [
        (Side.ARGUMENTS, of({"prefix": "a"}), of({"any_of": [{"prefix": "a"}, LONG_GLOB]}), of("a" * 60_000)),
        (Side.MATCHING, of({"prefix": "a"}), of({"all_of": [{"prefix": "a"}, LONG_GLOB]}), of("b" * 60_000)),
        (
            Side.ARGUMENTS,
            of({"any_of": [{"prefix": "a"}, LONG_GLOB, LONG_GLOB]}),
            of({"any_of": [{"prefix": "a"}, LONG_GLOB, LONG_GLOB, LONG_GLOB]}),
            of("a" * 4_500),
        ),
        (
            Side.ARGUMENTS,
            of({"each": {"any_of": [{**CONTACT, **NUMBERS}, NUMBERS]}}),
            of({"each": {"any_of": [NUMBERS, BINDING]}}),
            of([*range(500)]),
        ),
        (
            Side.ARGUMENTS,
            {"tool": CONTACT, "purpose": {"prefix": "a"}, "x": {"each": CONTACT}},
            {"tool": CONTACT, "purpose": {"any_of": [{"prefix": "a"}, CONTACT]}, "x": {"each": CONTACT}},
            of([f"a{index}" for index in range(99)]),
        ),
        (
            Side.MATCHING,
            of({"prefix": "a"}),
            {"x": {"prefix": "a"}, "y": {"some": CONTACT}},
            {"x": "b", "y": [f"a{index}" for index in range(200)]},
        ),
    ],
)
def test_what_could_take_too_much_is_not_narrower(
    side: Side, first: dict[str, Any], second: dict[str, Any], arguments: dict[str, Any]
) -> None:
    call = read_call(Call("a", json.dumps(arguments).encode(), "ap"))
    ours, theirs = (judge(document(each, side), call) for each in (first, second))
    assert isinstance(theirs, Unjudged) and not isinstance(ours, Unjudged)
    assert not compared(first, second, side)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"glob": "/a/*"}, {"any_of": [{"glob": "/a/**"}, *({"glob": f"/{each}/*"} for each in "bcdefg")]}),
        ({"equals": "a"}, {"any_of": [{"prefix": "a"}, LONG_GLOB, LONG_GLOB, LONG_GLOB]}),
        ({"prefix": "a", "max_length": 100}, {"any_of": [{"prefix": "a"}, LONG_GLOB]}),
        ({"any_of": [LONG_GLOB, {"glob": "a"}]}, {"any_of": [{"glob": "a*"}, {"glob": "b*"}]}),
        ({"each": {"one_of": ["/a", "/b"]}}, {"each": {"any_of": [{"glob": "/?"}, {"glob": "/a/*"}]}}),
    ],
)
def test_globs_take_little_of_what_is_short(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert compared(of(first), of(second))


def test_two_that_are_too_intricate_to_compare_are_not_narrower() -> None:
    choices = [{"any_of": [{"not_one_of": [f"{at}{way}"]} for way in "ab"]} for at in range(24)]
    hard = {"all_of": [*choices, {"any_of": [{"prefix": "za"}, {"prefix": "zb"}]}]}
    found = compared(of(hard), of({"prefix": "z"}))
    assert not found and "intricate" in found.reason
    # Its states are the sets of places where an `a` stood.
    assert not compared(of({"glob": "*a" + "?" * 60}), of({"glob": "*a*" + "?" * 59 + "b"}))


# --- times ------------------------------------------------------------------------------------------------------


def use(written: dict[str, Any] | None = None, name: str = "arguments", **times: int) -> Qualifiers:
    caveat = CaveatUse(name, json.dumps(written)) if written is not None else None
    return Qualifiers(caveat, times.get("not_before"), times.get("expiration"))


WIDE, NARROW = of({"prefix": "a"}), of({"prefix": "ab"})


@pytest.mark.parametrize(
    ("first", "second", "is_narrower"),
    [
        (use(), use(), True),
        (use(NARROW), use(WIDE), True),
        (use(WIDE), use(NARROW), False),
        (use(WIDE), use(), True),
        (use(), use(WIDE), False),
        (use(NARROW, expiration=100), use(WIDE, expiration=100), True),
        (use(NARROW, expiration=101), use(WIDE, expiration=100), False),
        (use(NARROW), use(WIDE, expiration=100), False),
        (use(NARROW, expiration=100), use(WIDE), True),
        (use(NARROW), use(WIDE, not_before=60), False),
        (use(NARROW), use(WIDE, not_before=40), True),
        (use(NARROW, not_before=60), use(WIDE, not_before=60), True),
        (use(NARROW, expiration=40), use(WIDE, expiration=30), True),
        (use({}, "on_ip"), use({}, "on_ip"), True),
        (use({"a": 1}, "on_ip"), use({}, "on_ip"), False),
        (use(NARROW), use({}, "on_ip"), False),
        (use({}, "on_ip"), use(WIDE), False),
    ],
)
def test_times_count_too(first: Qualifiers, second: Qualifiers, is_narrower: bool) -> None:
    found = narrower_use(first, second, now_us=50)
    assert bool(found) is is_narrower, found
    assert is_narrower or found.reason


@pytest.mark.parametrize(
    ("first", "second", "is_narrower"),
    [
        (use(WIDE, "matching"), use(NARROW, "matching"), True),
        (use(NARROW, "matching"), use(WIDE, "matching"), False),
        (use(), use(WIDE, "matching"), True),
        (use(WIDE, "matching"), use(), False),
        (use(expiration=100), use(expiration=100), True),
        (use(expiration=99), use(expiration=100), False),
        (use(), use(expiration=100), True),
        (use(not_before=60), use(), False),
        (use(WIDE), use(NARROW), False),
    ],
)
def test_what_is_subtracted_for_longer_leaves_less(first: Qualifiers, second: Qualifiers, is_narrower: bool) -> None:
    assert bool(narrower_use(first, second, now_us=50, is_taken=True)) is is_narrower
