"""How a line of a file of relationships says one."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a line says a relationship."""

    TEXT = "text"
    JSONL = "jsonl"
