"""Servers for the tests of the frontend, which is there only where the native core is built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from remit.graph.native import available
from tests.support.ways_in import Both, both

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not available():
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="the native core is not built here, or is switched off"))


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    with both() as pair:
        yield pair


@pytest.fixture(scope="module")
def door(pair: Both) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(pair.door.endpoint) as channel:
        yield channel


@pytest.fixture(scope="module")
def bare(pair: Both) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(pair.bare.endpoint) as channel:
        yield channel
