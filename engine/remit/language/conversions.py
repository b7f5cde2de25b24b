"""Texts that a caveat converts: `int(s)`, `double(s)`, `timestamp(s)` and their like read a text as Go's libraries do.

SpiceDB's CEL is cel-go, whose conversions are `strconv.ParseInt`, `ParseUint`, `ParseFloat`, `ParseBool`,
`time.ParseDuration` and `time.Parse(time.RFC3339)`. Ours (cel-cpp) reads more of some, white space around a number and
offsets without a colon among it, and less of others. So each text passes through a function of ours on its way into the
conversion: it refuses what Go refuses, and hands CEL what Go accepts in a form that CEL reads as the same value.
Law: a conversion in a caveat comes to what cel-go comes to, or fails where that fails."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_UINT64_MAX = 2**64 - 1

# --- what Go reads ----------------------------------------------------------------------------------------------

_INT = re.compile(r"([+-]?)0*([0-9]+)")
_UINT = re.compile(r"()0*([0-9]+)")
_INTEGER_DIGITS_MAX = 20  # of the largest, 2^64 - 1


def _integer(pattern: re.Pattern[str], text: str, least: int, most: int) -> int:
    found = pattern.fullmatch(text)
    if found is None or len(found[2]) > _INTEGER_DIGITS_MAX:
        raise ValueError
    number = int(found[1] + found[2])
    if not least <= number <= most:
        raise ValueError
    return number


def parse_int(text: str) -> int:
    """`strconv.ParseInt(text, 10, 64)`. Raises ValueError."""
    return _integer(_INT, text, INT64_MIN, INT64_MAX)


def parse_uint(text: str) -> int:
    """`strconv.ParseUint(text, 10, 64)`, which takes no sign. Raises ValueError."""
    return _integer(_UINT, text, 0, _UINT64_MAX)


# An underscore stands between two digits, or between `0x` and a digit.
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_HEX_DIGITS = r"[0-9a-f]+(?:_[0-9a-f]+)*"
_FLOAT = re.compile(
    rf"[+-]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:e[+-]?{_DIGITS})?|[+-]?inf(?:inity)?|nan", re.IGNORECASE
)
_HEX_FLOAT = re.compile(
    rf"([+-]?)0x(?:_?({_HEX_DIGITS})\.?({_HEX_DIGITS})?|\.({_HEX_DIGITS}))p([+-]?)0*({_DIGITS})", re.IGNORECASE
)
_HEX_EXPONENT_MAX = 99_999  # as far as Go counts


def parse_float(text: str) -> float:
    """`strconv.ParseFloat(text, 64)`: the nearest double, and an error where that is none. Raises ValueError."""
    if not text.isascii():  # or `re.IGNORECASE` would take letters that only look like some
        raise ValueError
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number) and "n" not in text.lower():
            raise ValueError
        return number
    found = _HEX_FLOAT.fullmatch(text)
    if found is None:
        raise ValueError
    sign, whole, fraction, bare_fraction, exponent_sign, exponent = found.groups(default="")
    power = min(int(exponent.replace("_", "")[:7]), _HEX_EXPONENT_MAX)
    digits = f"{whole}.{fraction}{bare_fraction}".replace("_", "")
    try:
        return float.fromhex(f"{sign}0x{digits}p{exponent_sign}{power}")
    except OverflowError:
        raise ValueError from None


_BOOLS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


def parse_bool(text: str) -> bool:
    """`strconv.ParseBool`. Raises ValueError."""
    if text not in _BOOLS:
        raise ValueError
    return _BOOLS[text]


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
_DURATION_PART = re.compile(r"([0-9]+)?(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_DURATION_LENGTH_MAX = 128


def parse_duration(text: str) -> int:
    """`time.ParseDuration`, in nanoseconds. Raises ValueError, with a message where it is too long to count."""
    if len(text) > _DURATION_LENGTH_MAX:
        raise ValueError
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    nanoseconds, at = 0, 0
    if text != "0":
        while at < len(text) or not text:
            part = _DURATION_PART.match(text, at)
            if part is None or not (part[1] or part[2]):
                raise ValueError
            unit, fraction = _NANOSECONDS[part[3]], part[2] or ""
            nanoseconds += int(part[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
            at = part.end()
    nanoseconds *= sign
    if not INT64_MIN <= nanoseconds <= INT64_MAX:
        raise ValueError("a duration of at most 292 years")
    return nanoseconds


_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_OFFSET_HOURS_MAX, _OFFSET_MINUTES_MAX = 24, 60  # Go's: some people do write them


def parse_timestamp(text: str) -> tuple[datetime, int]:
    """`time.Parse(time.RFC3339, text)`, in UTC: the whole second, and the nanoseconds after it. Go takes an hour of one
    digit, and a comma for the point. Raises ValueError, also outside the years 1 to 9999."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second = (int(found[group]) for group in range(1, 7))
    hours, minutes = (int(found[9]), int(found[10])) if found[8] else (0, 0)
    if hours > _OFFSET_HOURS_MAX or minutes > _OFFSET_MINUTES_MAX:
        raise ValueError
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if found[8] == "-" else 1)
    try:
        whole = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - offset
    except OverflowError:
        raise ValueError from None
    return whole, int((found[7] or "").ljust(9, "0")[:9])


# --- what CEL is handed -----------------------------------------------------------------------------------------


def _int_text(text: str) -> str:
    return str(parse_int(text))


def _uint_text(text: str) -> str:
    return str(parse_uint(text))


def _double_text(text: str) -> str:
    return repr(parse_float(text))


def _bool_text(text: str) -> str:
    return "true" if parse_bool(text) else "false"


def _duration_text(text: str) -> str:
    nanoseconds = parse_duration(text)
    seconds, rest = divmod(abs(nanoseconds), 1_000_000_000)
    return f"{'-' if nanoseconds < 0 else ''}{seconds}.{rest:09}s"


def _timestamp_text(text: str) -> str:
    whole, nanoseconds = parse_timestamp(text)
    return f"{whole.year:04}-{whole:%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


# CEL's name of a conversion from text → what the text passes through. No name of a schema begins with `@`.
_CONVERSIONS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "string_to_int64": ("@int_text", _int_text),
    "string_to_uint64": ("@uint_text", _uint_text),
    "string_to_double": ("@double_text", _double_text),
    "string_to_bool": ("@bool_text", _bool_text),
    "string_to_duration": ("@duration_text", _duration_text),
    "string_to_timestamp": ("@timestamp_text", _timestamp_text),
}


def _refusing(function: str, read: Callable[[str], str]) -> Callable[[str], str]:
    what = function.removeprefix("@").removesuffix("_text")

    def canonical(text: str) -> str:
        try:
            return read(text)
        except ValueError:
            raise ValueError(f"cannot convert string to {what}") from None  # the text may be a secret of the store's

    return canonical


def text_functions() -> list[cel.FunctionDecl]:
    """The functions that `strict` brings into an expression."""
    return [
        cel.FunctionDecl(
            function,
            [
                cel.Overload(
                    function,
                    return_type=cel.Type.STRING,
                    parameters=[cel.Type.STRING],
                    is_member=False,
                    impl=_refusing(function, read),
                )
            ],
        )
        for function, read in _CONVERSIONS.values()
    ]


def strict(serialized: bytes) -> bytes | None:
    """A checked expression with every text on its way into a conversion passed through its function; None where it
    converts no text. Cost: O(bytes)."""
    if not any(name.encode() in serialized for name in _CONVERSIONS):
        return None
    envelope = any_pb2.Any.FromString(serialized)
    checked = CheckedExpr.FromString(envelope.value)
    functions: dict[int, tuple[str, bool]] = {}  # by the number of the call: what it passes through; whether it is text
    for entry in checked.references:
        for overload in entry.value.overload_ids:
            if overload in _CONVERSIONS:
                functions[entry.key] = _CONVERSIONS[overload][0], len(entry.value.overload_ids) == 1
    if not functions:
        return None
    _Rewriting(checked, functions).run()
    envelope.value = checked.SerializeToString()
    return envelope.SerializeToString()


def free_names(serialized: bytes) -> set[str]:
    """The names that a checked expression takes from outside: not those that its macros bind. Cost: O(bytes)."""
    return free_names_of(CheckedExpr.FromString(any_pb2.Any.FromString(serialized).value).expr)


def free_names_of(root: Any) -> set[str]:
    """The same of an expression inside one."""
    free: set[str] = set()
    waiting: list[tuple[Any, frozenset[str]]] = [(root, frozenset())]
    while waiting:
        node, bound = waiting.pop()
        if node.WhichOneof("kind") == "ident" and node.ident.name not in bound:
            free.add(node.ident.name.removeprefix("."))
        elif node.WhichOneof("kind") == "comprehension":
            loop = node.comprehension
            inside = bound | {loop.iter_var, loop.accu_var}
            waiting += ((loop.iter_range, bound), (loop.accu_init, bound), (loop.result, inside))
            waiting += ((loop.loop_condition, inside), (loop.loop_step, inside))
        else:
            waiting += ((child, bound) for child in children_of(node))
    return free


class _Rewriting:
    """Of one checked expression, in place."""

    def __init__(self, checked: Any, functions: Mapping[int, tuple[str, bool]]) -> None:
        self.checked = checked
        self.functions = functions
        self.last_number = 0

    def run(self) -> None:
        nodes = list(_nodes(self.checked.expr))
        self.last_number = max(node.id for node in nodes)
        for node in nodes:
            if node.id in self.functions:
                function, is_text = self.functions[node.id]
                self._pass_through(node.call.args[0], function, is_text)

    def _pass_through(self, operand: Any, function: str, is_text: bool) -> None:
        """`function(operand)` in the operand's place; where it may be no text, that only for those that are one:
        `cel.bind(x, operand, type(x) == string ? function(x) : x)`, spelled out as CEL does."""
        inner = _Expr()
        inner.CopyFrom(operand)
        operand.Clear()
        if is_text:
            self._call(operand, function, function)
            operand.call.args.append(inner)
            return
        operand.id = self._number()
        binding = operand.comprehension
        binding.iter_var, binding.accu_var = "#unused", "@converted"
        binding.iter_range.id = self._number()
        binding.iter_range.list.SetInParent()
        binding.accu_init.CopyFrom(inner)
        binding.loop_condition.id = self._number()
        binding.loop_condition.constant = _FALSE
        self._name(binding.loop_step, "@converted")
        self._call(binding.result, "_?_:_", "conditional")
        is_string, text, other = (binding.result.call.args.add() for _ in range(3))
        self._call(is_string, "_==_", "equals")
        of, string = is_string.call.args.add(), is_string.call.args.add()
        self._call(of, "type", "type")
        self._name(of.call.args.add(), "@converted")
        # The type of a text, and not its name: a macro's variable may bear that.
        self._call(string, "type", "type")
        empty = string.call.args.add()
        empty.id = self._number()
        empty.constant = _EMPTY_TEXT
        self._call(text, function, function)
        self._name(text.call.args.add(), "@converted")
        self._name(other, "@converted")

    def _number(self) -> int:
        self.last_number += 1
        return self.last_number

    def _call(self, node: Any, function: str, overload: str) -> None:
        node.id = self._number()
        node.call.function = function
        self._refer(node.id, function, overload)

    def _name(self, node: Any, name: str) -> None:
        node.id = self._number()
        node.ident.name = name
        self._refer(node.id, name)

    def _refer(self, number: int, name: str, *overloads: str) -> None:
        entry = self.checked.references.add(key=number)
        entry.value.name = name
        entry.value.overload_ids.extend(overloads)


def _nodes(root: Any) -> list[Any]:
    """The expression and all in it."""
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += children_of(node)
    return found


def children_of(node: Any) -> list[Any]:
    """What stands directly inside an expression, in the order in which CEL looks at it."""
    match node.WhichOneof("kind"):
        case "select":
            return [node.select.operand]
        case "call":
            return [*([node.call.target] if node.call.HasField("target") else []), *node.call.args]
        case "list":
            return list(node.list.elements)
        case "struct":
            parts = [part for entry in node.struct.entries for part in (entry.map_key, entry.value)]
            return [part for part in parts if part.WhichOneof("kind")]
        case "comprehension":
            loop = node.comprehension
            return [loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result]
    return []


# --- the shape of a checked expression --------------------------------------------------------------------------

# The part of `cel.expr.CheckedExpr` (cel-spec, proto/cel/expr) that is read here; protobuf carries the rest along.
# A field's type is a message of this table, or one of protobuf's own by its first letter in lower case.
_SHAPE: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "CheckedExpr": {"references": (2, "*Entry"), "expr": (4, "Expr")},
    "Entry": {"key": (1, "int64"), "value": (2, "Reference")},
    "Reference": {"name": (1, "string"), "overload_ids": (3, "*string")},
    "Expr": {
        "id": (2, "int64"),
        "constant": (3, "bytes"),
        "ident": (4, "Ident"),
        "select": (5, "Select"),
        "call": (6, "Call"),
        "list": (7, "List"),
        "struct": (8, "Struct"),
        "comprehension": (9, "Comprehension"),
    },
    "Ident": {"name": (1, "string")},
    "Select": {"operand": (1, "Expr")},
    "Call": {"target": (1, "Expr"), "function": (2, "string"), "args": (3, "*Expr")},
    "List": {"elements": (1, "*Expr")},
    "Struct": {"entries": (2, "*StructEntry")},
    "StructEntry": {"map_key": (3, "Expr"), "value": (4, "Expr")},
    "Comprehension": {
        "iter_var": (1, "string"),
        "iter_range": (2, "Expr"),
        "accu_var": (3, "string"),
        "accu_init": (4, "Expr"),
        "loop_condition": (5, "Expr"),
        "loop_step": (6, "Expr"),
        "result": (7, "Expr"),
    },
}
_EMPTY_TEXT = b"\x32\x00"  # a constant, `string_value: ""`
_FALSE = b"\x10\x00"  # a constant, `bool_value: false`


def _messages() -> descriptor_pool.DescriptorPool:
    field_types = descriptor_pb2.FieldDescriptorProto
    scalars = {
        "int64": field_types.TYPE_INT64,
        "string": field_types.TYPE_STRING,
        "bytes": field_types.TYPE_BYTES,
    }
    file = descriptor_pb2.FileDescriptorProto(name="checked.proto", package="checked", syntax="proto3")
    for name, fields in _SHAPE.items():
        message = file.message_type.add(name=name)
        if name == "Expr":
            message.oneof_decl.add(name="kind")
        for field, (number, type_) in fields.items():
            is_repeated, type_ = type_.startswith("*"), type_.removeprefix("*")
            label = field_types.LABEL_REPEATED if is_repeated else field_types.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if name == "Expr" and field != "id":
                added.oneof_index = 0
            if type_ in scalars:
                added.type = scalars[type_]
            else:
                added.type, added.type_name = field_types.TYPE_MESSAGE, f".checked.{type_}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _messages()
CheckedExpr: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("checked.CheckedExpr"))
_Expr: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("checked.Expr"))
