"""A world into a server: its schema, its relationships, and its assertions asked there.

Law: a world in which something does not fit is refused before anything is written; what does not hold on the server is
told, with its line."""

from __future__ import annotations

import time

from remit.cli.render.output import note, put, put_json
from remit.cli.session import Session
from remit.client import Client, Question, Unanswered
from remit.errors import CallUnjudgeable, InvalidCall, RemitError, WorldInvalid
from remit.model import Relationship
from remit.world import World, verify
from remit.world.finding import FindingKind
from remit.world.verification import WORDS, expected_word, misfits_of

QUESTIONS_MAX = 100  # asked at once


def import_world(session: Session, world: World, *, dry_run: bool) -> int:
    """The exit code: 1 where an assertion does not hold."""
    now_us = time.time_ns() // 1_000
    for finding in world.unknown_keys:
        note(finding.render())
    # What follows from them the server is asked; but not by a dry run, for which it has not the schema yet.
    told = verify(world, now_us) if dry_run else misfits_of(world)
    if told and not dry_run:
        note("nothing is written")
        raise WorldInvalid(told[0].render().splitlines()[0], findings=told, file=world.path)
    for finding in told:
        note(finding.render())
    if world.records:
        note("the records stay here: a server takes them from its own verbs alone")
    if dry_run:
        for relationship in world.relationships:
            if relationship.qualifiers.is_over(now_us):
                _tell_expired(relationship)
    with session.connect() as client:
        client.write_schema(world.schema.text, dry_run=dry_run)
        if dry_run:
            if session.json:
                put_json(_world_json(world, [(each.line, each.message) for each in told]))
            is_refused = any(each.kind is FindingKind.RELATIONSHIP for each in told)
            verdict = "refused" if is_refused else "accepted"
            note(f"it would be {verdict}: a schema and {_count(world)}; nothing is written")
            return 1 if told else 0
        try:
            done = client.import_(world.relationships, expired=lambda place: _tell_expired(world.relationships[place]))
        except RemitError as error:
            written = int(error.metadata.get("imported", 0))
            note(f"the schema and {written:,} relationships are written; once mended, import the file again")
            raise
        failed = _failed(client, world, done.token)
    if session.json:
        put_json({"token": done.token, **_world_json(world, failed)})
    else:
        for line, text in failed:
            put(f"{world.path.as_posix()}:{line}: {text}")
        note(f"a schema and {_count(world)} are written")
        if world.assertions:
            note(f"{len(world.assertions) - len(failed):,} of {len(world.assertions):,} assertions hold on the server")
    return 1 if failed else 0


def _tell_expired(relationship: Relationship) -> None:
    note(f"warning: `{relationship.key}` has expired already: it counts for nothing")


def _failed(client: Client, world: World, token: str) -> list[tuple[int, str]]:
    """The assertions that the server answers otherwise: their lines, and what it says."""
    if world.assertions and world.now_us is not None:
        note("the assertions are asked at the server's time, not at the world's `now`")
    failed: list[tuple[int, str]] = []
    for start in range(0, len(world.assertions), QUESTIONS_MAX):
        assertions = world.assertions[start : start + QUESTIONS_MAX]
        asked = [Question(each.resource, each.permission, each.subject, each.context, each.call) for each in assertions]
        for assertion, answer in zip(assertions, client.check_many(asked, at_least=token), strict=True):
            if isinstance(answer, Unanswered):
                if assertion.expected is None and answer.error.reason in (CallUnjudgeable.reason, InvalidCall.reason):
                    continue
                failed.append((assertion.line, f"`{assertion.text}` was not answered: {answer.error.message}"))
            elif answer.verdict is not assertion.expected:
                found, expected = WORDS[answer.verdict], expected_word(assertion)
                failed.append((assertion.line, f"`{assertion.text}` is {found} on the server, expected {expected}"))
    return failed


def _world_json(world: World, failed: list[tuple[int, str]]) -> dict[str, object]:
    told = [{"line": line, "message": message} for line, message in failed]
    return {"relationships": len(world.facts), "assertions": len(world.assertions), "failed": told}


def _count(world: World) -> str:
    return f"{len(world.facts):,} {'relationship' if len(world.facts) == 1 else 'relationships'}"
