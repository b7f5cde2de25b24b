"""A benchmark's world as one text file, for `engine/core/examples/checks.rs`: what a check costs without Python.

    python -m bench.core_world --size large world.txt
    cargo run --release --manifest-path engine/core/Cargo.toml --example checks -- world.txt

Law: the file says what the world says: its schema, its facts, and of each workload the questions with their answers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from bench.world_options import add_world_options, sizes_of
from bench.worlds import World
from remit.eval.native_plan import definitions_of
from remit.language import compile_schema
from remit.model import Verdict


def lines(world: World) -> Iterator[str]:
    """A letter and its words, one tab between them: Definition, Relation, Permission, Fact, Workload, Question."""
    for name, relations, permissions, _ in definitions_of(compile_schema(world.schema).schema):
        yield f"D\t{name}"
        yield from (f"R\t{relation}" for relation in relations)
        yield from ("\t".join(("P", permission, *_words(expression))) for permission, expression in permissions)
    for fact in world.relationships():
        if fact.qualifiers.caveat is not None:
            continue  # the file has no word for it, and no workload asks about it
        yield "\t".join(("F", *fact.resource, fact.relation, *fact.subject))
    for workload, questions in world.workloads().items():
        yield f"W\t{workload}"
        for question, expected in questions:
            answer = str(int(expected is Verdict.YES))
            yield "\t".join(("Q", *question.resource, question.permission, *question.subject, answer))


def _words(part: object) -> Iterator[str]:
    """An expression of `native.py` in Polish notation; a list is led by its length."""
    match part:
        case bool():
            yield str(int(part))
        case str():
            yield part
        case list():
            yield str(len(part))
            for each in part:
                yield from _words(each)
        case tuple():
            for each in part:
                yield from _words(each)
        case _:
            raise TypeError(f"no part of an expression is a `{type(part).__name__}`")


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench.core_world", description=(__doc__ or "").partition("\n\n")[0])
    add_world_options(parser.add_argument)
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    world = World(sizes_of(chosen), chosen.seed)
    with chosen.file.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(world))


if __name__ == "__main__":
    main()
