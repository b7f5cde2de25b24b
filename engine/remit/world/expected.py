"""The `validation` block: for a relation or permission of an object, the subjects that are expected to have it.

    document:plan#view:
      - "[user:anne] is <document:plan#viewer>"                     by name, and by which facts' sets
      - "[user:bob[...]] is <document:plan#viewer>"                 a caveat may decide
      - "[user:* - {user:eve, user:mal[...]}] is <document:plan#viewer>"     everyone, but for some

Law: `parse_expected_member(format_member(m)) == m`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from remit.errors import InvalidArgument
from remit.model import ObjectRef, SubjectRef
from remit.notation import checked_name, parse_object, parse_subject, shortened

SetKey = tuple[ObjectRef, str]

_MEMBER = re.compile(r"\[(?P<subject>.*)\](?P<sets>[^\]]*)")
_SUBJECT = re.compile(r"(?P<subject>[^\[\]\s]+)(?P<open>\[\.\.\.\])?(?:\s+-\s+\{(?P<exceptions>.*)\})?")
# Ids may hold `,` and `>`, so a list is cut where the next reference begins, and a set ends where its relation does.
_COMMA = re.compile(r",\s*(?=[a-z][a-z0-9_/]*:)")
_SET = re.compile(r"<(.+?#[a-z0-9_]+)>")


class Subject(NamedTuple):
    """A subject, and whether a caveat has still to decide."""

    subject: SubjectRef
    conditional: bool = False

    def __str__(self) -> str:
        return f"{self.subject}[...]" if self.conditional else str(self.subject)


class Member(NamedTuple):
    """A subject that has something. `excluded` are those whom a wildcard leaves out, `through` the relations whose
    facts name the subject; both sorted."""

    subject: Subject
    excluded: tuple[Subject, ...] = ()
    through: tuple[SetKey, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectedSet:
    """Who is expected in `resource#name`: each member with the line it stands on."""

    line: int
    resource: ObjectRef
    name: str
    members: tuple[tuple[int, Member], ...]

    def __str__(self) -> str:
        return f"{self.resource}#{self.name}"


def parse_set(text: str) -> SetKey:
    """`type:id#relation`. Raises InvalidArgument or InvalidReference."""
    resource, hash_sign, name = text.strip().partition("#")
    if not hash_sign:
        raise InvalidArgument(f"`{shortened(text)}` is not a set: write `type:id#relation`")
    return parse_object(resource), checked_name(name)


def parse_expected_member(text: str) -> Member:
    """`[subject] is <type:id#relation>/<…>`. Raises InvalidArgument or InvalidReference."""
    member = _MEMBER.fullmatch(text.strip())
    subject = _SUBJECT.fullmatch(member["subject"].strip()) if member else None
    if member is None or subject is None:
        raise InvalidArgument(f"`{shortened(text)}` is not of the form `[type:id] is <type:id#relation>`")
    exceptions = _COMMA.split(subject["exceptions"].strip()) if subject["exceptions"] else []
    return Member(
        Subject(parse_subject(subject["subject"], wildcard=True), subject["open"] is not None),
        tuple(sorted(_parse_exception(exception.strip()) for exception in exceptions)),
        tuple(sorted({parse_set(name) for name in _SET.findall(member["sets"])})),
    )


def _parse_exception(text: str) -> Subject:
    plain = text.removesuffix("[...]")
    return Subject(parse_subject(plain), plain != text)


def format_member(member: Member) -> str:
    """The text of a member, as it would stand in a `validation` block."""
    return f"[{format_subject(member)}] is {format_through(member.through)}"


def format_subject(member: Member) -> str:
    left_out = ", ".join(map(str, member.excluded))
    return f"{member.subject} - {{{left_out}}}" if left_out else str(member.subject)


def format_through(through: tuple[SetKey, ...]) -> str:
    return "/".join(f"<{resource}#{name}>" for resource, name in through) or "nothing"
