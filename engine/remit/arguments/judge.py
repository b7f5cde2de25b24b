"""What a constraint document comes to for one call."""

from __future__ import annotations

from remit.arguments.call import ReadCall, read_call
from remit.arguments.judged import Judged
from remit.arguments.tree import Document

__all__ = ["ReadCall", "judge", "read_call"]


def judge(document: Document, call: ReadCall) -> Judged:
    """What the document comes to for the call; it asks nobody, and raises nothing."""
    raise NotImplementedError
