"""Documents, calls and values as an enemy or a clumsy hand writes them: near to what is right, and mostly wrong.

Law: whatever is drawn is drawn from the random source alone, so that a seed draws it again."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random

from remit.arguments.json_text import Json
from tests.support.arguments.random_calls import MEMBERS, SCALARS

# What is put where something else stood, in a document or in arguments.
_VALUES: tuple[Json, ...] = (
    *SCALARS,
    {},
    [],
    [[]],
    {"binding": "invoice"},
    {"binding": "a/b"},
    {"binding": 1},
    {"binding": "invoice", "b": 1},
    {"type": "user", "permission": "contact"},
    {"type": "user", "permission": "owner"},
    {"type": "user"},
    {"host": "example.com", "port": [0]},
    {"host": "example.com", "port": [65535, 65536]},
    {"host": [], "scheme": ["https"]},
    {"host": ".10.0.0.1"},
    {"host": "example.com", "path": "srv"},
    {"host": "example.com", "path": "/srv/"},
    {"scheme": ["file"], "host": "a"},
    {"scheme": [], "host": "a", "who": 1},
    ["10.0.0.0/8", "10.0.0.1/8"],
    ["::ffff:10.0.0.0/104"],
    "10.0.0.0/08",
    "10.0.0.0",
    "fe80::%1/64",
    "a[b]",
    "a**/b",
    "**/**/a",
    "*/../b",
    "Example.com",
    "xn--bcher-kva.example",
    "xn--a.example",
    "1.5e3",
    "-0",
    "0000-01-01",
    1e-7,
    0.1,
    -1,
    1e300,
    "e\u0301",
    "\U0001f600",
)  # fmt: skip
_KEYS = (
    *MEMBERS, "each", "some", "unrelated", "optional", "if_present", "min_items", "additional", "tool", "purpose",
    "binding", "type", "permission", "scheme", "port", "path", "/a/a", "/a/b", "/a", "a", "/*", "/~2", "/~", "e\u0301",
    "\ue000", "\U0001f600", "",
)  # fmt: skip
_PIECES = (
    '"', "\\", "{", "}", "[", "]", ",", ":", "-", "0", "1", ".", "e", "E", "+", " ", "\t", "\n", "\r", "\0", "\x7f",
    "a", "null", "true", "false", "NaN", "Infinity", "-Infinity", "1e2", "1.0", "-0", "0.1", "1e-7", "1E400", "01",
    ".5", "5.",
    "9007199254740993", "100000000000000000000", "1e+21", "1e21", "5e-324", "0." + "0" * 400 + "1", "1" * 401,
    '\\ud800', "\\ud83d\\ude00", "\\ud800\\u0041", "\\udc00", "\\u00e9", "e\\u0301", "\\u12", "\\/", "\\x", "\u00e9",
    "\ufeff", "\U0001f600", '"a":1,', '"a":1,"a":2,', "[" * 40, "]" * 40, '{"a":' * 33, "[1,1]", "\u2028",
)  # fmt: skip


def hostile(random: Random, value: Json) -> Json:
    """The value, with something in it put in the place of something else, taken away, doubled or added."""
    value = json.loads(json.dumps(value))
    for _ in range(random.choice((1, 1, 2, 3))):
        value = _changed(random, value)
    return value


def _changed(random: Random, value: Json) -> Json:
    below: list[str | int] = []
    if isinstance(value, dict):
        below = list(value)
    elif isinstance(value, list):
        below = list(range(len(value)))
    if not below or random.random() < 0.15:
        return _grown(random, value)
    assert isinstance(value, dict | list), "what has something below it is one of them"
    at = random.choice(below)
    if isinstance(value, dict) and random.random() < 0.2:
        return {(random.choice(_KEYS) if key == at else key): item for key, item in value.items()}
    if random.random() < 0.1:
        del value[at]  # type: ignore[arg-type]
    else:
        value[at] = _changed(random, value[at])  # type: ignore[index, call-overload]
    return value


def _grown(random: Random, value: Json) -> Json:
    other = deepcopy(random.choice(_VALUES))
    if isinstance(value, dict) and random.random() < 0.5:
        return {**value, random.choice(_KEYS): other}
    if isinstance(value, list) and random.random() < 0.5:
        return [*value, other]
    return other


def hostile_text(random: Random, text: str) -> bytes:
    """The text with pieces of it taken away, and pieces of JSON and of what is none put in; sometimes no UTF-8."""
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randint(0, len(text))
        end = min(len(text), at + random.choice((0, 0, 1, 1, 3)))
        text = text[:at] + random.choice(_PIECES) + text[end:]
    data = text.encode()
    if random.random() < 0.1:
        at = random.randint(0, len(data))
        data = (
            data[:at]
            + random.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"))
            + data[at:]
        )
    return b"\xef\xbb\xbf" + data if random.random() < 0.02 else data


# --- values of the semantic types -------------------------------------------------------------------------------

_HOSTS = (
    "example.com", "a", "a-b", "-a", "a-", "a_b", "xn--bcher-kva", "xn--", "xn--a", "xn--zca", "xn--strae-oqa", "ab--c",
    "xn--80ak6aa92e", "xn--ls8h", "xn--1ch", "xn--0ca", "EXAMPLE", "b\u00fccher", "1", "0x", "0xff", "08", "10.0.0.1",
    "256.0.0.1", "::1", "[::1]", "2001:db8::1", "::ffff:10.0.0.1", "::10.0.0.1", "1::2:0:0:3", "fe80::1%eth0",
    "%41", "",
    "a" * 63, "a" * 64, ".".join(["abcdefg"] * 31), "xn--fa-hia", "xn--4gbwdl", "xn--mgba3a4f16a", "xn--9ca",
    "localhost",
)  # fmt: skip
_PARTS: dict[str, tuple[str, ...]] = {
    "path": (
        "/", "/", "a", "b.txt", "..", ".", "...", "%2e", "%2F", "%5c", "%25", "\\", "\0", "\x85", "\u00e9",
        "e\u0301", " ", "~",
    ),
    "host": (*_HOSTS, ".", ".", ".", ".", "-", "0", "9"),
    "email": ("bob", ".", "@", "@", "@", '"', "+", "B", "\u00e9", "'", *_HOSTS),
    "address": (
        "10", "0", "1", "255", "256", "01", ".", ".", ".", ":", ":", "::", "db8", "2001", "ffff", "FFFF",
        "0001", "%1", "/8",
    ),
    "decimal": ("-", "0", "00", "1", "9", ".", "5", "10", "+", "e", " ", "\u0661"),
    "date": (
        "2026", "2024", "1900", "0000", "-", "-", "01", "02", "12", "13", "28", "29", "30", "31", "00",
        "1", "\u0661",
    ),
}  # fmt: skip
_DATE_PARTS = (("2026", "2024", "1900", "2000", "0000"), ("01", "02", "04", "13"), ("28", "29", "30", "31", "00"))
_URL_PARTS = (
    ("https", "https", "http", "ws", "wss", "ftp", "file", "HTTPS", "mailto", "a+b", ""),
    ("://", "://", "://", "://", ":", ":/", ":///"),
    ("", "", "", "", "a@", "a:b@", "@"),
    ("", "", "", ":", ":80", ":443", ":21", ":8443", ":0", ":65535", ":65536", ":080", ":a"),
    ("/", "/", ""),
)
_URL_PIECES = (
    "/", "//", "?", "#", "@", ":", "&", "=", "a", "%20", "%2e", "%2E%2e", "..", ".", "\\", " ", "|", "^", "'", '"', "<",
    "[", "]", "{", "}", "`", "~", "\u00e9", "%c3%a9", "%C3%A9", "%", "\t", "\n", ";", "*", "+", "!", "$", ",", "(",
    "\x7f",
)  # fmt: skip


def _texts(random: Random, pieces: tuple[str, ...], counts: tuple[int, ...], between: str = "") -> str:
    return between.join(random.choice(pieces) for _ in range(random.choice(counts)))


def hostile_value(random: Random, type: str) -> str:
    """A text that is perhaps a value of the type."""
    if type == "url":
        scheme, slashes, user, port, end = map(random.choice, _URL_PARTS)
        host = _texts(random, _HOSTS, (1, 1, 2), ".")
        return f"{scheme}{slashes}{user}{host}{port}{end}{_texts(random, _URL_PIECES, (0, 1, 1, 2, 4))}"
    if type == "date" and random.random() < 0.7:
        return "-".join(map(random.choice, _DATE_PARTS))
    if type == "host" and random.random() < 0.6:
        return _texts(random, _HOSTS, (1, 2, 3), ".")
    return _texts(random, _PARTS[type], (1, 2, 3, 4, 5, 7))
