"""What a besieged server holds: a schema, facts of every shape that is costly to read, and keys for whoever calls.

It is made once and copied for each server, so that every attack meets the same.
Law: what the steady client holds and releases is touched by nobody else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.processes import remit_server
from remit.access.key_file import changing_keys
from remit.access.keys import ALL_STORES, Right
from remit.client import Client
from remit.engine.clock import SystemClock

STORE, SCRATCH = "default", "scratch"  # the one that all are about, as SpiceDB's wire names no other; and a spare one
STEADY, REVOKED = "the steady client", "who had a key"  # who has a key, or had one, and is no attacker

SCHEMA = """
use delegation
use import

import "remit:agents@1"

caveat within(amount int, most int, note string) { amount <= most && note != "" }

definition doc {
    relation parent: doc
    relation viewer: user | user with within
    managed relation hold: hold
    permission view = viewer + parent->view
    permission may = viewer - hold.exists()
}
"""
# Who is held and released, and what is asked of them.
STEADY_DOC, STEADY_USER = "steady", "ann"
CROWD, WIDE, DEEP, VICTIM, CAVEATED = "crowd", "wide", "deep", "victim", "caveated"
# What a run of `bot.1` below a system needs that holds `all`.
SPAWNABLE = (
    "user:owner#registered@directory:people",
    "domain:siege#estate@estate:siege",
    "system:clock#registered@directory:systems",
    "system:clock#owner@user:owner",
    "system:clock#domain@domain:siege",
    "agent:bot#registered@directory:agents",
    "agent:bot#owner@user:owner",
    "agent:bot#domain@domain:siege",
    "agent_version:bot.1#version_of@agent:bot",
    "agent_version:bot.1#certified@directory:reviews",
    "profile:all#holder@system:clock",
)
DOMAIN = "siege"  # of agents that `STEADY_USER` owns, and the team `CROWD`, of whom nobody is there
RUNS = 8  # that attackers hold, release and terminate: a run for each
BOSS, NEXT = "boss", "next"  # who owns agents, as many as `victim`, and has as many runs; and who could take them over


@dataclass(frozen=True, slots=True)
class Sizes:
    """`crowd`: viewers of one document, written last. `wide`: of another, which can be expanded. `deep`: documents in
    one another. `victim`: facts that a deletion by filter may remove. `caveated`: viewers with a caveat. `updates`: of
    one write. `schema_bytes`: of one that is sent."""

    crowd: int
    wide: int
    deep: int
    victim: int
    caveated: int
    updates: int
    schema_bytes: int


# As large as the usual limits let them be: `matches_max`, `updates_max`, `items_max`, `undone_max`, `schema_bytes_max`.
LARGE = Sizes(
    crowd=95_000, wide=48_000, deep=60_000, victim=10_000, caveated=1_000, updates=1_000, schema_bytes=256 * 1024
)
SMALL = Sizes(crowd=3_000, wide=3_000, deep=2_000, victim=1_000, caveated=100, updates=200, schema_bytes=32 * 1024)


@dataclass(frozen=True, slots=True)
class World:
    """On the disk in `data`, and its keys in a file. `keys`: their texts, by who calls. `past`: a token from before
    most of it was written."""

    data: Path
    keys_file: Path
    sizes: Sizes
    keys: Mapping[str, str]
    past: str


def make_world(folder: Path, sizes: Sizes, callers: Mapping[str, Collection[Right]]) -> World:
    """Write it down in a folder, with a key for each of the callers and for the steady client."""
    data, keys_file = folder / "data", folder / "keys.json"
    keys = _make_keys(keys_file, callers)
    with remit_server(data, None) as server, Client(server.address) as client:
        client.write_schema(SCHEMA)
        client.create_store(SCRATCH)
        client.import_(_early(sizes))
        client.touch(*SPAWNABLE, *(f"credential:{text[3:11]}#registered@directory:keys" for text in keys.values()))
        past = client.touch(f"doc:{STEADY_DOC}#viewer@user:{STEADY_USER}")
        client.import_(f"doc:{CROWD}#viewer@user:u{each}" for each in range(sizes.crowd))
    return World(data, keys_file, sizes, keys, past)


def _early(sizes: Sizes) -> Iterator[str]:
    for each in range(sizes.deep):
        yield f"doc:{DEEP}-{each}#parent@doc:{DEEP}-{each + 1}"
    for each in range(sizes.wide):
        yield f"doc:{WIDE}#viewer@user:u{each}"
    for each in range(sizes.victim):
        yield f"doc:{VICTIM}#viewer@user:u{each}"
    for each in range(sizes.caveated):
        yield f'doc:{CAVEATED}#viewer@user:u{each}[within:{{"most":5}}]'
    for each in range(RUNS):
        yield f"run:{each}#delegated_by@user:u{each}"
    for each in range(sizes.wide):
        yield f"team:{CROWD}#member@user:u{each}"
    yield f"user:{STEADY_USER}#registered@directory:people"
    yield from (f"user:{each}#registered@directory:people" for each in (BOSS, NEXT))
    for each in range(sizes.victim):
        yield f"agent:{each}#owner@user:{BOSS}"
        yield f"run:of-{BOSS}-{each}#delegated_by@user:{BOSS}"


def _make_keys(path: Path, callers: Mapping[str, Collection[Right]]) -> dict[str, str]:
    texts: dict[str, str] = {}
    now_us = SystemClock().now_us()
    steady = [Right.CHECK, Right.READ, Right.WRITE, Right.HOLD, Right.RELEASE, Right.AUDIT]
    with changing_keys(path) as change:
        for caller, rights in {**callers, STEADY: steady, REVOKED: [Right.CHECK]}.items():
            change.keys, key, texts[caller] = change.keys.with_new(
                principal=re.sub(r"\W+", "-", caller), stores=[ALL_STORES], rights=rights, now_us=now_us
            )
            if caller == REVOKED:
                change.keys = change.keys.without(key.id)
    return texts
