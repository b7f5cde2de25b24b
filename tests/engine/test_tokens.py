"""Law: a token is satisfied only by the very store that gave it; anything else is an error with its own reason."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remit.engine.tokens import decode_token, encode_token, require_at_least, revision_of
from remit.errors import ForeignToken, FutureToken, InvalidToken
from remit.store.port import StoreIdentity

REVISIONS = st.integers(0, 2**64 - 1)
IDENTITIES = st.builds(StoreIdentity, st.just("default"), st.binary(min_size=16, max_size=16), REVISIONS)
HOME = StoreIdentity("default", bytes(range(16)), 3)


@given(IDENTITIES, REVISIONS)
def test_a_token_says_which_store_and_which_revision(identity: StoreIdentity, revision: int) -> None:
    token = encode_token(identity, revision)
    assert decode_token(token) == (identity.uuid, identity.epoch, revision)
    assert len(token) == 51
    assert token.isascii()
    assert token.isprintable()
    assert revision_of(token, identity, revision) == revision


@given(IDENTITIES, REVISIONS, REVISIONS)
def test_a_token_is_satisfied_from_its_revision_on(identity: StoreIdentity, revision: int, head: int) -> None:
    token = encode_token(identity, revision)
    if head >= revision:
        require_at_least(token, identity, head)
    else:
        with pytest.raises(FutureToken) as raised:
            require_at_least(token, identity, head)
        assert raised.value.metadata == {"revision": str(revision), "head": str(head)}


@given(IDENTITIES, IDENTITIES, REVISIONS)
@example(HOME, StoreIdentity("default", HOME.uuid, 4), 0)
@example(HOME, StoreIdentity("default", bytes(16), 3), 0)
def test_a_token_of_another_store_or_another_life_is_foreign(
    one: StoreIdentity, other: StoreIdentity, revision: int
) -> None:
    if (one.uuid, one.epoch) != (other.uuid, other.epoch):
        with pytest.raises(ForeignToken, match="not of store `default` as it is now"):
            require_at_least(encode_token(one, revision), other, 2**64 - 1)


def test_a_foreign_token_is_foreign_before_it_is_of_the_future() -> None:
    with pytest.raises(ForeignToken):
        require_at_least(encode_token(HOME, 9), StoreIdentity("default", HOME.uuid, 4), 1)


def test_no_token_asks_for_nothing() -> None:
    require_at_least("", HOME, 0)


@given(st.text())
@example("r1.")
@example("r1." + "A" * 48)
@example("r2." + encode_token(HOME, 1)[3:])
@example(encode_token(HOME, 1)[3:])
@example(encode_token(HOME, 1) + "A")
@example(encode_token(HOME, 1) + "\n")
@example(" " + encode_token(HOME, 1))
@example("r1." + "é" * 48)
@example("r1." + "\ud800" * 48)
@example("r1.r1." + encode_token(HOME, 1)[3:])
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(InvalidToken, match="is not a token: pass one exactly as an answer gave it"):
        decode_token(text)


@given(st.integers(3, 50), st.characters(min_codepoint=33, max_codepoint=126))
def test_one_mistyped_character_is_noticed(position: int, character: str) -> None:
    token = encode_token(HOME, 1)
    mistyped = token[:position] + character + token[position + 1 :]
    if mistyped == token:
        return
    with pytest.raises(InvalidToken):
        decode_token(mistyped)
