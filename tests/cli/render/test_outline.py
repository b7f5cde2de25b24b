"""Laws of outlines: whatever refers to whatever, every section that can be reached is opened exactly once."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from remit.cli.render.outline import DEPTH_MAX, Branch, Key, Outline


def printed(sections: dict[Key, Branch], root: Key) -> list[str]:
    stream = io.StringIO()
    Outline(root, sections).print(Console(file=stream, width=100_000, soft_wrap=True))
    return stream.getvalue().splitlines()


def section(name: int, references: list[tuple[int, bool]]) -> Branch:
    """A section with one line of its own and a line for each section it refers to."""
    own = Branch(Text(f"content of {name}."))
    return Branch(
        Text(f"{name}."),
        (own, *(Branch(Text(f"{other}."), section=(other,), apart=apart) for other, apart in references)),
    )


graphs = st.integers(1, 12).flatmap(
    lambda count: st.lists(
        st.lists(st.tuples(st.integers(0, count), st.booleans()), max_size=4), min_size=count, max_size=count
    )
)


@given(graphs)
def test_every_section_that_is_reached_is_opened_exactly_once(graph: list[list[tuple[int, bool]]]) -> None:
    sections: dict[Key, Branch] = {(name,): section(name, references) for name, references in enumerate(graph)}
    reached, waiting = {0}, [0]
    while waiting:
        for other, _ in graph[waiting.pop()]:
            if other < len(graph) and other not in reached:
                reached.add(other)
                waiting.append(other)
    lines = printed(sections, (0,))
    for name in range(len(graph)):
        opened = sum(line.endswith(f" content of {name}.") for line in lines)
        assert opened == (1 if name in reached else 0)
    missing = sum(other == len(graph) for name in reached for other, _ in graph[name])
    assert sum("(not opened)" in line for line in lines) == missing


def test_a_chain_of_thousands_is_printed_in_narrow_pieces() -> None:
    length = 2_000
    sections: dict[Key, Branch] = {
        (name,): section(name, [(name + 1, False)] if name + 1 < length else []) for name in range(length)
    }
    lines = printed(sections, (0,))
    assert sum(" content of " in line for line in lines) == length
    assert max(map(len, lines)) <= 4 * (DEPTH_MAX + 1) + 40
