"""Values under a closed schema, judged by the library `jsonschema`.

Two of its keywords are replaced: `pattern`, which it gives to an engine that backtracks, and `uniqueItems`, of which it
misses some among lists in lists. What is told of a misfit is the same whatever order a library looks in.
Law: which values fit depends on the schema alone, and no value holds a thread beyond its size times the schema's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast, final

from remit.arguments.json_text import Json, canonical_text, joined
from remit.arguments.keywords import WHOLE_MAX

if TYPE_CHECKING:
    from jsonschema import ValidationError

_COMPILED = 1_024


@final
class Unfit(NamedTuple):
    """Why a value does not fit; `pointer` is a JSON Pointer into it."""

    pointer: str
    reason: str


class Validator:
    """What the library says of values under one closed schema."""

    def __init__(self, schema: Mapping[str, Json]) -> None:
        self._library = _library()(schema)

    def unfit(self, value: Json) -> Unfit | None:
        """Of what does not fit the first, by its pointer and then by its reason."""
        doubles = _as_doubles(value)
        if self._library.is_valid(doubles):
            return None
        return min(map(_unfit_of, self._library.iter_errors(doubles)))


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
    keyword, value, schema = error.validator, error.validator_value, cast(Mapping[str, Any], error.schema)
    if keyword == "additionalProperties":
        unknown = min(
            key for key in cast(Mapping[str, Json], error.instance) if key not in schema.get("properties", {})
        )
        return Unfit(joined(pointer, unknown), "is not among what the schema describes")
    if keyword == "required":
        lacking = min(key for key in value if key not in cast(Mapping[str, Json], error.instance))
        return Unfit(joined(pointer, lacking), "is required, and not there")
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

    ours = {"pattern": pattern, "uniqueItems": unique_items}
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, ours)


@lru_cache(_COMPILED)
def _compiled(pattern: str) -> Any:
    import re2

    return re2.compile(pattern)
