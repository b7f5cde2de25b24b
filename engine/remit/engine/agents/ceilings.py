"""What the runs of an agent may come to at most, as its record says and where that says nothing.

Law: an agent without a record, and one whose record leaves a ceiling out, has the store's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.engine.agents.ceiling_record import LIFETIME_MAX_S, read_ceilings
from remit.engine.agents.chains import DEPTH_MAX
from remit.errors import CeilingExceeded
from remit.model import ObjectRef

LIFETIME_S = 3600  # of a run that names none


@dataclass(frozen=True, slots=True)
class RunCeilings:
    """`depth_max`: how many runs, from the root down to one of this agent and with it; `fan_out_max`: how many that
    live directly below one of its runs, None for any number; `lifetime_max_s`: of each of its runs, from now;
    `profiles`: which its runs may hold or declare, None for any."""

    agent: ObjectRef
    depth_max: int = DEPTH_MAX
    fan_out_max: int | None = None
    lifetime_max_s: int = LIFETIME_MAX_S
    profiles: frozenset[str] | None = None

    @classmethod
    def of(cls, agent: ObjectRef, document: Mapping[str, object] | None) -> RunCeilings:
        """Of the agent's record; where there is none, the store's own."""
        said = read_ceilings(document or {})
        return cls(
            agent,
            min(said.depth_max or DEPTH_MAX, DEPTH_MAX),
            said.fan_out_max or None,
            min(said.lifetime_max_s or LIFETIME_MAX_S, LIFETIME_MAX_S),
            frozenset(said.profiles) or None,
        )

    def lifetime_us(self, asked_s: int) -> int:
        """How long a run lives that asks for so long, 0 for as long as is usual. Raises CeilingExceeded."""
        if asked_s > self.lifetime_max_s:
            raise self.exceeded("lifetime_max_s", self.lifetime_max_s, asked_s, "a run of `{agent}` lives {limit} s")
        return (asked_s or min(LIFETIME_S, self.lifetime_max_s)) * 1_000_000

    def require_depth(self, depth: int) -> None:
        """Raises CeilingExceeded."""
        if depth > self.depth_max:
            raise self.exceeded("depth_max", self.depth_max, depth, "a run of `{agent}` stands {limit} runs deep")

    def require_profile(self, profile: str) -> None:
        """Raises CeilingExceeded."""
        if self.profiles is not None and profile not in self.profiles:
            allowed = ", ".join(sorted(self.profiles))
            raise self.exceeded("profiles", allowed, profile, "runs of `{agent}` hold and declare {limit}")

    def exceeded(self, name: str, limit: object, given: object, rule: str) -> CeilingExceeded:
        told = rule.format(agent=self.agent, limit=limit)
        return CeilingExceeded(
            f"{told} at most, and this would be {given}", ceiling=name, limit=limit, given=given, agent=self.agent
        )
