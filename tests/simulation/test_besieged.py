"""A short siege over each way in: sixteen attackers at once, for two seconds, but for the floods that grpcio by
itself does not withstand (`BEYOND_GRPCIO`). `make siege` is the whole.

Law: beside them a steady client is answered, each hold it was told of is a hold to the very next check and each release
a release; memory stays within what the flags state; all that the attackers held is free once they have left; and in
their midst a server ends when it is told to. Nothing here is timed but patience."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.siege.certificate import make_certificate
from bench.siege.siege import Terms, Way, besiege
from bench.siege.steady import KINDS, WATCH, WATCH_HEALTH
from bench.siege.table import BEYOND_GRPCIO, rights_of_callers
from bench.siege.world import SMALL, World, make_world
from remit.graph.native import available

SECONDS = 2.0
# One of each kind: floods, holders of connections, of calls and of answers, readers, writers, makers of schemas. Not
# those who open thousands of streams for good: on a busy machine the next to open one may wait behind them for longer
# than the half minute after which gRPC cancels it.
CHOSEN = (
    "packed health checks",
    "silent HTTP connections",
    "garbage",
    "rapid resets",
    "revoked keys",
    "bodiless calls",
    "wrong JSON",
    "begun JSON",
    "begun bodies",
    "unread answers",
    "contexts",
    "expansions",
    "dry-run deletes",
    "writes",
    "imports",
    "schema comparisons",
)
# A stream that has waited for half a minute to be opened is cancelled by gRPC: late on a busy machine, and not refused.
LATE = tuple(f"{kind} failed 1 times: CANCELLED" for kind in (WATCH, WATCH_HEALTH))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("besieged"), SMALL, rights_of_callers())


@pytest.mark.skipif(not available(), reason="the native core is not built here, or is switched off")
def test_a_steady_client_loses_nothing_behind_the_frontend(world: World) -> None:
    require_nothing_lost(world, Terms(Way.FRONTEND, SECONDS), CHOSEN)


def test_a_steady_client_loses_nothing_over_grpcio_alone_without_keys_and_over_tls(
    world: World, tmp_path: Path
) -> None:
    terms = Terms(Way.GRPCIO, SECONDS, with_keys=False, certificate=make_certificate(tmp_path))
    withstood = [name for name in CHOSEN if name not in BEYOND_GRPCIO]
    require_nothing_lost(world, terms, [*withstood, "half handshakes"])


def require_nothing_lost(world: World, terms: Terms, names: Sequence[str]) -> None:
    outcome = besiege(world, terms, names)
    faults = [each for each in outcome.faults if not each.startswith(LATE)]
    assert not faults, "\n".join(faults)
    assert outcome.latencies.keys() == set(KINDS), "not everything was asked"
    # An attacker is a process of its own, with the lowest priority: on a busy machine one may not come to anything.
    idle = [name for name, counts in outcome.counts.items() if not counts.answered + counts.refused]
    assert len(idle) <= len(names) // 2, "most attacked nobody"
