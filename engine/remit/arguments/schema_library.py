"""Values under a closed schema, judged by the library `jsonschema`.

Three of its keywords are replaced: `pattern`, which it gives to an engine that backtracks; `uniqueItems`, of which it
misses some among lists in lists; and `propertyNames`, whose misfits it tells as if they were of a value. What is told
of a misfit is the same whatever order a library looks in.
Law: which values fit depends on the schema alone, and no value holds a thread beyond its size times the schema's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

from remit.arguments.closed_schema import Size
from remit.arguments.json_text import Json, canonical_text, joined
from remit.arguments.keywords import WHOLE_MAX

if TYPE_CHECKING:
    from jsonschema import ValidationError

# Values times subschemas. In Python a hundred thousand take a second, two or three where each has many rules, in the
# core ten milliseconds; to find all that does not fit takes ten times as long.
WORK_MAX = 200_000
WORK_TOLD_MAX = 20_000
# Bytes of texts times characters of patterns that are as good as one of those: an engine may look at each character for
# each byte, some fifty million times a second in either language.
STEPS_EACH = 500
_COMPILED = 1_024


@final
class Unfit(NamedTuple):
    """Why a value does not fit; `pointer` is a JSON Pointer into it."""

    pointer: str
    reason: str


class Validator:
    """What the library says of values under one closed schema."""

    def __init__(self, schema: Mapping[str, Json], size: Size) -> None:
        self._library = _library()(schema)
        self._size = size

    def work(self, value: Json) -> int:
        """What it may take to judge a value, as WORK_MAX counts it. Cost: O(bytes)."""
        subschemas, patterns = self._size
        return _count(value) * subschemas + _text_bytes(value) * patterns // STEPS_EACH

    def unfit(self, value: Json) -> Unfit | None:
        """Of what does not fit the first, by its pointer and then by its reason. Cost: O(WORK_MAX)."""
        work = self.work(value)
        if work > WORK_MAX:
            return Unfit("", self._too_much(value))
        doubles = _as_doubles(value)
        if self._library.is_valid(doubles):
            return None
        if work > WORK_TOLD_MAX:
            return Unfit("", "does not fit, and is too much to tell where")
        return min(map(_unfit_of, self._library.iter_errors(doubles)))

    def _too_much(self, value: Json) -> str:
        values, (subschemas, patterns) = _count(value), self._size
        if values * subschemas > WORK_MAX:
            return f"has {values} values, too many to hold against a schema of {subschemas} subschemas"
        return f"has {_text_bytes(value)} bytes of text, too many to hold against patterns of {patterns} characters"


def _count(value: Json) -> int:
    """How many values there are in one, itself among them."""
    if isinstance(value, dict | list):
        return 1 + sum(map(_count, value.values() if isinstance(value, dict) else value))
    return 1


def _text_bytes(value: Json) -> int:
    """How many bytes its texts and keys have."""
    match value:
        case str():
            return len(value.encode())
        case list():
            return sum(map(_text_bytes, value))
        case dict():
            return sum(len(key.encode()) + _text_bytes(each) for key, each in value.items())
    return 0


def _as_doubles(value: Json) -> Json:
    """The value with its large whole numbers as what they are to most who read JSON, and to the other library."""
    match value:
        case bool():
            return value
        case int() if abs(value) > WHOLE_MAX:
            return float(value)
        case list():
            return [_as_doubles(each) for each in value]
        case dict():
            return {key: _as_doubles(each) for key, each in value.items()}
    return value


def _unfit_of(error: ValidationError) -> Unfit:
    pointer = ""
    for key in error.absolute_path:
        pointer = joined(pointer, key)
    keyword, value = error.validator, cast(Any, error.validator_value)
    schema, given = cast(Mapping[str, Any], error.schema), cast(Any, error.instance)
    if keyword == "additionalProperties":
        unknown = min(key for key in given if key not in schema.get("properties", {}))
        return Unfit(joined(pointer, unknown), "is not among what the schema describes")
    if keyword == "dependentRequired":
        value = [each for key, names in value.items() if key in given for each in names]
    if keyword in ("required", "dependentRequired"):
        lacking = min(key for key in value if key not in given)
        return Unfit(joined(pointer, lacking), "is required, and not there")
    if keyword in ("minContains", "maxContains"):
        keyword = "contains"  # to the other library they are parts of one rule
    return Unfit(pointer, f"does not fit `{keyword}`")


# --- the library, and keywords of ours --------------------------------------------------------------------------


@lru_cache(1)
def _library() -> Any:
    """The class of its validators. It is loaded when the first value is judged: that takes a tenth of a second, and
    few who load this module judge any."""
    import jsonschema

    def pattern(validator: Any, pattern: str, value: Json, _: object) -> Iterator[ValidationError]:
        if isinstance(value, str) and not _compiled(pattern).search(value):
            yield jsonschema.ValidationError("it has nothing of the pattern")

    def unique_items(validator: Any, is_wanted: bool, value: Json, _: object) -> Iterator[ValidationError]:
        if is_wanted and isinstance(value, list) and len(set(map(canonical_text, value))) < len(value):
            yield jsonschema.ValidationError("it has something twice")

    def property_names(validator: Any, names: Any, value: Json, _: object) -> Iterator[ValidationError]:
        judge = validator.evolve(schema=names)
        if isinstance(value, dict) and not all(map(judge.is_valid, value)):
            yield jsonschema.ValidationError("it has a key that is not as keys are")

    ours = {"pattern": pattern, "propertyNames": property_names, "uniqueItems": unique_items}
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, ours)


@lru_cache(_COMPILED)
def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False  # where its quicker engine has not enough memory it goes on with the other, and says so
    return re2.compile(pattern, options)
