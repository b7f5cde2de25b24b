"""Laws of reading and writing JSON: one text for one value, whatever bytes come, and in time that is linear to them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from remit.arguments.json_text import (
    JsonRefused,
    canonical_text,
    kind_of,
    number_text,
    path_of,
    pointer_of,
    read_object,
    scalar_key,
)

SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_others_write_them(number: float) -> None:
    text = number_text(number)
    assert text.encode() == rfc8785.dumps(number)
    assert float(text) == number


@given(st.integers(-(2**80), 2**80))
def test_whole_numbers_are_written_as_their_doubles(number: int) -> None:
    assert number_text(number).encode() == rfc8785.dumps(float(number))


@given(OBJECTS)
def test_what_is_written_is_what_others_write_and_is_read_again(value: dict) -> None:
    text = canonical_text(value)
    assert text.encode() == rfc8785.dumps(value)
    assert canonical_text(read_object(text.encode())) == text
    assert json.loads(text, parse_int=float) == value


@given(OBJECTS, st.sampled_from([None, 1, "\t"]))
def test_white_space_and_escapes_change_nothing(value: dict, indent: int | str | None) -> None:
    text = json.dumps(read_object(canonical_text(value).encode()), indent=indent, ensure_ascii=True)
    assert canonical_text(read_object(text.encode(), exact_numbers=True)) == canonical_text(value)


SIGNS = "{}[]\":,\\ue+-.0123456789 ntf\x00\xe9\ud800'/"
BYTES = st.binary(max_size=60) | st.text(SIGNS, max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(BYTES)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = read_object(data, values_max=10)
    except JsonRefused:
        return
    assert json.loads(data) == value
    assert rfc8785.dumps(json.loads(data, parse_int=float)) == canonical_text(value).encode()


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers() | st.floats(-1e6, 1e6))
def test_a_number_is_read_exactly_or_refused(number: object) -> None:
    text = str(number)
    data = f'{{"a":{text}}}'.encode()
    for exact_numbers in (False, True):
        try:
            [value] = read_object(data, exact_numbers=exact_numbers).values()
        except JsonRefused:
            assert exact_numbers is False or Decimal(text) != Decimal(number_text(float(text))) or text.startswith("-0")
            continue
        assert Decimal(number_text(value)) == Decimal(text)
        assert exact_numbers or number_text(value) == text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1.0", 1),
        ("1e2", 100),
        ("100.00", 100),
        ("1e-07", 1e-7),
        ("0.5e1", 5),
        ("0e5", 0),
        ("10e-1", 1),
        ("1E+21", 1e21),
    ],
)
def test_a_document_may_write_numbers_in_any_way_that_is_exact(text: str, read: float) -> None:
    data = f'{{"a":{text}}}'.encode()
    assert read_object(data, exact_numbers=True) == {"a": read}
    with pytest.raises(JsonRefused, match="RFC 8785"):
        read_object(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":' * 10_000,
        b"[" * 60_000,
        b'{"a":"' + b'\\"' * 30_000,
        b'"' * 60_000,
        b'{"a":"' + b"\\" * 60_001,
        b"\\" * 60_000,
        b'{"' + b"\\u0041" * 10_000 + b'":' + b"9" * 5_000 + b"}",
        b'{"a":1e' + b"9" * 60_000 + b"}",
        b'{"a":' + b"-" * 60_000 + b"}",
        b'{"a":0.' + b"0" * 60_000 + b"1}",
    ],
)
@pytest.mark.timeout(10)
def test_hostile_lengths_are_refused_at_once(data: bytes) -> None:
    with pytest.raises(JsonRefused):
        read_object(data)


def test_the_order_of_keys_is_that_of_utf_16() -> None:
    assert canonical_text({"\ue000": 1, "\U0001f600": 2, "\u00e9": 3}) == '{"\u00e9":3,"\U0001f600":2,"\ue000":1}'


def test_true_is_no_number_and_a_text_is_none() -> None:
    assert len({scalar_key(each) for each in (1, True, "1", None, "true", 0, False, "")}) == 8
    assert scalar_key(10**20) == scalar_key(1e20)
    assert [kind_of(each) for each in (None, True, 1.5, "", [], {})] == [
        "null", "boolean", "number", "string", "list", "object",
    ]  # fmt: skip


@given(st.lists(st.text(st.sampled_from("ab/~01*"), max_size=4), min_size=1).map(tuple))
def test_a_pointer_leads_where_its_keys_do(path: tuple[str, ...]) -> None:
    assert path_of(pointer_of(path)) == path


@pytest.mark.parametrize("pointer", ["/~", "/a~", "/~2", "/~~0", "/a/~b"])
def test_a_tilde_that_escapes_nothing_is_no_pointer(pointer: str) -> None:
    assert path_of(pointer) is None
