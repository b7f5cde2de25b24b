"""Keys: who may call the server, for which stores, with which rights.

A key is shown as text, `rk_<id>_<secret><checksum>`: the id is public and names it in lists and logs, the secret is 256
random bits, the checksum tells a mistyped key from a wrong one without asking anybody. Kept is the SHA-256 of the text.
A slow hash such as scrypt protects secrets that people chose, of which a machine can try the likely ones; among 2^256
there are no likely ones, so a fast hash is as good, and every request can afford it.
Law: a key's text exists once, in the answer to whoever made it; nothing here keeps it or tells it again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from remit.errors import InvalidReference, KeyExpired, KeyMistyped, KeyNotFound, KeyRefused, KeyUnknown
from remit.model import DEFAULT_STORE, LOCAL_CALLER
from remit.notation import checked_store, shortened

ALL_STORES = "*"
KEY_PREFIX = "rk_"
_ID_BYTES, _SECRET_BYTES = 5, 32
_TEXT_PATTERN = re.compile(r"rk_([a-z2-7]{8})_[a-z2-7]{52}([a-z2-7]{7})")
ID_PATTERN = re.compile(r"[a-z2-7]{8}")
_PRINCIPAL_PATTERN = re.compile(r"[\x21-\x7e]{1,256}")
_UNKNOWN = bytes(32)  # what is compared for an id nobody has; no text is known whose SHA-256 it is


class Right(Enum):
    """What a key may do. Which verb needs which is the table in `server.rights`."""

    DECIDE = "decide"  # ask for decisions (Authorize)
    CHECK = "check"  # ask questions of the graph
    READ = "read"  # see facts and the schema
    WRITE = "write"  # change facts
    WRITE_MANAGED = "write-managed"  # beside `write`: also those that Remit's own verbs look after
    SCHEMA = "schema"  # change the schema
    SPAWN = "spawn"  # start runs
    SPAWN_UNPROVEN = "spawn-unproven"  # beside `spawn`: also below people who have not shown that they are there
    CONSENT = "consent"  # let agents act for people, and no longer
    HOLD = "hold"  # put on hold
    RELEASE = "release"  # release from hold
    TERMINATE = "terminate"  # end for good
    REGISTER = "register"  # register and retire agents, and add versions
    ACCEPT = "accept"  # accept what widens: what a tool says of itself, a lower risk
    CERTIFY = "certify"  # say that a version was examined
    APPLY = "apply"  # have the organisation be what documents say
    AUDIT = "audit"  # read the journal and explanations of decisions
    ADMIN = "admin"  # make, remove, copy stores


ALL_RIGHTS = frozenset(Right)


@dataclass(frozen=True, slots=True)
class Secret:
    """What is kept of a key's text. One that was replaced counts until `until_us`."""

    digest: bytes = field(repr=False)
    until_us: int | None = None

    def counts_at(self, now_us: int) -> bool:
        return self.until_us is None or self.until_us > now_us


@dataclass(frozen=True, slots=True)
class Key:
    """Who calls, and what it may. `stores` are names, or `*` for all; times are microseconds since the epoch.

    The bootstrap key holds every right on every store, those of later versions included; no other key may."""

    id: str
    principal: str
    stores: frozenset[str]
    rights: frozenset[Right]
    created_us: int
    expiration_us: int | None = None
    secrets: tuple[Secret, ...] = ()
    bootstrap: bool = False

    def holds(self, right: Right) -> bool:
        return right in self.rights

    def sees(self, store: str) -> bool:
        """Whether a store of that name exists for this key. Cost: O(1), whether there is one or not."""
        return ALL_STORES in self.stores or (store or DEFAULT_STORE) in self.stores

    def is_over(self, now_us: int) -> bool:
        return self.expiration_us is not None and self.expiration_us <= now_us


def checked_key(key: Key) -> Key:
    """The key with valid parts, or KeyRefused."""
    if not ID_PATTERN.fullmatch(key.id):
        # Not named: whoever mistakes the one for the other may have put a whole key here.
        raise KeyRefused("the id of a key is 8 lower-case letters and digits from 2 to 7, and this one is not")
    if not _PRINCIPAL_PATTERN.fullmatch(key.principal):
        raise KeyRefused(
            f"`{shortened(key.principal)}` is not a principal: 1 to 256 printable ASCII characters without spaces, as "
            "in `service:gateway` or `anne@example.com`"
        )
    if key.principal == LOCAL_CALLER.principal:
        raise KeyRefused(f"principal `{key.principal}` means callers of a server without keys: choose another name")
    if not key.stores:
        raise KeyRefused("the key may see no store: name at least one, or `*` for all")
    for store in key.stores - {ALL_STORES}:
        try:
            checked_store(store)
        except InvalidReference as error:
            raise KeyRefused(f"{error.message}; or `*` for all stores") from error
    if not key.rights:
        raise KeyRefused(f"the key holds no right: give it some of {_quoted(ALL_RIGHTS)}")
    powerful = key.rights == ALL_RIGHTS and ALL_STORES in key.stores
    if powerful and not key.bootstrap:
        raise KeyRefused("only the bootstrap key holds every right on every store: leave out a right or name stores")
    assert powerful or not key.bootstrap, "a bootstrap key is made with everything"
    return key


def parse_rights(names: Iterable[str]) -> frozenset[Right]:
    """The rights of those names, or KeyRefused."""
    known = {right.value: right for right in Right}
    for name in (names := list(names)):
        if name not in known:
            raise KeyRefused(f"`{shortened(name)}` is not a right: those are {_quoted(ALL_RIGHTS)}")
    return frozenset(known[name] for name in names)


def right_names(rights: Collection[Right]) -> list[str]:
    """Their names, in the order they are declared in."""
    return [right.value for right in Right if right in rights]


def _quoted(rights: Collection[Right]) -> str:
    return ", ".join(f"`{name}`" for name in right_names(rights))


# --- the text of a key --------------------------------------------------------------------------------------------


def new_key_text(id: str) -> str:
    """A text that nobody has, for the key of that id."""
    unsigned = f"{KEY_PREFIX}{id}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"
    return unsigned + _checksum(unsigned)


def new_key_id() -> str:
    return _base32(secrets.token_bytes(_ID_BYTES))


def key_id_of(text: str) -> str:
    """The public id in a key's text. Raises KeyMistyped where the text was never given out as a key."""
    parts = _parts(text)
    if _checksum(text[: parts.start(2)]) != parts[2]:
        raise KeyMistyped(f"the checksum of key `{parts[1]}` is wrong: a part of it was mistyped or cut off")
    return parts[1]


def _parts(text: str) -> re.Match[str]:
    parts = _TEXT_PATTERN.fullmatch(text)
    if parts is None:
        raise KeyMistyped("the key is not of the form `rk_…` it was given out in: pass it whole, and nothing else")
    return parts


def key_digest(text: str) -> bytes:
    """What is kept of a key's text."""
    return hashlib.sha256(text.encode("ascii")).digest()


def _checksum(text: str) -> str:
    # CRC-32 finds every single wrong character and every two that were swapped: what people and line breaks do.
    return _base32(zlib.crc32(text.encode("ascii")).to_bytes(4, "big"))


def _base32(data: bytes) -> str:
    """RFC 4648's alphabet in lower case, in which no letter looks like a digit."""
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


# --- all keys of a server -----------------------------------------------------------------------------------------


class Keys:
    """The keys of one file, frozen. What changes them gives others."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        """Raises KeyRefused where two have one id, or two are the bootstrap key."""
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.id in self._keys:
                raise KeyRefused(f"key `{key.id}` is there twice: remove one")
            self._keys[key.id] = checked_key(key)
        if len([key for key in self if key.bootstrap]) > 1:
            raise KeyRefused("there are two bootstrap keys: revoke one")
        # Each key as it is shown: with the one secret that its text proves.
        self._shown: Mapping[str, tuple[Key, ...]] = {
            key.id: tuple(replace(key, secrets=(secret,)) for secret in key.secrets) for key in self
        }

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    @property
    def count(self) -> int:
        # Not `__len__`: no keys would be false in an `if`, and be taken for a server that asks for none.
        return len(self._keys)

    def authenticate(self, text: str, now_us: int) -> Key:
        """The key that a text proves, with the one secret that it proves. Raises KeyMistyped, KeyUnknown, KeyExpired.

        Cost: one SHA-256 and a comparison a secret, the same where nobody has the id. Neither the digest nor how far it
        agrees shows in the time it takes."""
        id = _parts(text)[1]
        given = key_digest(text)
        proven: Key | None = None
        for shown in self._shown.get(id, ()):
            if hmac.compare_digest(given, shown.secrets[0].digest) and shown.secrets[0].counts_at(now_us):
                proven = shown
        if id not in self._shown:
            hmac.compare_digest(given, _UNKNOWN)
        if proven is None:
            key_id_of(text)  # mistyped? Its checksum is looked at only here: what is proven was typed well
            raise KeyUnknown(f"key `{id}` is not valid here: it was revoked or replaced, or is of another server")
        if proven.is_over(now_us):
            raise KeyExpired(f"key `{id}` has expired: ask for another", key=id)
        return proven

    def known_id(self, text: str) -> str:
        """The id that stands in a text, where one of these has it; "" otherwise. It proves nothing."""
        parts = _TEXT_PATTERN.fullmatch(text)
        return parts[1] if parts is not None and parts[1] in self._keys else ""

    def is_valid(self, shown: Key, now_us: int) -> bool:
        """Whether a key that was once proven would be proven again, as the same principal with the same rights.
        Cost: O(its secrets)."""
        current = self._keys.get(shown.id)
        return (
            current is not None
            and (current.principal, current.stores, current.rights) == (shown.principal, shown.stores, shown.rights)
            and not current.is_over(now_us)
            and any(secret.digest == shown.secrets[0].digest and secret.counts_at(now_us) for secret in current.secrets)
        )

    def find(self, id: str) -> Key:
        """Raises KeyNotFound."""
        key = self._keys.get(id)
        if key is None:
            raise KeyNotFound(f"there is no key `{shortened(id)}`: `remit key list` shows those there are", key=id)
        return key

    # --- changes ------------------------------------------------------------------------------------------------

    def with_new(
        self,
        *,
        principal: str,
        stores: Collection[str],
        rights: Collection[Right],
        now_us: int,
        expiration_us: int | None = None,
        bootstrap: bool = False,
    ) -> tuple[Keys, Key, str]:
        """These and a new key, which one, and its text. Raises KeyRefused."""
        if bootstrap:
            for key in self:
                if key.bootstrap:
                    raise KeyRefused(f"there is a bootstrap key, `{key.id}`: `remit key rotate {key.id}` renews it")
        id = new_key_id()
        while id in self._keys:
            id = new_key_id()
        text = new_key_text(id)
        key = Key(
            id,
            principal,
            frozenset((ALL_STORES,) if bootstrap else stores),
            ALL_RIGHTS if bootstrap else frozenset(rights),
            now_us,
            expiration_us,
            (Secret(key_digest(text)),),
            bootstrap,
        )
        return Keys([*self, key]), key, text

    def without(self, id: str) -> Keys:
        """These without one. Raises KeyNotFound."""
        revoked = self.find(id)
        return Keys(key for key in self if key is not revoked)

    def with_rotated(self, id: str, *, now_us: int, grace_us: int = 0) -> tuple[Keys, Key, str]:
        """These with a new secret for one, which one, and its text; the secret it had counts for the grace. Those that
        it had before count as long as they would have, but no longer than that. Raises KeyNotFound."""
        key = self.find(id)
        text = new_key_text(id)
        over_us = now_us + grace_us
        kept = (
            replace(secret, until_us=over_us if secret.until_us is None else min(secret.until_us, over_us))
            for secret in key.secrets
        )
        rotated = replace(
            key,
            secrets=(Secret(key_digest(text)), *(secret for secret in kept if secret.counts_at(now_us))),
        )
        return Keys(rotated if each is key else each for each in self), rotated, text
