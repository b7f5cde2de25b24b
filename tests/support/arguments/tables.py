"""The tables of values, documents and calls beside the tests of arguments, which the core's tests read as well.

In each a value that is long is written as `repeated`: texts, each with how often it is repeated."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

from tests.support.places import ROOT

TABLES = ROOT / "tests/arguments"


def rows_of(table: str, rows: str) -> list[dict[str, Any]]:
    return json.loads((TABLES / f"{table}.json").read_text(encoding="utf-8"))[rows]


def text_of(row: dict[str, Any], key: str) -> str:
    """What stands under the key, or is repeated instead."""
    return row[key] if key in row else "".join(text * times for text, times in row["repeated"])


def bytes_of(row: dict[str, Any], key: str) -> bytes:
    return b64decode(row["base64"]) if "base64" in row else text_of(row, key).encode()
