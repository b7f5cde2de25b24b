"""Constraints as documents write them, for messages.

Law: what is written of a constraint is read as that constraint again."""

from __future__ import annotations

from collections.abc import Sequence

from remit.arguments.json_text import Json, canonical_text
from remit.arguments.tree import (
    AllOf,
    AnyOf,
    Bound,
    Cidr,
    Constraint,
    Each,
    Equals,
    EqualsBinding,
    GlobOf,
    Host,
    MaxLength,
    Member,
    OneOf,
    Prefix,
    RelatedTo,
    Some,
    Subpath,
    Url,
)


def written(constraint: Constraint) -> str:
    """The constraint as RFC 8785 writes it."""
    return canonical_text(_json_of(constraint))


def _json_of(constraint: Constraint) -> dict[str, Json]:
    entries = [_entries(member) for member in constraint.members]
    names = [name for entry in entries for name in entry]
    if len(names) > len(set(names)):  # put together of several
        return {"all_of": list(entries)}
    return {name: value for entry in entries for name, value in entry.items()}


def _entries(member: Member) -> dict[str, Json]:
    match member:
        case Equals(value):
            return {"equals": value}
        case EqualsBinding(name):
            return {"equals": {"binding": name}}
        case OneOf(values, negated):
            return {"not_one_of" if negated else "one_of": list(values)}
        case Bound(_, text, is_max):
            return {"max" if is_max else "min": text}
        case MaxLength(length):
            return {"max_length": length}
        case Prefix(text):
            return {"prefix": text}
        case Subpath(directory):
            return {"subpath": directory}
        case GlobOf(glob):
            return {"glob": glob.pattern}
        case Cidr(networks):
            return {"cidr": _one_or_more([str(each) for each in networks])}
        case Host(hosts):
            return {"host": _one_or_more(hosts)}
        case Url():
            return {"url": _url(member)}
        case Each(below, items_min):
            return {"each": _json_of(below), **({} if items_min == 1 else {"min_items": items_min})}
        case Some(below):
            return {"some": _json_of(below)}
        case RelatedTo(type, permission, negated):
            return {"unrelated" if negated else "related": {"type": type, "permission": permission}}
        case AnyOf(constraints):
            return {"any_of": [_json_of(each) for each in constraints]}
        case AllOf(constraints):
            return {"all_of": [_json_of(each) for each in constraints]}


def _url(url: Url) -> Json:
    said: dict[str, Json] = {"scheme": list(url.schemes), "host": _one_or_more(url.host.hosts)}
    if url.ports is not None:
        said["port"] = list(url.ports)
    if url.directory is not None:
        said["path"] = url.directory
    return said


def _one_or_more(texts: Sequence[str]) -> Json:
    return texts[0] if len(texts) == 1 else list(texts)
