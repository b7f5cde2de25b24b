"""A question whose answer is known before it is asked."""

from __future__ import annotations

from typing import NamedTuple

from remit.engine.results import Question
from remit.model import ObjectRef, SubjectRef, Verdict


class KnownQuestion(NamedTuple):
    """`question`, and what the builder of the world knows the answer to be, by its own reckoning."""

    question: Question
    expected: Verdict


def known(resource: ObjectRef, permission: str, subject: SubjectRef, allowed: bool) -> KnownQuestion:
    return KnownQuestion(Question(resource, permission, subject), Verdict.YES if allowed else Verdict.NO)
