"""Questions and writes asked of an engine in this very process: what the graph and the store cost without a wire.

Law: every answer is compared with the expected one, inside the time that is measured."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import lmdb

from bench.figures import Slice
from bench.known_question import KnownQuestion
from remit.engine.facade import Engine
from remit.engine.results import CheckResult
from remit.model import ObjectRef, Operation, Question, Relationship, SubjectRef, Update, Verdict

WRITTEN = "document"  # the type that written facts are about; their ids begin with `written-`


class WrongAnswer(Exception):
    """An answer was not the expected one. Nothing measured before it counts."""


def check_slice(engine: Engine, questions: Sequence[KnownQuestion], seconds: float, start: int) -> Slice:
    """Questions one by one, from number `start` round and round."""

    def ask(number: int) -> None:
        question, expected = questions[number % len(questions)]
        verdict = engine.questions.check("", question).verdict
        if verdict is not expected:
            raise wrong(questions[number % len(questions)], verdict)

    return timed_slice(ask, seconds, start)


def check_many_slice(engine: Engine, bulks: Sequence[Sequence[KnownQuestion]], seconds: float, start: int) -> Slice:
    """As `check_slice`, a list of questions at a time."""
    asked = [[each.question for each in bulk] for bulk in bulks]

    def ask(number: int) -> None:
        place = number % len(bulks)
        for (_, expected), result in zip(
            bulks[place], engine.questions.check_many("", asked[place]).results, strict=True
        ):
            if not isinstance(result, CheckResult) or result.verdict is not expected:
                raise WrongAnswer(f"one of a bulk came to `{result}`, expected {expected.name}")

    return timed_slice(ask, seconds, start)


def wrong(asked: KnownQuestion, verdict: Verdict) -> WrongAnswer:
    question = asked.question
    text = f"{question.resource}#{question.permission}@{question.subject}"
    return WrongAnswer(f"`{text}` came to {verdict.name}, expected {asked.expected.name}")


def timed_slice(operation: Callable[[int], None], seconds: float, start: int) -> Slice:
    """An operation again and again for so long, numbered from `start`."""
    taken = array("Q")
    now = time.perf_counter_ns
    cpu, begun = time.process_time(), now()
    end = before = begun
    end += int(seconds * 1e9)
    for number in count(start):
        operation(number)
        after = now()
        taken.append(after - before)
        before = after
        if after >= end:
            break
    return Slice(taken, (before - begun) / 1e9, time.process_time() - cpu)


# --- writes -----------------------------------------------------------------------------------------------------


def written(number: int) -> Relationship:
    """A fact that no workload asks about, another one for each number."""
    return Relationship(ObjectRef(WRITTEN, f"written-{number}"), "viewer", SubjectRef("user", f"u{number % 50}"))


def write_slice(engine: Engine, seconds: float, in_flight: int, numbers: count[int]) -> tuple[Slice, list[int]]:
    """Requests of one relationship each, from so many threads, and at least one from each: a busy machine may let a
    thread begin when the slice is over. With it, the numbers that were acknowledged."""
    taken: list[tuple[int, int]] = []
    failures: list[BaseException] = []
    end = time.perf_counter_ns() + int(seconds * 1e9)

    def write() -> None:
        try:
            before = time.perf_counter_ns()
            while not failures:
                number = next(numbers)
                engine.relationships.write("", [Update(Operation.TOUCH, written(number))])
                after = time.perf_counter_ns()
                taken.append((number, after - before))
                before = after
                if after >= end:
                    break
        except BaseException as error:  # noqa: BLE001  # whatever it was, the main thread raises it
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(in_flight)]
    cpu, begun = time.process_time(), time.perf_counter_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    elapsed_s = (time.perf_counter_ns() - begun) / 1e9
    numbers_taken = [number for number, _ in taken]
    return Slice(array("Q", [ns for _, ns in taken]), elapsed_s, time.process_time() - cpu), numbers_taken


def require_written(engine: Engine, acknowledged: Sequence[int]) -> None:
    """That the next check sees each acknowledged write. Raises WrongAnswer."""
    for number in acknowledged:
        fact = written(number)
        if engine.questions.check("", viewing(fact)).verdict is not Verdict.YES:
            raise WrongAnswer(f"`{fact.key}` was acknowledged and is not seen")


def viewing(fact: Relationship) -> Question:
    """The question that is yes because of the fact, and of nothing else."""
    return Question(fact.resource, "view", fact.subject)


def bare_commit_slice(directory: Path, seconds: float, *, requests: int = 1) -> Slice:
    """What a durable commit costs by itself: four short rows for each of so many requests put into LMDB and synced, by
    nobody but this loop."""
    with lmdb.open(str(directory), map_size=1 << 30) as environment:
        value = bytes(24)

        def commit(number: int) -> None:
            with environment.begin(write=True) as transaction:
                for table in range(4):
                    for request in range(number * requests, (number + 1) * requests):
                        transaction.put(b"%d row %d of about forty bytes, as ours" % (table, request), value)

        return timed_slice(commit, seconds, 0)
