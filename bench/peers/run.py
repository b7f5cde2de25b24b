"""What a run over several servers is to measure, on which, and what comes of it.

Law: the options and what came of them say all that is needed to do it again."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.peers.costs import Costs
from bench.peers.peer import Peer
from bench.peers.rows import Row

MIXED = "random documents, fresh, with writes"
SPAWN = "spawn storm, mandates"
SPAWN_ALONG = "spawn storm, along"
WRITES = "durable writes"
FIRST_OF_LIST = "the first"
WHOLE_LIST = "all"
WRONG = "WRONG ANSWER"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Each stretch is `seconds` long, and there are `repetitions` of it. `only` are parts of the names wanted."""

    seconds: float = 2.0
    repetitions: int = 3
    only: tuple[str, ...] = ()
    rate: float | None = None  # of the fixed-rate mode; None: half of what the closed loop found, for each server
    tuples_a_second: float = 2_000.0
    loaded: bool = False
    growth: bool = True

    def wants(self, name: str) -> bool:
        return not self.only or any(part.lower() in name.lower() for part in self.only)


@dataclass(slots=True)
class Held:
    """A server and what it costs; `shared_with` is the name of another wire of the same server, which loads it."""

    peer: Peer
    costs: Costs
    shared_with: str = ""
    lost: str = ""  # why nothing more is asked of it

    @property
    def name(self) -> str:
        return self.peer.kind


@dataclass(slots=True)
class Memory:
    """Resident bytes of a server and its database: before anything, with the world, and how many facts that is."""

    empty_bytes: int | None = None
    full_bytes: int | None = None
    facts: int = 0

    @property
    def bytes_a_fact(self) -> float | None:
        if self.empty_bytes is None or self.full_bytes is None or not self.facts:
            return None
        return (self.full_bytes - self.empty_bytes) / self.facts


@dataclass(slots=True)
class Measured:
    rows: list[Row] = field(default_factory=list)
    memory: dict[str, Memory] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """No server could be loaded, or asked at all."""
        return all(row.rate is None for row in self.rows)

    @property
    def is_wrong(self) -> bool:
        return any(row.note.startswith(WRONG) for row in self.rows)
