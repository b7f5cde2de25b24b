"""Servers for the tests of the front door, which is there only where the native core is built."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

pytest.importorskip("remit._core", reason="the native core is not built")

from ways_in import Both, both


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
