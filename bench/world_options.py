"""The flags that choose a world, the same for every benchmark.

Law: whatever is not said is as `SIZES` has it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.worlds import SIZES, Sizes

_NUMBERS = {
    "relationships": "exactly so many instead",
    "group_members": "people in the one large group",
    "folder_depth": "folders in each deep chain of them",
    "chain_depth": "runs in the deepest chain of agents",
    "wide_groups": "groups that the one wide document is shared with",
    "questions": "of most workloads; ten times as many about random documents",
}


def add_world_options(add: Callable[..., Any]) -> None:
    """`add` is a parser's `add_argument`."""
    add("--size", choices=SIZES, default="medium", help="30,000, 100,000, a million or ten million relationships")
    for name, meaning in _NUMBERS.items():
        add(f"--{name.replace('_', '-')}", type=int, metavar="N", help=meaning)
    add("--seed", type=int, default=1, help="of the world and of what is asked")


def sizes_of(chosen: argparse.Namespace) -> Sizes:
    given = {name: getattr(chosen, name) for name in _NUMBERS if getattr(chosen, name) is not None}
    return replace(SIZES[chosen.size], **given)
