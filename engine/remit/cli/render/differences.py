"""What two descriptors say differently, for a person: a line for each place.

Law: a line begins with what became of the place, `+`, `-` or `~`, and what is too long for it says that it goes on."""

from __future__ import annotations

from collections.abc import Iterator

from remit.arguments.differences import Differences
from remit.notation import shortened

_SHOWN_MAX = 200  # characters of a value


def difference_lines(differences: Differences) -> Iterator[str]:
    for pointer, before, after in differences.found:
        at = shortened(pointer, _SHOWN_MAX)
        if before is None:
            yield f"    + {at}: {shortened(after or '', _SHOWN_MAX)}"
        elif after is None:
            yield f"    - {at}: {shortened(before, _SHOWN_MAX)}"
        else:
            yield f"    ~ {at}: {shortened(before, _SHOWN_MAX)} → {shortened(after, _SHOWN_MAX)}"
    if not differences.is_complete:
        yield "    … and more: look at the descriptors themselves, by --json"
