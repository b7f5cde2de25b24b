"""Laws of the canonical form: it is reached at once, its type never refuses it, and what was in it does not change."""

from __future__ import annotations

import json
import unicodedata
from decimal import Decimal
from ipaddress import ip_address
from typing import Any

import ada_url
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from remit.arguments.call import read_call
from remit.arguments.canonical import Change, canonical_arguments, canonical_value
from remit.arguments.values import VALUE_TYPES, ValueType, refusal
from remit.errors import InvalidArgument, InvalidCall
from remit.model import Call


@pytest.mark.parametrize(
    ("type", "before", "after"),
    [
        ("url", "https://host", "https://host/"),
        ("url", "HTTPS://Host.Example:443/a b?q=é#x y", "https://host.example/a%20b?q=%C3%A9#x%20y"),
        ("url", "https://bücher.example", "https://xn--bcher-kva.example/"),
        ("url", "http://[2001:DB8::0:1]:080", "http://[2001:db8::1]/"),
        ("url", "https://h/%2e%2ex?a=../b", "https://h/..x?a=../b"),
        ("url", "https://h/%61%2f?q=%c3%a9%7e", "https://h/a%2F?q=%C3%A9~"),
        ("host", "Example.COM", "example.com"),
        ("host", "bücher.example", "xn--bcher-kva.example"),
        ("host", "faß.example", "xn--fa-hia.example"),
        ("host", "2001:DB8::1", "2001:db8::1"),
        ("email", "Bob@Example.COM", "Bob@example.com"),
        ("email", "bob@bücher.example", "bob@xn--bcher-kva.example"),
        ("address", "2001:DB8:0:0::1", "2001:db8::1"),
        ("path", "/a//b/", "/a/b"),
        ("path", "./a/./b", "a/b"),
        ("path", "/./", "/"),
        ("path", "e\u0301/b", "é/b"),
        ("decimal", "+5", "5"),
        ("decimal", ".50", "0.50"),
        ("decimal", "5.", "5"),
        ("decimal", "-0.00", "0.00"),
        ("decimal", "5.00", "5.00"),
        ("date", "2026-01-31", "2026-01-31"),
    ],
)
def test_a_value_is_put_into_its_form(type: str, before: str, after: str) -> None:
    assert canonical_value(type, before) == after


@pytest.mark.parametrize(
    ("type", "value", "why"),
    [
        ("url", "https://h/a/../b", "`..`"),
        ("url", "https://h/%2E%2e/b", "`..`"),
        ("url", "https://h/./b", "`.`"),
        ("url", "https://h\\@x/", "`\\`"),
        ("url", "https://h/a\\b", "`\\`"),
        ("url", "https://user@h/", "without a user"),
        ("url", "https:h", "form"),
        ("url", "https:///h", "form"),
        ("url", "https://h /", "host"),
        ("url", " https://h/", "white space"),
        ("url", "https://h/a\nb", "control character"),
        ("url", "https://h./", "ends in a dot"),
        ("url", "https://h%2eexample/", "host"),
        ("url", "https://h:99999/", "no URL"),
        ("url", "http://0x7f.1/", "address"),
        ("url", "http://2130706433/", "address"),
        ("url", "https://１２７.0.0.1/", "not written in ASCII"),
        ("url", "http://[::ffff:1.2.3.4]/", "IPv4 address written as IPv6"),
        ("url", "https://h/%%34%31", "encodes nothing"),
        ("url", "mailto:bob@example.com", "form"),
        ("url", "gopher://h/", "scheme"),
        ("path", "//server/share", "another machine"),
        ("path", "a/../b", "`..`"),
        ("path", "/a/%2e", "`%2e`"),
        ("path", "a\\b", "`\\`"),
        ("path", ".", "empty"),
        ("host", "example.com.", "ends in a dot"),
        ("host", "127.1", "not an address"),
        ("host", "a b", "label"),
        ("email", "a@b@c", "one `@`"),
        ("email", "Bob <bob@x>", "dot-atom"),
        ("address", "010.0.0.1", "not an address"),
        ("address", "fe80::1%eth0", "zone"),
        ("address", "::ffff:1.2.3.4", "IPv4"),
        ("decimal", "010", "not a decimal"),
        ("decimal", "1,000", "not a decimal"),
        ("decimal", "1e2", "not a decimal"),
        ("decimal", ".", "not a decimal"),
        ("date", "2026-1-31", "not a date"),
        ("date", "31.01.2026", "not a date"),
    ],
)
def test_what_could_mean_something_else_is_refused(type: str, value: str, why: str) -> None:
    with pytest.raises(InvalidCall, match="the value") as refused:
        canonical_value(type, value)
    assert why in refused.value.message


def test_a_type_that_is_none_is_told() -> None:
    with pytest.raises(InvalidArgument, match="emial"):
        canonical_value("emial", "x")


# --- laws -------------------------------------------------------------------------------------------------------

PIECES = [
    *(
        "https://",
        "http://",
        "HTTP://",
        "//",
        "/",
        ":",
        "@",
        ".",
        "..",
        "%2e",
        "%2F",
        "\\",
        "?",
        "#",
        "[",
        "]",
        "-",
        "+",
    ),
    *(
        "h",
        "Host",
        "example",
        ".com",
        "COM",
        "bücher",
        "ß",
        "xn--bcher-kva",
        "１２",
        "e\u0301",
        "é",
        "\u212a",
        "\u3002",
    ),
    *("10", "0.0.1", "127", "::1", "2001:DB8", "ffff", "0x7f", ":443", ":80", "0", "5", ".50", "2026-01-31", " ", "\t"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=12)


@given(st.sampled_from(VALUE_TYPES), TEXTS)
def test_the_form_is_reached_at_once_and_never_refused(type: ValueType, text: str) -> None:
    if refusal(type, text) is None:
        assert canonical_value(type, text) == text, "what was in its form stays"
    try:
        put = canonical_value(type, text)
    except InvalidCall:
        return
    assert refusal(type, put) is None
    assert canonical_value(type, put) == put


@given(TEXTS)
def test_a_url_leads_where_every_browser_goes(text: str) -> None:
    try:
        put = canonical_value("url", text)
    except InvalidCall:
        return
    assert put == ada_url.URL(unicodedata.normalize("NFC", text)).href


@given(st.from_regex(r"[+-]?[0-9]{0,4}(\.[0-9]{0,4})?", fullmatch=True))
def test_a_decimal_stays_the_number_that_it_is(text: str) -> None:
    try:
        put = canonical_value("decimal", text)
    except InvalidCall:
        return
    assert Decimal(put) == Decimal(text)


@given(st.ip_addresses(v=6), st.booleans())
def test_an_address_stays_the_address_that_it_is(address: Any, is_exploded: bool) -> None:
    text = (address.exploded if is_exploded else str(address)).upper()
    try:
        assert ip_address(canonical_value("address", text)) == address
    except InvalidCall:
        assert address.ipv4_mapped is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(TEXTS, values, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXTS, JSON, max_size=4), st.dictionaries(TEXTS, st.sampled_from(VALUE_TYPES), max_size=3))
def test_arguments_in_their_form_are_read_and_stay_as_they_are(
    arguments: dict[str, Any], types: dict[str, str]
) -> None:
    try:
        put = canonical_arguments(arguments, types)
    except (InvalidCall, InvalidArgument):
        return
    read = read_call(Call("t", put.arguments))
    assert read.refused is None and read.canonical == put.arguments == rfc8785.dumps(
        json.loads(put.arguments, parse_int=float)
    )
    assert canonical_arguments(put.arguments, types) == (put.arguments, ())
    if not put.changes:
        assert read.arguments == arguments, "nothing was changed without a word"


# --- whole arguments --------------------------------------------------------------------------------------------


def test_every_change_is_told_with_its_place_and_why() -> None:
    written = '{"to": ["https://H"], "n": 1.0, "deep": {"m": [1e2, "1.0"]}, "e\u0301": true}'
    put = canonical_arguments(written, {"/to/*": "url"})
    assert put.arguments.decode() == '{"deep":{"m":[100,"1.0"]},"n":1,"to":["https://h/"],"é":true}'
    assert put.changes == (
        Change("/n", "1.0", "1", "numbers are written by RFC 8785"),
        Change("/deep/m/0", "1e2", "100", "numbers are written by RFC 8785"),
        Change("/to/0", "https://H", "https://h/", "URLs are written as WHATWG's standard and RFC 3986 write them"),
        Change("/é", "e\u0301", "é", "text is in Unicode's normal form NFC"),
    )


@pytest.mark.parametrize(
    ("written", "pointer"),
    [
        ('{"a": 9007199254740993}', "/a"),
        ('{"a": {"b": -0}}', "/a/b"),
        ('{"a": 99.999999999999999999}', "/a"),
        ('{"a": 1, "a": 2}', "/a"),
        ('{"é": 1, "e\u0301": 2}', "/é"),
        ('{"a": "\\ud800"}', "/a"),
        ('{"a": NaN}', ""),
        ("[1]", ""),
        (b"\xff", ""),
        ({"a": float("nan")}, ""),
        ({"a": object()}, ""),
        ({"a": "x" * 70_000}, ""),
        ({"a": [0] * 1_000}, ""),
    ],
)
def test_what_has_no_form_is_refused_by_its_place(written: Any, pointer: str) -> None:
    with pytest.raises(InvalidCall) as refused:
        canonical_arguments(written)
    assert refused.value.metadata["pointer"] == pointer


def test_a_type_of_no_pointer_is_told() -> None:
    with pytest.raises(InvalidArgument, match="JSON Pointer"):
        canonical_arguments({}, {"/a~2": "url"})
