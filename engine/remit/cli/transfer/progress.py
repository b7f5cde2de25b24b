"""Progress on standard error, for a person; nothing where no one watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from remit.cli.render.output import err


class Bar:
    """How many relationships have gone, and how much of the whole that is, where that is known."""

    def __init__(self, progress: Progress, task: TaskID, in_bytes: bool) -> None:
        self._progress = progress
        self._task = task
        self._in_bytes = in_bytes
        self._count = 0

    def advance(self, count: int, size_bytes: int = 0) -> None:
        self._count += count
        amount = size_bytes if self._in_bytes else count
        self._progress.update(self._task, advance=amount, written=f"{self._count:,} relationships")


@contextmanager
def transfer_bar(what: str, total_bytes: int | None = None) -> Iterator[Bar]:
    console = err()
    columns = [TextColumn(what), BarColumn(), TextColumn("{task.fields[written]}"), TimeElapsedColumn()]
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=total_bytes, written="")
        yield Bar(progress, task, in_bytes=total_bytes is not None)
