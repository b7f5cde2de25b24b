"""What SpiceDB's answers have in common, and the consistency that its requests ask for.

Its ZedToken carries our token, and its Cursor our cursor behind the token of the revision that it goes on in.
Law: a token is never taken for one of another store, and a cursor goes on in the revision it was given at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from authzed.api.v1 import core_pb2, permission_service_pb2

from remit.engine.tokens import decode_token, is_of_our_form
from remit.errors import InvalidCursor, InvalidToken
from remit.model import Verdict
from remit.notation import shortened

# --- consistency ------------------------------------------------------------------------------------------------


class Consistency(TypedDict, total=False):
    """What of these an engine is asked for; of none, its head."""

    at_least: str
    at_exactly: str


def decode_consistency(message: permission_service_pb2.Consistency) -> Consistency:
    """Remit's head is its quickest answer, so whoever asks for the quickest gets the head; and so does whoever asks for
    what is as fresh as a token of another system. Raises InvalidToken."""
    match message.WhichOneof("requirement"):
        case "at_least_as_fresh":
            token = _token(message.at_least_as_fresh, "at_least_as_fresh")
            return {"at_least": token} if is_of_our_form(token) else {}
        case "at_exact_snapshot":
            return {"at_exactly": _token(message.at_exact_snapshot, "at_exact_snapshot")}
        case _:
            return {}


def _token(message: core_pb2.ZedToken, name: str) -> str:
    if not message.token:
        raise InvalidToken(f"`{name}` has an empty token: leave `consistency` unset for the head", field="consistency")
    return message.token


def encode_token(token: str) -> core_pb2.ZedToken:
    return core_pb2.ZedToken(token=token)


# --- cursors ----------------------------------------------------------------------------------------------------

_BETWEEN = "~"  # in neither of the two


def encode_cursor(token: str, cursor: str) -> core_pb2.Cursor:
    """The place of a cursor in the revision of a token."""
    return core_pb2.Cursor(token=f"{token}{_BETWEEN}{cursor}")


def decode_cursor(message: core_pb2.Cursor) -> tuple[str, str]:
    """(token, cursor). Raises InvalidCursor; whether they are of this store and this query, the engine judges."""
    token, _, cursor = message.token.partition(_BETWEEN)
    try:
        decode_token(token)
    except InvalidToken:
        token = ""
    if not token or not cursor:
        raise InvalidCursor(
            f"`{shortened(message.token)}` is not a cursor: pass one exactly as an answer gave it",
            field="optional_cursor",
        )
    return token, cursor


# --- verdicts ---------------------------------------------------------------------------------------------------

_PERMISSIONSHIPS = {
    Verdict.NO: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION,
    Verdict.CONDITIONAL: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION,
    Verdict.YES: permission_service_pb2.CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION,
}


def encode_permissionship(
    verdict: Verdict,
) -> permission_service_pb2.CheckPermissionResponse.Permissionship.ValueType:
    return _PERMISSIONSHIPS[verdict]


def encode_missing(missing: Sequence[str]) -> core_pb2.PartialCaveatInfo | None:
    """The caveat parameters an answer waits for; None where it waits for none."""
    return core_pb2.PartialCaveatInfo(missing_required_context=missing) if missing else None
