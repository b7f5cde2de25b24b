"""Reading a constraint document: from the context of its caveat to a tree.

A document is read once, when it is written; whatever in it is wrong is refused there, by its place, with what to write
instead. What is read has no spelling of its own left.
Law: a document that is read again from its text is the same document."""

from __future__ import annotations

from remit.arguments.tree import Document, Side

DOCUMENT_BYTES_MAX = 16_384
CONSTRAINTS_MAX = 500
ONE_OF_MAX = 500


def parse_document(context_json: str, side: Side, declared: frozenset[tuple[str, str]]) -> Document:
    """The document of a caveat's context. `declared`: the permissions (type, permission) that the relation lets it ask
    the graph for. Raises DocumentInvalid."""
    raise NotImplementedError
