"""A run over several servers as one picture: bars on a logarithmic scale, in SVG written by hand.

On a linear scale the slower ones would be lines without a width. Hand-written because a plotting library is sixty
megabytes for a few rectangles.
Law: every bar bears its figure, so that nobody has to read lengths off a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.peers.rows import FIXED, Row, name_of

_LEFT, _BARS, _RIGHT = 300, 520, 110
_BAR, _GAP, _TOP = 14, 12, 66
# Told apart also by those who do not see red and green, and in print (Okabe and Ito's colours).
_COLOURS = ("#0072B2", "#56B4E9", "#E69F00", "#009E73", "#CC79A7")
_FONT = 'font-family="system-ui, sans-serif" font-size="11"'


@dataclass(frozen=True, slots=True)
class Bar:
    """`why` stands where the bar would, when there is no value."""

    group: str
    series: str
    value: float
    why: str = ""


def bars_of(rows: Sequence[Row]) -> list[Bar]:
    """Rates but those that were fixed, as the tables name them; of who has none, the first words of why."""
    return [
        Bar(f"{name_of(row)} ({row.unit}/s)", row.peer, row.rate or 0.0, row.note.partition(":")[0])
        for row in rows
        if row.mode != FIXED
    ]


def svg(title: str, bars: Sequence[Bar]) -> str:
    """A picture of all bars, grouped. An empty one says so."""
    groups = list(dict.fromkeys(bar.group for bar in bars))
    series = list(dict.fromkeys(bar.series for bar in bars))
    values = [bar.value for bar in bars if bar.value > 0]
    low = 10.0 ** math.floor(math.log10(min(values))) if values else 1.0
    high = 10.0 ** math.ceil(math.log10(max(values) * 1.01)) if values else 10.0
    height = _TOP + len(bars) * _BAR + len(groups) * _GAP + 30
    width = _LEFT + _BARS + _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" {_FONT} font-weight="bold" fill="#222">{escape(title)}</text>',
        *_legend(series),
        *_scale(low, high, height),
    ]
    if not bars:
        parts.append(f'<text x="12" y="{_TOP + 10}" {_FONT} fill="#222">nothing was measured</text>')
    top = _TOP
    for group in groups:
        members = [bar for bar in bars if bar.group == group]
        middle = top + len(members) * _BAR / 2 + 4
        parts.append(
            f'<text x="{_LEFT - 8}" y="{middle:.0f}" {_FONT} text-anchor="end" fill="#222">{escape(group)}</text>'
        )
        for bar in members:
            parts += _bar(bar, top, _COLOURS[series.index(bar.series) % len(_COLOURS)], low, high)
            top += _BAR
        top += _GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(bar: Bar, top: int, colour: str, low: float, high: float) -> list[str]:
    if not bar.value:
        place = f'x="{_LEFT + 5}" y="{top + _BAR - 3}"'
        return [f'<text {place} {_FONT} font-style="italic" fill="#666">{escape(f"{bar.series}: {bar.why}")}</text>']
    length = _place(bar.value, low, high)
    return [
        f'<rect x="{_LEFT}" y="{top + 1}" width="{length:.1f}" height="{_BAR - 2}" fill="{colour}">'
        f"<title>{escape(f'{bar.series}: {bar.value:,.4g}')}</title></rect>",
        f'<text x="{_LEFT + length + 5:.1f}" y="{top + _BAR - 3}" {_FONT} fill="#222">{_short(bar.value)}</text>',
    ]


def _legend(series: Sequence[str]) -> list[str]:
    parts, left = [], 12
    for number, name in enumerate(series):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<rect x="{left}" y="33" width="11" height="11" fill="{colour}"/>')
        parts.append(f'<text x="{left + 16}" y="43" {_FONT} fill="#222">{escape(name)}</text>')
        left += 34 + 7 * len(name)
    return parts


def _scale(low: float, high: float, height: int) -> list[str]:
    parts = []
    for exponent in range(round(math.log10(low)), round(math.log10(high)) + 1):
        place = _LEFT + _place(10.0**exponent, low, high)
        parts.append(f'<line x1="{place:.1f}" y1="{_TOP - 6}" x2="{place:.1f}" y2="{height - 24}" stroke="#ddd"/>')
        label = _short(10.0**exponent)
        parts.append(f'<text x="{place:.1f}" y="{height - 10}" {_FONT} text-anchor="middle" fill="#666">{label}</text>')
    return parts


def _place(value: float, low: float, high: float) -> float:
    return _BARS * math.log10(max(value, low) / low) / math.log10(high / low)


def _short(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
