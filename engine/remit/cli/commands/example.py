"""The example that comes with Remit: the agent schema, and an organisation to try it on.

The repository keeps both under `schema/`; the package holds the same files as its own data.
Law: nothing that is already in a store is ever touched."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import remit
from remit.engine.facade import Engine
from remit.errors import SchemaNotFound
from remit.model import DEFAULT_STORE, Operation, RelationshipFilter, Update
from remit.world import World

EXAMPLE = Path(remit.__file__).parent / "schema" / "worlds" / "organisation.yaml"
BATCH_MAX = 1_000


def write_example(engine: Engine) -> int | None:
    """Write the example into an empty default store; how many relationships, or None where it is not empty."""
    if not is_empty(engine):
        return None
    world = World.read(EXAMPLE)
    engine.schemas.write(DEFAULT_STORE, world.schema.text)
    updates = (Update(Operation.TOUCH, relationship) for relationship in world.relationships)
    while batch := list(islice(updates, BATCH_MAX)):
        engine.relationships.write(DEFAULT_STORE, batch)
    return len(world.relationships)


def is_empty(engine: Engine) -> bool:
    try:
        engine.schemas.read(DEFAULT_STORE)
    except SchemaNotFound:
        return not engine.relationships.read(DEFAULT_STORE, RelationshipFilter(), limit=1).items
    return False


NEXT_STEPS = """\
try, in another terminal:
  remit demo                                              the story of this organisation
  remit check 'tool:erp.pay#use@run:r-7' --explain        may this run pay, and why
  remit touch 'run:r-4#hold@hold:try'                     hold a run far above it, and ask again
  remit delete 'run:r-4#hold@hold:try'
  remit expand 'tool:erp.pay#use'                         who may pay at all
  remit read 'run:r-7'                                    what is known about the run
"""
