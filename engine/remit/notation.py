"""Relationships as text, and the checks every reference from outside must pass.

`resource#relation@subject[caveat:{json}][not_before:…][expiration:…]`: split at the first `#`, then the first `@`,
types at the first `:`; trailers in that order, their JSON read by a JSON reader. Times are RFC 3339.
Law: `parse_relationship(format_relationship(r)) == r` for every valid relationship."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite

from remit.errors import Fault, InvalidContext, InvalidReference, InvalidRelationship, StoreNotFound
from remit.model import (
    DEFAULT_STORE,
    PLAIN,
    WILDCARD,
    CaveatUse,
    ObjectRef,
    Qualifiers,
    Relationship,
    SubjectRef,
    WatchedPermission,
)

ID_BYTES_MAX = 1024
NAME_PATTERN = re.compile(r"[a-z](?:[a-z0-9_]{0,62}[a-z0-9])?")
TYPE_PATTERN = re.compile(rf"(?:{NAME_PATTERN.pattern}/)*{NAME_PATTERN.pattern}")
CAVEAT_PATTERN = re.compile(r"(?:[A-Za-z0-9_]{1,64}/)*[A-Za-z0-9_]{1,64}", re.ASCII)  # SpiceDB allows capitals here
TYPE_LENGTH_MAX = 256
STORE_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_ID_PATTERN = re.compile(r"[\x21\x22\x24-\x5a\x5c\x5e-\x7e]+")  # printable ASCII but `#`, `[`, `]`
_EXACT_INTEGER_MAX = 2**53
# Readers of protobuf stop at a hundred nested messages, and each level of a Struct is three of them; this leaves forty
# for what a context may stand in.
CONTEXT_DEPTH_MAX = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_PATTERN = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_TIME_US_MIN = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TIME_US_MAX = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_TRAILER_WORD = re.compile(r"[A-Za-z0-9_/]+")


# --- checks -----------------------------------------------------------------------------------------------------


def checked_type(name: str, *, field: str = "") -> str:
    """The type name, or InvalidReference."""
    if len(name) > TYPE_LENGTH_MAX or not TYPE_PATTERN.fullmatch(name):
        raise InvalidReference(
            f"`{shortened(name)}` is not a type name: lower-case letters, digits and `_`, beginning with a letter, "
            "with `/` between prefixes",
            field=field,
        )
    return name


def checked_name(name: str, *, field: str = "") -> str:
    """The relation, permission or caveat name, or InvalidReference."""
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidReference(
            f"`{shortened(name)}` is not a relation name: up to 64 lower-case letters, digits and `_`, beginning with "
            "a letter and not ending in `_`",
            field=field,
        )
    return name


def checked_caveat(name: str, *, field: str = "") -> str:
    """The caveat name, or InvalidReference."""
    if len(name) > TYPE_LENGTH_MAX or not CAVEAT_PATTERN.fullmatch(name):
        raise InvalidReference(
            f"`{shortened(name)}` is not a caveat name: letters, digits and `_`, with `/` between prefixes", field=field
        )
    return name


def checked_id(id: str, *, field: str = "") -> str:
    """The object id, or InvalidReference. The wildcard is not an object's id; see `checked_subject`."""
    if id == WILDCARD:
        raise InvalidReference("`*` alone is a wildcard, not an object id", field=field)
    if not id:
        raise InvalidReference("an object id is missing", field=field)
    if len(id) > ID_BYTES_MAX:
        raise InvalidReference(
            f"the object id `{shortened(id)}` has {len(id)} characters, more than the {ID_BYTES_MAX} allowed",
            field=field,
        )
    if not _ID_PATTERN.fullmatch(id):
        wrong = next(char for char in id if not _ID_PATTERN.fullmatch(char))
        raise InvalidReference(
            f"the object id `{shortened(id)}` holds {wrong!a}: ids are printable ASCII without space, `#`, `[` and `]`",
            field=field,
        )
    return id


def checked_id_prefix(prefix: str, *, field: str = "") -> str:
    """The beginning of object ids, or InvalidReference. An empty one would silently mean every object."""
    if not prefix:
        raise InvalidReference("an empty prefix would mean every id: leave it away to say so", field=field)
    return prefix if prefix == WILDCARD else checked_id(prefix, field=field)


def checked_object(object: ObjectRef, *, field: str = "") -> ObjectRef:
    """The object with a valid type and id, or InvalidReference."""
    checked_type(object.type, field=field)
    checked_id(object.id, field=field)
    return object


def checked_subject(subject: SubjectRef, *, wildcard: bool = False, field: str = "") -> SubjectRef:
    """The subject with valid parts, or InvalidReference. A wildcard only where the caller may mean one."""
    checked_type(subject.type, field=field)
    if subject.relation:
        checked_name(subject.relation, field=field)
    if subject.is_wildcard:
        if not wildcard:
            raise InvalidReference(
                f"`{subject}` asks about everyone at once: a question names one subject",
                field=field,
            ).with_fault(Fault.WILDCARD_ASKED)
        if subject.relation:
            raise InvalidReference(f"`{subject}`: a wildcard has no relation", field=field)
        return subject
    checked_id(subject.id, field=field)
    return subject


def checked_store(name: str, *, field: str = "") -> str:
    """The store's name, or InvalidReference."""
    if not STORE_PATTERN.fullmatch(name):
        raise InvalidReference(
            f"`{shortened(name)}` is not a store's name: up to 63 lower-case letters, digits, `-` and `_`, beginning "
            "with a letter",
            field=field,
        )
    return name


def no_such_store(name: str) -> StoreNotFound:
    """What is said of a store that is not there, and of one the caller may not see: told in one place, so that nobody
    can tell the two apart."""
    name = name or DEFAULT_STORE
    return StoreNotFound(f"there is no store `{shortened(name)}`", field="store", store=name)


def shortened(text: str, length_max: int = 80) -> str:
    """The text for a message: printable and not longer than a line."""
    visible = text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode("ascii")
    return visible if len(visible) <= length_max else visible[: length_max - 1] + "…"


# --- references -------------------------------------------------------------------------------------------------


def parse_object(text: str) -> ObjectRef:
    """`type:id`."""
    type_name, colon, id = text.partition(":")
    if not colon:
        raise InvalidReference(f"`{shortened(text)}` is not an object: write `type:id`")
    return checked_object(ObjectRef(type_name, id))


def parse_subject(text: str, *, wildcard: bool = False) -> SubjectRef:
    """`type:id`, `type:id#relation` or, where allowed, `type:*`. `type:id#...` is the plain subject."""
    plain, hash_sign, relation = text.partition("#")
    type_name, colon, id = plain.partition(":")
    if not colon:
        raise InvalidReference(f"`{shortened(text)}` is not a subject: write `type:id` or `type:id#relation`")
    if hash_sign and not relation:
        raise InvalidReference(f"`{shortened(text)}` ends in `#`: name a relation or leave the `#` away")
    return checked_subject(SubjectRef(type_name, id, "" if relation == "..." else relation), wildcard=wildcard)


def parse_question(text: str) -> tuple[ObjectRef, str, SubjectRef]:
    """`resource#permission@subject`, the three parts of a check."""
    resource, relation, subject = _split_triple(text)
    return parse_object(resource), checked_name(relation), parse_subject(subject)


def parse_resource_lookup(text: str) -> tuple[str, str, SubjectRef]:
    """`type#permission@subject`, a check whose resource has no id: which ones?"""
    type_name, hash_sign, rest = text.partition("#")
    permission, at_sign, subject = rest.partition("@")
    if not hash_sign or not at_sign or ":" in type_name:
        raise InvalidReference(
            f"`{shortened(text)}` looks up no resources: write `type#permission@type:id`, without an id before the `#`"
        )
    return checked_type(type_name), checked_name(permission), parse_subject(subject)


def parse_subject_lookup(text: str) -> tuple[ObjectRef, str, str, str]:
    """`resource#permission@type` or `…@type#relation`, a check whose subject has no id: which ones?"""
    resource, hash_sign, rest = text.partition("#")
    permission, at_sign, subject = rest.partition("@")
    type_name, relation_sign, relation = subject.partition("#")
    if not hash_sign or not at_sign or ":" in type_name or (relation_sign and not relation):
        raise InvalidReference(
            f"`{shortened(text)}` looks up no subjects: write `type:id#permission@type`, without an id at the end"
        )
    relation = checked_name(relation) if relation and relation != "..." else ""
    return parse_object(resource), checked_name(permission), checked_type(type_name), relation


def parse_watched_permission(text: str) -> WatchedPermission:
    """`type#permission@type` or `…@type#relation`, a check with neither id: who has it of what?"""
    type_name, hash_sign, rest = text.partition("#")
    permission, at_sign, subject = rest.partition("@")
    subject_type, relation_sign, relation = subject.partition("#")
    if not hash_sign or not at_sign or ":" in type_name or ":" in subject_type or (relation_sign and not relation):
        raise InvalidReference(
            f"`{shortened(text)}` is no permission to watch: write `type#permission@type`, without an id on either side"
        )
    relation = checked_name(relation) if relation and relation != "..." else ""
    return WatchedPermission(checked_type(type_name), checked_name(permission), checked_type(subject_type), relation)


def parse_permission_lookup(text: str) -> tuple[ObjectRef, SubjectRef]:
    """`resource@subject`, a check without a permission: which ones?"""
    resource, at_sign, subject = text.partition("@")
    if not at_sign or "#" in resource:
        raise InvalidReference(
            f"`{shortened(text)}` looks up no permissions: write `type:id@type:id`, without a `#permission` between"
        )
    return parse_object(resource), parse_subject(subject)


def _split_triple(text: str) -> tuple[str, str, str]:
    resource, hash_sign, rest = text.partition("#")
    relation, at_sign, subject = rest.partition("@")
    if not hash_sign or not at_sign:
        raise InvalidRelationship(f"`{shortened(text)}` is not of the form `type:id#relation@type:id`")
    return resource, relation, subject


# --- relationships ----------------------------------------------------------------------------------------------


def parse_relationship(text: str) -> Relationship:
    """A relationship with its trailers. Raises InvalidRelationship, InvalidReference or InvalidContext."""
    text = text.strip()
    triple, bracket, trailers = text.partition("[")
    resource, relation, subject = _split_triple(triple)
    return Relationship(
        parse_object(resource),
        checked_name(relation),
        parse_subject(subject, wildcard=True),
        _parse_trailers(bracket + trailers, text) if bracket else PLAIN,
    )


def _parse_trailers(trailers: str, text: str) -> Qualifiers:
    """`[caveat:{json}][not_before:…][expiration:…]`, each optional, in that order."""
    caveat: CaveatUse | None = None
    times: dict[str, int] = {}
    position = 0
    while position < len(trailers):
        if trailers[position] != "[":
            raise InvalidRelationship(f"`{shortened(text)}`: expected `[` at `{shortened(trailers[position:], 20)}`")
        word_match = _TRAILER_WORD.match(trailers, position + 1)
        if word_match is None:
            raise InvalidRelationship(f"`{shortened(text)}`: expected a caveat, `not_before` or `expiration` after `[`")
        word, position = word_match.group(), word_match.end()
        # A caveat may be named `expiration` too: its context is an object, and a time never begins with a brace.
        is_time = trailers.startswith(":", position) and not trailers.startswith(":{", position)
        if is_time and word in ("not_before", "expiration"):
            close = trailers.find("]", position)
            if close < 0:
                raise InvalidRelationship(f"`{shortened(text)}`: `[{word}:` is not closed")
            if word in times or (word == "not_before" and "expiration" in times):
                raise InvalidRelationship(
                    f"`{shortened(text)}`: trailers come once each, in the order caveat, not_before, expiration"
                )
            times[word] = parse_time(trailers[position + 1 : close], round_up=word == "not_before")
            position = close
        else:
            if caveat is not None or times:
                raise InvalidRelationship(
                    f"`{shortened(text)}`: trailers come once each, in the order caveat, not_before, expiration"
                )
            checked_caveat(word)
            context: object = {}
            if trailers.startswith(":", position):
                context, position = _read_json(trailers, position + 1, text)
            caveat = CaveatUse(word, canonical_json(context))
        if not trailers.startswith("]", position):
            raise InvalidRelationship(f"`{shortened(text)}`: `[{word}` is not closed")
        position += 1
    return Qualifiers(caveat, times.get("not_before"), times.get("expiration"))


def _read_json(text: str, position: int, whole: str) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, position)
    except ValueError as error:
        raise InvalidContext(f"`{shortened(whole)}`: the caveat's context is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidContext(f"`{shortened(whole)}`: the caveat's context is nested too deeply") from error


def format_relationship(relationship: Relationship) -> str:
    """The canonical text of a relationship."""
    qualifiers = relationship.qualifiers
    text = str(relationship.key)
    if qualifiers.caveat is not None:
        name, context_json = qualifiers.caveat
        text += f"[{name}]" if context_json == "{}" else f"[{name}:{context_json}]"
    if qualifiers.not_before_us is not None:
        text += f"[not_before:{format_time(qualifiers.not_before_us)}]"
    if qualifiers.expiration_us is not None:
        text += f"[expiration:{format_time(qualifiers.expiration_us)}]"
    return text


# --- times ------------------------------------------------------------------------------------------------------


def parse_time(text: str, *, round_up: bool = False) -> int:
    """RFC 3339 → microseconds since the epoch. What is finer than a microsecond is cut off, or rounded up where asked:
    an expiration must not come later than was said, a `not_before` not earlier."""
    text = text.strip()
    parts = _TIME_PATTERN.fullmatch(text)
    try:
        if parts is None:
            raise ValueError(text)
        seconds, fraction, offset = parts[1], parts[2] or "", parts[3]
        at = datetime.fromisoformat(seconds.upper() + offset.upper())
        time_us = (at - _EPOCH) // timedelta(microseconds=1) + int(fraction[:6].ljust(6, "0"))
        if round_up and fraction[6:].strip("0"):
            time_us += 1
        if not _TIME_US_MIN <= time_us <= _TIME_US_MAX:
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        raise InvalidRelationship(
            f"`{shortened(text)}` is not an RFC 3339 time such as `2027-01-31T12:00:00Z`"
        ) from error
    return time_us


def format_time(time_us: int) -> str:
    """Microseconds since the epoch → RFC 3339 in UTC, with a fraction only where there is one."""
    at = _EPOCH + timedelta(microseconds=time_us)
    return at.isoformat().replace("+00:00", "Z")


# --- caveat contexts --------------------------------------------------------------------------------------------


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidContext(f"the key `{shortened(twice)}` stands twice in one JSON object")
    return result


def _refuse_constant(name: str) -> object:
    raise InvalidContext(f"`{name}` is not JSON")


def _exact_number(text: str) -> float:
    """A number with a fraction or an exponent: the double that its digits are, written as briefly as they can be or to
    the 17th, as some do. A double beside what was written is another number, so that is refused."""
    number = float(text)
    if number == 0:
        is_exact = _ZERO.match(text) is not None  # an exponent may be beyond what Decimal reads
    elif isfinite(number):
        is_exact = Decimal(text) in (Decimal(repr(number)), Decimal(f"{number:.17g}"))
    else:
        is_exact = True  # which is refused as what it is
    if not is_exact:
        raise InvalidContext(f"the number `{shortened(text)}` would lose digits: pass it as a string")
    return number


_ZERO = re.compile(r"-?[0.]*(?:[eE]|$)")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_refuse_constant, parse_float=_exact_number
)


def parse_context(text: str) -> dict[str, object]:
    """A context given as JSON text. Raises InvalidContext."""
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        raise InvalidContext(f"the context is not JSON: {error}") from error
    except RecursionError as error:
        raise InvalidContext("the context is nested too deeply") from error
    return normalized_context(value)


def normalized_context(value: object) -> dict[str, object]:
    """A context as every engine sees it: numbers that are whole are ints, NaN and what a double cannot carry exactly
    are refused, so that JSON text and protobuf's Struct (all doubles) mean the same."""
    if not isinstance(value, Mapping):
        raise InvalidContext(f"a context is a JSON object, not {type(value).__name__}")
    return {_checked_key(key): _normalized(item, 2) for key, item in value.items()}


def _normalized(value: object, depth: int) -> object:
    if depth > CONTEXT_DEPTH_MAX and isinstance(value, list | tuple | Mapping):
        raise InvalidContext(f"the context is nested deeper than {CONTEXT_DEPTH_MAX} levels")
    match value:
        case None | bool():
            return value
        case str():
            return _checked_unicode(value)
        case int():
            if abs(value) > _EXACT_INTEGER_MAX:
                # Python refuses to print integers of more than 4,300 digits.
                shown = str(value) if value.bit_length() < 128 else shortened(hex(value), 20)
                raise InvalidContext(f"the number `{shown}` is beyond 2^53 and would lose digits: pass it as a string")
            return value
        case float():
            if not isfinite(value):
                raise InvalidContext(f"`{value}` is not a JSON number")
            if value.is_integer() and abs(value) <= _EXACT_INTEGER_MAX:
                return int(value)
            return value
        case list() | tuple():
            return [_normalized(item, depth + 1) for item in value]
        case Mapping():
            return {_checked_key(key): _normalized(item, depth + 1) for key, item in value.items()}
        case _:
            raise InvalidContext(f"a value of type {type(value).__name__} is not JSON")


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise InvalidContext(f"the keys of a context are strings, not {type(key).__name__}")
    return _checked_unicode(key)


def _checked_unicode(text: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidContext("a string holds half of a surrogate pair, which no encoding can carry") from error
    return text


def canonical_json(value: object) -> str:
    """The one text of a context: keys sorted, no spaces, whole numbers without a fraction. Raises InvalidContext."""
    return normalized_json(normalized_context(value))


def normalized_json(context: Mapping[str, object]) -> str:
    """The same of a context that is normalized already, which is three quarters of the work."""
    return json.dumps(context, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
