"""Law: who can reach what is settled in one look at each name, in cycles in a few; never in the square of a schema."""

from __future__ import annotations

from collections import Counter

import pytest

from remit.language.compiler import compile_schema
from remit.language.reach import Reach

SIZE = 300


def chain(targets: list[int]) -> str:
    """Definitions whose p each reads that of its target, by a userset and by an arrow."""
    lines = ["definition user {}"]
    for i, target in enumerate(targets):
        lines += [
            f"definition d{i} {{",
            f"    relation r: user | d{target}#p",
            f"    relation s: d{target}",
            "    permission p = r + s->p",
            "}",
        ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "targets",
    [
        [min(i + 1, SIZE - 1) for i in range(SIZE)],
        [max(i - 1, 0) for i in range(SIZE)],
        [(i + 1) % SIZE for i in range(SIZE)],
        [(i * 7 + 3) % SIZE for i in range(SIZE)],
    ],
    ids=["downward", "upward", "ring", "crossing"],
)
def test_reach_looks_at_each_name_a_few_times(targets: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    schema = compile_schema(chain(targets)).schema
    looks: Counter[str] = Counter()
    for kind in ("_relation", "_expression"):
        original = getattr(Reach, kind)

        def counted(self: Reach, *arguments: object, kind: str = kind, original: object = original) -> int:
            looks[kind] += 1
            return original(self, *arguments)  # type: ignore[operator,no-any-return]

        monkeypatch.setattr(Reach, kind, counted)
    reach = Reach(schema)
    assert reach.can_reach("d0", "p", "user")
    assert looks["_relation"] <= 3 * 2 * SIZE
    assert looks["_expression"] <= 3 * 3 * SIZE


def test_reach_knows_who_is_nobody() -> None:
    schema = compile_schema("definition user {}\ndefinition d {\n relation r: user\n permission p = r & nil\n}").schema
    reach = Reach(schema, identity=False)
    assert reach.is_empty("d", "p")
    assert reach.is_empty("d", "nothing")
    assert not reach.is_empty("d", "r")
