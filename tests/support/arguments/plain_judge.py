"""Documents and calls read plainly: what the page on arguments says, written down once more, with nothing clever in it.

It reads the document as JSON and not as a tree; it asks of every way in which a constraint can hold which values it
speaks of, as sets of pointers; and where something cannot be judged, it tries both answers. The judge is judged by it.
Law: it is slow, and shares nothing with the judge but the grammar of values, which has a corpus of its own."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from itertools import product
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from remit.arguments.json_text import Json, canonical_text
from remit.arguments.side import Side
from remit.arguments.values import refusal, text_refusal

Asked = tuple[str, str]
"""A question to the graph, or "" and what could not be judged."""
Truth = Callable[[Asked], bool]
Document = dict[str, Json]


class PlainCall:
    def __init__(self, tool: str, purpose: str, arguments: dict[str, Json]) -> None:
        self.tool, self.purpose, self.arguments = tool, purpose, arguments


def passes(document: Document, side: Side, call: PlainCall, truth: Truth) -> bool:
    """Whether the call passes the document, where whatever is asked has the given answer."""
    for name, text in (("tool", call.tool), ("purpose", call.purpose)):
        if not any(True for _ in ways(document.get(name, {}), text, name, truth)):
            return False
    if "any_of" in document:
        return any(passes(part, side, call, truth) for part in document["any_of"])
    if "all_of" in document:
        return all(passes(part, side, call, truth) for part in document["all_of"])
    covered: set[str] = set()
    for name, constraint in document.items():
        if name in ("tool", "purpose", "additional"):
            continue
        path = name[1:].split("/") if name.startswith("/") else [name.replace("~", "~0").replace("/", "~1")]
        found = at(call.arguments, [step.replace("~1", "/").replace("~0", "~") for step in path], truth)
        if found is STUCK:
            continue  # what came of it was taken for true
        if found is REFUSED:
            return False
        if found is ABSENT:
            if side is Side.ARGUMENTS and not constraint.get("optional"):
                return False
            if side is Side.MATCHING and constraint.get("if_present"):
                return False
            continue
        members = {key: value for key, value in constraint.items() if key not in ("optional", "if_present")}
        pointer = "/" + "/".join(path)
        all_ways = list(ways(members, found, pointer, truth))
        if not all_ways:
            return False
        leaves = set(leaves_of(found, pointer))
        if any(way >= leaves for way in all_ways):
            covered |= leaves
    if side is Side.MATCHING or document.get("additional"):
        return True
    return covered >= set(leaves_of(call.arguments, "")) - {""}


# --- where arguments stand --------------------------------------------------------------------------------------

ABSENT, STUCK, REFUSED = object(), object(), object()


def at(value: Json, path: list[str], truth: Truth) -> object:
    pointer = ""
    for step in path:
        if isinstance(value, dict):
            if step not in value:
                return ABSENT
            value = value[step]
        elif isinstance(value, list) and re.fullmatch("0|[1-9][0-9]{0,8}", step):
            if int(step) >= len(value):
                return ABSENT
            value = value[int(step)]
        else:
            return STUCK if truth(("", f"{pointer} goes no further")) else REFUSED
        pointer += "/" + step.replace("~", "~0").replace("/", "~1")
    return value


def leaves_of(value: Json, pointer: str) -> Iterator[str]:
    """The pointers of every scalar and of every empty container."""
    below: list[tuple[object, Json]] = []
    if isinstance(value, dict):
        below = [(key.replace("~", "~0").replace("/", "~1"), item) for key, item in value.items()]
    elif isinstance(value, list):
        below = list(enumerate(value))
    if not below:
        yield pointer
    for key, item in below:
        yield from leaves_of(item, f"{pointer}/{key}")


# --- how a constraint can hold ----------------------------------------------------------------------------------


def ways(constraint: Document, value: Json, pointer: str, truth: Truth) -> Iterator[set[str]]:
    """Each way in which the constraint holds, as the leaves that a single one of its members speaks of."""
    everything = set(leaves_of(value, pointer))
    if not constraint:
        yield everything
        return
    of_members = [
        list(ways_of_member(name, of, constraint, value, pointer, truth))
        for name, of in constraint.items()
        if name != "min_items"
    ]
    for each_way in product(*of_members):
        if everything == {pointer}:  # a scalar, or an empty container
            yield everything
        else:
            yield from each_way


def ways_of_member(
    name: str, of: Json, constraint: Document, value: Json, pointer: str, truth: Truth
) -> Iterator[set[str]]:
    if name == "any_of":
        for part in of:
            yield from ways(part, value, pointer, truth)
    elif name == "all_of":
        for each_way in product(*(list(ways(part, value, pointer, truth)) for part in of)):
            yield from each_way
    elif name in ("each", "some") and isinstance(value, list):
        of_items = [list(ways(of, item, f"{pointer}/{index}", truth)) for index, item in enumerate(value)]
        if name == "some":
            if any(of_items):
                yield set()
        elif len(value) >= constraint.get("min_items", 1):
            # One way for each element is as good as another that speaks of more.
            best = [max(of_item, key=len, default=None) for of_item in of_items]
            if None not in best:
                yield set().union({pointer} if not value else set(), *best)
    elif truth_of(name, of, value, pointer, truth):
        yield set()


def truth_of(name: str, of: Json, value: Json, pointer: str, truth: Truth) -> bool:
    known = holds(name, of, value)
    if isinstance(known, bool):
        return known
    if known is None:
        return truth(("", f"{pointer} {name} {canonical_text(of)}"))
    answer = truth(known)
    return not answer if name == "unrelated" else answer


def holds(name: str, of: Json, value: Json) -> bool | Asked | None:
    """Whether one member holds; what it asks; or None where it cannot be judged."""
    kind = kind_of(value)
    if name in ("each", "some") or (kind in ("list", "object") and name != "max_length"):
        return None
    if kind == "string" and text_refusal(value):
        return None
    if name == "equals" and isinstance(of, dict):
        return ("binding:" + of["binding"] + "/" + hashlib.sha256(canonical_text(value).encode()).hexdigest(), "link")
    if name in ("equals", "one_of", "not_one_of"):
        listed = [of] if name == "equals" else of
        if kind not in {kind_of(each) for each in listed}:
            return None
        return (json.dumps(value) in {json.dumps(each) for each in listed}) is not (name == "not_one_of")
    if name in ("min", "max"):
        return is_within(name, of, value)
    if name == "max_length":
        return len(value) <= of if kind in ("string", "list") else None
    if kind != "string":
        return None
    if name in ("related", "unrelated"):
        is_id = re.fullmatch(r"[!-~]{1,1024}", value) and not set(value) & set("#[]") and value != "*"
        return (f"user:{value}", "contact") if is_id else None
    return holds_of_text(name, of, value)


def is_within(name: str, of: str, value: Json) -> bool | None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", of):
        if not isinstance(value, str) or refusal("date", value):
            return None
        one, other = date.fromisoformat(value), date.fromisoformat(of)
        return one >= other if name == "min" else one <= other
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and refusal("decimal", value):
        return None
    number, limit = Fraction(value if isinstance(value, str) else canonical_text(value)), Fraction(of)
    return number >= limit if name == "min" else number <= limit


def holds_of_text(name: str, of: Json, value: str) -> bool | None:
    needs = {"subpath": "path", "glob": "path", "cidr": "address", "host": "host", "url": "url"}
    if name in needs and refusal(needs[name], value):
        return None
    match name:
        case "prefix":
            return value[: len(of)] == of
        case "subpath":
            directories = (PurePosixPath(value), *PurePosixPath(value).parents)
            return PurePosixPath(of) in directories and of.startswith("/") == value.startswith("/")
        case "glob":
            return re.fullmatch(as_regex(of), value, re.DOTALL) is not None
        case "cidr":
            networks = [of] if isinstance(of, str) else of
            return any(ipaddress.ip_address(value) in ipaddress.ip_network(network) for network in networks)
        case "host":
            return is_host(of, value)
        case "url":
            return is_url(of, value)
    raise AssertionError(name)


def as_regex(glob: str) -> str:
    """`**/` is any beginning, a last `**` any end; a segment that is `*` alone is not the empty one before a `/`."""
    *beginning, last = glob.split("/")
    pattern = "".join("(?:.*/)?" if segment == "**" else f"{of_segment(segment)}/" for segment in beginning)
    return pattern + (".+" if last == "**" else of_segment(last))


def of_segment(segment: str) -> str:
    if segment == "*":
        return "[^/]+"
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(each, re.escape(each)) for each in segment)


def is_host(of: Json, value: str) -> bool | None:
    names = [of] if isinstance(of, str) else of
    if ":" in value or re.fullmatch(r"[0-9.]+", value):
        return True if value in names else None
    return any(value == name or (name[0] == "." and value[-len(name) :] == name) for name in names)


def is_url(of: Document, value: str) -> bool | None:
    split = urlsplit(value)
    default = {"http": 80, "https": 443}[split.scheme]
    verdicts = [
        split.scheme in of.get("scheme", ["https"]),
        (split.port or default) in of.get("port", [default]),
        is_host(of["host"], split.hostname),
    ]
    if "path" in of:
        verdicts.append(holds("subpath", of["path"], split.path))
    if False in verdicts:
        return False
    return None if None in verdicts else True


def kind_of(value: Json) -> str:
    kinds = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "list"}
    return kinds.get(type(value), "object")
