"""A caveat: a condition in CEL beside a relationship, decided by what was written with it and what a request brings.

The expression is type-checked when the schema is compiled and evaluated by Google's CEL (`cel-expr-python`). CEL reads
no clock and calls nothing outside, so an outcome depends on the two contexts alone and may be remembered.
The native core evaluates what is plain of the same checked expression by itself (`remit-core/src/check/caveats.rs`).
Bounds: CEL stops an evaluation after 10,000 iterations of all its comprehensions together, refuses expressions nested
deeper than 32, and matches regular expressions in linear time (RE2).
Law: what a relationship fixed no request can change; a determined outcome stays as it is when parameters are added."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_optional

from remit.errors import CaveatFailed, Fault, InvalidContext, RemitError, SchemaInvalid
from remit.language.conversions import free_names, strict, text_functions
from remit.language.missing import Needs
from remit.language.parameters import ParameterType, parse_address
from remit.model import Verdict
from remit.notation import parse_context

EXPRESSION_LENGTH_MAX = 100_000  # characters; SpiceDB's limit
REMEMBERED_OUTCOMES = 4096  # per caveat
REMEMBERED_LENGTH_MAX = 1024  # characters of any one text in a key, so that a cache stays within a few megabytes

Outcome = tuple[Verdict, frozenset[str]]
"""The verdict, and for CONDITIONAL the names of the parameters that are missing."""

_NOTHING: frozenset[str] = frozenset()
_YES: Outcome = (Verdict.YES, _NOTHING)
_NO: Outcome = (Verdict.NO, _NOTHING)


@dataclass(frozen=True, slots=True)
class ExpressionIssue:
    """One reason why a caveat does not compile. Line and column count from 1, in characters, within the expression;
    an issue that is not at a place of the expression is about a `parameter`, or at 1:1."""

    code: str
    message: str
    line: int = 1
    column: int = 1
    parameter: str = ""


@dataclass(frozen=True)
class Caveat:
    """`caveat name(parameters) { expression }`, ready to be evaluated from any thread.

    Raises SchemaInvalid where it does not compile; its `issues` are of `ExpressionIssue`. `programs` are those that
    compiled it before, where some did."""

    name: str
    parameters: Mapping[str, ParameterType]
    expression: str
    doc: str = field(default="", compare=False)
    programs: InitVar[Programs | None] = None
    _program: Program = field(init=False, repr=False, compare=False)
    _outcome_of: Callable[..., Outcome] = field(init=False, repr=False, compare=False)

    def __post_init__(self, programs: Programs | None) -> None:
        program = (programs or Programs()).of(self.parameters, self.expression)
        if not isinstance(program, Program):
            raise SchemaInvalid(f"caveat `{self.name}`: {program[0].message}", issues=program, caveat=self.name)
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        object.__setattr__(self, "_program", program)
        object.__setattr__(self, "_outcome_of", lru_cache(REMEMBERED_OUTCOMES, typed=True)(self._evaluate_key))

    def __hash__(self) -> int:
        return hash((self.name, self.expression))

    def __deepcopy__(self, memo: object) -> Caveat:
        return self  # nothing in here ever changes

    def __reduce__(self) -> tuple[object, ...]:
        return Caveat, (self.name, dict(self.parameters), self.expression, self.doc)

    def evaluate(self, relationship_context: Mapping[str, object], request_context: Mapping[str, object]) -> Outcome:
        """YES or NO where the parameters at hand determine it, else CONDITIONAL with the names of those missing.

        A parameter that the relationship fixed hides the request's. Keys that the caveat does not declare are ignored;
        every declared one that is supplied must be of its type, whether or not the outcome depends on it. Raises
        CaveatFailed for a wrong type, and where the expression itself fails (a division by zero, no such key) with
        nothing missing; with something missing such a failure is CONDITIONAL, for what is missing may heal it
        (`rate / count > 2 || is_admin`). Neither names what the relationship fixed: who may ask a question need not be
        one who may read.
        Cost: 5-12 µs, most of it CEL's."""
        values: dict[str, Any] = {}
        for name, type_ in self.parameters.items():
            if name in relationship_context:
                values[name] = self._convert(name, type_, relationship_context[name], is_fixed=True)
            elif name in request_context:
                values[name] = self._convert(name, type_, request_context[name], is_fixed=False)
        return self._evaluate_values(values, relationship_context.keys())

    def evaluate_written(self, context_json: str, request_context: Mapping[str, object]) -> Outcome:
        """`evaluate`, with the relationship's context as the JSON text it is stored as: the hot path.

        The text is parsed once, and an outcome is remembered where the request brings only text, integers, booleans
        and null for the parameters that the relationship leaves open.
        Cost: about 1 µs for an outcome met before, against 6-14 µs (two parameters, measured on the build machine)."""
        if len(context_json) > REMEMBERED_LENGTH_MAX:
            return self.evaluate(parse_context(context_json), request_context)
        fixed = _context_of(context_json)
        key: list[object] = [context_json]
        for name in self.parameters:
            if name in fixed or name not in request_context:
                key.append(_ABSENT)
                continue
            value = request_context[name]
            if isinstance(value, str) and len(value) > REMEMBERED_LENGTH_MAX:
                return self.evaluate(fixed, request_context)
            if not isinstance(value, (str, int)) and value is not None:
                # Lists and maps cannot be keys, and 0.0 and -0.0 are one key with two outcomes.
                return self.evaluate(fixed, request_context)
            key.append(value)
        return self._outcome_of(*key)

    def checked(self) -> bytes:
        """The expression as CEL's type checker left it: a `cel.expr.CheckedExpr` in a `google.protobuf.Any`, macros
        expanded and literals decoded. Cost: some microseconds."""
        serialized: bytes = self._program.expression.serialize()
        return serialized

    def check_context(self, context: Mapping[str, object]) -> None:
        """That a relationship may be written with this context. Raises InvalidContext for a parameter that the caveat
        does not declare, or a value that is not of its type."""
        for name, value in context.items():
            type_ = self.parameters.get(name)
            if type_ is None:
                declared = ", ".join(f"`{known}`" for known in self.parameters)
                raise InvalidContext(
                    f"caveat `{self.name}` has no parameter `{name}`; it has {declared}",
                    caveat=self.name,
                    parameter=name,
                ).with_fault(Fault.CAVEAT_ARGUMENT)
            try:
                type_.convert(value)
            except ValueError as error:
                raise self._mistyped(InvalidContext, name, type_, value, error) from None

    def _evaluate_key(self, context_json: str, *open_values: object) -> Outcome:
        pairs = zip(self.parameters, open_values, strict=True)
        request_context = {name: value for name, value in pairs if value is not _ABSENT}
        return self.evaluate(_context_of(context_json), request_context)

    def _convert(self, name: str, type_: ParameterType, value: object, *, is_fixed: bool) -> Any:
        try:
            return type_.convert(value)
        except ValueError as error:
            if is_fixed:
                raise CaveatFailed(
                    f"caveat `{self.name}` takes parameter `{name}` as {type_}, which the value that the relationship "
                    "fixed is not: write the relationship anew",
                    caveat=self.name,
                    parameter=name,
                    expected=type_,
                ).with_fault(Fault.CAVEAT_ARGUMENT) from None
            raise self._mistyped(CaveatFailed, name, type_, value, error) from None

    def _mistyped(
        self, error: type[RemitError], name: str, type_: ParameterType, value: object, expected: object
    ) -> RemitError:
        given = _abbreviate(value)
        return error(
            f"caveat `{self.name}` takes parameter `{name}` as {type_}, not `{given}`; give {expected}",
            caveat=self.name,
            parameter=name,
            expected=type_,
            value=given,
        ).with_fault(Fault.CAVEAT_ARGUMENT)

    def _evaluate_values(self, values: dict[str, Any], fixed: Collection[str]) -> Outcome:
        try:
            result = self._program.expression.eval(data=values).value()
        except RuntimeError as error:
            # CEL raises, where elsewhere it answers with an error, when the iteration budget is spent.
            raise self._failure(str(error), values, fixed) from error
        if result is True:
            return _YES
        if result is False:
            return _NO
        if len(values) < len(self.parameters):  # each one is referenced, or it would not have compiled
            missing = [name for name in self.parameters if name not in values]
            return Verdict.CONDITIONAL, self._program.needs.of(values, missing) or frozenset(missing)
        raise self._failure(str(result), values, fixed)

    def _failure(self, text: str, values: Mapping[str, Any], fixed: Collection[str]) -> CaveatFailed:
        # CEL's texts open and close with a status word: "INVALID_ARGUMENT: divide by zero".
        reason = re.sub(r"^[A-Z_]+: |\s*\[[A-Z_]+\]$", "", text)
        reason = reason[:1].lower() + reason[1:]
        if not values.keys().isdisjoint(fixed):
            # CEL names the value it failed at ("key not found in map : …"), and nobody knows whose it was.
            reason = _NO_WORD.split(reason, maxsplit=1)[0].strip() or "a value is not what a function takes"
        given = ", ".join(
            f"`{name}` by the relationship" if name in fixed else f"`{name}` = `{_abbreviate(value)}`"
            for name, value in sorted(values.items())
        )
        return CaveatFailed(
            f"caveat `{self.name}` failed: {reason}; it was given {given or 'no parameters'}",
            caveat=self.name,
            cel=reason,
        )


_NO_WORD = re.compile(r"[^A-Za-z ]")
_ABSENT = object()  # stands in a key where the request brings nothing that counts


_context_of = lru_cache(maxsize=4096)(parse_context)


def _abbreviate(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
    except (TypeError, ValueError):
        text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


# --- compiling --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Program:
    """An expression that compiles, and what it waits for where a parameter is missing."""

    expression: cel.Expression
    needs: Needs


Compiled = Program | tuple[ExpressionIssue, ...]
"""What became of an expression: what runs, or every reason why it does not."""


class Programs:
    """The expressions of a schema's caveats, each compiled once, in environments that many share: to make one takes
    2 ms and 200 KB, and an expression in it a twentieth of a millisecond and 4 KB."""

    def __init__(self, signatures: Iterable[Mapping[str, ParameterType]] = ()) -> None:
        """`signatures` are the parameters of the caveats that will be asked about. Cost: O(parameters)."""
        self._environments: dict[_Signature, _Environment] = {}
        self._compiled: dict[tuple[_Signature, str], Compiled] = {}
        shared: list[_Environment] = []
        for parameters in signatures:
            signature = tuple(parameters.items())
            if signature in self._environments or not _TAKEN.isdisjoint(parameters):
                continue
            # What declares a name of another type goes elsewhere; only the last few are tried, for many may not fit.
            fitting = next((each for each in shared[-_ENVIRONMENTS_TRIED:] if each.takes(parameters)), None)
            if fitting is None:
                fitting = _Environment({})
                shared.append(fitting)
            fitting.parameters.update(parameters)
            self._environments[signature] = fitting

    def of(self, parameters: Mapping[str, ParameterType], expression: str) -> Compiled:
        """Cost: some tenths of a millisecond the first time; two milliseconds more where it is refused."""
        signature = tuple(parameters.items())
        key = signature, expression
        if key not in self._compiled:
            environment = self._environments.get(signature)
            found = _compile(environment, parameters, expression) if environment is not None else None
            # In an environment of others too, a refusal might speak of what this caveat does not declare.
            self._compiled[key] = found if isinstance(found, Program) else compile_alone(signature, expression)
        return self._compiled[key]


_Signature = tuple[tuple[str, ParameterType], ...]
_ENVIRONMENTS_TRIED = 4
# What CEL declares itself: a parameter of such a name is refused, and with it the environment of all who share it.
_TAKEN = frozenset(
    ["int", "uint", "bool", "double", "string", "bytes", "list", "map", "type", "dyn", "null_type", "optional_type"]
)


@lru_cache(maxsize=64)  # each with an environment of its own
def compile_alone(signature: _Signature, expression: str) -> Compiled:
    """Cost: some milliseconds, once."""
    return _compile(_Environment(dict(signature)), dict(signature), expression)


def _compile(environment: _Environment, parameters: Mapping[str, ParameterType], expression: str) -> Compiled:
    if not parameters:
        return (ExpressionIssue("caveat-without-parameters", "a caveat needs at least one parameter"),)
    if len(expression) > EXPRESSION_LENGTH_MAX:
        return (ExpressionIssue("expression-too-long", f"is longer than {EXPRESSION_LENGTH_MAX} characters"),)
    checked = environment.compile(expression, is_checking=True)
    if not isinstance(checked, cel.Expression):
        return checked
    if checked.return_type() != cel.Type.BOOL:
        found = checked.return_type().name()
        return (ExpressionIssue("expression-not-bool", f"the expression must be a bool; it is of type `{found}`"),)
    used = free_names(checked.serialize())
    if unused := [name for name in parameters if name not in used]:
        return tuple(
            ExpressionIssue("unused-parameter", f"parameter `{name}` is not used by the expression", parameter=name)
            for name in unused
        )
    if foreign := sorted(used & (environment.parameters.keys() - parameters.keys())):
        return tuple(ExpressionIssue("cel", f"undeclared reference to `{name}`") for name in foreign)
    if any(type_.holds(*_RUN) for type_ in parameters.values()):
        runnable = environment.compile(expression, is_checking=False)
        if not isinstance(runnable, cel.Expression):
            return runnable
        return environment.program(runnable, is_checking=False)
    return environment.program(checked, is_checking=True)


@dataclass(slots=True)
class _Environment:
    """CEL's two environments for expressions over these parameters: that which checks types, and that which runs where
    they differ. Each is made when it is first needed."""

    parameters: dict[str, ParameterType]
    _made: dict[bool, cel.Env] = field(default_factory=dict)

    def takes(self, parameters: Mapping[str, ParameterType]) -> bool:
        """Whether none of the parameters is declared here with another type."""
        return all(self.parameters.get(name, type_) == type_ for name, type_ in parameters.items())

    def compile(self, expression: str, *, is_checking: bool) -> cel.Expression | tuple[ExpressionIssue, ...]:
        try:
            return self._of(is_checking).compile(expression)
        except RuntimeError as error:
            return _read_issues(str(error))

    def program(self, compiled: cel.Expression, *, is_checking: bool) -> Program:
        """The expression, its conversions of texts as strict as Go's. An environment knows the types of its parameters,
        by which a Python value becomes one of CEL's, only once it has compiled something, as this one has."""
        environment = self._of(is_checking)
        rewritten = strict(compiled.serialize())
        expression = compiled if rewritten is None else environment.deserialize(rewritten)
        return Program(expression, Needs(environment, expression))

    def _of(self, is_checking: bool) -> cel.Env:
        if is_checking not in self._made:
            stand_ins = _CHECKED if is_checking else _RUN
            self._made[is_checking] = cel.NewEnv(
                variables={name: type_.cel_type(stand_ins) for name, type_ in self.parameters.items()},
                functions=[*_functions(stand_ins["ipaddress"]), *text_functions()],
                extensions=[ext_optional.ExtOptional()],  # SpiceDB's environment has it too, and no other
            )
        return self._made[is_checking]


_CEL_ERROR = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): (.*)$", re.MULTILINE)
_CEL_NOISE = re.compile(r" \(in container ''\)| \[[A-Z_]+\]$| expecting \{.*\}")


def _read_issues(text: str) -> tuple[ExpressionIssue, ...]:
    if taken := re.search(r"variable '(\w+)' declared multiple times", text):
        message = f"parameter `{taken[1]}` has a name that CEL keeps for itself"
        return (ExpressionIssue("reserved-parameter-name", message, parameter=taken[1]),)
    issues = []
    for line, column, message in _CEL_ERROR.findall(text):
        message = (
            _CEL_NOISE.sub("", message).replace("'<EOF>'", "the end").replace("<EOF>", "the end").replace("'", "`")
        )
        if int(line) < 1:
            message = "is nested too deeply: CEL allows 32 levels"
        issue = ExpressionIssue("cel", message, max(int(line), 1), max(int(column), 1))
        if issue not in issues:
            issues.append(issue)
    if not issues:
        deep = "recursion limit" in text
        message = "is nested too deeply: CEL allows 32 levels" if deep else text.strip().splitlines()[0]
        issues.append(ExpressionIssue("cel", message))
    return tuple(issues)


# --- functions --------------------------------------------------------------------------------------------------

# CEL checks types with an address as a type of its own, so that `ip == "10.0.0.1"` is refused, as in SpiceDB. Its
# Python binding carries no values of such a type, nor bytes with a NUL; so it runs with an address as its text and
# bytes as a message. Both times it reads the same expression.
_CHECKED: Mapping[str, cel.Type] = {"ipaddress": cel.Type.AbstractType("ipaddress")}
_RUN: Mapping[str, cel.Type] = {"ipaddress": cel.Type.STRING, "bytes": cel.Type("google.protobuf.BytesValue")}


def _functions(address: cel.Type) -> list[cel.FunctionDecl]:
    tree = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return [
        cel.FunctionDecl(
            "in_cidr",
            [
                cel.Overload(
                    "ipaddress_in_cidr_string",
                    return_type=cel.Type.BOOL,
                    parameters=[address, cel.Type.STRING],
                    is_member=True,
                    impl=_is_in_cidr,
                )
            ],
        ),
        cel.FunctionDecl(
            "isSubtreeOf",
            [
                cel.Overload(
                    "map_is_subtree_of_map",
                    return_type=cel.Type.BOOL,
                    parameters=[tree, tree],
                    is_member=True,
                    impl=_is_subtree_of,
                )
            ],
        ),
    ]


def _is_in_cidr(address: str, cidr: str) -> bool:
    """An IPv4 address is in no IPv6 network, nor the other way round, however either is written; an address with a zone
    is in none."""
    parsed = parse_address(address)
    return parsed in _parse_network(cidr) and "%" not in address


def is_cidr(text: str) -> bool:
    """Whether `in_cidr` can read the network."""
    try:
        _parse_network(text)
    except ValueError:
        return False
    return True


_CIDR = re.compile(r"[^/%]+/(0|[1-9]\d{0,2})", re.ASCII)
_MAPPED_PREFIX = 96  # bits before the IPv4 address in `::ffff:10.0.0.1`


@lru_cache(maxsize=4096)
def _parse_network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        if not _CIDR.fullmatch(cidr):  # the module would also take `10.0.0.1` and `10.0.0.0/255.0.0.0`
            raise ValueError
        network = ipaddress.ip_network(cidr, strict=False)
        mapped = parse_address(str(network.network_address))
        if network.version == 6 and mapped.version == 4 and network.prefixlen >= _MAPPED_PREFIX:
            return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_PREFIX))
        return network
    except ValueError:
        raise ValueError(f"`{cidr}` is not a CIDR such as `10.0.0.0/8`") from None


def _is_subtree_of(tree: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    """Every key of `tree` is in `whole` with an equal value, maps compared the same way within."""
    for key, value in tree.items():
        if key not in whole:
            return False
        other = whole[key]
        if isinstance(value, Mapping):
            if not isinstance(other, Mapping) or not _is_subtree_of(value, other):
                return False
        elif type(value) is not type(other) or value != other:  # in Python, True equals 1
            return False
    return True
