"""A token: which store, which life of it, which revision, as text that callers keep and pass back.

Law: a token is satisfied only by the very store that gave it; anything else is an error with its own reason."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib

from remit.errors import ForeignToken, FutureToken, InvalidToken
from remit.notation import shortened
from remit.store.port import StoreIdentity

_PREFIX = "r1."  # the form of the token, so that another form can follow
_FORM = struct.Struct(">16sQQ")  # UUID, epoch, revision
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_CHECK = struct.Struct(">I")  # CRC-32, against mistyping; a token is no secret and needs no signature


def encode_token(identity: StoreIdentity, revision: int) -> str:
    """The token of a revision: "r1." and 48 characters of base64url."""
    body = _FORM.pack(identity.uuid, identity.epoch, revision)
    text = binascii.b2a_base64(body + _CHECK.pack(zlib.crc32(body)), newline=False)  # 36 bytes: there is no padding
    return _PREFIX + text.translate(_URL_SAFE).decode("ascii")


def decode_token(token: str) -> tuple[bytes, int, int]:
    """(UUID, epoch, revision). Raises InvalidToken."""
    text = token.removeprefix(_PREFIX)
    try:
        if text == token or len(text) != 48:
            raise ValueError(token)
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        body, check = raw[: _FORM.size], raw[_FORM.size :]
        if _CHECK.pack(zlib.crc32(body)) != check:
            raise ValueError(token)
        uuid, epoch, revision = _FORM.unpack(body)
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise InvalidToken(f"`{shortened(token)}` is not a token: pass one exactly as an answer gave it") from error
    return uuid, epoch, revision


def is_of_our_form(token: str) -> bool:
    """Whether the text means to be a token of ours, damaged or not; else it is another system's."""
    return token.startswith(_PREFIX)


def require_at_least(token: str, identity: StoreIdentity, head: int) -> None:
    """That the head satisfies the token; "" asks for nothing. Raises InvalidToken, ForeignToken, FutureToken."""
    if token:
        revision_of(token, identity, head)


def revision_of(token: str, identity: StoreIdentity, head: int) -> int:
    """The token's revision, which this store has reached. Raises InvalidToken, ForeignToken, FutureToken."""
    uuid, epoch, revision = decode_token(token)
    if (uuid, epoch) != (identity.uuid, identity.epoch):
        raise ForeignToken(
            f"the token `{shortened(token)}` is not of store `{identity.name}` as it is now: it is of another store, "
            "or from before this one was restored or recreated",
            field="consistency",
        )
    if revision > head:
        raise FutureToken(
            f"the token `{shortened(token)}` is of revision {revision}, and store `{identity.name}` is at {head}",
            field="consistency",
            revision=revision,
            head=head,
        )
    return revision
