"""One schema out of many files: `import "path"` brought in, and `...partial` replaced by what it names.

Where a node comes from. Each file's `Source` has its own `base`, and every span counts from it, so the spans of one
schema never overlap, and the tree's `sources` (a `SourceMap`) finds file, line and column of any of them:

    tree = expand(Source("main.zed", text), resolver)
    Issue("error", code, message, node.span, tree.sources).render()     # names the file the node was written in

Members that a partial brings keep the spans of the partial, so their mistakes are shown where they were written.

A path that begins with `remit:` names a library (see `libraries.py`), on a server as well as beside files. What is
wrong inside one is shown at its import.

The language touches no disk but for those. A resolver is a callable `(path, importing_file) -> (name, text)`: `path`
as it stands in the import (relative, without `..`, checked here), `importing_file` the name of the `Source` it stands
in. The name it returns is the file's identity: two imports of one name bring it once. It may raise ImportFailed,
OSError or UnicodeError; the message is shown at the import.
Law: the expanded tree holds no import, no partial and no reference to one, and its text means what the files meant;
and the written tree, whose only imports are of libraries, expands to it."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from remit.arguments.side import SIDES
from remit.errors import SchemaInvalid
from remit.language.effort import Effort
from remit.language.libraries import LIBRARIES, LIBRARY_PREFIX, library_text
from remit.language.parser import parse
from remit.language.partials import expand_partials
from remit.language.source import ImportedAt, Issue, Source, SourceMap, Span, refusal
from remit.language.syntax import (
    DefinitionSyntax,
    ImportSyntax,
    PartialSyntax,
    PermissionReferenceSyntax,
    RelationSyntax,
    SchemaSyntax,
    TopLevelSyntax,
    TypeSyntax,
    UseSyntax,
)
from remit.language.tokens import FLAGS
from remit.suggest import did_you_mean

Resolver = Callable[[str, str], tuple[str, str]]

# Deeper than any folder of schemas; it ends a resolver that invents a new name at every step.
IMPORT_DEPTH_MAX = 64


class ImportFailed(Exception):
    """A resolver has no text for a path; the message says why."""


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """A source and what it imports. `tree` has all of it; in `written` the files are brought in, and the libraries are
    imported still: it is what a server is sent, which knows the libraries and none of the files."""

    tree: SchemaSyntax
    written: SchemaSyntax
    is_one_file: bool  # but for libraries
    has_libraries: bool


def expand(source: Source, resolver: Resolver | None = None, effort: Effort | None = None) -> SchemaSyntax:
    """The tree of `bring_in`."""
    return bring_in(source, resolver, effort).tree


def bring_in(source: Source, resolver: Resolver | None = None, effort: Effort | None = None) -> BroughtIn:
    """The trees of a source and all that it imports: `use` flags first (each once), then what each import brings in
    place of it, partials spelled out.

    Raises SchemaInvalid. Cost: O(characters of all files), plus the members that partials repeat."""
    effort = effort or Effort()
    loading = _Loading(resolver, effort)
    items = loading.load(source, ())
    sources = SourceMap(tuple(loading.sources))
    uses: dict[str, UseSyntax] = {}
    rest: list[TopLevelSyntax] = []
    for item in items:
        if isinstance(item, UseSyntax):
            uses.setdefault(item.flag, item)
        else:
            rest.append(item)
    _check_reserved_words(loading, uses)
    brought = (*uses.values(), *expand_partials(rest, sources, effort))
    tree = SchemaSyntax(brought, loading.trailing_comments, sources=sources)
    written = replace(tree, items=tuple(_with_libraries_imported(brought, sources, loading.libraries)))
    return BroughtIn(tree, written, len(sources.sources) - len(loading.libraries) == 1, bool(loading.libraries))


def _with_libraries_imported(
    items: Iterable[TopLevelSyntax], sources: SourceMap, libraries: Mapping[str, ImportSyntax]
) -> Iterator[TopLevelSyntax]:
    """The items, and in place of those of each library its import. The flags of all files stay, as they came."""
    left = dict(libraries)
    for item in items:
        source = sources.of(item.span)
        if isinstance(item, UseSyntax) or source.library is None:
            yield item
        elif source.name in left:
            yield left.pop(source.name)


def beside(path: str, importing_file: str) -> str:
    """The name of an imported file, for resolvers: the path from the importing file's folder, in one canonical form."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(importing_file), path))


@dataclass(slots=True)
class _Loading:
    """The files read so far, in the order of their bases, and the flags each of them uses."""

    resolver: Resolver | None
    effort: Effort
    sources: list[Source] = field(default_factory=list)
    flags: list[set[str]] = field(default_factory=list)
    libraries: dict[str, ImportSyntax] = field(default_factory=dict)
    trailing_comments: tuple[str, ...] = ()

    def load(self, source: Source, importers: tuple[str, ...]) -> list[TopLevelSyntax]:
        """The items of a file in order, its imports replaced by theirs. `importers` are the files above it."""
        self.sources.append(source)
        tree = parse(source, effort=self.effort)
        self.flags.append({item.flag for item in tree.items if isinstance(item, UseSyntax)})
        above = (*importers, source.name)
        items: list[TopLevelSyntax] = []
        for item in tree.items:
            items.extend(self._import(item, source, above) if isinstance(item, ImportSyntax) else [item])
        if not importers:
            self.trailing_comments = tree.trailing_comments
        return items

    def _import(self, item: ImportSyntax, source: Source, above: tuple[str, ...]) -> list[TopLevelSyntax]:
        if item.path.startswith(LIBRARY_PREFIX):
            return self._import_library(item, source, above)
        if item.declared:
            message = f"`{item.path}` is a file, and only a library is told what documents may name"
            advice = "name the permissions in the file, where its relations take constraints"
            raise _refused("import-with-permissions", message, item.declared[0].span, source, advice)
        if self.resolver is None:
            advice = "write what it holds in its place, or compile the file from its folder"
            raise _refused("import-unavailable", f"`{item.path}` cannot be imported here", item.span, source, advice)
        if problem := _path_problem(item.path):
            advice = "imports stay inside the folder of the importing file"
            raise _refused("import-escapes", f"import path `{item.path}` {problem}", item.span, source, advice)
        if len(above) > IMPORT_DEPTH_MAX:
            message = f"imports are nested deeper than {IMPORT_DEPTH_MAX}"
            raise _refused("import-too-deep", message, item.span, source)
        try:
            name, text = self.resolver(item.path, source.name)
        except (ImportFailed, OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            message = f"`{item.path}` cannot be imported: {reason.lower()}"
            raise _refused("import-failed", message, item.span, source) from error
        if name in above:
            cycle = " imports ".join(f"`{one}`" for one in (*above[above.index(name) :], name))
            raise _refused("import-cycle", f"circular import: {cycle}", item.span, source)
        if any(name == known.name and known.library is None for known in self.sources):
            return []  # a diamond: what it holds is already there
        return self.load(Source(name, text, self.sources[-1].end + 1), above)

    def _import_library(self, item: ImportSyntax, source: Source, above: tuple[str, ...]) -> list[TopLevelSyntax]:
        """A library is of one file, so it imports nothing."""
        if item.path not in LIBRARIES:
            advice = did_you_mean(item.path, LIBRARIES) or f"there is {', '.join(f'`{name}`' for name in LIBRARIES)}"
            message = f"there is no library `{item.path}` in this Remit"
            raise _refused("unknown-library", message, item.span, source, advice)
        if (known := self.libraries.get(item.path)) is not None:
            if set(item.declared) != set(known.declared):
                message = f"`{item.path}` is imported twice, with other permissions"
                advice = "say `with arguments(…)` alike at both, or import it once"
                raise _refused("import-with-permissions", message, item.span, source, advice)
            return []
        self.libraries[item.path] = item
        text, base = library_text(item.path), self.sources[-1].end + 1
        items = self.load(Source(item.path, text, base, library=ImportedAt(source, item.span)), above)
        if not item.declared:
            return items
        told = [_declaring(each, item.declared, self.effort) for each in items]
        if told == items:
            message = f"`{item.path}` has no relation that takes constraints"
            raise _refused("import-with-permissions", message, item.declared[0].span, source, "leave them out")
        return told


def _declaring(item: TopLevelSyntax, declared: tuple[PermissionReferenceSyntax, ...], effort: Effort) -> TopLevelSyntax:
    """The item, where documents beside its relations may name these permissions too."""
    if not isinstance(item, DefinitionSyntax | PartialSyntax):
        return item
    members = tuple(
        replace(member, types=tuple(_told(type_, declared, effort) for type_ in member.types))
        if isinstance(member, RelationSyntax)
        else member
        for member in item.members
    )
    return replace(item, members=members)


def _told(type_: TypeSyntax, declared: tuple[PermissionReferenceSyntax, ...], effort: Effort) -> TypeSyntax:
    effort.step()
    if type_.caveat not in SIDES:
        return type_
    return replace(type_, declared=tuple(dict.fromkeys((*type_.declared, *declared))))


def _path_problem(path: str) -> str:
    """Why a path is refused, or "". Only its letters are judged; links on a disk are the resolver's to follow."""
    if not path:
        return "is empty"
    if not path.isprintable():
        return "holds a character that cannot be printed"
    if path.startswith("/") or ":" in path.split("/")[0]:
        return "is absolute"
    if "\\" in path:
        return "holds a backslash"
    if ".." in path.split("/"):
        return "leaves its folder"
    return ""


def _check_reserved_words(loading: _Loading, flags: Iterable[str]) -> None:
    """Flags are a file's own, but the expanded schema is one text under all of them: a file may not use as a name what
    another file's flag makes a keyword, or the text would not say what the tree says."""
    reserved = frozenset[str]().union(*(FLAGS[flag] for flag in flags))
    for source, own in zip(loading.sources, loading.flags, strict=True):
        if foreign := reserved.difference(*(FLAGS[flag] for flag in own)):
            parse(source, forbidden_words=foreign, effort=loading.effort)


def _refused(code: str, message: str, span: Span, source: Source, suggestion: str = "") -> SchemaInvalid:
    return refusal([Issue("error", code, message, span, source, suggestion)])
