"""JSON read strictly, and written in its one form.

A call's arguments are judged here and used elsewhere, by programs that read JSON in their own ways. So what two readers
could understand differently is refused: a key that stands twice, half of a surrogate pair, a number that is not written
as RFC 8785 writes it. What is left has one meaning and one text.
Law: what is read and written again is the same value; two texts of one value are written as the same bytes."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import final

from remit.notation import shortened

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Scalar = None | bool | int | float | str

ScalarKey = tuple[str, Scalar]

DEPTH_MAX = 32  # of objects and lists in one another, the outermost being the first
# RFC 8785 writes 25 characters at most; of a few more it is said how they are written.
_NUMBER_LENGTH_MAX = 400


class JsonRefused(Exception):
    """Why a text is not read: where in it, as a JSON Pointer, and the reason. Whoever reads makes an error of it."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"`{pointer}`: {reason}")
        self.pointer = pointer
        self.reason = reason


# --- reading ----------------------------------------------------------------------------------------------------


@final
class _NumberText(str):
    """A number as it is written, until its place is known."""

    __slots__ = ()


@final
class _Pairs(list[tuple[str, object]]):
    """An object as it is written, until its place is known."""

    __slots__ = ()


def _refuse_constant(name: str) -> object:
    raise JsonRefused("", f"is not JSON: `{name}` is no number of it")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_float=_NumberText, parse_int=_NumberText, parse_constant=_refuse_constant
)
# A string that does not end is taken to the end: begun anew at each quote, it would take the square of the length.
_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|([\[{])|([\]}])', re.DOTALL)


def read_object(text: bytes, *, exact_numbers: bool = False, values_max: int | None = None) -> dict[str, Json]:
    """The JSON object that the bytes are. With `exact_numbers` a number may be written in any way that says exactly
    what its text by RFC 8785 says, such as `1.0`. Raises JsonRefused. Cost: O(bytes)."""
    if text.startswith(b"\xef\xbb\xbf"):
        raise JsonRefused("", "begins with a byte order mark")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonRefused("", f"is not UTF-8 at byte {error.start}") from error
    if _depth(decoded) > DEPTH_MAX:
        raise JsonRefused("", f"is nested deeper than {DEPTH_MAX}")
    try:
        raw = _DECODER.decode(decoded)
    except json.JSONDecodeError as error:
        raise JsonRefused("", f"is not JSON at byte {len(decoded[: error.pos].encode())}") from error
    if type(raw) is not _Pairs:
        raise JsonRefused("", "is not a JSON object")
    value = _Reader(exact_numbers, values_max).read(raw, "")
    assert isinstance(value, dict), "pairs are read as an object"
    return value


def _depth(text: str) -> int:
    """How deep brackets stand in one another. The decoder itself would use up the stack before it said so."""
    depth = deepest = 0
    for found in _STRINGS_AND_BRACKETS.finditer(text):
        if found[1]:
            depth += 1
            deepest = max(deepest, depth)
        elif found[2]:
            depth -= 1
    return deepest


class _Reader:
    """One text's values, checked at their places."""

    def __init__(self, exact_numbers: bool, values_max: int | None) -> None:
        self.exact_numbers = exact_numbers
        self.values_max = values_max
        self.values = 0

    def read(self, raw: object, pointer: str) -> Json:
        self.values += 1
        if self.values_max is not None and self.values > self.values_max:
            raise JsonRefused("", f"holds more than {self.values_max} values")
        match raw:
            case _Pairs():
                read: dict[str, Json] = {}
                for key, item in raw:
                    _refuse_surrogates(key, pointer)
                    if key in read:
                        raise JsonRefused(joined(pointer, key), "stands twice in its object")
                    read[key] = self.read(item, joined(pointer, key))
                return read
            case list():
                return [self.read(item, f"{pointer}/{index}") for index, item in enumerate(raw)]
            case _NumberText():
                return self.number(str(raw), pointer)
            case str():
                _refuse_surrogates(raw, pointer)
                return raw
            case None | bool():
                return raw
        raise AssertionError("the decoder gives JSON's values alone")

    def number(self, text: str, pointer: str) -> int | float:
        if len(text) > _NUMBER_LENGTH_MAX or math.isinf(number := float(text)):
            raise JsonRefused(pointer, f"is the number `{shortened(text)}`, which no double carries")
        canonical = number_text(number)
        if text != canonical and not (self.exact_numbers and _digits(text) == _digits(canonical)):
            raise JsonRefused(pointer, f"is the number `{shortened(text)}`, which RFC 8785 writes as `{canonical}`")
        return int(canonical) if _INTEGER.fullmatch(canonical) else number


_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", re.ASCII)


def _digits(text: str) -> tuple[str, str, int]:
    """What a number says exactly, by its sign, its digits from the first to the last that is not 0, and the power of
    ten of the last. No Decimal, which takes an exponent of some size for infinity."""
    found = _NUMBER.fullmatch(text)
    assert found is not None, "the decoder found a number"
    sign, whole, fraction, exponent = found.groups(default="")
    digits = (whole + fraction).rstrip("0")
    power = int(exponent or 0) - len(fraction) + len(whole + fraction) - len(digits)
    return (sign, digits.lstrip("0"), power if digits else 0)


def _refuse_surrogates(text: str, pointer: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise JsonRefused(pointer, "holds half of a surrogate pair") from error


# --- writing ----------------------------------------------------------------------------------------------------


def canonical_text(value: Json) -> str:
    """The value as RFC 8785 writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return number_text(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{','.join(map(canonical_text, value))}]"
        case dict():
            written = (f"{canonical_text(key)}:{canonical_text(item)}" for key, item in in_order(value))
            return f"{{{','.join(written)}}}"


def in_order(value: dict[str, Json]) -> list[tuple[str, Json]]:
    """What an object holds, as RFC 8785 sorts it: by UTF-16 code units, in which U+1F600 comes before U+E000."""
    return sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))


def number_text(number: int | float) -> str:
    """A number as ECMAScript, and so RFC 8785, writes it. Python finds the same shortest digits, and writes exponents
    at other sizes and in another form."""
    if isinstance(number, int):
        number = float(number)
    if number == 0:
        return "0"  # also for -0, which is how ECMAScript writes it
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int), "numbers are finite"
    text = "".join(map(str, digits))
    point = len(text) + exponent  # how many of the digits stand before the point
    if len(text) <= point <= 21:
        text = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        text = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if sign else text


# --- values ----------------------------------------------------------------------------------------------------


def kind_of(value: Json) -> str:
    """Which of JSON's six kinds of values it is."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "list"
        case dict():
            return "object"


def scalar_key(value: Scalar) -> ScalarKey:
    """What two scalars have in common exactly if they are equal: true is no 1 here, as it is in Python."""
    return (kind_of(value), value)


# --- pointers ---------------------------------------------------------------------------------------------------


def joined(pointer: str, key: str | int) -> str:
    """The JSON Pointer of what is below `key` of what `pointer` names."""
    return f"{pointer}/{key}" if isinstance(key, int) else f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"


def pointer_of(path: tuple[str, ...]) -> str:
    """The JSON Pointer that names what the keys lead to."""
    return "".join(joined("", key) for key in path)


def path_of(pointer: str) -> tuple[str, ...] | None:
    """The keys of a JSON Pointer that begins with `/`, or None where a `~` in it is followed by neither 0 nor 1."""
    if re.search(r"~(?![01])", pointer):
        return None
    return tuple(key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:])
