"""A schema as a store keeps it: one text, whatever the libraries that it imports say in a later Remit.

A schema without a library is kept as it was written. One that imports some is kept with its expansion, in which they
stand: as JSON, `{"source": …, "expansion": …}`. No schema begins with a brace, so neither is taken for the other.
Law: kept(keep(source, expansion)) is (source, expansion)."""

from __future__ import annotations

import json
from typing import NamedTuple


class Kept(NamedTuple):
    """`source` is the text as it was written; `expansion` the one that is compiled."""

    source: str
    expansion: str


def keep(source: str, expansion: str) -> str:
    """The one text that a store keeps."""
    if source == expansion:
        return source
    return json.dumps({"source": source, "expansion": expansion}, ensure_ascii=False)


def kept(text: str) -> Kept:
    """Both texts again. What looks like neither form, as in a forged backup, is taken for a schema, which it is not."""
    if text.startswith("{"):
        try:
            both = json.loads(text)
        except (ValueError, RecursionError):
            return Kept(text, text)
        if isinstance(both, dict) and both.keys() == {"source", "expansion"}:
            source, expansion = both["source"], both["expansion"]
            if isinstance(source, str) and isinstance(expansion, str):
                return Kept(source, expansion)
    return Kept(text, text)
