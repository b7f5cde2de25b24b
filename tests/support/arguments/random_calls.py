"""Random constraint documents, and random calls that are near to what they say.

Law: what is drawn is always a document, and always readable arguments; whether they pass it is left to chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from remit.arguments.json_text import Json
from remit.arguments.side import Side

DECLARED = (("user", "contact"), ("binding", "link"))
KEYS = ("a", "b", "c", "x/y", "~", "0", "")
TEXTS = (
    "a", "b", "ab", "a/b", "/srv", "/srv/a", "/srv/a/b.txt", "/srva", "/", "/srv/../etc", "/srv/", "e\u0301", "\u00e9",
    "https://example.com/", "https://a.example.com/srv/a", "https://a.example.com:8443/srv", "https://10.0.0.1/",
    "http://example.com/", "https://example.com/../a", "example.com", "a.example.com", "10.0.0.1", "10.1.0.0", "::1",
    "2001:db8::1", "0", "1", "1.50", "1.5", "-2", "1e2", "2026-01-31", "2026-02-30", "2026-02-01", "bob@x", "BOB@X", "",
    "*", "a b", "true",
)  # fmt: skip
NUMBERS = (0, 1, -2, 1.5, 100, 1e21, 9007199254740992)
SCALARS: tuple[Json, ...] = (*TEXTS, *NUMBERS, True, False, None)
NAMES = ("a", "b", "c", "/a", "/a/a", "/a/b", "/a/0", "/b/x~1y", "/c/~0", "/b/01", "/c/-", "/0", "/", "")


def random_arguments(random: Random, depth: int = 3) -> dict[str, Json]:
    """An object of a few arguments."""
    return {
        key: random_value(random, depth - 1)
        for key in random.sample(KEYS, random.choice((0, 1, 1, 2, 2, 3)))  # most have few, so that some are covered
    }


def random_value(random: Random, depth: int) -> Json:
    if depth == 0 or random.random() < 0.6:
        return random.choice(SCALARS)
    if random.random() < 0.6:
        return [random_value(random, depth - 1) for _ in range(random.choice((0, 1, 2, 2)))]
    return {key: random_value(random, depth - 1) for key in random.sample(KEYS, random.randrange(3))}


def random_document(random: Random, side: Side, depth: int = 2) -> dict[str, Json]:
    """A document as JSON."""
    drawn: dict[str, Json] = {}
    if random.random() < 0.1:
        drawn["tool"] = random.choice(({"equals": "erp.pay"}, {"one_of": ["erp.pay", "b"]}, {"prefix": "crm."}))
    if random.random() < 0.1:
        drawn["purpose"] = random.choice(({"equals": "invoices"}, {"equals": ""}, {"not_one_of": ["x"]}, {}))
    if depth and random.random() < 0.2:
        name = random.choice(("any_of", "all_of"))
        drawn[name] = [random_document(random, side, depth - 1) for _ in range(random.choice((1, 2, 2, 3)))]
        return drawn
    if side is Side.ARGUMENTS and random.random() < 0.3:
        drawn["additional"] = random.random() < 0.8
    names: list[str] = []
    for name in random.sample(NAMES, random.choice((0, 1, 1, 2, 2, 3))):
        if not any(_clash(_path(name), _path(other)) for other in names):
            names.append(name)
    for name in names:
        constraint = random_constraint(random, side, depth)
        if random.random() < 0.3:
            constraint["optional" if side is Side.ARGUMENTS else "if_present"] = True
        drawn[name] = constraint
    return drawn


def _path(name: str) -> list[str]:
    return name.split("/")[1:] if name.startswith("/") else [name]


def _clash(one: list[str], other: list[str]) -> bool:
    return one == other[: len(one)] or other == one[: len(other)]


def random_constraint(random: Random, side: Side, depth: int) -> dict[str, Json]:
    """A constraint of no members, of one, or of two."""
    drawn: dict[str, Json] = {}
    for _ in range(random.choice((0, 1, 1, 1, 2))):
        name, value = random_member(random, side, depth)
        drawn[name] = value
    if "each" in drawn and random.random() < 0.4:
        drawn["min_items"] = random.randrange(3)
    return drawn


def random_member(random: Random, side: Side, depth: int) -> tuple[str, Json]:
    nested = ["any_of", "all_of", "each" if side is Side.ARGUMENTS else "some"]
    names = [*MEMBERS, *(nested * 3 if depth else [])]
    if side is Side.MATCHING:
        names.append("unrelated")
    name = random.choice(names)
    if name in ("each", "some"):
        return name, random_constraint(random, side, depth - 1)
    if name in ("any_of", "all_of"):
        return name, [random_constraint(random, side, depth - 1) for _ in range(random.choice((1, 2, 2, 3)))]
    if name == "unrelated":
        return name, {"type": "user", "permission": "contact"}
    return name, MEMBERS[name](random)


def _some_of(random: Random, values: tuple[Json, ...]) -> list[Json]:
    return random.sample(values, random.randint(1, min(4, len(values))))


MEMBERS: dict[str, Callable[[Random], Json]] = {
    "equals": lambda random: random.choice((*(s for s in SCALARS if s != "e\u0301"), {"binding": "invoice"})),
    "one_of": lambda random: _some_of(random, tuple(s for s in SCALARS if s != "e\u0301")),
    "not_one_of": lambda random: _some_of(random, tuple(s for s in SCALARS if s != "e\u0301")),
    "min": lambda random: random.choice(("0", "1.5", "-2", "100", "2026-01-31")),
    "max": lambda random: random.choice(("0", "1.50", "99.99", "1", "2026-02-01")),
    "max_length": lambda random: random.randrange(4),
    "prefix": lambda random: random.choice(("a", "/srv", "/srv/", "https://", "1")),
    "subpath": lambda random: random.choice(("/", "/srv", "/srv/a", "a")),
    "glob": lambda random: random.choice(
        ("*", "**", "/srv/*", "/srv/**", "**/a", "/**/b.txt", "a?", "?", "a*b", "/srv/*/*.txt", "a/**/b", "**/*")
    ),
    "cidr": lambda random: random.choice(("10.0.0.0/8", ["10.0.0.1/32", "::1/128"], "::/0", ["2001:db8::/32"])),
    "host": lambda random: random.choice(("example.com", ".example.com", [".com", "10.0.0.1"], ["::1", "a"])),
    "url": lambda random: {
        "host": random.choice(("example.com", ".example.com", [".com", "10.0.0.1"])),
        **random.choice(({}, {"scheme": ["http"]}, {"scheme": ["http", "https"]})),
        **random.choice(({}, {}, {"port": [8443]}, {"port": [443, 8443]})),
        **random.choice(({}, {}, {"path": "/srv"}, {"path": "/"})),
    },
    "related": lambda random: {"type": "user", "permission": "contact"},
}


# --- calls that are near to a document --------------------------------------------------------------------------

NEAR: dict[str, tuple[Json, ...]] = {
    "min": (0, 1, "1.50", "-2", 100, 1.5, "2026-01-31", "2026-02-01"),
    "max": (0, 1, "1.50", "-2", 100, 1.5, "2026-01-31", "2026-02-01"),
    "max_length": ("", "a", "ab", [], ["a"], ["a", 1], "/srv"),
    "prefix": ("a", "ab", "/srv", "/srv/a", "https://example.com/", "1"),
    "subpath": ("/", "/srv", "/srv/a", "/srv/a/b.txt", "/srva", "a", "a/b", "/srv/../etc"),
    "glob": ("a", "ab", "a/b", "/srv", "/srv/a", "/srv/a/b.txt", "/", "/srv/"),
    "cidr": ("10.0.0.1", "10.1.0.0", "::1", "2001:db8::1", "1"),
    "host": ("example.com", "a.example.com", "10.0.0.1", "::1", "a", "BOB@X"),
    "url": tuple(text for text in TEXTS if text.startswith("http")),
    "related": ("a", "b", "bob@x", "*", "a b"),
    "unrelated": ("a", "b", "bob@x", "*", "a b"),
}


def random_call_of(random: Random, document: dict[str, Json]) -> dict[str, Json]:
    """Arguments of which some are what the document names, and near to what it says of them."""
    for name in ("any_of", "all_of"):
        if name in document:
            return random_call_of(random, random.choice(document[name]))
    arguments: dict[str, Json] = random_arguments(random) if random.random() < 0.15 else {}
    for name, constraint in document.items():
        if name not in ("tool", "purpose", "additional") and random.random() < 0.9:
            path = [key.replace("~1", "/").replace("~0", "~") for key in _path(name)]
            _put(arguments, path, random_value_of(random, constraint))
    return arguments


def _put(container: Json, path: list[str], value: Json) -> None:
    key, *rest = path
    if isinstance(container, list):
        index = int(key) if key.isdigit() and int(key) <= len(container) else len(container)
        container[index:index] = [None]
        key = index
    elif not isinstance(container, dict):
        return
    if not rest:
        container[key] = value
        return
    if container.get(key) if isinstance(container, dict) else container[key]:
        _put(container[key], rest, value)
    else:
        container[key] = [] if rest[0] == "0" else {}
        _put(container[key], rest, value)


def random_value_of(random: Random, constraint: dict[str, Json]) -> Json:
    """A value, which a constraint would perhaps let through."""
    names = [name for name in constraint if name not in ("optional", "if_present", "min_items")]
    if not names or random.random() < 0.1:
        return random_value(random, 2)
    name = random.choice(names)
    of = constraint[name]
    if name in ("any_of", "all_of"):
        return random_value_of(random, random.choice(of))
    if name in ("each", "some"):
        return [random_value_of(random, of) for _ in range(random.choice((0, 1, 2, 2)))]
    if name in NEAR:
        return random.choice(NEAR[name])
    if isinstance(of, list) and random.random() < 0.6:
        return random.choice(of)
    return random.choice(SCALARS) if isinstance(of, list | dict) or random.random() < 0.3 else of
