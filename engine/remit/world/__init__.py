"""A world in one file: a schema, facts, and what is true in it.

`World.read(path)` reads the file, `verify(world, now_us)` says what in it does not hold. The format is the one SpiceDB
calls a validation file, so its worlds run here and ours there."""

from remit.world.file import World
from remit.world.finding import Finding
from remit.world.schema_file import read_schema
from remit.world.verification import verify

__all__ = ["Finding", "World", "read_schema", "verify"]
