"""Which of the parameters that are missing a caveat waits for: those without which it cannot go on, and no others.

`c ? x > 3 : y > 3` waits for `c`; once that is false for `y`, and never for `x`. CEL itself says only that it could not
go on. So its expression is taken apart where it stopped, in the order in which cel-go, whose answers SpiceDB gives,
looks at the parts: of `&&` and `||` every part that is open, of a condition what it asks or the branch it chose, of
anything else the first part that is open. Where that would take many parts, the rest are not looked at, and all that
they name counts.
Law: whatever values are given to parameters that are not named, the outcome stays open, and for the same ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from cel_expr_python import cel
from google.protobuf import any_pb2

from remit.language.conversions import CheckedExpr, children_of, free_names_of

_KEPT_MAX = 256  # parts of one expression that are kept ready: 4 KB each
# For one answer: some 10 ms at most where each is as large as an expression may be, and nobody can interrupt CEL.
_LOOKED_AT_MAX = 32
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
        return frozenset(_Search(self._evaluated, values, frozenset(missing)).needs(self._root))

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


class _Search:
    """For one answer: the parts of an expression that are open, from the outermost in."""

    def __init__(
        self,
        evaluated: Callable[[Any, Mapping[str, Any]], object],
        values: Mapping[str, Any],
        missing: frozenset[str],
    ) -> None:
        self._evaluated = evaluated
        self._values = values
        self._missing = missing
        self._left = _LOOKED_AT_MAX

    def needs(self, node: Any) -> frozenset[str]:
        """Of a node that did not come to a value."""
        kind = node.WhichOneof("kind")
        if kind == "ident":
            return self._missing & {node.ident.name.removeprefix(".")}
        if self._left <= 0:
            return self._missing & free_names_of(node)
        if kind == "comprehension":
            return self._needs_of_loop(node)
        function = node.call.function if kind == "call" else ""
        if function in _SAME_IN_ANY_ORDER:
            return self._needs_of_all(_flat(node, function))
        if function == _CONDITION:
            asked, *branches = node.call.args
            if not self._has_value(asked):
                return self.needs(asked)
            return self.needs(branches[0 if self._evaluated(asked, self._values) is True else 1])
        return self._needs_of_first(children_of(node))

    def _needs_of_all(self, parts: Sequence[Any]) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for part in parts:
            if found == self._missing:
                break
            if not self._has_value(part):
                found |= self.needs(part)
        return found

    def _needs_of_first(self, parts: Iterable[Any]) -> frozenset[str]:
        """Of the first that waits for anything. One that is open and waits for nothing, such as a value that may be
        absent, does not keep those after it from being looked at."""
        for part in parts:
            if not self._has_value(part) and (found := self.needs(part)):
                return found
        return frozenset()

    def _needs_of_loop(self, node: Any) -> frozenset[str]:
        loop = node.comprehension
        if found := self._needs_of_first((loop.iter_range, loop.accu_init)):
            return found
        names = (free_names_of(each) for each in (loop.loop_condition, loop.loop_step, loop.result))
        return self._missing & (frozenset[str]().union(*names) - {loop.iter_var, loop.accu_var})

    def _has_value(self, node: Any) -> bool:
        kind = node.WhichOneof("kind")
        if kind == "constant":
            return True
        if kind == "ident":
            return node.ident.name.removeprefix(".") not in self._missing
        if self._left <= 0:
            return not self._missing & free_names_of(node)
        self._left -= 1
        return self._evaluated(node, self._values) is not _OPEN


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
