"""How a file says relationships."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a line says a relationship."""

    TEXT = "text"
    JSONL = "jsonl"


class ExportFormat(StrEnum):
    """The same, and a world with its schema, as SpiceDB's tools read one."""

    TEXT = "text"
    JSONL = "jsonl"
    SPICEDB = "spicedb"
