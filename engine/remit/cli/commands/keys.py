"""`remit key create`, `list`, `revoke`, `rotate`, `bootstrap`, and `remit whoami`.

Keys are made where the keys file is, by whoever may write it, not over the network: the first key needs no key. A
server that runs reads the file again within a second.
Law: a key is printed once, alone on standard output, by the command that made it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from remit.access.key_file import changing_keys, read_keys
from remit.access.keys import ALL_STORES, Key, Right, parse_rights, right_names
from remit.cli.arguments.durations import parse_duration
from remit.cli.render.as_json import key_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.session import Session, command
from remit.errors import KeyRefused, KeysUnreadable
from remit.notation import format_time
from remit.store.data_directory import KEYS_FILE

DEFAULT_DATA = Path("data")
BOOTSTRAP_PRINCIPAL = "bootstrap"

_KeysOption = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FILE", help=f"The keys file; else `{KEYS_FILE}` in the data directory."),
]
_DataOption = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="The server's data directory, where --keys names no file.")
]
_ExpiresOption = Annotated[
    str,
    typer.Option("--expires", metavar="DURATION", help="How long it is valid, as in `90d` or `12h`; else for ever."),
]
_IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Its public id, as `remit key list` shows it.")]


def register(app: typer.Typer) -> None:
    key = typer.Typer(no_args_is_help=True)
    command(key, "bootstrap", offline=True)(bootstrap)
    command(key, "create", offline=True)(create)
    command(key, "list", offline=True)(list_keys)
    command(key, "revoke", offline=True)(revoke)
    command(key, "rotate", offline=True)(rotate)
    app.add_typer(key, name="key", help="Make, list and revoke the keys of a server's callers.")
    command(app, "whoami")(whoami)


def bootstrap(
    session: Session,
    principal: Annotated[str, typer.Option("--principal", metavar="NAME", help="Who it is for.")] = BOOTSTRAP_PRINCIPAL,
    expires: _ExpiresOption = "",
    keys: _KeysOption = None,
    data: _DataOption = DEFAULT_DATA,
) -> int:
    """Make the bootstrap key: every right on every store.

    There is at most one. Use it to set things up, give everyone who calls a key of their own, and revoke it.

    Example:

        remit key bootstrap --data data
    """
    return _create(session, _path(keys, data), principal, (), (), expires, bootstrap=True)


def create(
    session: Session,
    principal: Annotated[
        str, typer.Option("--principal", metavar="NAME", help="Who calls with it, as in `service:gateway`.")
    ],
    store: Annotated[
        list[str] | None,
        typer.Option("--store", metavar="NAME", help="A store it may see, or `*` for all; repeatable."),
    ] = None,
    right: Annotated[
        list[str] | None,
        typer.Option("--right", metavar="RIGHT", help=f"One of {', '.join(right_names(tuple(Right)))}; repeatable."),
    ] = None,
    expires: _ExpiresOption = "",
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="The bootstrap key, every right on every store: only as the first key.")
    ] = False,
    keys: _KeysOption = None,
    data: _DataOption = DEFAULT_DATA,
) -> int:
    """Make a key, and print it: this once, it cannot be shown again.

    Examples:

        remit key create --principal service:gateway --store default --right check
        remit key create --principal ci@example.com --store '*' --right schema --right read --expires 90d
    """
    path = _path(keys, data)
    if bootstrap and (store or right):
        raise typer.BadParameter("a bootstrap key has every right on every store: leave out --store and --right")
    found = read_keys(path)
    if bootstrap and found is not None and found.count:
        raise KeyRefused("--bootstrap is for the first key, and there are keys: `remit key bootstrap` makes one now")
    return _create(session, path, principal, store or (), right or (), expires, bootstrap=bootstrap)


def _create(
    session: Session,
    path: Path,
    principal: str,
    stores: list[str] | tuple[()],
    rights: list[str] | tuple[()],
    expires: str,
    *,
    bootstrap: bool,
) -> int:
    now_us = _now_us()
    _make_folder(path)
    with changing_keys(path) as change:
        change.keys, key, text = change.keys.with_new(
            principal=principal,
            stores=stores,
            rights=parse_rights(rights),
            now_us=now_us,
            expiration_us=now_us + parse_duration(expires) if expires else None,
            bootstrap=bootstrap,
        )
    return _put_new(session, key, text, f"key `{key.id}` of `{key.principal}` is in `{path}`")


def list_keys(session: Session, keys: _KeysOption = None, data: _DataOption = DEFAULT_DATA) -> int:
    """List the keys: id, principal, stores, rights, until when. What opens the door is not in it.

    Example:

        remit key list --json
    """
    path = _path(keys, data)
    found = read_keys(path)
    if found is None:
        raise KeysUnreadable(f"there is no keys file `{path}`: `remit key bootstrap --keys {path}` makes one")
    now_us = _now_us()
    if session.json:
        for key in found:
            put_json(key_json(key) | {"created": format_time(key.created_us), "expired": key.is_over(now_us)})
        return 0
    rows = [("ID", "PRINCIPAL", "STORES", "RIGHTS", "UNTIL"), *(_row(key, now_us) for key in found)]
    for line in columns(rows):
        put(line)
    return 0


def revoke(session: Session, id: _IdArgument, keys: _KeysOption = None, data: _DataOption = DEFAULT_DATA) -> int:
    """Remove a key. Its calls are refused within a second, its open streams are closed.

    Example:

        remit key revoke k3x7q2mp
    """
    path = _path(keys, data)
    with changing_keys(path) as change:
        revoked = change.keys.find(id)
        change.keys = change.keys.without(id)
        left = change.keys.count
    if session.json:
        put_json({"revoked": revoked.id, "keys": left})
        return 0
    note(f"key `{revoked.id}` of `{revoked.principal}` is revoked")
    if not left:
        note("no key is left: the server lets nobody in until one is made")
    return 0


def rotate(
    session: Session,
    id: _IdArgument,
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="How long the old text still counts; else not at all.")
    ] = "",
    keys: _KeysOption = None,
    data: _DataOption = DEFAULT_DATA,
) -> int:
    """Give a key a new text, and print it. Its id, principal, stores and rights stay.

    Example:

        remit key rotate k3x7q2mp --grace 1h
    """
    path = _path(keys, data)
    with changing_keys(path) as change:
        change.keys, key, text = change.keys.with_rotated(
            id, now_us=_now_us(), grace_us=parse_duration(grace) if grace else 0
        )
    until = f"its old text counts for {grace} more" if grace else "its old text counts no more"
    return _put_new(session, key, text, f"key `{key.id}` of `{key.principal}` is new, {until}")


def whoami(session: Session) -> int:
    """Ask the server who it takes you for, and what you may do.

    Example:

        REMIT_TOKEN=rk_… remit whoami
    """
    with session.connect() as client:
        identity = client.who_am_i()
    until = None if identity.expiration_us is None else format_time(identity.expiration_us)
    if session.json:
        put_json(
            {
                "principal": identity.principal,
                "stores": list(identity.stores),
                "rights": list(identity.rights),
                "version": identity.version,
            }
            | ({"key_id": identity.key_id} if identity.key_id else {})
            | ({} if until is None else {"expiration": until})
        )
        return 0
    put(f"principal  {identity.principal}")
    put(f"key        {identity.key_id or 'none: the server asks for none'}")
    put(f"stores     {', '.join(identity.stores)}")
    put(f"rights     {', '.join(identity.rights)}")
    put(f"until      {until or 'no end'}")
    put(f"server     remit {identity.version}")
    return 0


# --- what they share ----------------------------------------------------------------------------------------------


def _path(keys: Path | None, data: Path) -> Path:
    return keys if keys is not None else data / KEYS_FILE


def _make_folder(path: Path) -> None:
    """The data directory, where the first key comes before the first start. `serve` makes it alike."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise KeysUnreadable(f"`{path.parent}` cannot be made for keys: {(error.strerror or '').lower()}") from error


def _put_new(session: Session, key: Key, text: str, done: str) -> int:
    if session.json:
        put_json({"key": text} | key_json(key))
        return 0
    note(f"{done}; keep what follows, it is not shown again")
    put(text)
    return 0


def _row(key: Key, now_us: int) -> tuple[str, ...]:
    until = "" if key.expiration_us is None else format_time(key.expiration_us)[:16] + "Z"
    return (
        key.id,
        key.principal,
        ALL_STORES if ALL_STORES in key.stores else ",".join(sorted(key.stores)),
        "all (bootstrap)" if key.bootstrap else ",".join(right_names(key.rights)),
        f"{until} (expired)" if key.is_over(now_us) else until,
    )


def _now_us() -> int:
    return time.time_ns() // 1_000
