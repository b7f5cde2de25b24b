"""The types a caveat's parameters may have, and how JSON becomes a value of each.

They are SpiceDB's types with SpiceDB's conversions, so that a context written for it means the same here: numbers may
come as decimal strings, bytes as base64, durations as Go writes them, timestamps as RFC 3339.
Law: a value that converts is exactly what was written; one that cannot be carried exactly is refused, never rounded."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from cel_expr_python import cel
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
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
            raise ValueError("a number that a double holds exactly")
        return float(value)
    if isinstance(value, str):
        return float(_decimal(value, expected))
    raise ValueError(expected)


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


_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART = re.compile(r"(\d+)?(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def _convert_duration(value: object) -> timedelta | Duration:
    expected = "a duration such as `1h30m`, `90s` or `-1.5h`"
    if not isinstance(value, str) or len(value) > 128:
        raise ValueError(expected)
    sign, text = (-1, value[1:]) if value.startswith("-") else (1, value.removeprefix("+"))
    nanoseconds, at = 0, 0
    if text != "0":
        while at < len(text) or not text:
            part = _DURATION_PART.match(text, at)
            if part is None or not (part[1] or part[2]):
                raise ValueError(expected)
            unit, fraction = _NANOSECONDS[part[3]], part[2] or ""
            nanoseconds += int(part[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
            at = part.end()
    nanoseconds *= sign
    if not INT64_MIN <= nanoseconds <= INT64_MAX:
        raise ValueError("a duration of at most 292 years")
    if nanoseconds % 1_000 == 0:
        return timedelta(microseconds=nanoseconds // 1_000)
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    return Duration(seconds=sign * seconds, nanos=sign * rest)


_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,64}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)


def _convert_timestamp(value: object) -> datetime | Timestamp:
    expected = "a timestamp in RFC 3339, such as `2026-01-31T12:00:00Z`"
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(expected)
    nanoseconds = int((found[7] or "").ljust(9, "0")[:9])
    try:
        offset = timedelta(hours=int(found[9]), minutes=int(found[10])) if found[8] else timedelta()
        zone = timezone(-offset if found[8] == "-" else offset)
        year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
        whole = datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(expected) from None
    # CEL's Python binding takes a datetime's first and last moments for "infinite" and refuses them.
    if nanoseconds % 1_000 == 0 and 1 < whole.year < 9999:
        return whole.replace(microsecond=nanoseconds // 1_000)
    since_epoch = whole - datetime(1970, 1, 1, tzinfo=UTC)
    return Timestamp(seconds=since_epoch.days * 86_400 + since_epoch.seconds, nanos=nanoseconds)


@lru_cache(maxsize=4096)
def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address. Raises ValueError."""
    return ipaddress.ip_address(text)


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
