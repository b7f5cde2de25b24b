"""Source text → plan: the story of `compile_schema`.

Read, expand, check, translate, judge what takes the whole plan, warn: each step is a file beside this one.
Law: the same text and the same imports give an equal plan; a schema with an error gives none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.interrupt import Interrupt, never_interrupted
from remit.language.checker import check
from remit.language.constraints import check_constraints
from remit.language.declarations import declarations_of, require_terms
from remit.language.delegation import check_reach
from remit.language.effort import Effort
from remit.language.imports import Resolver, bring_in
from remit.language.kept import kept
from remit.language.lints import lint
from remit.language.parser import parse
from remit.language.plan import Schema
from remit.language.polarity import find_subtracted
from remit.language.printer import print_schema
from remit.language.reach import Reach
from remit.language.source import Issue, Source, refusal
from remit.language.syntax import SchemaSyntax
from remit.language.translation import translate
from remit.language.wildcards import find_holders


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that compiles, what its writer may want to hear, and the tree that knows where each part stands."""

    schema: Schema
    warnings: tuple[Issue, ...]
    tree: SchemaSyntax


def compile_schema(
    text: str,
    *,
    name: str = "schema",
    resolver: Resolver | None = None,
    interrupt: Interrupt = never_interrupted,
    terms_max: int | None = None,
    expression_length_max: int | None = None,
) -> Compiled:
    """The plan of a schema text, or SchemaInvalid with every issue found.

    `name` is the file in messages; `resolver` finds what it imports (see `imports.py`). Raises LimitExceeded beyond
    `terms_max` or `expression_length_max`, and what the interrupt raises, which is asked every millisecond or so. Cost:
    O(text), some 20 µs a term and some tenths of a millisecond a caveat; in cycles as often as what they hold grows."""
    return compile_source(Source(name, text), resolver, Effort(interrupt, terms_max, expression_length_max))


def compile_source(source: Source, resolver: Resolver | None = None, effort: Effort | None = None) -> Compiled:
    """`compile_schema` of a text that knows where in its file it stands."""
    effort = effort or Effort()
    expanded = bring_in(source, resolver, effort)
    text = source.text if expanded.is_one_file else print_schema(expanded.written, effort)
    expansion = print_schema(expanded.tree, effort) if expanded.has_libraries else text
    return compile_tree(expanded.tree, text, expansion, effort)


def compile_kept(text: str, *, interrupt: Interrupt = never_interrupted) -> Schema:
    """The plan of a schema that a store keeps (see `kept.py`): of its expansion as it was when it was written. Raises
    SchemaInvalid where a store never kept it."""
    source, expansion = kept(text)
    return replace(compile_schema(expansion, interrupt=interrupt).schema, text=source, expansion=expansion)


def format_schema(text: str, *, name: str = "schema") -> str:
    """The same schema in canonical form. Raises SchemaInvalid where it cannot be read; what it means is not judged."""
    return print_schema(parse(Source(name, text)))


def compile_tree(tree: SchemaSyntax, text: str = "", expansion: str = "", effort: Effort | None = None) -> Compiled:
    """The plan of a tree whose imports and partials are expanded. Raises SchemaInvalid."""
    effort = effort or Effort()
    require_terms(tree, effort)
    declarations = declarations_of(tree, effort)
    holders = find_holders(declarations, effort)
    issues, programs = check(declarations, holders, effort)
    if issues:
        raise refusal(issues)
    schema = translate(declarations, programs, text, expansion, effort)
    reach = Reach(schema, identity=False, effort=effort)
    if issues := check_reach(declarations, schema, reach, effort):
        raise refusal(issues)
    if issues := check_constraints(declarations, schema, reach, effort):
        raise refusal(issues)
    if declarations.uses_delegation or declarations.uses_arguments:
        relations, counted = find_subtracted(schema, reach, effort)
        schema = replace(schema, subtracted=relations, counted=counted)
    return Compiled(schema, lint(declarations, schema, reach, holders, effort), tree)
