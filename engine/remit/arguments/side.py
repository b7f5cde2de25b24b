"""The two caveats that `use arguments` brings: on which side of a `-` a constraint document stands.

Law: their names are the whole of what a relationship says of its side; what a document means is decided by it."""

from __future__ import annotations

from enum import Enum


class Side(Enum):
    """`ARGUMENTS` stands where authority is given, and its document covers the whole call; `MATCHING` where authority
    is taken, and its document names what it cares about. The values are the caveats' names."""

    ARGUMENTS = "arguments"
    MATCHING = "matching"


SIDES = {side.value: side for side in Side}
"""Each by the name of its caveat."""
