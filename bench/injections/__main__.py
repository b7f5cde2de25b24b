"""`python -m bench.injections`: of each domain how many calls of users' tasks are let through, how many injected ones
are refused and by what first, how many a grant would refuse that says which tool alone, and what nothing refuses."""

from __future__ import annotations

from collections import Counter

from bench.injections.asked import answers, answers_by_tool_alone
from bench.injections.domain import NAMES, Domain
from bench.injections.refusal import first_refusal
from remit.model import Verdict


def main() -> None:
    """1 as the exit code where a benign call is refused."""
    refused_benign = 0
    for name in NAMES:
        domain = Domain.read(name)
        attacks = (*domain.injected, *domain.gaps)
        passing = _passing(answers(domain, domain.benign))
        refused = len(attacks) - _passing(answers(domain, attacks))
        by_tool = len(attacks) - _passing(answers_by_tool_alone(domain, attacks))
        print(
            f"{name}: benign let through {passing}/{len(domain.benign)}, injected refused {refused}/{len(attacks)}"
            f" (by the tool's name alone {by_tool}/{len(attacks)})"
        )
        first = Counter(word for each in attacks if (word := first_refusal(domain, each.call)))
        print("  first by: " + ", ".join(f"{word} {count}" for word, count in first.most_common()))
        for gap in domain.gaps:
            print(f"  let through: {gap.about}: {gap.why_not}")
        refused_benign += len(domain.benign) - passing
    raise SystemExit(1 if refused_benign else 0)


def _passing(found: list[Verdict | None]) -> int:
    return found.count(Verdict.YES)


if __name__ == "__main__":
    main()
