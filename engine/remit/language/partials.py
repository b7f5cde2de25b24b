"""Partials spelled out: `...name` becomes the members of the partial of that name, nested ones first.

Law: no member comes twice into one definition, so the expanded schema is never larger than definitions times members;
a partial that contains itself, however far down, is refused even where nothing uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from remit.language.effort import Effort
from remit.language.source import Issue, SourceMap, Span, refusal
from remit.language.syntax import (
    CaveatSyntax,
    DefinitionSyntax,
    MemberSyntax,
    PartialReferenceSyntax,
    PartialSyntax,
    TopLevelSyntax,
)
from remit.suggest import did_you_mean

# Far beyond what a reader could follow; it keeps the walk inside Python's stack.
NESTING_MAX = 100

_Members = tuple[MemberSyntax, ...]


def expand_partials(
    items: Sequence[TopLevelSyntax], sources: SourceMap, effort: Effort | None = None
) -> list[TopLevelSyntax]:
    """The items without partials and references to them. Members keep their spans.

    Raises SchemaInvalid with every issue found. Cost: O(members of the result)."""
    expansion = _Expansion({}, sources, effort or Effort())
    expansion.collect(items)
    for partial in expansion.partials.values():
        expansion.members_of(partial, ())
    expanded: list[TopLevelSyntax] = []
    for item in items:
        if isinstance(item, DefinitionSyntax):
            expanded.append(expansion.spelled_out(item))
        elif not isinstance(item, PartialSyntax):
            expanded.append(item)
    if expansion.issues:
        raise refusal(expansion.issues)
    return expanded


@dataclass(slots=True)
class _Expansion:
    partials: dict[str, PartialSyntax]
    sources: SourceMap
    effort: Effort
    brought: int = 0
    issues: list[Issue] = field(default_factory=list)
    _done: dict[str, _Members] = field(default_factory=dict)

    def collect(self, items: Sequence[TopLevelSyntax]) -> None:
        """The partials by name; like SpiceDB, a definition or caveat may not share a partial's name."""
        for item in items:
            if isinstance(item, PartialSyntax):
                if item.name in self.partials:
                    self._report("duplicate-partial", f"partial `{item.name}` is defined twice", item.name_span)
                else:
                    self.partials[item.name] = item
        for item in items:
            if isinstance(item, DefinitionSyntax | CaveatSyntax) and item.name in self.partials:
                word = "definition" if isinstance(item, DefinitionSyntax) else "caveat"
                message = f"{word} `{item.name}` has the name of a partial"
                self._report("duplicate-partial", message, item.name_span, "rename one of them")

    def spelled_out(self, definition: DefinitionSyntax) -> DefinitionSyntax:
        if not any(isinstance(member, PartialReferenceSyntax) for member in definition.members):
            return definition
        return replace(definition, members=self._expanded(definition, ()))

    def members_of(self, partial: PartialSyntax, above: tuple[str, ...]) -> _Members:
        """The members of a partial, with those of the partials in it. `above` are the partials that led here."""
        if partial.name not in self._done:
            self._done[partial.name] = self._expanded(partial, (*above, partial.name))
        return self._done[partial.name]

    def _expanded(self, block: DefinitionSyntax | PartialSyntax, above: tuple[str, ...]) -> _Members:
        members: list[MemberSyntax] = []
        # Two members of one name written side by side are the checker's to report.
        names = {member.name for member in block.members if not isinstance(member, PartialReferenceSyntax)}
        for member in block.members:
            if not isinstance(member, PartialReferenceSyntax):
                members.append(member)
                continue
            brought = self._referenced(member, above)
            self.brought += len(brought)
            self.effort.require_terms(self.brought)
            for one in brought:
                self.effort.step()
                if one.name in names:
                    message = f"`...{member.name}` brings `{one.name}`, which `{block.name}` already has"
                    self._report("duplicate-member", message, member.span, "rename one of them or leave one out")
                else:
                    names.add(one.name)
                    members.append(one)
        return tuple(members)

    def _referenced(self, reference: PartialReferenceSyntax, above: tuple[str, ...]) -> _Members:
        """What a reference brings; nothing where it is wrong, so that one mistake is reported once."""
        name = reference.name
        if name not in self.partials:
            suggestion = did_you_mean(name, self.partials)
            self._report("unknown-partial", f"partial `{name}` is not defined", reference.span, suggestion)
            return ()
        if name in above:
            cycle = " contains ".join(f"`{one}`" for one in (*above[above.index(name) :], name))
            self._report("partial-cycle", f"partial {cycle}", reference.span, "leave one of the references out")
            return ()
        if len(above) > NESTING_MAX:
            self._report("nested-too-deep", f"partials are nested deeper than {NESTING_MAX}", reference.span)
            return ()
        return self.members_of(self.partials[name], above)

    def _report(self, code: str, message: str, span: Span, suggestion: str = "") -> None:
        self.issues.append(Issue("error", code, message, span, self.sources, suggestion))
