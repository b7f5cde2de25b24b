"""How whoever works for a caller notices that the caller no longer waits."""

from __future__ import annotations

from collections.abc import Callable

Interrupt = Callable[[], None]
"""Raises DeadlineExceeded or Cancelled when the caller no longer waits; otherwise returns."""


def never_interrupted() -> None:
    """The interrupt of a caller who waits as long as it takes."""
