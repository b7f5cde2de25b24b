"""What becomes of what the verbs of agents look after: a table for each, its states down, its events across.

A cell is the state that follows, `-` a refusal. An event is a verb by its name in the API. `absent` is what was never
heard of; a state that nothing leaves is for ever.
Law: no verb changes a state but as its table says, and docs/verbs.md shows these very tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.errors import LifecycleRefused
from remit.model import ObjectRef

ABSENT = "absent"
REFUSED = "-"


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The table of one kind. `states` in their order, `events` in theirs."""

    kind: str
    states: tuple[str, ...]
    events: tuple[str, ...]
    cells: Mapping[tuple[str, str], str]

    def after(self, state: str, event: str, object: ObjectRef) -> str:
        """The state that follows. Raises LifecycleRefused where the table has none."""
        following = self.cells[state, event]
        if following != REFUSED:
            return following
        possible = [each for each in self.events if self.cells[state, each] != REFUSED]
        then = f"what is possible is {', '.join(possible)}" if possible else "nothing follows that"
        raise LifecycleRefused(
            f"`{object}` is {state}, so {event} is refused; {then}", object=object, state=state, event=event
        )


def lifecycle(kind: str, table: str) -> Lifecycle:
    """The table of a text, whose first line names the events and every other a state and what follows it."""
    (first, *events), *rows = [line.split() for line in table.strip().splitlines()]
    assert first == "state", "a table begins with its heading"
    states = tuple(row[0] for row in rows)
    cells = {(state, event): cell for state, *found in rows for event, cell in zip(events, found, strict=True)}
    assert set(cells.values()) <= {*states, REFUSED}, "a cell is a state of the table"
    return Lifecycle(kind, states, tuple(events), cells)


HOLD = lifecycle(
    "hold",
    """
    state     Hold      Release
    absent    placed    -
    placed    -         released
    released  -         released
    """,
)

# What was written as facts, without a verb, is in the state that its facts say.
RUN = lifecycle(
    "run",
    """
    state       Spawn  Renew  Narrow  DeclareIntent  Terminate
    absent      live   -      -       -              -
    live        -      live   live    live           terminated
    over        -      -      -       -              terminated
    terminated  -      -      -       -              terminated
    """,
)

# `unregistered` is what is known by facts alone: it has grants or an owner, and no directory vouches for it.
AGENT = lifecycle(
    "agent",
    """
    state         RegisterAgent  ChangeAgent  AddVersion  Certify     RetireAgent  Terminate
    absent        registered     -            -           -           -            -
    unregistered  registered     -            -           -           terminated   terminated
    registered    -              registered   registered  registered  terminated   terminated
    terminated    -              -            -           -           terminated   terminated
    """,
)

VERSION = lifecycle(
    "agent_version",
    """
    state       AddVersion  Certify    Decertify   Terminate
    absent      added       -          -           -
    added       -           certified  added       terminated
    certified   -           certified  added       terminated
    terminated  -           -          terminated  terminated
    """,
)

CONSENT = lifecycle(
    "consent",
    """
    state      GiveConsent  WithdrawConsent
    absent     given        -
    given      -            withdrawn
    withdrawn  -            withdrawn
    """,
)

TOOL = lifecycle(
    "tool",
    """
    state       RegisterTool  ProposeDescriptor  AcceptDescriptor  RejectDescriptor  ChangeTool  RelaxTool   RetireTool
    absent      registered    -                  -                 -                 -           -           -
    registered  -             registered         registered        registered        registered  registered  retired
    retired     -             -                  -                 -                 -           -           retired
    """,
)

LIFECYCLES = (AGENT, VERSION, RUN, HOLD, CONSENT, TOOL)
