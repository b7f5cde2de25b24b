"""How requests of agents are named, and what they are about."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from remit.model import ObjectRef, SubjectRef
from remit.notation import parse_object, parse_subject


def request_id_of(given: str) -> str:
    """The id that was given, or a new one: with an id a request that is sent again is carried out once."""
    return given or secrets.token_hex(16)


def object_of(given: str | ObjectRef) -> ObjectRef:
    """Raises InvalidReference."""
    return parse_object(given) if isinstance(given, str) else given


def listed(given: str | Iterable[str]) -> list[str]:
    """One name, or several."""
    return [given] if isinstance(given, str) else list(given)


def id_of(type: str, given: str) -> str:
    """The id, of an object that may be given with its type."""
    return given.removeprefix(f"{type}:")


def subject_of(given: str | SubjectRef) -> SubjectRef:
    """Raises InvalidReference."""
    return parse_subject(given) if isinstance(given, str) else given
