"""`remit store create`, `list`, `delete`, `backup` and `restore`.

Law: a backup gets its name only when it is whole; a restore makes a store, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from remit.cli.arguments.lines import STANDARD_INPUT
from remit.cli.files import complete_bytes
from remit.cli.render.as_json import store_json
from remit.cli.render.output import columns, note, put, put_json
from remit.cli.session import Session, command
from remit.client import Backup
from remit.errors import FileUnreadable

_CHUNK_BYTES = 256 * 1024

_NAME = typer.Argument(metavar="NAME", help="The store's name: lower-case letters, digits, `-` and `_`.")


def register(app: typer.Typer) -> None:
    store = typer.Typer(no_args_is_help=True)
    command(store, "create")(create)
    command(store, "list")(list_stores)
    command(store, "delete")(delete)
    command(store, "backup")(backup)
    command(store, "restore")(restore)
    app.add_typer(store, name="store", help="Make, list, remove, back up and restore stores.")


def create(session: Session, name: Annotated[str, _NAME]) -> int:
    """Make an empty store. Prints its token.

    Example:

        remit store create staging && remit --store staging schema write schema/agents@1.zed
    """
    with session.connect() as client:
        info = client.create_store(name)
    put_json(store_json(info)) if session.json else put(info.token)
    return 0


def list_stores(session: Session) -> int:
    """List the stores that you may see.

    Example:

        remit store list --json
    """
    with session.connect() as client:
        found = client.list_stores()
    if session.json:
        for info in found:
            put_json(store_json(info))
        return 0
    rows = [(info.name, f"{info.relationships:,}", "yes" if info.has_schema else "no", info.uuid) for info in found]
    for line in columns([("NAME", "RELATIONSHIPS", "SCHEMA", "UUID"), *rows]):
        put(line)
    return 0


def delete(
    session: Session,
    name: Annotated[str, _NAME],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Remove a store and all it holds. There is no way back but a backup.

    Asks first, at a terminal; elsewhere it wants `--yes`.

    Example:

        remit store delete staging --yes
    """
    with session.connect() as client:
        if not yes:
            if not sys.stdin.isatty():
                raise typer.BadParameter(f"removing `{name}` takes all it holds: say --yes")
            typer.confirm(f"remove store {name} and all it holds?", abort=True, err=True)
        client.delete_store(name)
    if session.json:
        put_json({"deleted": name})
    else:
        note(f"store `{name}` is removed")
    return 0


def backup(
    session: Session,
    name: Annotated[str, _NAME],
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; `-` is standard output.")],
) -> int:
    """Copy a store to a file while it goes on: schema, relationships with who wrote them, changelog.

    The copy is of one revision. The file appears only once it is whole and its digest is right, and only its owner can
    read it. With `-`, an exit code other than 0 says that what was printed is not a backup.

    Examples:

        remit store backup default default.remit-backup
        remit store backup default - | remit --endpoint other:50051 store restore default -
    """
    with session.connect() as client, client.backup(name) as copying:
        if file == STANDARD_INPUT:
            _copy(copying, sys.stdout.buffer)
            sys.stdout.flush()
            return 0
        with complete_bytes(Path(file)) as stream:
            size = _copy(copying, stream)
    if session.json:
        put_json({"store": name, "file": file, "bytes": size, "token": copying.token})
    else:
        note(f"store `{name}` is in {file} ({size:,} bytes), as of {copying.token}")
    return 0


def _copy(copying: Backup, stream: IO[bytes]) -> int:
    size = 0
    for chunk in copying:
        size += stream.write(chunk)
    return size


def restore(
    session: Session,
    name: Annotated[str, _NAME],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup; `-` is standard input.")],
) -> int:
    """Make a store of a backup, under a name that is free. Prints its token.

    It is there with all it held, or not at all. Tokens of before are refused as foreign: callers take new ones.

    Example:

        remit store delete default --yes && remit store restore default default.remit-backup
    """
    with session.connect() as client:
        info = client.restore(name, _chunks(file))
    if session.json:
        put_json(store_json(info))
    else:
        note(f"store `{name}` holds {info.relationships:,} relationships")
        put(info.token)
    return 0


def _chunks(file: str) -> Iterator[bytes]:
    try:
        if file == STANDARD_INPUT:
            yield from _read(sys.stdin.buffer)
        else:
            with Path(file).open("rb") as stream:
                yield from _read(stream)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileUnreadable(f"cannot read `{file}`: {reason.lower()}") from error


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        yield chunk
