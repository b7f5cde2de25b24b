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
# For one answer: nobody can interrupt CEL. Of parts in which something is gone through, each may take the 4 ms that CEL
# lets an expression take, so one is evaluated beside the expression itself; the others take 10 ms together at most.
_LOOKED_AT_MAX = 32
_LOOPS_MAX = 1
_SAME_IN_ANY_ORDER = ("_&&_", "_||_")
_CONDITION = "_?_:_"
_NOT = "!_"  # open just where its one part is: whatever that came to has a negation
_TYPE_URL = "type.googleapis.com/cel.expr.CheckedExpr"


class Needs:
    """Of one checked expression, as it is run. Safe from many threads."""

    def __init__(self, environment: cel.Env, expression: cel.Expression) -> None:
        """Cost: nothing, until the first is asked for."""
        self._environment = environment
        self._expression = expression
        self._root: Any = None
        self._references: dict[int, Any] = {}
        self._looping: frozenset[int] = frozenset()
        self._ready: dict[int, cel.Expression] = {}  # by the number of a node

    def of(self, values: Mapping[str, Any], missing: Collection[str]) -> frozenset[str]:
        """The parameters among the missing that it waits for with these values; none where it fails whatever they are.
        Cost: some tens of microseconds for each part on the way, the first time some more."""
        if self._root is None:
            checked = CheckedExpr.FromString(any_pb2.Any.FromString(self._expression.serialize()).value)
            self._references = {entry.key: entry for entry in checked.references}
            self._looping = _looping(checked.expr)
            self._root = checked.expr
        return frozenset(_Search(self._evaluated, self._looping, values, frozenset(missing)).needs(self._root))

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
_UNTRIED = object()


class _Search:
    """For one answer: the parts of an expression that are open, from the outermost in."""

    def __init__(
        self,
        evaluated: Callable[[Any, Mapping[str, Any]], object],
        looping: frozenset[int],
        values: Mapping[str, Any],
        missing: frozenset[str],
    ) -> None:
        self._evaluated = evaluated
        self._looping = looping
        self._values = values
        self._missing = missing
        self._left = _LOOKED_AT_MAX
        self._loops_left = _LOOPS_MAX

    def needs(self, node: Any) -> frozenset[str]:
        """Of a node that did not come to a value, or was not tried."""
        kind = node.WhichOneof("kind")
        if kind == "ident":
            return self._missing & {node.ident.name.removeprefix(".")}
        if self._left <= 0:
            return self._named_in(node)
        if kind == "comprehension":
            return self._needs_of_loop(node)
        function = node.call.function if kind == "call" else ""
        if function == _NOT:
            return self.needs(node.call.args[0])
        if function in _SAME_IN_ANY_ORDER:
            return self._needs_of_all(_flat(node, function))
        if function == _CONDITION:
            return self._needs_of_condition(node)
        return self._needs_of_first(children_of(node))

    def _needs_of_all(self, parts: Sequence[Any]) -> frozenset[str]:
        found: frozenset[str] = frozenset()
        for part in parts:
            if found == self._missing:
                break
            found |= self._needs_of_part(part)
        return found

    def _needs_of_first(self, parts: Iterable[Any]) -> frozenset[str]:
        """Of the first that waits for anything. One that is open and waits for nothing, such as a value that may be
        absent, does not keep those after it from being looked at."""
        for part in parts:
            if found := self._needs_of_part(part):
                return found
        return frozenset()

    def _needs_of_condition(self, node: Any) -> frozenset[str]:
        asked, *branches = node.call.args
        came_to = self._tried(asked)
        if came_to is _UNTRIED:
            return self._named_in(node)
        if came_to is _OPEN:
            return self.needs(asked)
        return self.needs(branches[0 if came_to is True else 1])

    def _needs_of_loop(self, node: Any) -> frozenset[str]:
        loop = node.comprehension
        if found := self._needs_of_first((loop.iter_range, loop.accu_init)):
            return found
        names = (free_names_of(each) for each in (loop.loop_condition, loop.loop_step, loop.result))
        return self._missing & (frozenset[str]().union(*names) - {loop.iter_var, loop.accu_var})

    def _needs_of_part(self, node: Any) -> frozenset[str]:
        """None of a part that has a value, whatever it names."""
        kind = node.WhichOneof("kind")
        if kind in ("constant", "ident"):
            return self._named_in(node)
        if node.id in self._looping and not self._named_in(node):
            return frozenset()  # whatever it comes to
        came_to = self._tried(node)
        if came_to is _UNTRIED:
            return self._named_in(node)
        return self.needs(node) if came_to is _OPEN else frozenset()

    def _tried(self, node: Any) -> object:
        """What a node comes to, `_OPEN`, or `_UNTRIED` where that would be one too many."""
        is_looping = node.id in self._looping
        if self._left <= 0 or (is_looping and self._loops_left <= 0):
            return _UNTRIED
        self._left -= 1
        self._loops_left -= is_looping
        return self._evaluated(node, self._values)

    def _named_in(self, node: Any) -> frozenset[str]:
        return self._missing & free_names_of(node)


def _looping(root: Any) -> frozenset[int]:
    """The numbers of the nodes that are a comprehension, or have one in them."""
    nodes: list[tuple[Any, int]] = [(root, root.id)]  # each with the number of what it stands in
    for node, _ in nodes:
        nodes += ((child, node.id) for child in children_of(node))
    found: set[int] = set()
    for node, around in reversed(nodes):
        if node.id in found or node.WhichOneof("kind") == "comprehension":
            found |= {node.id, around}
    return frozenset(found)


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
