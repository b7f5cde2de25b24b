"""The whole siege, `make siege`, as `make test-long` runs it: everybody at once, on a server of the usual limits.

Law: what the short form in `tests/simulation/test_besieged.py` says, of all attackers at once, and over TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.siege.certificate import make_certificate
from bench.siege.report import show_whole
from bench.siege.siege import Terms, Way, besiege
from bench.siege.table import ATTACKERS, BEYOND_GRPCIO, rights_of_callers
from bench.siege.world import LARGE, World, make_world
from remit.graph.native import available

pytestmark = [pytest.mark.long, pytest.mark.timeout(3_000)]

SECONDS = 15.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("siege"), LARGE, rights_of_callers())


@pytest.mark.parametrize("way", Way, ids=lambda way: way.name.lower())
@pytest.mark.parametrize("kind", ["keys", "no keys", "keys and TLS"])
def test_a_steady_client_loses_nothing_to_anybody(world: World, way: Way, kind: str, tmp_path: Path) -> None:
    if way is Way.FRONTEND and not available():
        pytest.skip("the native core is not built here, or is switched off")
    certificate = make_certificate(tmp_path) if kind == "keys and TLS" else None
    terms = Terms(way, SECONDS, with_keys=kind != "no keys", certificate=certificate)
    names = [name for name, attacker in ATTACKERS.items() if certificate is not None or not attacker.needs_tls]
    if way is Way.GRPCIO:
        names = [name for name in names if name not in BEYOND_GRPCIO]
    outcome = besiege(world, terms, names)
    show_whole(way, outcome)
    assert outcome.faults == []
