"""How a file says relationships."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a line says a relationship."""

    TEXT = "text"
    JSONL = "jsonl"


class ExportFormat(StrEnum):
    """The same, and whole stores with their schema: a world as SpiceDB's tools read one, a store file of OpenFGA's."""

    TEXT = "text"
    JSONL = "jsonl"
    SPICEDB = "spicedb"
    OPENFGA = "openfga"
