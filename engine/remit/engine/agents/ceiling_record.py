"""The ceilings of an agent as its record has them: what its runs may be given at most, whoever spawns them.

No answer rests on them: Spawn looks at them once, and what it gave then stands.
Law: what is written is what is read, and a ceiling that is not set is the store's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.engine.agents.chains import DEPTH_MAX
from remit.errors import LimitExceeded
from remit.notation import checked_id

LIFETIME_MAX_S = 24 * 3600
PROFILES_MAX = 100


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many runs a chain may have that ends in one of the agent, how many may live below one at a time, how many
    seconds one may live, and the ids of the profiles that they may be given. 0, and no profiles: the store's own."""

    depth_max: int = 0
    fan_out_max: int = 0
    lifetime_max_s: int = 0
    profiles: tuple[str, ...] = ()


NO_CEILINGS = Ceilings()


def checked_ceilings(ceilings: Ceilings) -> Ceilings:
    """Raises LimitExceeded, InvalidReference."""
    _require("ceilings.depth_max", ceilings.depth_max, DEPTH_MAX, "depth_max")
    _require("ceilings.lifetime_max_s", ceilings.lifetime_max_s, LIFETIME_MAX_S, "lifetime_max_s")
    _require("ceilings.profiles", len(ceilings.profiles), PROFILES_MAX, "profiles_max")
    for index, profile in enumerate(ceilings.profiles):
        checked_id(profile, field=f"ceilings.profiles[{index}]")
    return ceilings


def write_ceilings(ceilings: Ceilings) -> dict[str, object]:
    """The keys of a document that say them: of those that are set."""
    said = {
        "depth_max": ceilings.depth_max,
        "fan_out_max": ceilings.fan_out_max,
        "lifetime_max_s": ceilings.lifetime_max_s,
        "profiles": list(ceilings.profiles),
    }
    return {name: value for name, value in said.items() if value}


def read_ceilings(document: Mapping[str, Any]) -> Ceilings:
    """Those of an agent's document; none where it says none, as of an agent that was written as facts."""
    return Ceilings(
        document.get("depth_max", 0),
        document.get("fan_out_max", 0),
        document.get("lifetime_max_s", 0),
        tuple(document.get("profiles", ())),
    )


def _require(field: str, given: int, most: int, name: str) -> None:
    if given > most:
        raise LimitExceeded(
            f"`{field}`: {given} is more than the {most} allowed", field=field, name=name, limit=most, given=given
        )
