"""A schema read from disk, with the files it imports: the language touches no disk, so this does.

Law: an import reads only beside the file it stands in (the language refuses `..`), and every message names the file."""

from __future__ import annotations

import os
from pathlib import Path

from remit.errors import FileUnreadable
from remit.language.compiler import Compiled, compile_schema
from remit.language.imports import beside
from remit.notation import shortened


def read_schema(path: Path) -> Compiled:
    """The compiled schema of a `.zed` file. Raises FileUnreadable, SchemaInvalid."""
    return compile_schema(read_text(path), name=path.as_posix(), resolver=resolve_beside)


class SchemaFiles:
    """The schema files of many worlds, each compiled once, as it was when it was first read."""

    def __init__(self) -> None:
        self._compiled: dict[str, Compiled] = {}

    def read(self, path: Path) -> Compiled:
        """`read_schema`. Cost: that of the first time."""
        name = path.as_posix()
        if name not in self._compiled:
            self._compiled[name] = read_schema(path)
        return self._compiled[name]


def schema_file_of(world: Path, written: str) -> Path:
    """The file that a world means by `schemaFile: written`, without the `..` in its name that lead nowhere else."""
    joined = world.parent / written
    tidy = Path(os.path.normpath(joined))
    try:
        return tidy if tidy.samefile(joined) else joined  # behind a symbolic link, `..` may lead elsewhere
    except OSError:
        return joined


def read_text(path: Path) -> str:
    """The text of a file a person named. Raises FileUnreadable."""
    name = shortened(str(path), 4_096)  # a path in a message stays on its line
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FileUnreadable(f"cannot read `{name}`: {reason}", file=path) from error
    except UnicodeDecodeError as error:
        raise FileUnreadable(f"cannot read `{name}`: byte {error.start} is not UTF-8", file=path) from error


def resolve_beside(path: str, importing_file: str) -> tuple[str, str]:
    """The resolver of imports for files on disk (see `language/imports.py`)."""
    name = beside(path, importing_file)
    return name, Path(name).read_text(encoding="utf-8-sig")
