"""The `lookups` block: for a question with a part left away, the list it is expected to be answered with.

    document#view@user:anne:                                what anne may view
      - document:plan
      - document:budget[...]                                a caveat may decide
    document:plan#view@user:                                who may view it
      - user:anne
      - "user:* - {user:eve}"                               everybody whom the list does not name, but for some
    'document:plan@user:anne with {"ip": "10.0.0.1"}':      what anne may do with it there
      - view

Law: a list is whole: what is found and not listed is as wrong as what is listed and not found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.model import Lookup, PermissionLookup, ResourceLookup, SubjectLookup, SubjectRef
from remit.notation import (
    checked_name,
    parse_context,
    parse_object,
    parse_permission_lookup,
    parse_resource_lookup,
    parse_subject_lookup,
)
from remit.world.expected import format_subject, parse_expected_member


@dataclass(frozen=True, slots=True)
class ExpectedList:
    """What a lookup is expected to find: each entry as `format_entry` would write it, with the line it stands on."""

    line: int
    text: str
    lookup: Lookup
    entries: tuple[tuple[int, str], ...]


def parse_lookup(text: str) -> Lookup:
    """A question with the id of its resource, the id of its subject, or its permission left away, perhaps followed by
    ` with {json}`. Raises InvalidReference or InvalidContext."""
    question, separator, written = text.strip().partition(" with ")
    context: Mapping[str, object] = parse_context(written) if separator else {}
    question = question.strip()
    resource, hash_sign, _ = question.partition("#")
    if not hash_sign or "@" in resource:
        return PermissionLookup(*parse_permission_lookup(question), context=context)
    if ":" not in resource:
        return ResourceLookup(*parse_resource_lookup(question), context)
    return SubjectLookup(*parse_subject_lookup(question), context)


def parse_entry(lookup: Lookup, text: str) -> str:
    """An entry of the lookup's list, as `format_entry` would write it. Raises InvalidArgument or InvalidReference."""
    if isinstance(lookup, SubjectLookup):
        # `group:*#member` is every other userset, which no question and no relationship may name.
        plain, everybody = (
            f"{lookup.subject_type}:*",
            str(SubjectRef(lookup.subject_type, "*", lookup.subject_relation)),
        )
        is_everybody = text.strip().startswith(everybody)
        read = text.strip().replace(everybody, plain, 1) if is_everybody else text.strip()
        entry = format_subject(parse_expected_member(f"[{read}]"))
        return entry.replace(plain, everybody, 1) if is_everybody else entry
    plain = text.strip().removesuffix("[...]")
    what = str(parse_object(plain)) if isinstance(lookup, ResourceLookup) else checked_name(plain)
    return format_entry(what, is_conditional=plain != text.strip())


def format_entry(what: object, *, is_conditional: bool, excluded: list[str] | None = None) -> str:
    """What a lookup found, as a list has it."""
    text = f"{what}[...]" if is_conditional else str(what)
    return f"{text} - {{{', '.join(excluded)}}}" if excluded else text
