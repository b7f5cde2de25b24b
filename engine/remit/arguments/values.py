"""How a value of each semantic type is written, and why one that is written otherwise is refused.

A path, a URL or a host can be spelled in many ways that a tool takes for one thing. Each has one spelling here, and no
other is repaired into it: whoever decides, whoever enforces and the tool see the same bytes.
Law: of all spellings of one thing at most one is not refused, but for decimals, whose trailing zeros say how exact they
are."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from functools import cache
from string import ascii_letters, digits
from typing import Literal, final, get_args

import ada_url

ValueType = Literal["path", "url", "host", "email", "address", "decimal", "date"]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PATH_BYTES_MAX = 4_096  # Linux opens none that is longer
HOST_LENGTH_MAX = 253  # DNS carries no longer name
LABEL_LENGTH_MAX = 63
LOCAL_PART_LENGTH_MAX = 64  # RFC 5321, 4.5.3.1.1
_VISIBLE_MAX = 200

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
"""The schemes of WHATWG's URL standard that have a host, and whose URLs every reader takes apart alike."""


def refusal(type: ValueType, text: str) -> str | None:
    """Why the text is no value of the type, as what could follow "the value", or None. Cost: O(length)."""
    return text_refusal(text) or _REFUSALS[type](text)


def text_refusal(text: str) -> str | None:
    """Why the text is refused whatever it is a value of."""
    return None if unicodedata.is_normalized("NFC", text) else "is not in Unicode's normal form NFC"


@final
class Looks:
    """What was found of texts, each looked at once. The parts of a document may be a hundred, all of which speak of the
    same values, and to look at those of a long call takes milliseconds."""

    def __init__(self) -> None:
        self.refusal = cache(refusal)
        self.text_refusal = cache(text_refusal)
        self.url_of = cache(url_of)


# --- paths ------------------------------------------------------------------------------------------------------

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENCODED = re.compile(r"%(?:2e|2f|5c)", re.IGNORECASE | re.ASCII)


def _path_refusal(text: str) -> str | None:
    if not text:
        return "is empty, and no path"
    if len(text.encode()) > PATH_BYTES_MAX:
        return f"is a path of more than {PATH_BYTES_MAX} bytes"
    if _CONTROL.search(text):
        return "holds a control character, which no path may"
    if "\\" in text:
        return "holds a `\\`, which some take for a `/`"
    if found := _ENCODED.search(text):
        return f"holds `{found[0]}`, which some take for what it encodes"
    if text == "/":
        return None
    segments = text.removeprefix("/").split("/")
    if segments[-1] == "" and "" not in segments[:-1]:
        return "ends in `/`"
    for segment in segments:
        if segment in ("", ".", ".."):
            return f"has a segment `{segment}`" if segment else "has an empty segment: `//`"
    return None


def is_below(directory: str, path: str) -> bool:
    """Whether a path is the directory itself or below it; both are written as they must be."""
    return path == directory or path.startswith(directory if directory == "/" else f"{directory}/")


# --- hosts ------------------------------------------------------------------------------------------------------

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?", re.ASCII)
# What WHATWG's standard takes for an IPv4 address, and fails where it is none: the last label is a number.
_NUMBER_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)


def _host_refusal(text: str) -> str | None:
    """Of a host that may be an address, which only the constraint can tell."""
    if not text:
        return "is empty, and no host"
    if not text.isascii():
        return "is not in the ASCII form of IDNA (`xn--…`)"
    if text != text.lower():
        return "is a host with capitals"
    if len(text) > HOST_LENGTH_MAX:
        return f"is a host of more than {HOST_LENGTH_MAX} characters"
    if text.endswith("."):
        return "is a host that ends in a dot"
    if is_address_like(text):
        return _address_refusal(text)
    for label in text.split("."):
        if not label:
            return "is a host with an empty label"
        if len(label) > LABEL_LENGTH_MAX:
            return f"is a host with a label of more than {LABEL_LENGTH_MAX} characters"
        if not _LABEL.fullmatch(label):
            return f"is a host with the label `{_visible(label)}`: letters, digits, `_`, and `-` inside"
        if label[2:4] == "--" and not label.startswith("xn--"):
            return f"is a host with the label `{label}`, of which nobody knows what it encodes"
    return _idna_refusal(text)


def _idna_refusal(text: str) -> str | None:
    """Of labels that encode others: decoded and encoded again by UTS 46 they must be what they were, and each must
    encode something that is no ASCII."""
    encoded = [label for label in text.split(".") if label.startswith("xn--")]
    for label in encoded:
        decoded = ada_url.idna.decode(label)
        is_known = not decoded.isascii() and _is_of_known_letters(decoded)
        if not is_known or ada_url.idna.encode(decoded) != label.encode():
            return f"is a host with the label `{label}`, which is not what IDNA encodes anything as"
    if encoded and ada_url.idna.encode(text) != text.encode():
        return "is a host that is not valid under IDNA"
    if encoded and not _is_read_in_one_way([ada_url.idna.decode(label) for label in text.split(".")]):
        return "is a host with letters from right to left beside what may not stand there (RFC 5893)"
    return None


def _is_of_known_letters(decoded: str) -> bool:
    """Whether Unicode has all of its characters, and the first is no mark on another: the library's tables are older
    than Python's."""
    kinds = [unicodedata.category(character) for character in decoded]
    return "Cn" not in kinds and not kinds[0].startswith("M")


_BESIDE_LEFT = {"EN", "ES", "CS", "ET", "ON", "BN", "NSM"}
_RIGHT = {"R", "AL"}


def _is_read_in_one_way(labels: list[str]) -> bool:
    """The rule of RFC 5893 for the labels of a host that has letters from right to left: their order on a screen is
    theirs in the text. The library holds each label to it that has such letters, and none beside it."""
    directions = [[unicodedata.bidirectional(character) for character in label] for label in labels]
    if not any({*label} & {"R", "AL", "AN"} for label in directions):
        return True
    return all(map(_keeps_direction, directions))


def _keeps_direction(label: list[str]) -> bool:
    if label[0] not in ("L", *_RIGHT):
        return False
    is_right = label[0] in _RIGHT
    kinds = {*label}
    last = next(kind for kind in reversed(label) if kind != "NSM")
    if is_right:
        is_mixed = {"EN", "AN"} <= kinds
        return kinds <= _BESIDE_LEFT | _RIGHT | {"AN"} and last in ("R", "AL", "EN", "AN") and not is_mixed
    return kinds <= _BESIDE_LEFT | {"L"} and last in ("L", "EN")


def is_address_like(host: str) -> bool:
    """Whether whoever connects to the host takes it for an address, and looks up no name."""
    return ":" in host or _NUMBER_LABEL.fullmatch(host.rpartition(".")[2]) is not None


def _visible(text: str) -> str:
    """Text in ASCII on one line, or the beginning of it."""
    visible = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return visible if len(visible) <= _VISIBLE_MAX else f"{visible[: _VISIBLE_MAX - 1]}…"


# --- addresses --------------------------------------------------------------------------------------------------


def _address_refusal(text: str) -> str | None:
    try:
        if not text.isascii() or "%" in text or "/" in text:
            raise ValueError(text)
        address = ipaddress.ip_address(text)
    except ValueError:
        return "is not an address: IPv4 as four decimal numbers without leading zeros, or IPv6, without a zone"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return f"is an IPv4 address written as IPv6: `{address.ipv4_mapped}`"
    if str(address) != text:
        return f"is an address that RFC 5952 writes as `{address}`"
    return None


def address_of(text: str) -> Address:
    """The address that a text is which was not refused."""
    return ipaddress.ip_address(text)


# --- URLs -------------------------------------------------------------------------------------------------------

_AUTHORITY_END = re.compile(r"[/?#\\]")
_ESCAPE = re.compile(r"(?<!%)%[0-9A-Fa-f]{2}")
_ENCODES_NOTHING = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNRESERVED = {f"%{ord(each):02X}": each for each in f"{ascii_letters}{digits}-._~"}


def _url_refusal(text: str) -> str | None:
    try:
        url = ada_url.URL(text)
    except ValueError:
        return "is no absolute URL"
    if url.protocol[:-1] not in DEFAULT_PORTS:
        return f"is a URL of the scheme `{_visible(url.protocol[:-1])}`: http, https, ws, wss and ftp alone are judged"
    if url.username or url.password or "@" in _AUTHORITY_END.split(text.removeprefix(f"{url.protocol}//"), 1)[0]:
        return "is a URL with a user or password in it"
    if reason := _host_refusal(host_of(url)):
        return reason
    if url.href != text:
        return f"is a URL that WHATWG's standard writes as `{_visible(url.href)}`"
    if _ENCODES_NOTHING.search(text):
        return "is a URL with a `%` in it that encodes nothing"
    if (normal := with_escapes_normal(text)) != text:
        return f"is a URL that RFC 3986 writes as `{_visible(normal)}`"
    return None


def with_escapes_normal(url: str) -> str:
    """By RFC 3986, 6.2.2.1 and 6.2.2.2: what need not be encoded is not, and hexadecimal digits are capitals. WHATWG's
    standard leaves both as they come, and a server takes them for one."""
    return _ESCAPE.sub(lambda found: _UNRESERVED.get(found[0].upper(), found[0].upper()), url)


def host_of(url: ada_url.URL) -> str:
    """The host as a constraint names it: an IPv6 address without its brackets."""
    return str(url.hostname).removeprefix("[").removesuffix("]")


def is_path_of_url(path: str) -> bool:
    """Whether a URL that is not refused could have the path, which begins with a `/`."""
    url = f"https://host{path}"
    return refusal("url", url) is None and url_of(url).pathname == path


def url_of(text: str) -> ada_url.URL:
    """The URL that a text is which was not refused."""
    return ada_url.URL(text)


# --- email addresses --------------------------------------------------------------------------------------------

_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)


def _email_refusal(text: str) -> str | None:
    local, at, host = text.partition("@")
    if not at or "@" in host:
        return "is not an email address: one `@` between a name and a host"
    if len(local) > LOCAL_PART_LENGTH_MAX:
        return f"is an email address with more than {LOCAL_PART_LENGTH_MAX} characters before the `@`"
    if not _DOT_ATOM.fullmatch(local):
        return "is an email address whose name is no dot-atom of RFC 5322 in ASCII"
    if is_address_like(host):
        return "is an email address at an address instead of a host"
    return _host_refusal(host)


# --- decimals and dates -----------------------------------------------------------------------------------------

_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_ZERO = re.compile(r"-0(?:\.0+)?", re.ASCII)
_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", re.ASCII)


def _decimal_refusal(text: str) -> str | None:
    if not _DECIMAL.fullmatch(text):
        return "is not a decimal: digits, perhaps with a `-` before them and a `.` among them, and no needless zeros"
    if _ZERO.fullmatch(text):
        return "is a zero with a `-`"
    return None


def _date_refusal(text: str) -> str | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return "is not a date `YYYY-MM-DD`"
    try:
        date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return "is not a day of the calendar"
    return None


_REFUSALS: dict[ValueType, Callable[[str], str | None]] = {
    "path": _path_refusal,
    "url": _url_refusal,
    "host": _host_refusal,
    "email": _email_refusal,
    "address": _address_refusal,
    "decimal": _decimal_refusal,
    "date": _date_refusal,
}
