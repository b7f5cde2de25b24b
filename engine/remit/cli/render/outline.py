"""An outline: sections that refer to one another, printed as nested trees.

Explanations and expansions are lists of sections, because facts may form cycles and nest without end. Here
each section is shown once, where it is first met; where it is met again it is only named, and what lies very deep is
continued below in a tree of its own.
Law: every section that the first one leads to is shown exactly once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

DEPTH_MAX = 24  # levels of one tree; at four columns each a line still begins within a wide terminal


Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Branch:
    """A line and what hangs below it. With a `section`, the line names it, and its content hangs there, or, where it is
    `apart`, in a tree of its own further down."""

    label: Text
    children: tuple[Branch, ...] = ()
    section: Key | None = None
    apart: bool = False


@dataclass(slots=True)
class Outline:
    """`sections` by key; `root` is where it begins."""

    root: Key
    sections: Mapping[Key, Branch]
    _shown: set[Key] = field(default_factory=set)
    _below: deque[Key] = field(default_factory=deque)

    def print(self, console: Console) -> None:
        """Cost: O(branches). On a stack of our own: chains are longer than Python's."""
        self._below.append(self.root)
        while self._below:
            key = self._below.popleft()
            if key not in self._shown:
                if self._shown:
                    console.print()
                self._shown.add(key)
                console.print(self._tree(self.sections[key]))

    def _tree(self, section: Branch) -> Tree:
        root = Tree(section.label)
        waiting = [(root, child, 1) for child in reversed(section.children)]
        while waiting:
            above, branch, depth = waiting.pop()
            note, children = self._opened(branch, depth)
            tree = above.add(branch.label + note)
            waiting.extend((tree, child, depth + 1) for child in reversed(children))
        return root

    def _opened(self, branch: Branch, depth: int) -> tuple[Text, tuple[Branch, ...]]:
        """What is said behind a branch's label, and what hangs below it here."""
        if branch.section is None:
            return Text(), branch.children
        if branch.section in self._shown:
            return Text("  (shown already)", style="dim"), ()
        if branch.section in self._below:
            return Text("  (shown below)", style="dim"), ()
        section = self.sections.get(branch.section)
        if section is None:
            return Text("  (not opened)", style="dim"), ()
        if not section.children:
            self._shown.add(branch.section)
            return Text(), ()
        if branch.apart or depth >= DEPTH_MAX:
            self._below.append(branch.section)
            return Text("  (shown below)", style="dim"), ()
        self._shown.add(branch.section)
        return Text(), section.children
