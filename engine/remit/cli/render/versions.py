"""The versions of an agent as rows."""

from __future__ import annotations

from collections.abc import Sequence

from remit.engine.agents.descriptions import VersionState
from remit.notation import format_time


def version_columns(versions: Sequence[VersionState]) -> list[tuple[str, str, str, str, str]]:
    """With their heading."""
    heading = ("VERSION", "STATE", "CERTIFIED UNTIL", "BY", "LIKE")
    return [heading, *((each.id, each.state, _until(each), each.certified_by, _like(each)) for each in versions)]


def _until(version: VersionState) -> str:
    if version.certified_until_us is not None:
        return format_time(version.certified_until_us)
    return "no end" if version.state == "certified" else ""


def _like(version: VersionState) -> str:
    if not version.like:
        return ""
    return f"{version.like}, but for its {' and '.join(version.differs)}" if version.differs else version.like
