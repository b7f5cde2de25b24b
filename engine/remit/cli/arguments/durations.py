"""Durations as text: `90d`, `12h`, `1d12h`."""

from __future__ import annotations

import re

from remit.errors import InvalidArgument
from remit.notation import shortened

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])")
_YEARS_MAX_S = 100 * 366 * 86_400


def parse_duration(text: str) -> int:
    """`90d`, `12h`, `1d12h` → microseconds. Raises InvalidArgument."""
    parts = _DURATION.findall(text)
    seconds = sum(int(number) * _UNITS_S[unit] for number, unit in parts)
    if "".join(f"{number}{unit}" for number, unit in parts) != text or not 0 < seconds <= _YEARS_MAX_S:
        raise InvalidArgument(
            f"`{shortened(text)}` is not a duration: a number and s, m, h, d or w, as in `90d` or `1d12h`, up to a "
            "hundred years"
        )
    return seconds * 1_000_000
