"""Whether a document's constraints fit the types of a tool's arguments."""

from __future__ import annotations

from collections.abc import Mapping

from remit.arguments.tree import Document, Misfit
from remit.arguments.values import ValueType


def fits(document: Document, types: Mapping[str, ValueType]) -> Misfit | None:
    """The first constraint that does not fit the types of a tool, by JSON Pointers in which `*` is every element."""
    raise NotImplementedError
