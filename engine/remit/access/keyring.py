"""The keys a running server believes in, kept in step with the keys file.

A file that has changed is read again; one that is damaged is told loudly and changes nothing; one that is gone takes
every key with it. A server that began without a file is open to its own machine until a file appears, and from then on
it never is again.
Law: once there were keys, nobody is let in without one, whatever becomes of the file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from remit.access.key_file import Signature, read_keys, signature_of
from remit.access.keys import Key, Keys
from remit.errors import KeysUnreadable

log = logging.getLogger(__name__)


class KeyRing:
    """The keys of one file, as of the last look. Safe from many threads; a request costs no look at the disk."""

    def __init__(self, path: Path, clock_us: Callable[[], int], *, required: bool = True) -> None:
        """Raises KeysUnreadable where the file is damaged, or missing though required."""
        self.path = path
        self._clock_us = clock_us
        self._refreshing = threading.Lock()
        # Looked up first and read afterwards: a change in between shows at the next look.
        self._signature: Signature | None = signature_of(path)
        self._keys = read_keys(path)
        self._problem = ""
        if self._keys is None and required:
            raise KeysUnreadable(f"there is no keys file `{path}`: `remit key bootstrap --keys {path}` makes one")

    @property
    def is_open(self) -> bool:
        """Whether there were never any keys, so that every caller holds every right."""
        return self._keys is None

    @property
    def problem(self) -> str:
        """What is wrong with the file, as of the last look; "" where nothing is. The keys of before still count."""
        return self._problem

    @property
    def count(self) -> int:
        return self._keys.count if self._keys is not None else 0

    @property
    def keys(self) -> Keys | None:
        """Those that count, as of the last look; None where there were never any. No keys at all are not None."""
        return self._keys

    def authenticate(self, text: str) -> Key | None:
        """The key that a text proves; None where there were never any keys. Raises Unauthenticated."""
        keys = self._keys
        return None if keys is None else keys.authenticate(text, self._clock_us())

    def known_id(self, text: str) -> str:
        """The id that stands in a text which need not prove it, where a key has it; "" otherwise."""
        return self._keys.known_id(text) if self._keys is not None else ""

    def is_valid(self, key: Key | None) -> bool:
        """Whether a caller let in by that key (None: by there being none) would be let in again, as the same."""
        keys = self._keys
        if keys is None or key is None:
            return keys is None and key is None
        return keys.is_valid(key, self._clock_us())

    def refresh(self) -> bool:
        """Look whether the file has changed; whether the keys have. Cost: a look at the directory where it has not."""
        with self._refreshing:
            try:
                signature = signature_of(self.path)
                if signature == self._signature:
                    return False
                keys = read_keys(self.path)
                self._signature = signature  # once it is read: what failed is tried again at the next look
            except KeysUnreadable as error:
                self._tell_problem(error.message)
                return False
            if keys is not None:
                log.info("keys read", extra={"path": str(self.path), "keys": keys.count})
                self._keys, self._problem = keys, ""
                return True
            if self._keys is None:
                return False  # looked for, and still not there
            self._keys = Keys()
            self._tell_problem(f"keys file `{self.path}` is gone: no key is valid until it is back")
            return True

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.error("keys not read", extra={"path": str(self.path), "problem": problem, "keys": self.count})
        self._problem = problem
