"""Reading a constraint document: from the context of its caveat to a tree.

A document is read once, when it is written; whatever in it is wrong is refused there, by its place, with what to write
instead. What is read has no spelling of its own left.
Law: a document that is read again from its text is the same document."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise

from remit.arguments.glob import GLOB_LENGTH_MAX, Glob, compile_glob
from remit.arguments.json_text import (
    Json,
    JsonRefused,
    Scalar,
    canonical_text,
    in_order,
    joined,
    path_of,
    pointer_of,
    read_object,
)
from remit.arguments.side import Side
from remit.arguments.tree import (
    ANYTHING,
    AllClauses,
    AllOf,
    AnyClause,
    AnyOf,
    Argument,
    Bound,
    Cidr,
    Clause,
    Constraint,
    Document,
    Each,
    Equals,
    EqualsBinding,
    GlobOf,
    Host,
    MaxLength,
    Member,
    OneOf,
    Part,
    Prefix,
    RelatedTo,
    Some,
    Subpath,
    Url,
)
from remit.arguments.values import DEFAULT_PORTS, Network, is_address_like, is_path_of_url, refusal, text_refusal
from remit.errors import DocumentInvalid
from remit.notation import shortened
from remit.suggest import did_you_mean

DOCUMENT_BYTES_MAX = 16_384
CONSTRAINTS_MAX = 500
ONE_OF_MAX = 500
BINDING = ("binding", "link")  # the permission that a binding is asked by

_BINDING_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)
_COMBINING = ("any_of", "all_of")
_TEXTS_ONLY = "the tool and the purpose are texts"
_RELATED_FORM = 'write `{"type": "user", "permission": "contact"}`, and nothing else'


class _AnyPermission(Collection[tuple[str, str]]):
    """Every permission there could be, of which none can be listed."""

    def __contains__(self, permission: object) -> bool:
        return True

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def __len__(self) -> int:
        return 0


ANY_PERMISSION: Collection[tuple[str, str]] = _AnyPermission()
"""Declared where no schema says which are: of a document that is looked at by itself, or was found to be allowed."""


def parse_document(context_json: str, side: Side, declared: Collection[tuple[str, str]]) -> Document:
    """The document of a caveat's context. `declared`: the permissions (type, permission) that the relation lets it ask
    the graph for. Raises DocumentInvalid. Cost: O(length)."""
    try:
        value = read_object(context_json.encode("utf-8", "surrogatepass"), exact_numbers=True)
    except JsonRefused as error:
        raise DocumentInvalid(error.pointer, error.reason) from error
    text = canonical_text(value)
    if (size := len(text.encode())) > DOCUMENT_BYTES_MAX:
        raise DocumentInvalid(
            "", f"is {size} bytes, more than the {DOCUMENT_BYTES_MAX} allowed", "say what it lists as relationships"
        )
    reader = _Reader(side, declared)
    return Document(side, reader.part(value, ""), text, reader.constraints)


class _Reader:
    """One document while it is read. Every method takes the JSON Pointer of what it reads."""

    def __init__(self, side: Side, declared: Collection[tuple[str, str]]) -> None:
        self.side = side
        self.declared = declared
        self.constraints = 0
        self.members: dict[str, Callable[[Json, str], Member]] = {
            "equals": self.equals,
            "one_of": lambda value, pointer: OneOf(self.scalars(value, pointer), negated=False),
            "not_one_of": lambda value, pointer: OneOf(self.scalars(value, pointer), negated=True),
            "min": lambda value, pointer: self.bound(value, pointer, is_max=False),
            "max": lambda value, pointer: self.bound(value, pointer, is_max=True),
            "max_length": lambda value, pointer: MaxLength(self.count(value, pointer)),
            "prefix": self.prefix,
            "subpath": lambda value, pointer: Subpath(self.path(value, pointer)),
            "glob": self.glob,
            "cidr": self.cidr,
            "host": self.host,
            "url": self.url,
            "any_of": lambda value, pointer: AnyOf(self.constraints_of(value, pointer)),
            "all_of": lambda value, pointer: AllOf(self.constraints_of(value, pointer)),
            "related": lambda value, pointer: self.related(value, pointer, negated=False),
        }
        if side is Side.MATCHING:
            self.members["unrelated"] = lambda value, pointer: self.related(value, pointer, negated=True)
            self.members["some"] = lambda value, pointer: Some(self.constraint(value, pointer))

    # --- documents ----------------------------------------------------------------------------------------------

    def part(self, value: Json, pointer: str) -> Part:
        """A document, or one within `any_of` or `all_of` of another."""
        entries = self.object(value, pointer, "a document", "such as `{}`")
        self.counted(pointer)
        tool = self.text_constraint(entries.pop("tool", {}), joined(pointer, "tool"))
        purpose = self.text_constraint(entries.pop("purpose", {}), joined(pointer, "purpose"))
        combining = [name for name in _COMBINING if name in entries]
        if not combining:
            return self.clause(entries, pointer, tool, purpose)
        [name, *others] = [*combining, *(key for key in entries if key not in combining)]
        if others:
            raise DocumentInvalid(
                joined(pointer, others[0]),
                f"stands beside `{name}`, where only `tool` and `purpose` may",
                f"say it in each part of `{name}`",
            )
        below = joined(pointer, name)
        parts = tuple(self.part(item, joined(below, index)) for index, item in self.items(entries[name], below))
        return (AnyClause if name == "any_of" else AllClauses)(tool, purpose, parts)

    def clause(self, entries: dict[str, Json], pointer: str, tool: Constraint, purpose: Constraint) -> Clause:
        is_open = False
        if "additional" in entries:
            below = joined(pointer, "additional")
            if self.side is Side.MATCHING:
                raise DocumentInvalid(
                    below, "is of `arguments` alone", "leave it away: what `matching` does not name, it lets be"
                )
            additional = entries.pop("additional")
            if not isinstance(additional, bool):
                raise DocumentInvalid(
                    below, "is neither true nor false", "an argument of that name is written `/additional`"
                )
            is_open = additional
        arguments = tuple(self.argument(name, item, joined(pointer, name)) for name, item in entries.items())
        by_path = sorted(argument.path for argument in arguments)
        for path, following in pairwise(by_path):
            if following[: len(path)] == path:
                what = "is named twice" if path == following else f"is within `{pointer_of(path)}`, which is named too"
                raise DocumentInvalid(pointer, f"names `{pointer_of(following)}`, which {what}", "say it in one place")
        return Clause(tool, purpose, arguments, is_open)

    def argument(self, name: str, value: Json, pointer: str) -> Argument:
        self.text(name, pointer)
        path = path_of(name) if name.startswith("/") else (name,)
        if path is None:
            raise DocumentInvalid(pointer, "is no JSON Pointer", "a `~` is written `~0`, and a `/` in a key `~1`")
        if "*" in path:
            raise DocumentInvalid(pointer, "has the key `*`", "`each` and `some` speak of the elements of a list")
        entries = self.object(value, pointer, "a constraint", _meant_by(value))
        absent = "optional" if self.side is Side.ARGUMENTS else "if_present"
        is_set = absent in entries
        if is_set and entries.pop(absent) is not True:
            raise DocumentInvalid(joined(pointer, absent), "is not true", "leave it away to say that it is not so")
        constraint = self.read_members(entries, pointer)
        return Argument(
            path,
            constraint,
            is_optional=is_set and self.side is Side.ARGUMENTS,
            if_present=is_set and self.side is Side.MATCHING,
        )

    # --- constraints --------------------------------------------------------------------------------------------

    def constraint(self, value: Json, pointer: str) -> Constraint:
        return self.read_members(self.object(value, pointer, "a constraint", _meant_by(value)), pointer)

    def read_members(self, entries: dict[str, Json], pointer: str) -> Constraint:
        """What an object of members says; none of them is `optional` or `if_present` any more."""
        self.counted(pointer)
        items_min = 1
        if "min_items" in entries and self.side is Side.ARGUMENTS:
            items_min = self.count(entries.pop("min_items"), joined(pointer, "min_items"))
            if "each" not in entries:
                raise DocumentInvalid(joined(pointer, "min_items"), "stands without `each`", "`each: {}` is any list")
        members: list[Member] = []
        for name, item in entries.items():
            below = joined(pointer, name)
            self.counted(below)
            if name == "each" and self.side is Side.ARGUMENTS:
                members.append(Each(self.constraint(item, below), items_min))
            elif read := self.members.get(name):
                members.append(read(item, below))
            else:
                raise self.unknown_member(name, below)
        return Constraint(tuple(members)) if members else ANYTHING

    def unknown_member(self, name: str, pointer: str) -> DocumentInvalid:
        elsewhere = {
            "each": "`each` is of `arguments` alone: `some` speaks of a list here",
            "min_items": "`min_items` is of `arguments` alone",
            "some": "`some` is of `matching` alone: `each` speaks of a list here",
            "unrelated": "`unrelated` is of `matching` alone",
            "optional": "`optional` is of `arguments` alone, and stands beside the argument's own members",
            "if_present": "`if_present` is of `matching` alone, and stands beside the argument's own members",
        }
        if name in elsewhere:
            return DocumentInvalid(pointer, "has no place here", elsewhere[name])
        own = ("each", "min_items", "optional") if self.side is Side.ARGUMENTS else ("if_present",)
        return DocumentInvalid(pointer, "is no member of a constraint", did_you_mean(name, (*self.members, *own)))

    def constraints_of(self, value: Json, pointer: str) -> tuple[Constraint, ...]:
        return tuple(self.constraint(item, joined(pointer, index)) for index, item in self.items(value, pointer))

    def text_constraint(self, value: Json, pointer: str) -> Constraint:
        """A constraint on the tool or the purpose, which holds no member that no text can have."""
        constraint = self.constraint(value, pointer) if value != {} else ANYTHING
        self.check_of_texts(constraint, pointer)
        return constraint

    def check_of_texts(self, constraint: Constraint, pointer: str) -> None:
        for member in constraint.members:
            match member:
                case Each():
                    raise DocumentInvalid(joined(pointer, "each"), "is of lists", _TEXTS_ONLY)
                case Some():
                    raise DocumentInvalid(joined(pointer, "some"), "is of lists", _TEXTS_ONLY)
                case Equals(value) if not isinstance(value, str):
                    raise DocumentInvalid(joined(pointer, "equals"), "is no text", _TEXTS_ONLY)
                case OneOf(values, negated) if not all(isinstance(value, str) for value in values):
                    name = "not_one_of" if negated else "one_of"
                    raise DocumentInvalid(joined(pointer, name), "lists what is no text", _TEXTS_ONLY)
                case AnyOf(constraints) | AllOf(constraints):
                    name = "any_of" if isinstance(member, AnyOf) else "all_of"
                    for index, each in enumerate(constraints):
                        self.check_of_texts(each, joined(joined(pointer, name), index))
                case _:
                    pass

    # --- members ------------------------------------------------------------------------------------------------

    def equals(self, value: Json, pointer: str) -> Member:
        if not isinstance(value, dict):
            return Equals(self.scalar(value, pointer))
        if list(value) != ["binding"]:
            raise DocumentInvalid(
                pointer, "is an object", 'only scalars are compared; a binding is written `{"binding": "name"}`'
            )
        name, below = value["binding"], joined(pointer, "binding")
        if not isinstance(name, str) or not _BINDING_NAME.fullmatch(name):
            raise DocumentInvalid(
                below, "is no name of a binding", "up to 128 letters, digits, `_`, `.` and `-`, in ASCII"
            )
        self.check_declared(BINDING, below)
        return EqualsBinding(name)

    def scalars(self, value: Json, pointer: str) -> tuple[Scalar, ...]:
        return tuple(
            self.scalar(item, joined(pointer, index)) for index, item in self.items(value, pointer, ONE_OF_MAX)
        )

    def bound(self, value: Json, pointer: str, *, is_max: bool) -> Bound:
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise DocumentInvalid(
                pointer, "is a number", f'write it as a text, which is exact: `"{canonical_text(value)}"`'
            )
        text = self.text(value, pointer)
        if refusal("date", text) is None:
            return Bound(date.fromisoformat(text), text, is_max)
        if reason := refusal("decimal", text):
            raise DocumentInvalid(
                pointer, reason, 'write a decimal such as `"100.00"`, or a day such as `"2026-01-31"`'
            )
        return Bound(Decimal(text), text, is_max)

    def prefix(self, value: Json, pointer: str) -> Prefix:
        text = self.text(value, pointer)
        if not text:
            raise DocumentInvalid(pointer, "is empty", "every text begins with it: say `{}`")
        return Prefix(text)

    def path(self, value: Json, pointer: str) -> str:
        text = self.text(value, pointer)
        if reason := refusal("path", text):
            raise DocumentInvalid(pointer, reason, "write the path as it must come, such as `/srv/reports`")
        return text

    def glob(self, value: Json, pointer: str) -> GlobOf:
        return GlobOf(self.compiled_glob(self.text(value, pointer), pointer))

    def compiled_glob(self, pattern: str, pointer: str) -> Glob:
        if len(pattern) > GLOB_LENGTH_MAX:
            raise DocumentInvalid(pointer, f"is a glob of more than {GLOB_LENGTH_MAX} characters")
        if found := re.search(r"[\[\]{}]", pattern):
            raise DocumentInvalid(
                pointer, f"holds `{found[0]}`, which means nothing in a glob", "`any_of` holds several globs"
            )
        # What stands for others is no part of what makes a path one: a letter stands for it.
        if reason := refusal("path", pattern.replace("*", "x").replace("?", "x")):
            raise DocumentInvalid(
                pointer, reason, "a glob is of paths, and of texts that could be one; `url` is of URLs"
            )
        if any("**" in segment and segment != "**" for segment in pattern.split("/")):
            raise DocumentInvalid(
                pointer, "has `**` within a segment", "`**` is a segment by itself, `*` a part of one"
            )
        return compile_glob(pattern)

    def cidr(self, value: Json, pointer: str) -> Cidr:
        return Cidr(tuple(self.network(*each) for each in self.one_or_more(value, pointer)))

    def network(self, value: Json, pointer: str) -> Network:
        text = self.text(value, pointer)
        try:
            if not text.isascii() or "%" in text:  # a zone is no part of an address
                raise ValueError(text)
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise DocumentInvalid(
                pointer, f"`{shortened(text)}` is no network", "write it such as `10.0.0.0/8` or `2001:db8::/32`"
            ) from error
        if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
            raise DocumentInvalid(pointer, "is of IPv4 addresses written as IPv6", "write the IPv4 network")
        if str(network) != text:
            raise DocumentInvalid(pointer, f"`{shortened(text)}` is not written as networks are", f"write `{network}`")
        return network

    def host(self, value: Json, pointer: str) -> Host:
        return Host(tuple(self.host_name(*each) for each in self.one_or_more(value, pointer)))

    def host_name(self, value: Json, pointer: str) -> str:
        text = self.text(value, pointer)
        name = text.removeprefix(".")
        reason = refusal("host", name)
        if reason is None and name != text and is_address_like(name):
            reason = "is an address, which nothing is below"
        if reason:
            raise DocumentInvalid(
                pointer, reason, "write `example.com` for that host, `.example.com` for all that are below it"
            )
        return text

    def url(self, value: Json, pointer: str) -> Url:
        entries = self.object(value, pointer, "what `url` says", 'such as `{"host": "example.com"}`')
        members = ("scheme", "host", "port", "path")
        for name in entries:
            if name not in members:
                raise DocumentInvalid(joined(pointer, name), "is no member of `url`", did_you_mean(name, members))
        if "host" not in entries:
            raise DocumentInvalid(pointer, "names no `host`", "a URL is judged by where it leads")
        host = self.host(entries["host"], joined(pointer, "host"))
        schemes: tuple[str, ...] = ("https",)
        if "scheme" in entries:
            below = joined(pointer, "scheme")
            schemes = tuple(
                self.scheme(item, joined(below, index)) for index, item in self.items(entries["scheme"], below)
            )
        ports: tuple[int, ...] | None = None
        if "port" in entries:
            below = joined(pointer, "port")
            ports = tuple(self.port(item, joined(below, index)) for index, item in self.items(entries["port"], below))
        directory: str | None = None
        if "path" in entries:
            directory = self.path(entries["path"], below := joined(pointer, "path"))
            if not directory.startswith("/"):
                raise DocumentInvalid(
                    below, "is a relative path", f"a URL's begins with `/`: `/{shortened(directory)}`"
                )
            # In another spelling it would be the path of no URL that is judged, and a denial would match none.
            if not is_path_of_url(directory):
                raise DocumentInvalid(
                    below, "is not written as the paths of URLs are", "such as `/caf%C3%A9/a%20b`, without `?` and `#`"
                )
        return Url(schemes, host, ports, directory)

    def scheme(self, value: Json, pointer: str) -> str:
        text = self.text(value, pointer)
        if text not in DEFAULT_PORTS:
            raise DocumentInvalid(
                pointer, f"`{shortened(text)}` is no scheme that is judged", f"one of {', '.join(DEFAULT_PORTS)}"
            )
        return text

    def port(self, value: Json, pointer: str) -> int:
        port = self.count(value, pointer)
        if not 1 <= port <= 65_535:
            raise DocumentInvalid(pointer, "is no port", "a number from 1 to 65535")
        return port

    def related(self, value: Json, pointer: str, *, negated: bool) -> RelatedTo:
        entries = self.object(value, pointer, "what is asked of the graph", _RELATED_FORM)
        if sorted(entries) != ["permission", "type"]:
            raise DocumentInvalid(pointer, "is not of its form", _RELATED_FORM)
        type = self.text(entries["type"], joined(pointer, "type"))
        permission = self.text(entries["permission"], joined(pointer, "permission"))
        self.check_declared((type, permission), pointer)
        return RelatedTo(type, permission, negated)

    def check_declared(self, asked: tuple[str, str], pointer: str) -> None:
        if asked not in self.declared:
            name = "#".join(asked)
            known = ["#".join(each) for each in sorted(self.declared)]
            listed = f"; it declares {', '.join(f'`{each}`' for each in known[:10])}" if known else ""
            raise DocumentInvalid(
                pointer,
                f"asks `{shortened(name)}`, which the relation does not declare",
                did_you_mean(name, known) or f"write `with {self.side.value}({shortened(name)})` in the schema{listed}",
            )

    # --- what they are made of ----------------------------------------------------------------------------------

    def object(self, value: Json, pointer: str, what: str, fix: str) -> dict[str, Json]:
        """A copy of an object, in the order of its names."""
        if not isinstance(value, dict):
            raise DocumentInvalid(pointer, f"is no object, and so not {what}", fix)
        return dict(in_order(value))

    def items(self, value: Json, pointer: str, items_max: int | None = None) -> list[tuple[int, Json]]:
        """What a list that may not be empty holds, each with its index."""
        if not isinstance(value, list):
            raise DocumentInvalid(pointer, "is no list", "write one, with a `[` and a `]`")
        if not value:
            raise DocumentInvalid(pointer, "is an empty list", "name what it is to hold, or leave it away")
        if items_max is not None and len(value) > items_max:
            raise DocumentInvalid(
                pointer, f"lists {len(value)} values, more than the {items_max} allowed", "say them as relationships"
            )
        return list(enumerate(value))

    def one_or_more(self, value: Json, pointer: str) -> list[tuple[Json, str]]:
        """A single text or a list of them, each with its pointer."""
        if isinstance(value, str):
            return [(value, pointer)]
        if not isinstance(value, list):
            raise DocumentInvalid(pointer, "is neither a text nor a list of texts")
        return [(item, joined(pointer, index)) for index, item in self.items(value, pointer)]

    def scalar(self, value: Json, pointer: str) -> Scalar:
        if isinstance(value, list | dict):
            raise DocumentInvalid(pointer, "is no scalar", "a text, a number, true, false or null")
        return self.text(value, pointer) if isinstance(value, str) else value

    def text(self, value: Json, pointer: str) -> str:
        if not isinstance(value, str):
            raise DocumentInvalid(pointer, "is no text", "write it between quotes")
        if reason := text_refusal(value):
            raise DocumentInvalid(pointer, reason, "write it in its composed form")
        return value

    def count(self, value: Json, pointer: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise DocumentInvalid(pointer, "is no whole number from 0 on")
        return value

    def counted(self, pointer: str) -> None:
        self.constraints += 1
        if self.constraints > CONSTRAINTS_MAX:
            raise DocumentInvalid(
                pointer, f"is one constraint more than the {CONSTRAINTS_MAX} allowed", "say values as relationships"
            )


def _meant_by(value: Json) -> str:
    """What somebody who wrote a value for a constraint would have written."""
    if isinstance(value, list):
        return "`one_of` holds a list of values, `{}` is anything"
    return f'write `{{"equals": {shortened(canonical_text(value))}}}`; `{{}}` is anything'
