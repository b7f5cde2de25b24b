"""`python -m bench.calls`: what a check costs whose call is judged by its arguments, beside the same check without.

In the core alone, with nothing remembered of one question for the next, in turns, so that both are measured in the same
minute: processor time of this thread, the question's way out of Python and back on both sides. Then a call with 100
related values, which is the most that is judged, six links deep.
Law: every answer is compared with the one that the world knows; nothing is measured of a wrong one."""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.machine import load_average, machine, short_name
from remit.errors import StepBudgetSpent
from remit.eval import native
from remit.eval.budget import STEPS_MAX
from remit.graph.native import NativeGraph, available
from remit.language import compile_schema
from remit.model import Call, ObjectRef, SubjectRef, Verdict
from remit.notation import canonical_json, parse_relationship

SCHEMA = """
use arguments
use delegation

definition user {
    relation knows: user | run
    permission contact = knows
}

definition run {
    relation delegated_by: user | run
}

definition tool {
    relation may_use: user with arguments(user#contact) | run with arguments(user#contact) | user | run
    permission use = may_use.along(delegated_by)
}
"""
LINKS = 4
MANY_LINKS = 6
RELATED = 100
PAYS = {
    "to": {"related": {"type": "user", "permission": "contact"}},
    "amount": {"max": "100.00"},
    "currency": {"one_of": ["EUR", "CHF"]},
    "folder": {"subpath": "/invoices"},
    "subject": {"max_length": 80},
    "link": {"url": {"host": ".example.com"}},
}
CALL = {
    "to": "bob",
    "amount": "99.50",
    "currency": "EUR",
    "folder": "/invoices/2026",
    "subject": "Invoice 881",
    "link": "https://pay.example.com/881",
}
WANTED_US = 10.0  # more than without
MANY_WANTED_MS = 20.0
ROUNDS = 200
CHECKS = 100  # in a round


def main() -> None:
    if not available():
        raise SystemExit("the native core is not built: it is what this measures")
    native.set_cache(0)
    print(f"{short_name(machine())}, load {load_average()}")
    plain, judged = chain(LINKS, "plain", None), chain(LINKS, "pay", PAYS)
    graph = graph_of([*plain, *judged, *contacts(LINKS, ["bob"])])
    call = Call("pay", canonical_json(CALL).encode())
    without, with_call = quickest(
        lambda: ask(graph, "plain", LINKS, None), lambda: ask(graph, "pay", LINKS, call), checks=CHECKS, rounds=ROUNDS
    )
    print(f"{LINKS} links, without a call:                    {without:7.2f} µs")
    print(f"{LINKS} links, six constraints, one related:      {with_call:7.2f} µs")
    print(
        f"that is {with_call - without:.2f} µs more, {with_call / without:.2f} times as much; wanted is at most"
        f" {WANTED_US:.0f} µs more"
    )
    ids = [f"u{number}" for number in range(RELATED)]
    each = {"to": {"each": {"related": {"type": "user", "permission": "contact"}}}}
    graph = graph_of([*chain(MANY_LINKS, "pay", each), *contacts(MANY_LINKS, ids)])
    call = Call("pay", canonical_json({"to": ids}).encode())
    (taken_us,) = quickest(lambda: ask(graph, "pay", MANY_LINKS, call), checks=1, rounds=50)
    print(
        f"{MANY_LINKS} links, {RELATED} related values: {taken_us / 1_000:.2f} ms;"
        f" wanted is at most {MANY_WANTED_MS:.0f}"
    )
    print(f"load afterwards {load_average()}")


def chain(links: int, tool: str, document: dict[str, object] | None) -> list[str]:
    """A person, and so many runs below, each of which has the tool by itself."""
    written = f"[arguments:{canonical_json(document)}]" if document is not None else ""
    facts = [f"tool:{tool}#may_use@{link(0)}{written}"]
    for number in range(1, links):
        facts.append(f"run:r{number}#delegated_by@{link(number - 1)}")
        facts.append(f"tool:{tool}#may_use@{link(number)}{written}")
    return facts


def contacts(links: int, ids: list[str]) -> list[str]:
    return [f"user:{id}#knows@{link(number)}" for id in ids for number in range(links)]


def link(number: int) -> str:
    return f"run:r{number}" if number else "user:anne"


def graph_of(facts: list[str]) -> NativeGraph:
    graph = NativeGraph(map(parse_relationship, dict.fromkeys(facts)))
    native.install(graph, compile_schema(SCHEMA).schema)
    return graph


def ask(graph: NativeGraph, tool: str, links: int, call: Call | None) -> None:
    try:
        found = native.check(
            graph,
            ObjectRef("tool", tool),
            "use",
            SubjectRef("run", f"r{links - 1}"),
            now_us=0,
            steps_max=STEPS_MAX,
            call=call,
        )
    except StepBudgetSpent:
        return  # refused, which is an answer of a kind
    assert found is not None and found.verdict is Verdict.YES, f"answered {found}"


def quickest(*asks: Callable[[], None], checks: int, rounds: int) -> list[float]:
    """Of each the microseconds of one, in the tenth of its rounds that was quickest; a round of each in turn."""
    taken: list[list[int]] = [[] for _ in asks]
    for _ in range(rounds):
        for place, each in enumerate(asks):
            began_ns = time.thread_time_ns()
            for _ in range(checks):
                each()
            taken[place].append(time.thread_time_ns() - began_ns)
    return [sorted(each)[len(each) // 10] / checks / 1_000 for each in taken]


if __name__ == "__main__":
    main()
