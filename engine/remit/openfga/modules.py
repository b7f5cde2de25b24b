"""A model in modules: an `fga.mod` that lists files, and the files beside it, merged into one `Model`.

Law: a type is defined once and extended by others; a relation is defined once, whoever extends its type."""

from __future__ import annotations

from pathlib import Path

import yaml

from remit.errors import WorldUnreadable
from remit.language.source import NOWHERE, Issue, Source, SourceMap, Span, refusal
from remit.notation import shortened
from remit.openfga.language import SCHEMA_VERSIONS, parse_module
from remit.openfga.model import Condition, Model, Relation, Type
from remit.world.schema_file import read_text

MODULES_FILE = "fga.mod"


def read_modules(path: Path) -> Model:
    """The model that an `fga.mod` lists. Raises FileUnreadable, WorldUnreadable (it is no such list), SchemaInvalid."""
    sources: list[Source] = []
    types: list[Type] = []
    conditions: list[Condition] = []
    base = 0
    for name in _contents(path):
        source = Source((path.parent / name).as_posix(), read_text(path.parent / name), base)
        module = parse_module(source)
        if not module.name:
            span = Span(base, base)
            raise refusal([Issue("error", "openfga-syntax", "a module begins with `module NAME`", span, source)])
        sources.append(source)
        types += module.types
        conditions += module.conditions
        base = source.end + 1
    model = Model((), sources=SourceMap(tuple(sources)))
    return Model(_merged(model, types), tuple(conditions), sources=model.sources)


def _contents(path: Path) -> list[str]:
    """The files that are listed, each below the folder of the list."""
    try:
        written = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise WorldUnreadable(f"{path}: not YAML: {str(error).splitlines()[0]}", file=path, line=1) from error
    names = written.get("contents") if isinstance(written, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(each, str) for each in names):
        raise WorldUnreadable(f"{path}: an `{MODULES_FILE}` lists its files under `contents`", file=path, line=1)
    if (version := str(written.get("schema", ""))) not in SCHEMA_VERSIONS:
        raise WorldUnreadable(f"{path}: schema `{shortened(version)}` is not read: write 1.2", file=path, line=1)
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            message = f"{path}: `{shortened(name)}` is not below the folder of `{MODULES_FILE}`"
            raise WorldUnreadable(message, file=path, line=1)
    return names


def _merged(model: Model, types: list[Type]) -> tuple[Type, ...]:
    merged: dict[str, Type] = {}
    for each in types:
        if not each.is_extension:
            if each.name in merged:
                model.refuse("openfga-duplicate", f"type `{each.name}` is already defined", each.span)
            merged[each.name] = each
    for each in types:
        if each.is_extension:
            if each.name not in merged:
                model.refuse("openfga-unknown", f"type `{each.name}` is extended, but nowhere defined", each.span)
            whole = merged[each.name]
            merged[each.name] = Type(whole.name, _joined(model, whole, each), span=whole.span)
    return tuple(merged.values())


def _joined(model: Model, whole: Type, extension: Type) -> tuple[Relation, ...]:
    defined = {relation.name for relation in whole.relations}
    for relation in extension.relations:
        if relation.name in defined:
            message = f"relation `{relation.name}` of `{whole.name}` is already defined"
            model.refuse("openfga-duplicate", message, relation.span if relation.span != NOWHERE else extension.span)
    return whole.relations + extension.relations
