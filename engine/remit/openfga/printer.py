"""`Model` → text in OpenFGA's modeling language, schema 1.1.

Law: what is printed is read as the same model."""

from __future__ import annotations

from collections.abc import Iterator

from remit.openfga.model import Combined, Computed, Condition, Direct, From, Model, Rewrite, Type


def print_model(model: Model) -> str:
    lines = ["model", "  schema 1.1"]
    for type_ in model.types:
        lines += ["", *_type(type_)]
    for condition in model.conditions:
        lines += ["", *_condition(condition)]
    return "\n".join(lines) + "\n"


def _type(type_: Type) -> Iterator[str]:
    yield f"type {type_.name}"
    if type_.relations:
        yield "  relations"
    for relation in type_.relations:
        yield f"    define {relation.name}: {_rewrite(relation.rewrite)}"


def _rewrite(rewrite: Rewrite) -> str:
    match rewrite:
        case Direct(restrictions):
            return f"[{', '.join(str(each) for each in restrictions)}]"
        case Computed(relation):
            return relation
        case From(relation, tupleset):
            return f"{relation} from {tupleset}"
        case Combined(combination, operands):
            # One word for all of them, so that only what is below another needs parentheses.
            written = (f"({_rewrite(each)})" if isinstance(each, Combined) else _rewrite(each) for each in operands)
            return f" {combination.value} ".join(written)


def _condition(condition: Condition) -> Iterator[str]:
    parameters = ", ".join(f"{each.name}: {each.type}" for each in condition.parameters)
    yield f"condition {condition.name}({parameters}) {{"
    yield f"  {condition.expression}"
    yield "}"
