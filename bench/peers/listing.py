"""Lists: how long until the first of their ids is there, and until all are.

Law: a list of which an id is lacking, or that has one too many, has no figure."""

from __future__ import annotations

import asyncio
import time

import grpc.aio

from bench.in_process import WrongAnswer
from bench.lists import KnownList
from bench.peers.costs import Costs
from bench.peers.generator import Stretch, timed
from bench.peers.peer import Peer, Refused, refusal
from remit.model import PermissionLookup

_LISTED_WITHIN_S = 60.0


async def listed(peer: Peer, known: KnownList, costs: Costs, *, seconds: float, first_only: bool) -> Stretch:
    """One list after the other for so long, and one at least. A latency is that of the first id, or of the last; where
    only the first is waited for, the rest is not taken. Raises WrongAnswer, Refused."""
    stretch = Stretch()
    now = time.perf_counter_ns
    with timed(stretch, costs):
        end = now() + int(seconds * 1e9)
        while True:
            before = now()
            try:
                async with asyncio.timeout(_LISTED_WITHIN_S):
                    found = await _ids(peer, known, first_only=first_only)
            except grpc.aio.AioRpcError as error:
                raise Refused(refusal(error)) from error
            except TimeoutError as error:
                raise Refused(f"no list within {_LISTED_WITHIN_S:.0f} s") from error
            stretch.histogram.record(now() - before)
            require_listed(known, found, first_only=first_only)
            if now() >= end:
                break
    return stretch


async def _ids(peer: Peer, known: KnownList, *, first_only: bool) -> list[str]:
    assert not isinstance(known.lookup, PermissionLookup), "no peer lists permissions"
    found: list[str] = []
    listing = peer.listing(known.lookup)
    async for ids in listing:
        found += ids
        if first_only:
            break
    await listing.aclose()
    return found


def require_listed(known: KnownList, found: list[str], *, first_only: bool) -> None:
    """Raises WrongAnswer for an id that should not be there, and Refused for a list that ended before its end: some
    servers leave away what they had no time for."""
    if wrong := set(found).difference(known.ids):
        raise WrongAnswer(f"{known.lookup} has `{min(wrong)}`, which it should not")
    if not first_only and len(set(found)) < len(known.ids):
        raise Refused(f"{len(set(found)):,} of {len(known.ids):,} ids, and no word of the others")
    if not found:
        raise Refused("no id at all")
