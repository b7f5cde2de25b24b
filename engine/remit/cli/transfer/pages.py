"""Relationships that come in pages from elsewhere, and the cursor to go on from where the server has them.

Law: the cursor that is told is that of the last page of which everything is durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from remit.cli.transfer.progress import Bar
from remit.model import Relationship


class Pages:
    """gRPC's thread reads the pages, ours hears of what is durable; the deque between them takes both."""

    def __init__(self, pages: Iterable[tuple[list[Relationship], str]], bar: Bar, cursor: str = "") -> None:
        self.cursor = cursor
        self.written = 0
        self._pages = pages
        self._bar = bar
        self._ends: deque[tuple[int, str]] = deque()

    def relationships(self) -> Iterator[Relationship]:
        count = 0
        for relationships, cursor in self._pages:
            count += len(relationships)
            self._ends.append((count, cursor))
            yield from relationships

    def acknowledged(self, count: int) -> None:
        self._bar.advance(count - self.written)
        self.written = count
        while self._ends and self._ends[0][0] <= count:
            self.cursor = self._ends.popleft()[1]
