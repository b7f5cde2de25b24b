"""One thing a world says that does not hold, and where it says it.

Law: a finding can be acted on from its text alone: file, line, what was expected, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FindingKind(Enum):
    """Which part of the file is wrong. The values are stable words for programs."""

    SCHEMA = "schema"
    RELATIONSHIP = "relationship"
    ASSERTION = "assertion"
    VALIDATION = "validation"
    LOOKUP = "lookup"
    RECORD = "record"
    CALL = "call"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` is the text in question, as it stands in the file; `line` counts from 1. `found` is a verdict, or the
    reason of an error where there was no answer; `missing` are the caveat parameters a conditional answer waits for."""

    file: str
    line: int
    kind: FindingKind
    about: str
    message: str
    expected: str = ""
    found: str = ""
    missing: tuple[str, ...] = ()
    detail: str = ""  # further lines for people: the compiler's caret, for a schema

    def render(self) -> str:
        """`file:line: message`, and the detail below it."""
        text = f"{self.file}:{self.line}: {self.message}"
        return f"{text}\n{self.detail}" if self.detail else text


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing a world says, `about` in its own words, and what of it does not hold: nothing, where it does."""

    kind: FindingKind
    line: int
    about: str
    findings: tuple[Finding, ...] = ()
