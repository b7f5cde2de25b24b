"""The types a caveat's parameters may have, and how JSON becomes a value of each.

They are SpiceDB's types with SpiceDB's conversions, so that a context written for it means the same here: numbers may
come as decimal strings, bytes as base64, durations as Go writes them, timestamps as Go reads RFC 3339.
Law: a value that converts is what was written. What its type cannot carry is refused: an integer that a double would
round, a number that would become infinity or zero. A fraction, or one with an exponent, is the double nearest to it,
as in all JSON."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue

from remit.language.conversions import INT64_MAX, INT64_MIN, parse_duration, parse_timestamp

DEPTH_MAX = 64  # of lists and maps in one value; protobuf's own nesting limit stops JSON from SpiceDB's wire sooner


@dataclass(frozen=True, slots=True)
class ParameterType:
    """`int`, `list<string>`, `map<any>`: a name of `NAMES` and, for `list` and `map`, the type of what they hold."""

    name: str
    child: ParameterType | None = None

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"parameter type `{self.name}` is not known; there are: {', '.join(NAMES)}")
        if (self.name in GENERIC) != (self.child is not None):
            form = f"`{self.name}<…>` with one type" if self.name in GENERIC else f"`{self.name}` alone"
            raise ValueError(f"parameter type `{self}` is not of its form; write {form}")

    def __str__(self) -> str:
        return f"{self.name}<{self.child}>" if self.child else self.name

    def holds(self, *names: str) -> bool:
        """Whether it is one of these types, or a list or map of one, however deep."""
        return self.name in names or (self.child is not None and self.child.holds(*names))

    def convert(self, value: object, depth: int = 0) -> Any:
        """The value as CEL takes it, from parsed JSON. Raises ValueError saying what was expected.
        Cost: O(size of the value); under a microsecond for the scalars."""
        if depth > DEPTH_MAX:
            raise ValueError(f"nested at most {DEPTH_MAX} deep")
        if self.child is None:
            return _SCALARS[self.name].convert(value)
        if self.name == "list":
            if not isinstance(value, list):
                raise ValueError("a list")
            return [_convert_inside(self.child, item, f"item {at}", depth) for at, item in enumerate(value)]
        if not isinstance(value, Mapping):
            raise ValueError("a map (a JSON object)")
        return {
            _convert_string(key): _convert_inside(self.child, item, f"key `{key}`", depth)
            for key, item in value.items()
        }

    def cel_type(self, stand_ins: Mapping[str, cel.Type]) -> cel.Type:
        """What CEL calls this type, with the caller's choice for some of the scalars: see `caveats.py`."""
        if self.child is None:
            return stand_ins.get(self.name, _SCALARS[self.name].cel_type)
        child = self.child.cel_type(stand_ins)
        return cel.Type.List(child) if self.name == "list" else cel.Type.Map(cel.Type.STRING, child)


def parse_parameter_type(text: str) -> ParameterType:
    """`list<map<int>>` as a type, for tools and tests; the schema's own parser reads it from tokens.
    Raises ValueError."""
    name, bracket, rest = text.strip().partition("<")
    if not bracket:
        return ParameterType(name)
    if not rest.endswith(">"):
        raise ValueError(f"parameter type `{text}` is not closed with `>`")
    return ParameterType(name, parse_parameter_type(rest[:-1]))


def _convert_inside(child: ParameterType, value: object, place: str, depth: int) -> Any:
    try:
        return child.convert(value, depth + 1)
    except ValueError as error:
        raise ValueError(f"{error} (at {place})") from None


# --- scalars ----------------------------------------------------------------------------------------------------


def _convert_any(value: object, depth: int = 0) -> Any:
    # In SpiceDB a context crosses protobuf's Struct, so that every number inside `any` is a double: `a + 1.0` works
    # there, and `a + 1` does not. The same expression must do the same here.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _convert_string(value)
    if isinstance(value, (int, float)):
        return _convert_double(value)
    if depth >= DEPTH_MAX:
        raise ValueError(f"nested at most {DEPTH_MAX} deep")
    if isinstance(value, list):
        return [_convert_any(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {_convert_string(key): _convert_any(item, depth + 1) for key, item in value.items()}
    raise ValueError("a JSON value")


def _convert_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _convert_string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a string")
    # CEL's Python binding ends a text at its first NUL: "a" and "a\0b" would be equal.
    if "\0" in value:
        raise ValueError("a text without NUL characters")
    if not value.isascii() and _SURROGATE.search(value):
        raise ValueError("a text that UTF-8 can carry")
    return value


_SURROGATE = re.compile("[\ud800-\udfff]")


def _convert_int(value: object) -> int:
    expected = "an integer of 64 bits, or its decimal digits as a string"
    if isinstance(value, bool):
        raise ValueError(expected)
    if isinstance(value, int):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, str):
        number = _integral(_decimal(value, expected), expected)
    else:
        raise ValueError(expected)
    if not INT64_MIN <= number <= INT64_MAX:
        raise ValueError(expected)
    return number


def _convert_uint(value: object) -> int:
    number = _convert_int(value)
    if number < 0:
        raise ValueError("an integer from 0 up")
    return number


def _convert_double(value: object) -> float:
    expected = "a number, or one in decimal as a string"
    if isinstance(value, bool):
        raise ValueError(expected)
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        if abs(value) > 2**53 and int(float(value)) != value:
            raise ValueError(_INEXACT)
        return float(value)
    if isinstance(value, str):
        written = _decimal(value, expected)
        number = float(written)
        is_rounded = number != written and value.lstrip("+-").isdigit()
        if is_rounded or math.isinf(number) or (not number and written):
            raise ValueError(_INEXACT)
        return number
    raise ValueError(expected)


_INEXACT = "a number that a double holds exactly"


_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def _decimal(text: str, expected: str) -> Decimal:
    if len(text) > 64 or not _DECIMAL.fullmatch(text):
        raise ValueError(expected)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(expected) from None


def _integral(number: Decimal, expected: str) -> int:
    # Asked before `int`, for "1e9999" has ten thousand digits.
    if number.adjusted() > 20 or number != number.to_integral_value():
        raise ValueError(expected)
    return int(number)


def _convert_bytes(value: object) -> BytesValue:
    expected = "bytes as a base64 string (standard alphabet, padded)"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        content = base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    # As a message, for the binding ends plain bytes at their first NUL too.
    return BytesValue(value=content)


def _convert_duration(value: object) -> timedelta | Duration:
    expected = "a duration such as `1h30m`, `90s` or `-1.5h`"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        nanoseconds = parse_duration(value)
    except ValueError as error:
        raise ValueError(str(error) or expected) from None
    if nanoseconds % 1_000 == 0:
        return timedelta(microseconds=nanoseconds // 1_000)
    sign = -1 if nanoseconds < 0 else 1
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    return Duration(seconds=sign * seconds, nanos=sign * rest)


def _convert_timestamp(value: object) -> datetime | Timestamp:
    expected = "a timestamp in RFC 3339, such as `2026-01-31T12:00:00Z`"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        whole, nanoseconds = parse_timestamp(value)
    except ValueError:
        raise ValueError(expected) from None
    # CEL's Python binding takes a datetime's first and last moments for "infinite" and refuses them.
    if nanoseconds % 1_000 == 0 and 1 < whole.year < 9999:
        return whole.replace(microsecond=nanoseconds // 1_000)
    since_epoch = whole - datetime(1970, 1, 1, tzinfo=UTC)
    return Timestamp(seconds=since_epoch.days * 86_400 + since_epoch.seconds, nanos=nanoseconds)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address; an IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address (RFC 4291, 2.5.5.2).
    Raises ValueError."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def _convert_ipaddress(value: object) -> str:
    expected = "an IP address as a string, such as `10.0.0.1` or `2001:db8::1`"
    if not isinstance(value, str):
        raise ValueError(expected)
    try:
        return str(parse_address(value))  # one text per address, so that equal addresses are equal texts
    except ValueError:
        raise ValueError(expected) from None


@dataclass(frozen=True, slots=True)
class _Scalar:
    cel_type: cel.Type
    convert: Callable[[object], Any]


_SCALARS: Mapping[str, _Scalar] = {
    "any": _Scalar(cel.Type.DYN, _convert_any),
    "bool": _Scalar(cel.Type.BOOL, _convert_bool),
    "string": _Scalar(cel.Type.STRING, _convert_string),
    "int": _Scalar(cel.Type.INT, _convert_int),
    "uint": _Scalar(cel.Type.INT, _convert_uint),  # as in SpiceDB: `count == 42` is how its schemas are written
    "double": _Scalar(cel.Type.DOUBLE, _convert_double),
    "bytes": _Scalar(cel.Type.BYTES, _convert_bytes),
    "duration": _Scalar(cel.Type.DURATION, _convert_duration),
    "timestamp": _Scalar(cel.Type.TIMESTAMP, _convert_timestamp),
    "ipaddress": _Scalar(cel.Type.STRING, _convert_ipaddress),
}
GENERIC = ("list", "map")
NAMES = (*_SCALARS, *GENERIC)

ANY, BOOL, STRING, INT, UINT = (ParameterType(name) for name in ("any", "bool", "string", "int", "uint"))
DOUBLE, BYTES, DURATION = (ParameterType(name) for name in ("double", "bytes", "duration"))
TIMESTAMP, IPADDRESS = (ParameterType(name) for name in ("timestamp", "ipaddress"))
