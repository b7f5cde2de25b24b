"""Which of the parameters that are missing a caveat waits for: those without which it cannot go on, and no others.

`c ? x > 3 : y > 3` waits for `c`; once that is false for `y`, and never for `x`. CEL itself says only that it could not
go on. So its expression is taken apart where it stopped, in the order in which cel-go, whose answers SpiceDB gives,
looks at the parts: of `&&` and `||` every part that is open, of a condition what it asks or the branch it chose, of
anything else the first part that is open.
Law: whatever values are given to parameters that are not named, the outcome stays open, and for the same ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from cel_expr_python import cel
from google.protobuf import any_pb2

from remit.language.conversions import CheckedExpr, children_of, free_names_of

_KEPT_MAX = 256  # parts of one expression that are kept ready: 4 KB each
_SAME_IN_ANY_ORDER = ("_&&_", "_||_")
_CONDITION = "_?_:_"
_TYPE_URL = "type.googleapis.com/cel.expr.CheckedExpr"


class Needs:
    """Of one checked expression, as it is run. Safe from many threads."""

    def __init__(self, environment: cel.Env, expression: cel.Expression) -> None:
        """Cost: nothing, until the first is asked for."""
        self._environment = environment
        self._expression = expression
        self._root: Any = None
        self._references: dict[int, Any] = {}
        self._ready: dict[int, cel.Expression] = {}  # by the number of a node

    def of(self, values: Mapping[str, Any], missing: Collection[str]) -> frozenset[str]:
        """The parameters among the missing that it waits for with these values; none where it fails whatever they are.
        Cost: some tens of microseconds for each part on the way, the first time some more."""
        if self._root is None:
            checked = CheckedExpr.FromString(any_pb2.Any.FromString(self._expression.serialize()).value)
            self._references = {entry.key: entry for entry in checked.references}
            self._root = checked.expr
        return frozenset(self._needs(self._root, values, missing))

    def _needs(self, node: Any, values: Mapping[str, Any], missing: Collection[str]) -> set[str]:
        """Of a node that did not come to a value."""
        kind = node.WhichOneof("kind")
        if kind == "ident":
            return {node.ident.name.removeprefix(".")} & set(missing)
        if kind == "comprehension":
            loop = node.comprehension
            for outside in (loop.iter_range, loop.accu_init):
                if not self._has_value(outside, values, missing):
                    return self._needs(outside, values, missing)
            inside = {loop.iter_var, loop.accu_var}
            names = (free_names_of(each) for each in (loop.loop_condition, loop.loop_step, loop.result))
            return (set().union(*names) - inside) & set(missing)
        function = node.call.function if kind == "call" else ""
        if function in _SAME_IN_ANY_ORDER:
            open_parts = [each for each in _flat(node, function) if not self._has_value(each, values, missing)]
            return set().union(*(self._needs(each, values, missing) for each in open_parts))
        if function == _CONDITION:
            asked, *branches = node.call.args
            if not self._has_value(asked, values, missing):
                return self._needs(asked, values, missing)
            return self._needs(branches[0 if self._evaluated(asked, values) is True else 1], values, missing)
        for part in children_of(node):
            if not self._has_value(part, values, missing):
                return self._needs(part, values, missing)
        return set()

    def _has_value(self, node: Any, values: Mapping[str, Any], missing: Collection[str]) -> bool:
        if node.WhichOneof("kind") == "constant":
            return True
        if node.WhichOneof("kind") == "ident":
            return node.ident.name.removeprefix(".") not in missing
        return self._evaluated(node, values) is not _OPEN

    def _evaluated(self, node: Any, values: Mapping[str, Any]) -> object:
        """What a node comes to; `_OPEN` where it fails, as it does where it looks at a parameter that is missing."""
        try:
            value = self._expression_of(node).eval(data=values)
        except RuntimeError:  # its budget of iterations is spent
            return _OPEN
        return _OPEN if value.type() == cel.Type.ERROR else value.value()

    def _expression_of(self, node: Any) -> cel.Expression:
        ready = self._ready.get(node.id)
        if ready is None:
            checked = CheckedExpr()
            checked.expr.CopyFrom(node)
            waiting = [node]
            while waiting:
                each = waiting.pop()
                if each.id in self._references:
                    checked.references.add().CopyFrom(self._references[each.id])
                waiting += children_of(each)
            envelope = any_pb2.Any(type_url=_TYPE_URL, value=checked.SerializeToString())
            ready = self._environment.deserialize(envelope.SerializeToString())
            if len(self._ready) < _KEPT_MAX:
                self._ready[node.id] = ready
        return ready


_OPEN = object()


def _flat(node: Any, function: str) -> list[Any]:
    """The parts of `a && b && …`, however they are grouped."""
    parts, waiting = [], [node]
    while waiting:
        each = waiting.pop()
        if each.WhichOneof("kind") == "call" and each.call.function == function:
            waiting += reversed(each.call.args)
        else:
            parts.append(each)
    return parts
