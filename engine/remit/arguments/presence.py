"""What a clause that lets a call through says of where values are, beside what they are.

Law: nothing here depends on a value; a key that is a number may be a name of an object or an index of a list."""

from __future__ import annotations

from collections.abc import Sequence

from remit.arguments.judge import index_of
from remit.arguments.tree import Argument, Clause


def is_absent(path: tuple[str, ...], clause: Clause) -> bool:
    """Whether a call that the clause lets through has surely nothing at the path, and one finds that out: what stands
    before it has names, or is a list that ends before. Cost: O(arguments * length of the path)."""
    if clause.is_open or any(path[: len(each.path)] == each.path for each in clause.arguments):
        return False
    shared, through = 0, list(clause.arguments)
    while shared < len(path):
        beyond = [each for each in through if each.path[: shared + 1] == path[: shared + 1]]
        if not beyond:
            break
        shared, through = shared + 1, beyond
    # What is named below a path has it there with it.
    return shared < len(path) and (shared == 0 or _can_be_passed(path, shared, through))


def can_be_followed(path: tuple[str, ...], arguments: Sequence[Argument]) -> bool:
    """Whether the path is found or found to be absent, and nowhere on its way is what has no such keys, in every call
    in which each of the arguments is."""
    return all(
        _can_be_passed(path, length, [each for each in arguments if each.path[:length] == path[:length]])
        for length in range(1, len(path))
    )


def _can_be_passed(path: tuple[str, ...], length: int, arguments: Sequence[Argument]) -> bool:
    """Whether what so many keys lead to has a key such as the next, as far as arguments that begin with them tell: an
    object has any, a list those that are indexes."""
    further = [each.path[length] for each in arguments if len(each.path) > length]
    is_index = index_of(path[length]) is not None
    return any(is_index or index_of(key) is None for key in further)
