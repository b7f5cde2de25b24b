"""Random constraint documents that are near each other, and calls near the edges of what they let through.

Two documents that were drawn apart have nothing to do with each other, and tell nothing about a comparison. So the
second is the first with a few changes, each of which widens, narrows or breaks something; and calls are made of what
the two documents themselves name, with a little more or less of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from ipaddress import ip_network
from itertools import pairwise
from random import Random
from typing import Any

from remit.arguments.call import ReadCall
from remit.arguments.document import ANY_PERMISSION, parse_document
from remit.arguments.judge import judge
from remit.arguments.judged import Judged, Related
from remit.arguments.side import Side
from remit.arguments.tree import ANYTHING, Argument, Clause, Document, Part
from remit.arguments.values import VALUE_TYPES, ValueType, refusal
from remit.arguments.verdicts import Outcome, outcomes_of
from remit.errors import DocumentInvalid

PATHS = ["/", "/a", "/a/b", "/a/b/c", "/ab", "a", "a/b", "/a/b@x.example"]
GLOBS = ["/a/*", "/a/**", "/a/*/c", "a*", "**", "/**", "/a/?", "*", "/a/b", "**/b", "/a*/**", "/?/*", "a.*"]
PREFIXES = ["/", "/a", "/a/", "/a/b", "a", "ab", "https://", "https://example.com/", "10.", "2026-", "5", "exa"]
HOSTS = ["example.com", ".example.com", "a.example.com", ".a.example.com", "10.0.0.1", "2001:db8::1", ".com"]
NETWORKS = [
    "10.0.0.0/8",
    "10.0.0.0/9",
    "10.128.0.0/9",
    "10.0.0.1/32",
    "10.0.0.0/31",
    "2001:db8::/32",
    "2001:db8::1/128",
]
DECIMALS = ["0", "1", "5", "5.0", "5.01", "10", "-3"]
DATES = ["2026-01-31", "2026-02-01", "2027-01-01"]
TEXTS = ["", "a", "ab", "b", "5", "x", "bob@example.com", "https://example.com/", "https://a.example.com:8443/a/b"]
SCALARS: list[Any] = [0, 1, 5, 1.5, True, False, None, *TEXTS, *PATHS[:4], *HOSTS[:1], "10.0.0.1", *DATES[:2]]
GOALS = [("user", "contact"), ("user", "member"), ("team", "contact")]
KEYS = ["to", "x", "/x/y", "/x/z", "/x/y/0", "/l/0", "/l/1", "l", "cc"]

Entries = dict[str, Any]

# Pairs that Python takes for equal, and JSON does not.
_TWINS: dict[str, Any] = {"0": False, "1": True, "False": 0, "True": 1, "5": "5", "'5'": 5, "1.5": True}


class NearDocuments:
    """Documents of one side, as the JSON objects that they are written as."""

    def __init__(self, random: Random, side: Side) -> None:
        self.random = random
        self.side = side

    # --- drawn --------------------------------------------------------------------------------------------------

    def document(self, depth: int = 1) -> Entries:
        random = self.random
        drawn: Entries = {}
        if random.random() < 0.15:
            drawn["tool"] = self.text_constraint()
        if random.random() < 0.15:
            drawn["purpose"] = self.text_constraint()
        if depth and random.random() < 0.2:
            parts = [self.document(depth - 1) for _ in range(random.randint(1, 3))]
            return {**drawn, random.choice(["any_of", "all_of"]): parts}
        for key in random.sample(KEYS, random.choice([0, 1, 1, 1, 2, 2, 3])):
            drawn[key] = self.argument()
        if self.side is Side.ARGUMENTS and random.random() < 0.35:
            drawn["additional"] = random.random() < 0.9
        return drawn

    def argument(self) -> Entries:
        drawn = self.constraint()
        if self.random.random() < 0.35:
            drawn["optional" if self.side is Side.ARGUMENTS else "if_present"] = True
        return drawn

    def text_constraint(self) -> Entries:
        names = ["equals", "one_of", "not_one_of", "prefix", "glob", "max_length", "any_of"]
        return self.constraint(depth=1, names=names, scalars=TEXTS[1:6])

    def constraint(self, depth: int = 2, names: list[str] | None = None, scalars: list[Any] = SCALARS) -> Entries:
        count = self.random.choice([0, 1, 1, 1, 1, 1, 1, 2, 2, 3])
        drawn: Entries = {}
        for _ in range(count):
            drawn.update(self.member(depth, names, scalars))
        return drawn

    def member(self, depth: int, names: list[str] | None = None, scalars: list[Any] = SCALARS) -> Entries:
        random = self.random
        leaves = ["equals", "one_of", "not_one_of", "min", "max", "max_length", "prefix", "subpath", "glob", "cidr"]
        leaves += ["host", "url", "related", "binding"] + (["unrelated"] if self.side is Side.MATCHING else [])
        lists = ["each", "each"] if self.side is Side.ARGUMENTS else ["some", "some"]
        name = random.choice(names or [*leaves, *lists, "any_of", "any_of", "all_of"])
        if name in ("any_of", "all_of", "each", "some") and not depth:
            name = "prefix"
        some = lambda pool, most=3: random.sample(pool, random.randint(1, most))  # noqa: E731
        one_or_more = lambda pool: random.choice([random.choice(pool), some(pool)])  # noqa: E731
        match name:
            case "equals":
                return {name: random.choice(scalars)}
            case "binding":
                return {"equals": {"binding": random.choice(["invoice", "order"])}}
            case "one_of" | "not_one_of":
                return {name: some(scalars)}
            case "min" | "max":
                return {name: random.choice(DECIMALS if random.random() < 0.7 else DATES)}
            case "max_length":
                return {name: random.choice([0, 1, 2, 3, 5, 12])}
            case "prefix":
                return {name: random.choice(PREFIXES)}
            case "subpath":
                return {name: random.choice(PATHS)}
            case "glob":
                return {name: random.choice(GLOBS)}
            case "cidr":
                return {name: one_or_more(NETWORKS)}
            case "host":
                return {name: one_or_more(HOSTS)}
            case "url":
                return {name: self.url()}
            case "related" | "unrelated":
                type, permission = random.choice(GOALS)
                return {name: {"type": type, "permission": permission}}
            case "each":
                return {
                    name: self.constraint(depth - 1),
                    **random.choice([{}, {"min_items": random.choice([0, 1, 2])}]),
                }
            case "some":
                return {name: self.constraint(depth - 1)}
            case "any_of" | "all_of":
                return {name: [self.constraint(depth - 1, names, scalars) for _ in range(random.randint(1, 3))]}
        raise AssertionError(name)

    def url(self) -> Entries:
        random = self.random
        drawn: Entries = {"host": random.choice(HOSTS)}
        if random.random() < 0.3:
            drawn["scheme"] = random.sample(["https", "http"], random.randint(1, 2))
        if random.random() < 0.3:
            drawn["port"] = random.sample([443, 80, 8443], random.randint(1, 2))
        if random.random() < 0.4:
            drawn["path"] = random.choice([path for path in PATHS if path.startswith("/")])
        return drawn

    # --- changed ------------------------------------------------------------------------------------------------

    def near(self, document: Entries) -> Entries:
        """The document with a few changes; at times none, at times another one."""
        changed = deepcopy(document)
        for _ in range(self.random.choice([0, 1, 1, 1, 2, 2, 3])):
            changed = self.changed(changed)
        return changed

    def changed(self, document: Entries) -> Entries:
        random = self.random
        if random.random() < 0.07:
            other = self.near(document) if random.random() < 0.5 else self.document(0)
            return {random.choice(["any_of", "any_of", "all_of"]): random.sample([document, other], 2)}
        if combined := next((name for name in ("any_of", "all_of") if name in document), None):
            return self.changed_parts(document, combined)
        key = random.choice([*document, ""])
        match key:
            case "additional":
                return {**document, key: not document[key]}
            case "tool" | "purpose":
                constraint = self.changed_constraint(document[key])
                return {**document, key: constraint if self.is_fit(key, constraint) else self.text_constraint()}
            case "":
                return self.changed_names(document)
        if random.random() < 0.15:
            return {name: each for name, each in document.items() if name != key}
        constraint = dict(document[key])
        absent = "optional" if self.side is Side.ARGUMENTS else "if_present"
        was = constraint.pop(absent, None)
        if random.random() < 0.25:
            was = None if was else True
        else:
            constraint = self.changed_constraint(constraint)
        return {**document, key: {**constraint, **({absent: True} if was else {})}}

    def is_fit(self, key: str, constraint: Entries) -> bool:
        try:
            parse_document(json.dumps({key: constraint}), self.side, ANY_PERMISSION)
        except DocumentInvalid:
            return False
        return True

    def changed_parts(self, document: Entries, combined: str) -> Entries:
        random, parts = self.random, list(document[combined])
        index = random.randrange(len(parts))
        match random.choice(["change", "change", "add", "drop", "shuffle", "only"]):
            case "change":
                parts[index] = self.changed(parts[index])
            case "add":
                parts.append(self.document(0))
            case "drop" if len(parts) > 1:
                del parts[index]
            case "only" if len(document) == 1:
                return dict(parts[index])
            case _:
                random.shuffle(parts)
        return {**document, combined: parts}

    def changed_names(self, document: Entries) -> Entries:
        random = self.random
        named = [key for key in document if key not in ("tool", "purpose", "additional")]
        if named and random.random() < 0.5:
            return self.renamed(document, random.choice(named))
        match random.choice(["argument", "argument", "additional", "tool", "purpose"]):
            case "argument":
                return {**document, random.choice(KEYS): random.choice([self.argument(), self.absent_at_will({})])}
            case "additional" if self.side is Side.ARGUMENTS:
                return {**document, "additional": not document.get("additional", False)}
            case "tool" | "purpose" as name:
                return {**document, name: self.text_constraint()}
        return document

    def absent_at_will(self, constraint: Entries) -> Entries:
        return {**constraint, "optional": True} if self.side is Side.ARGUMENTS else constraint

    def renamed(self, document: Entries, key: str) -> Entries:
        """With another argument in the place of one, or beside it: what holds it, or what is beside or within it."""
        random = self.random
        parts = key.split("/")[1:] if key.startswith("/") else [key]
        other = (
            random.choice([parts[:-1], [*parts[:-1], random.choice("yz01")], [*parts, random.choice("yz0")]]) or parts
        )
        pointer = "/" + "/".join(other)
        constraint = random.choice([document[key], {}, self.absent_at_will({}), self.absent_at_will(document[key])])
        kept = {name: each for name, each in document.items() if name != key or random.random() < 0.5}
        return {**kept, pointer: constraint}

    def sibling(self, name: str, value: Any) -> Entries | None:
        """What could be taken for the same by a comparison that looks at the text alone."""
        random = self.random
        match name, value:
            case (("prefix" | "subpath" | "glob" | "equals"), str()):
                plain = value.rstrip("*").rstrip("/") or "/"
                drawn = [{"prefix": plain}, {"subpath": plain}, {"glob": plain}, {"glob": f"{plain.rstrip('/')}/**"}]
                others = [
                    {"equals": plain},
                    {"one_of": [value, "b"]},
                    {"host": value},
                    {"cidr": f"{value}/32"},
                    {"min": value},
                ]
                return random.choice([*drawn, *others])
            case (("equals" | "one_of" | "not_one_of"), _):
                twins = [_TWINS.get(repr(each), each) for each in (value if isinstance(value, list) else [value])]
                if any(isinstance(each, dict) for each in twins):
                    return None
                return random.choice(
                    [{"equals": twins[0]}, {"one_of": twins}, {"not_one_of": twins}, {"max": str(twins[0])}]
                )
            case (("min" | "max"), str()):
                return random.choice([{"not_one_of": [0, "0"]}, {"max_length": 10}, {"prefix": value[:1]}])
            case (("related" | "unrelated"), _):
                other = "unrelated" if name == "related" and self.side is Side.MATCHING else "related"
                return random.choice([{other: value}, {"max_length": 64}, {"not_one_of": ["no id"]}, {"glob": "**"}])
            case (("host" | "cidr"), str()):
                return random.choice([{"equals": value}, {"max_length": 64}, {"glob": "**"}, {"url": {"host": value}}])
            case "url", _:
                return (
                    {"prefix": f"https://{value['host']}"} if isinstance(value["host"], str) else {"prefix": "https://"}
                )
        return None

    def changed_constraint(self, constraint: Entries) -> Entries:
        random, changed = self.random, deepcopy(constraint)
        if not changed or random.random() < 0.25:
            return {**changed, **self.member(2)}
        name = random.choice(sorted(changed))
        value = changed[name]
        match name, random.random():
            case (("any_of" | "all_of"), chance) if chance < 0.9:
                return {**changed, name: self.changed_list(value)}
            case (("each" | "some"), chance) if chance < 0.9:
                return {**changed, name: self.changed_constraint(value)}
            case "min_items", _:
                return {**changed, name: random.choice([0, 1, 2])}
            case _, chance if chance < 0.12 and name != "each":
                del changed[name]
                return changed
            case _, chance if chance < 0.3:
                either = (
                    [changed, self.constraint(1)]
                    if random.random() < 0.7
                    else [self.changed_constraint(changed), changed]
                )
                return {random.choice(["any_of", "all_of"]): either}
            case (("one_of" | "not_one_of"), chance) if chance < 0.8:
                pool = [*value, random.choice(SCALARS)]
                return {**changed, name: random.sample(pool, random.randint(1, len(pool)))}
            case "url", chance if chance < 0.9:
                return {**changed, name: {**value, **self.url()} if random.random() < 0.5 else {**self.url(), **value}}
            case _:
                drawn = self.member(0, names=["binding" if name == "equals" and random.random() < 0.15 else name])
                return {**changed, **drawn}

    def changed_list(self, constraints: list[Entries]) -> list[Entries]:
        random, changed = self.random, list(constraints)
        index = random.randrange(len(changed))
        match random.choice(["change", "add", "drop", "shuffle"]):
            case "change":
                changed[index] = self.changed_constraint(changed[index])
            case "add":
                changed.append(self.constraint(1))
            case "drop" if len(changed) > 1:
                del changed[index]
            case _:
                random.shuffle(changed)
        return changed


def pairs(random: Random, side: Side) -> Iterator[tuple[Document, Document]]:
    """Pairs of documents near each other, without end, in either order."""
    drawn = NearDocuments(random, side)
    while True:
        # Half of them are of one argument and say little of it, so that most of what passes the one tests the other.
        if random.random() < 0.5:
            said = drawn.member(1)
            one, other = {"x": said}, {"x": drawn.changed_constraint(said)}
        else:
            one = drawn.document()
            other = drawn.near(one)
        texts = random.sample([json.dumps(one), json.dumps(other)], 2)
        try:
            first, second = (parse_document(text, side, ANY_PERMISSION) for text in texts)
        except DocumentInvalid:
            continue  # changes may well meet in what is no document
        yield first, second


# --- calls ------------------------------------------------------------------------------------------------------

Goals = dict[tuple[str, str], bool]
Types = dict[str, ValueType]


class NearCalls:
    """Calls near the edges of two documents of which one may be narrower.

    They are drawn to be a counterexample: each argument is mostly one that, taken alone, the one document lets through
    from which the other should follow, and best one that this other does not."""

    def __init__(self, random: Random, first: Document, second: Document) -> None:
        self.random = random
        self.is_given = first.side is Side.ARGUMENTS
        self.known, self.wanted = (first, second) if self.is_given else (second, first)
        written = [json.loads(first.text), json.loads(second.text)]
        self.paths = sorted({path for each in written for path in _paths_in(each)})
        self.values = [value for each in written for value in self.edges(each)] + random.sample(SCALARS, 3)
        self.values += ["z" * 20, 7, ["z"], {"k": "z"}] * (1 + len(self.values) // 30)
        self.passed = 0  # how many calls the known document let through
        self.texts = [each for each in self.values if isinstance(each, str) and each.isascii() and each.isprintable()]

    def counterexample(self, types: Types, calls: int) -> ReadCall | None:
        """A call of a tool that says these types, which the known document lets through and the wanted one does not."""
        goals = Goals()
        suited = {path: self.suited(path, types, goals) for path in self.paths}
        for _ in range(calls):
            call = self.call(suited, types)
            if self.passes(judge(self.known, call), goals):
                self.passed += 1
                if not self.passes(judge(self.wanted, call), goals):
                    return call
        return None

    def passes(self, judged: Judged, goals: Goals) -> bool:
        """Whether it is let through: a yes where authority is given, anything but a no where it is taken."""

        def answer(goal: Related) -> bool:
            return goals.setdefault((str(goal.object), goal.permission), self.random.random() < 0.8)

        [outcome] = outcomes_of(judged, answer)
        return outcome is Outcome.YES if self.is_given else outcome is not Outcome.NO

    def suited(self, path: tuple[str, ...], types: Types, goals: Goals) -> list[list[Any]]:
        """Values for the argument: those that only what is known lets through, all that it does, and all."""
        values = [self.value() for _ in range(18)]
        known, wanted = (list(_constraints_at(path, each.root)) for each in (self.known, self.wanted))
        passing = [each for each in values if not known or self.is_let_through(each, path, known, types, goals)]
        apart = [each for each in passing if not self.is_let_through(each, path, wanted, types, goals)]
        return [apart or passing or values, passing or values, values]

    def is_let_through(
        self, value: Any, path: tuple[str, ...], constraints: list[Argument], types: Types, goals: Goals
    ) -> bool:
        arguments: dict[str, Any] = {}
        _put(arguments, path, value)
        call = ReadCall("a", "a", arguments).typed(arguments, types)
        alone = (
            Document(self.known.side, Clause(ANYTHING, ANYTHING, (each,), is_open=True), "", 0) for each in constraints
        )
        return any(self.passes(judge(each, call), goals) for each in alone)

    def call(self, suited: dict[tuple[str, ...], list[list[Any]]], types: Types) -> ReadCall:
        random = self.random
        arguments: dict[str, Any] = {}
        for path in random.sample(self.paths, len(self.paths)):
            if random.random() < 0.8:
                [values] = random.choices(suited[path], [2, 4, 1])
                _put(arguments, path, random.choice(values))
        if random.random() < 0.25:
            _put(arguments, (random.choice(["other", "x", "cc"]),), self.value())
        return ReadCall(self.text(), self.text(), arguments).typed(arguments, types)

    def text(self) -> str:
        return self.random.choice([*self.texts, "a", "ab", "b", "x"])

    def value(self, depth: int = 2) -> Any:
        random = self.random
        chance = random.random()
        if chance < 0.72 or not depth:
            return random.choice(self.values)
        if chance < 0.93:
            return [self.value(depth - 1) for _ in range(random.choice([0, 1, 1, 2, 2, 3]))]
        if chance < 0.97:
            return {key: self.value(depth - 1) for key in random.sample(["y", "z", "k"], random.randint(0, 2))}
        return random.choice(["e\u0301", 0, None, True, "", [], {}, "/a/../b", "//a", "A.example.com"])

    def types(self) -> Types:
        """What a tool may say of the arguments; mostly nothing."""
        random = self.random
        types = Types()
        if random.random() < 0.5:
            return types
        for path in self.paths:
            pointer = "".join(f"/{key}" for key in path)
            for pattern in (pointer, f"{pointer}/*", f"{pointer}/*/*"):
                if random.random() < 0.4:
                    text = self.text()
                    types[pattern] = random.choice(
                        [each for each in VALUE_TYPES if refusal(each, text) is None] or VALUE_TYPES
                    )
        return types

    def edges(self, said: Any) -> Iterator[Any]:
        """Values at and beside what is said anywhere in a document."""
        match said:
            case dict():
                for name, value in said.items():
                    yield from self.edges_of(name, value)
            case list():
                for value in said:
                    yield from self.edges(value)

    def edges_of(self, name: str, value: Any) -> Iterator[Any]:
        beside = ["x", "/x", "/", ".", "/x/b", "/b@x.example", "b", "/../b", "//b"]
        match name, value:
            case (("equals" | "one_of" | "not_one_of"), _):
                for each in value if isinstance(value, list) else [value]:
                    if not isinstance(each, dict):
                        yield from [each, f"{each}x", str(each)]
            case (("min" | "max"), str()):
                yield value
                yield from [value + ("0" if "." in value else ".0"), value + (".01" if "." not in value else "1")]
                if "-" not in value[1:]:
                    number = float(value)
                    yield from [number, number + 1, number - 1]
            case (("prefix" | "subpath" | "path"), str()):
                yield from [value, *(value + each for each in beside), value[:-1]]
                yield f"https://example.com{value if value.startswith('/') else '/' + value}"
            case "glob", str():
                for _ in range(3):
                    yield self.matched(value)
            case "max_length", int():
                yield from ["y" * value, "y" * (value + 1), ["a"] * value, ["a"] * (value + 1)]
            case "min_items", int():
                yield from [["a"] * value, ["a"] * (value + 1)]
            case "cidr", _:
                for each in value if isinstance(value, list) else [value]:
                    yield from _addresses_near(each)
            case "host", _:
                for each in value if isinstance(value, list) else [value]:
                    plain = each.removeprefix(".")
                    bracketed = f"[{plain}]" if ":" in plain else plain
                    yield from [plain, f"a.{plain}", f"b.a.{plain}", f"x{plain}"]
                    for host in (bracketed, f"a.{plain}", f"x{plain}"):
                        scheme = self.random.choice(["https", "http"])
                        port = self.random.choice(["", "", ":8443", ":80"])
                        path = self.random.choice(["/", "/a", "/a/b", "/ab", "/a/b/c", "//a"])
                        yield f"{scheme}://{host}{port}{path}"
            case (("related" | "unrelated"), _):
                yield from ["bob", "bob@example.com", "no id"]
            case _:
                yield from self.edges(value)

    def matched(self, pattern: str) -> str:
        """A text that a glob is of, or nearly."""
        random = self.random
        segments = [random.choice(["", "a", "b/c", "a/b"]) if each == "**" else each for each in pattern.split("/")]
        text = "/".join(each for at, each in enumerate(segments) if each or at == 0)
        text = "".join(random.choice(["", "a", "ab"]) if each == "*" else each for each in text)
        text = text.replace("?", random.choice(["a", "b", "/"]))
        return text + random.choice(["", "", "", "/x", "x"])


def _constraints_at(path: tuple[str, ...], part: Part) -> Iterator[Argument]:
    if isinstance(part, Clause):
        yield from (each for each in part.arguments if each.path == path)
        return
    for each in part.parts:
        yield from _constraints_at(path, each)


def _paths_in(document: Any) -> Iterator[tuple[str, ...]]:
    for name, value in document.items():
        match name:
            case "any_of" | "all_of":
                for each in value:
                    yield from _paths_in(each)
            case "tool" | "purpose" | "additional":
                pass
            case _:
                yield tuple(name.split("/")[1:]) if name.startswith("/") else (name,)


def _put(arguments: dict[str, Any], path: tuple[str, ...], value: Any) -> bool:
    """Puts the value where the path leads; False where something else is in the way."""
    at: Any = arguments
    for key, following in pairwise(path):
        empty: Any = [] if following.isdigit() else {}
        if isinstance(at, list):
            if not key.isdigit() or int(key) > len(at):
                return False
            if int(key) == len(at):
                at.append(empty)
            at = at[int(key)]
        elif isinstance(at, dict):
            at = at.setdefault(key, empty)
        else:
            return False
    match at:
        case dict():
            at[path[-1]] = deepcopy(value)
        case list() if path[-1].isdigit() and int(path[-1]) <= len(at):
            at[int(path[-1]) :] = [deepcopy(value)]
        case _:
            return False
    return True


def _addresses_near(network: str) -> list[str]:
    found = ip_network(network)
    first, last = found.network_address, found.broadcast_address
    return [str(first), str(last), str(first + 1), str(last + 1), str(first - 1)]
