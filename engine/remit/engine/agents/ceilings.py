"""The ceilings of an agent: what its runs may be given at most, whoever spawns them.

They are a record of the agent, for no answer rests on them: Spawn looks at them once, and what it gave then stands.
Law: a ceiling that is not set is the schema's own, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remit.errors import LimitExceeded
from remit.notation import checked_id

DEPTH_MAX = 16
PROFILES_MAX = 100


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How deep a chain may be that ends in a run of the agent, how many runs may live below one run at a time, how many
    seconds a run may live, and the ids of the profiles that its runs may be given. 0: `DEPTH_MAX`, and of the others no
    ceiling; no profiles: any."""

    depth_max: int = 0
    fan_out_max: int = 0
    lifetime_max_s: int = 0
    profiles: tuple[str, ...] = ()


NO_CEILINGS = Ceilings()


def checked_ceilings(ceilings: Ceilings) -> Ceilings:
    """Raises LimitExceeded, InvalidReference."""
    _require("ceilings.depth_max", ceilings.depth_max, DEPTH_MAX, "depth_max")
    _require("ceilings.profiles", len(ceilings.profiles), PROFILES_MAX, "profiles_max")
    for index, profile in enumerate(ceilings.profiles):
        checked_id(profile, field=f"ceilings.profiles[{index}]")
    return ceilings


def write_ceilings(ceilings: Ceilings) -> dict[str, object]:
    """As they stand in a document: those that are set."""
    said = {
        "depth_max": ceilings.depth_max,
        "fan_out_max": ceilings.fan_out_max,
        "lifetime_max_s": ceilings.lifetime_max_s,
        "profiles": list(ceilings.profiles),
    }
    return {name: value for name, value in said.items() if value}


def read_ceilings(document: Mapping[str, Any] | None) -> Ceilings:
    """Those of an agent's document; none where it has none, as of an agent that was written as facts."""
    said = (document or {}).get("ceilings", {})
    return Ceilings(**{**said, "profiles": tuple(said.get("profiles", ()))})


def _require(field: str, given: int, most: int, name: str) -> None:
    if given > most:
        raise LimitExceeded(
            f"`{field}`: {given} is more than the {most} allowed", field=field, name=name, limit=most, given=given
        )
