"""The keys file: JSON that a person can read, changed as a whole or not at all.

`{"version": 1, "keys": [{"id", "principal", "stores", "rights", "created", "expiration", "secrets": […]}]}`, times in
RFC 3339; a secret is the SHA-256 of a key's text in hexadecimal, and until when it counts if it was replaced.
Law: whoever reads the file, whenever, reads one that was written whole; nobody but its owner may write it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from remit.access.keys import ALL_RIGHTS, ALL_STORES, Key, Keys, Secret, parse_rights, right_names
from remit.believed_file import entries_to, read_regular
from remit.errors import InvalidRelationship, KeyRefused, KeysUnreadable
from remit.notation import format_time, parse_time, shortened

log = logging.getLogger(__name__)

VERSION = 1
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_BYTES_MAX = 64 * 1024 * 1024  # some hundred thousand keys; more is a file given by mistake
_DIGEST_BYTES = 32

Signature = tuple[int, int, int, int]


def signature_of(path: Path) -> Signature | None:
    """What tells one version of a file from the next, as far as its directory entry shows; None where there is none.
    Raises KeysUnreadable."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    # The change time, too: `chmod` and `chown` leave the others as they are, and decide whether a file is believed.
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def read_keys(path: Path) -> Keys | None:
    """The keys of a file, None where there is no file. Raises KeysUnreadable, naming what is wrong and the fix."""
    try:
        data, found = read_regular(path, _BYTES_MAX)
        _require_trust(path, found)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        return decode_keys(data)
    except KeyRefused as error:
        raise KeysUnreadable(f"keys file `{path}`: {error.message}") from error


def _require_trust(path: Path, file: os.stat_result) -> None:
    """That no other user can have written the file or put another in its place, on whatever way leads to it; a group
    that can is told of in the log, for where everyone has a group of his own that is usual. Raises KeysUnreadable,
    OSError."""
    trusted = {0, os.geteuid()}
    if os.geteuid() == 0:
        trusted.add(file.st_uid)  # an administrator's command changes the file of the user that the server runs as
    elif file.st_uid not in trusted:
        raise _not_ours(path, path, file.st_uid)
    if file.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeysUnreadable(
            f"keys file `{path}` can be changed by others than its owner: `chmod go-w {path}`, and look at its keys"
        )
    for entry in entries_to(path):
        found = entry.lstat()
        if found.st_uid not in trusted:
            raise _not_ours(path, entry, found.st_uid)
        if not stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_ISVTX:
            continue  # a file, a link, or a directory such as /tmp, where nobody replaces what is somebody else's
        if found.st_mode & stat.S_IWOTH:
            raise KeysUnreadable(
                f"keys file `{path}` can be replaced by others than its owner, who may write to directory `{entry}`: "
                f"`chmod go-w {entry}`, and look at its keys"
            )
        if found.st_mode & stat.S_IWGRP:
            _note_group_may_write(path, entry)


@lru_cache(maxsize=64)
def _note_group_may_write(path: Path, directory: Path) -> None:
    """Once: a file that cannot be read is looked at every second."""
    log.warning("keys directory writable by its group", extra={"path": str(path), "directory": str(directory)})


def _not_ours(path: Path, entry: Path, owner: int) -> KeysUnreadable:
    fix = f"chown {'-h ' if entry.is_symlink() else ''}{os.geteuid()} {entry}"
    return KeysUnreadable(
        f"keys file `{path}` can be changed by user `{owner}`, to whom `{entry}` belongs: `{fix}`, and look at its keys"
    )


@contextlib.contextmanager
def changing_keys(path: Path) -> Iterator[_Change]:
    """`with changing_keys(path) as change:` sets `change.keys`, which is written when the block ends well. One at a
    time: others wait. Raises KeysUnreadable."""
    # A link stays a link: what it points to is replaced.
    path = path.resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unreadable(path.parent, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        before = read_keys(path)
        change = _Change(before if before is not None else Keys())
        yield change
        if change.keys is not before:
            _replace(path, encode_keys(change.keys), folder)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(folder)  # which also lets the next one in


class _Change:
    def __init__(self, keys: Keys) -> None:
        self.keys = keys


def _replace(path: Path, data: bytes, folder: int) -> None:
    """A file beside it, on the disk before it takes the name: after a crash there is the old one or the new one. On a
    full disk that file is the reserve, which is as large as the keys were: to revoke one makes them fewer."""
    owner = path.stat() if path.exists() else path.parent.stat()
    reserve = path.with_name(f".{path.name}.reserve")
    try:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        _write_new(draft, data, owner)
    except OSError as error:
        if error.errno not in NO_ROOM or not _write_over(reserve, data, owner):
            raise
        draft = reserve
    try:
        draft.rename(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    os.fsync(folder)
    with contextlib.suppress(OSError):  # without room for it there is none until the next change
        reserve.unlink(missing_ok=True)
        _write_new(reserve, bytes(len(data)), owner)


def _write_new(path: Path, data: bytes, owner: os.stat_result) -> None:
    """A file that was not there, on the disk, or none."""
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            _give(fd, owner)
            file.write(data)
            file.flush()
            os.fsync(fd)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write_over(path: Path, data: bytes, owner: os.stat_result) -> bool:
    """Into a reserve that is there, without a block more; whether there is one, as large, that nobody else can have
    made or opened. Raises OSError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(fd, "wb") as file:
        found = os.fstat(fd)
        is_ours = found.st_uid in (os.geteuid(), owner.st_uid) and stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if not is_ours or found.st_mode & 0o077 or found.st_size < len(data):
            return False
        _give(fd, owner)
        file.write(data)
        file.truncate()
        os.fsync(fd)
    return True


def _give(fd: int, owner: os.stat_result) -> None:
    """An administrator's command must not take the file away from the user the server runs as."""
    if os.geteuid() == 0:
        os.fchown(fd, owner.st_uid, owner.st_gid)


def _unreadable(path: Path, error: OSError) -> KeysUnreadable:
    return KeysUnreadable(f"`{path}` cannot be used for keys: {(error.strerror or str(error)).lower()}")


# --- what stands in it --------------------------------------------------------------------------------------------


def encode_keys(keys: Keys) -> bytes:
    """The file's bytes, one field a line."""
    return (json.dumps({"version": VERSION, "keys": [_encode_key(key) for key in keys]}, indent=1) + "\n").encode()


def _encode_key(key: Key) -> dict[str, object]:
    row: dict[str, object] = {"id": key.id, "principal": key.principal}
    if key.bootstrap:
        row["bootstrap"] = True  # instead of rights and stores, so that it also holds what a later version adds
    else:
        row["stores"] = sorted(key.stores)
        row["rights"] = right_names(key.rights)
    row["created"] = format_time(key.created_us)
    if key.expiration_us is not None:
        row["expiration"] = format_time(key.expiration_us)
    row["secrets"] = [
        {"sha256": secret.digest.hex()} | ({} if secret.until_us is None else {"until": format_time(secret.until_us)})
        for secret in key.secrets
    ]
    return row


def decode_keys(data: bytes) -> Keys:
    """Strict: a field that is not known may be a restriction that this version would not keep. Raises KeyRefused."""
    try:
        document = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise KeyRefused(f"it is not JSON: {error}") from error
    fields = _fields(document, "the file", required=("version", "keys"))
    if fields["version"] != VERSION or isinstance(fields["version"], bool):
        raise KeyRefused(
            f"version `{shortened(str(fields['version']))}` is not known here: this server reads {VERSION}"
        )
    return Keys(_decode_key(row, f"key {number}") for number, row in enumerate(_list(fields["keys"], "keys"), 1))


def _object(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two fields of one name JSON keeps the last, and who looks a file over sees the first."""
    found: dict[str, Any] = {}
    for name, value in fields:
        if name in found:
            raise KeyRefused(f"an object has `{shortened(name)}` twice: remove one")
        found[name] = value
    return found


def _decode_key(row: object, where: str) -> Key:
    fields = _fields(
        row,
        where,
        required=("id", "principal", "created", "secrets"),
        optional=("stores", "rights", "expiration", "bootstrap"),
    )
    bootstrap = fields.get("bootstrap", False)
    if not isinstance(bootstrap, bool):
        raise KeyRefused(f"{where}: `bootstrap` is true or false")
    if bootstrap and fields.keys() & {"stores", "rights"}:
        raise KeyRefused(f"{where}: a bootstrap key has every right on every store: remove `stores` and `rights`")
    stores, rights = frozenset((ALL_STORES,)), ALL_RIGHTS
    if not bootstrap:
        stores = frozenset(
            _text(each, f"{where}: `stores`") for each in _list(fields.get("stores"), f"{where}: `stores`")
        )
        names = [_text(each, f"{where}: `rights`") for each in _list(fields.get("rights"), f"{where}: `rights`")]
        rights = parse_rights(names)
    secrets_given = tuple(_decode_secret(each, where) for each in _list(fields["secrets"], f"{where}: `secrets`"))
    if not secrets_given:
        raise KeyRefused(f"{where}: it has no secret, so nobody can use it: remove it")
    return Key(
        _text(fields["id"], f"{where}: `id`"),
        _text(fields["principal"], f"{where}: `principal`"),
        stores,
        rights,
        _time(fields["created"], f"{where}: `created`"),
        _time(fields["expiration"], f"{where}: `expiration`") if "expiration" in fields else None,
        secrets_given,
        bootstrap,
    )


def _decode_secret(value: object, where: str) -> Secret:
    fields = _fields(value, f"{where}: a secret", required=("sha256",), optional=("until",))
    try:
        digest = bytes.fromhex(_text(fields["sha256"], f"{where}: `sha256`"))
    except ValueError as error:
        raise KeyRefused(f"{where}: `sha256` is not hexadecimal") from error
    if len(digest) != _DIGEST_BYTES:
        raise KeyRefused(f"{where}: `sha256` has {len(digest)} bytes, not {_DIGEST_BYTES}")
    return Secret(digest, _time(fields["until"], f"{where}: `until`") if "until" in fields else None)


def _fields(value: object, where: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KeyRefused(f"{where} is not a JSON object")
    for name in required:
        if name not in value:
            raise KeyRefused(f"{where} has no `{name}`")
    for name in value:
        if name not in required and name not in optional:
            raise KeyRefused(f"{where} has `{shortened(name)}`, which is not known here")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise KeyRefused(f"{where} is not a list")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise KeyRefused(f"{where} is not text")
    return value


def _time(value: object, where: str) -> int:
    try:
        return parse_time(_text(value, where))
    except InvalidRelationship as error:
        raise KeyRefused(f"{where}: {error.message}") from error
