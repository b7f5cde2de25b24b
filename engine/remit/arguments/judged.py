"""What a constraint document comes to for one call: what is known at once, and the questions it leaves to the graph.

A `related` value or a binding is a question about the subject that is asked, whom the judge does not know. So it is
handed on, and `equations.py` makes a goal of it: explained, cut in circles and paid for like any other.
Law: the value of the whole is that of its parts by the rules of `+`, `&` and `-`, with what is unjudged at (0, 2)."""

from __future__ import annotations

from typing import NamedTuple, final

from remit.model import ObjectRef


@final
class Known(NamedTuple):
    """Decided by the document and the call alone. `note` is a sentence for an explanation."""

    truth: bool
    note: str


@final
class Unjudged(NamedTuple):
    """Neither yes nor no, and an answer that hangs on it is none. `pointer` is a JSON Pointer into the arguments;
    or `tool` or `purpose`, which begin with no slash."""

    pointer: str
    reason: str


@final
class Related(NamedTuple):
    """Whether the subject that is asked has `permission` of what the value at `pointer` names."""

    object: ObjectRef
    permission: str
    pointer: str


@final
class Every(NamedTuple):
    """The least of its parts; a yes of none."""

    parts: tuple[Judged, ...]


@final
class Any(NamedTuple):
    """The greatest of its parts; a no of none."""

    parts: tuple[Judged, ...]


@final
class Unless(NamedTuple):
    """A yes unless the part is."""

    part: Judged


Judged = Known | Unjudged | Related | Every | Any | Unless
