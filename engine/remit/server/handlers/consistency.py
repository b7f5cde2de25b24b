"""How fresh an answer must be, as a request asks for it.

Law: an empty token that was set on purpose is a variable left unfilled, and refused."""

from __future__ import annotations

from typing import TypedDict

from remit.errors import InvalidArgument, InvalidToken
from remit.v1 import core_pb2


class Consistency(TypedDict, total=False):
    """What the engine's questions take; empty for the head."""

    at_least: str
    at_exactly: str


def decode_consistency(consistency: core_pb2.Consistency) -> Consistency:
    """Raises InvalidToken."""
    match consistency.WhichOneof("requirement"):
        case "at_least":
            return {"at_least": _set_token(consistency.at_least, "at_least")}
        case "at_exactly":
            return {"at_exactly": _set_token(consistency.at_exactly, "at_exactly")}
        case _:
            return {}


def decode_at_least(consistency: core_pb2.Consistency) -> str:
    """For lists, which are read from the store itself and know only its head. Raises InvalidArgument, InvalidToken."""
    if consistency.WhichOneof("requirement") == "at_exactly":
        raise InvalidArgument(
            "lists are of the head: `at_exactly` is for questions, as Check and the lookups", field="consistency"
        )
    return decode_consistency(consistency).get("at_least", "")


def _set_token(token: str, name: str) -> str:
    if not token:
        raise InvalidToken(f"`{name}` is set to an empty token: leave it unset for the head", field="consistency")
    return token
