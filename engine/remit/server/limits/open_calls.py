"""How many calls there may be of callers whose key is not known, over all ways in: where there are more, some of them
are refused or ended, each kind by itself.

Law: nothing of this takes away from callers whose key counts."""

from __future__ import annotations

from remit.errors import LimitExceeded, TooManyStreams

# Calls to methods that need a key, until it is known: a moment for all who read what they are told.
ARRIVING_MAX = 2_048
# Calls to the methods that need none.
CHECKS_MAX = 1_024  # questions of health
CALLS_MAX = 1_024  # all others
WATCHES_MAX = 1_024
WATCHES_PER_PEER_MAX = 128  # of one address: those of a proxy that watches for many share it
OPEN_CALLS_MAX = CHECKS_MAX + CALLS_MAX + WATCHES_MAX
STRANGERS_MAX = ARRIVING_MAX + OPEN_CALLS_MAX

MESSAGE_BYTES_MAX = 4 * 1024  # the longest name of a service or symbol is a few hundred


def message_too_long(size: int) -> LimitExceeded:
    return LimitExceeded(
        f"a message of {size} bytes is larger than the {MESSAGE_BYTES_MAX} that this method takes",
        name="open_message_bytes_max",
        limit=MESSAGE_BYTES_MAX,
        given=size,
    )


def any_message_too_long() -> LimitExceeded:
    """The same in the words of the frontend, which does not tell each its own size."""
    return LimitExceeded(
        f"a message is larger than the {MESSAGE_BYTES_MAX} bytes that this method takes",
        name="open_message_bytes_max",
        limit=MESSAGE_BYTES_MAX,
    )


def too_many_open(name: str, limit: int, what: str) -> TooManyStreams:
    return TooManyStreams(
        f"the server waits for {limit} {what} at once, and for no more: try again a little later",
        name=f"open_{name}",
        limit=limit,
        given=limit + 1,
    )
