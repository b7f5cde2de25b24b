"""Arguments put into the one form in which they are judged: for a caller, before a call.

A constraint refuses what is written otherwise and repairs nothing, or whoever decides and the tool would see different
bytes. A caller can write it right beforehand, and this does what takes no judgement: `https://host` becomes
`https://host/`. What could mean another thing is refused and not guessed at: a `..`, a number that no double carries.
Laws: what is put into its form twice is as it was after the first time; it is never refused by its type; and what was
not refused before has not changed."""

from __future__ import annotations

import ipaddress
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import ada_url

from remit.arguments.call import ARGUMENTS_BYTES_MAX, VALUES_MAX, invalid_arguments
from remit.arguments.json_text import Json, JsonRefused, canonical_text, joined, number_text, path_of, read_object
from remit.arguments.values import VALUE_TYPES, ValueType, host_of, is_address_like, refusal, with_escapes_normal
from remit.errors import InvalidArgument, InvalidCall
from remit.notation import shortened
from remit.suggest import did_you_mean


class Change(NamedTuple):
    """What is written otherwise now: where, as a JSON Pointer, how it was written and how it is, and the reason."""

    pointer: str
    before: str
    after: str
    reason: str


class CanonicalArguments(NamedTuple):
    """Arguments as RFC 8785 writes them, every value in its form; and what of it is not mere order and white space."""

    arguments: bytes
    changes: tuple[Change, ...]


def canonical_arguments(
    arguments: bytes | str | Mapping[str, object], types: Mapping[str, str] | None = None
) -> CanonicalArguments:
    """Put arguments into the form in which a call is judged. `types`: what the tool says its texts are, by the names
    that constraints use: a key, or a JSON Pointer in which `*` is every element of a list.

    Raises InvalidCall where a value has no such form, or could mean something else than it says. Cost: O(length)."""
    if isinstance(arguments, Mapping):
        arguments = _written(arguments)
    text = arguments.encode("utf-8", "surrogatepass") if isinstance(arguments, str) else arguments
    try:
        value = read_object(text, exact_numbers=True, values_max=VALUES_MAX)
    except JsonRefused as error:
        raise invalid_arguments(error.pointer, error.reason) from error
    changes = [*_numbers_changed(text.decode(), value)]
    put = _put_right(value, "", "", _by_pointer(types or {}), changes)
    written = canonical_text(put).encode()
    if len(written) > ARGUMENTS_BYTES_MAX:
        raise invalid_arguments("", f"is {len(written)} bytes, more than the {ARGUMENTS_BYTES_MAX} allowed")
    return CanonicalArguments(written, tuple(changes))


def canonical_value(type: str, text: str) -> str:
    """One text of a type in the form in which it is judged. Raises InvalidCall, and InvalidArgument for no type."""
    try:
        return _in_form(_checked_type(type), text)[0]
    except ValueError as error:
        raise InvalidCall(f"the value `{shortened(text)}` {error}", problem=error) from error


# --- a whole object ---------------------------------------------------------------------------------------------


def _written(arguments: Mapping[str, object]) -> str:
    try:
        return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise invalid_arguments("", f"is not JSON: {error}") from error


def _by_pointer(types: Mapping[str, str]) -> dict[str, ValueType]:
    by_pointer = {}
    for name, type in types.items():
        pointer = name if name.startswith("/") else joined("", name)
        if path_of(pointer) is None:
            raise InvalidArgument(f"`{shortened(name)}` is no JSON Pointer: a `~` is written `~0`", field="types")
        by_pointer[pointer] = _checked_type(type)
    return by_pointer


def _checked_type(type: str) -> ValueType:
    for each in VALUE_TYPES:
        if each == type:
            return each
    hint = did_you_mean(type, VALUE_TYPES) or f"one of {', '.join(VALUE_TYPES)}"
    raise InvalidArgument(f"`{shortened(type)}` is no type of values: {hint}", field="types")


_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?[0-9][0-9.eE+-]*)', re.DOTALL)


def _numbers_changed(text: str, value: Json) -> Iterator[Change]:
    """Numbers that are written otherwise than by RFC 8785. They come in the order of the text on both sides."""
    as_written = (found[1] for found in _STRING_OR_NUMBER.finditer(text) if found[1])
    for before, (pointer, number) in zip(as_written, _numbers(value, ""), strict=True):
        if before != (after := number_text(number)):
            yield Change(pointer, before, after, "numbers are written by RFC 8785")


def _numbers(value: Json, pointer: str) -> Iterator[tuple[str, int | float]]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _numbers(item, joined(pointer, key))
        case list():
            for index, item in enumerate(value):
                yield from _numbers(item, joined(pointer, index))
        case int() | float() if not isinstance(value, bool):
            yield pointer, value


def _put_right(value: Json, pointer: str, pattern: str, types: Mapping[str, ValueType], changes: list[Change]) -> Json:
    match value:
        case dict():
            put: dict[str, Json] = {}
            for key, item in value.items():
                name = unicodedata.normalize("NFC", key)
                below = joined(pointer, name)
                if name in put:
                    raise invalid_arguments(
                        below, "stands twice in its object, once Unicode's normal form NFC is made of it"
                    )
                if name != key:
                    changes.append(Change(below, key, name, _NFC))
                put[name] = _put_right(item, below, joined(pattern, name), types, changes)
            return put
        case list():
            return [
                _put_right(item, joined(pointer, index), f"{pattern}/*", types, changes)
                for index, item in enumerate(value)
            ]
        case str():
            try:
                text, reason = _in_form(types.get(pattern), value)
            except ValueError as error:
                raise invalid_arguments(pointer, f"`{shortened(value)}` {error}") from error
            if text != value:
                changes.append(Change(pointer, value, text, reason))
            return text
    return value


_NFC = "text is in Unicode's normal form NFC"


def _in_form(type: ValueType | None, text: str) -> tuple[str, str]:
    """The text in its form, and why it is not as it was. What is not refused as it stands is left so. Raises ValueError
    with what could follow the value."""
    normal = unicodedata.normalize("NFC", text)
    if type is None or refusal(type, normal) is None:
        return normal, _NFC
    form, reason = _FORMS[type]
    put = form(normal)
    if refused := refusal(type, put):
        raise ValueError(refused)
    return put, reason


# --- the forms --------------------------------------------------------------------------------------------------
# Each is given a text that its type refuses. A ValueError says what could mean something else; whatever else is wrong
# with what comes out, the type itself says.


def _path(text: str) -> str:
    if text.startswith("//"):
        raise ValueError("begins with `//`, which may be the name of another machine")
    kept = [each for each in text.split("/") if each not in ("", ".")]
    return ("/" if text.startswith("/") else "") + "/".join(kept)


def _host(text: str) -> str:
    if text.isascii():
        return _address(text) if is_address_like(text) else text.lower()
    named = ada_url.idna.encode(text).decode()
    if is_address_like(named):
        raise ValueError("is an address that is not written in ASCII")
    return named


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _email(text: str) -> str:
    local, at, host = text.partition("@")
    return f"{local}{at}{_host(host)}" if host and "@" not in host else text


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#\\@]+)((?:[/\\][^?#]*)?)(?:[?#].*)?", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"(?:\.|%2e){1,2}", re.IGNORECASE)


def _url(text: str) -> str:
    """As WHATWG's standard writes it, and RFC 3986 what is encoded in it. Of what the former repairs, this leaves alone
    whatever others may read otherwise."""
    if _CONTROL.search(text) or text != text.strip():
        raise ValueError("holds white space or a control character where a URL has none")
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("is no URL of the form `scheme://host/path`, without a user")
    if "\\" in found[2]:
        raise ValueError("holds a `\\`, which some take for a `/`")
    if any(_DOTS.fullmatch(segment) for segment in found[2].split("/")):
        raise ValueError("has a segment `.` or `..`, which is not resolved here")
    authority = _HOST_AND_PORT.fullmatch(found[1])
    if authority is None or "%" in authority[1]:
        raise ValueError("has a host that is not written as hosts are")
    host = authority[1].removeprefix("[").removesuffix("]")
    if (reason := refusal("host", put := _host(host))) is not None:
        raise ValueError(f"is at the host `{shortened(put)}`, which {reason}")
    try:
        url = ada_url.URL(text)
    except ValueError as error:
        raise ValueError("is no URL that WHATWG's standard reads") from error
    if host_of(url) != put:
        raise ValueError(f"is at the host `{shortened(put)}` for some, and for others at `{shortened(host_of(url))}`")
    return with_escapes_normal(url.href)


_DECIMAL = re.compile(r"([+-]?)(0|[1-9][0-9]*)?(?:\.([0-9]*))?", re.ASCII)


def _decimal(text: str) -> str:
    """`+5`, `.5`, `5.` and `-0` say what they say; of `010` one cannot know."""
    found = _DECIMAL.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return text
    whole, fraction = found[2] or "0", f".{found[3]}" if found[3] else ""
    is_zero = not (whole + fraction).strip("0.")
    return f"{'-' if found[1] == '-' and not is_zero else ''}{whole}{fraction}"


def _date(text: str) -> str:
    return text


_FORMS: dict[ValueType, tuple[Callable[[str], str], str]] = {
    "path": (_path, "paths have no empty segment, no `.` and no `/` at the end"),
    "url": (_url, "URLs are written as WHATWG's standard and RFC 3986 write them"),
    "host": (_host, "hosts are in lower case, in the ASCII form of IDNA"),
    "email": (_email, "the host of an email address is in lower case, in the ASCII form of IDNA"),
    "address": (_address, "addresses are written by RFC 5952"),
    "decimal": (_decimal, "decimals have a digit before the point, none is needless, and no `+`"),
    "date": (_date, "dates are written `YYYY-MM-DD`"),
}
