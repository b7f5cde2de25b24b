"""Documents by which an organisation describes itself, and the facts that they mean: a translation, and nothing else.

    {"apiVersion": "remit/v1", "kind": "Agent", "metadata": {"name": "payer"}, "spec": {"owners": ["anne"], …}}
    {"apiVersion": "remit/v1", "kind": "Tools", "defaults": {"domain": "office"}, "items": ["erp.read", {"name": …}]}

Whether what they name is there, and who may say so, is asked of a store (`applies.py`).
Law: the same documents mean the same facts, whatever store they are for and in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from typing import NamedTuple, TypeVar

from remit.arguments.json_text import Json, JsonRefused, canonical_text, joined, kind_of, read_object
from remit.arguments.tool_schema import read_descriptor
from remit.engine.agents.kinds import (
    API_VERSION,
    BY_LIST,
    BY_NAME,
    BY_TYPE,
    CEILINGS,
    INTENT,
    Field,
    Form,
    Kind,
)
from remit.engine.record_kinds import DESCRIPTOR
from remit.errors import DescriptorInvalid, LimitExceeded, RemitError
from remit.interrupt import Interrupt, never_interrupted
from remit.model import (
    PLAIN,
    WILDCARD,
    CaveatUse,
    ObjectRef,
    Qualifiers,
    Record,
    Relationship,
    RelationshipKey,
    SubjectRef,
)
from remit.notation import canonical_json, checked_id, parse_time, shortened
from remit.suggest import did_you_mean

T = TypeVar("T")

BYTES_MAX = 4 * 1024 * 1024  # of all documents of one request
DOCUMENTS_MAX = 1_000  # with the items of lists
FACTS_MAX = 10_000  # what one revision removes by a filter at most, too
NAME_BYTES_MAX = 256
LABELS_MAX = 20
_LABEL_LENGTH_MAX = 64
_CEILING_MAX = 2**31
_PROBLEMS_MAX = 20  # that are told; who has more has one mistake many times

_SINGLE_KEYS = ("apiVersion", "kind", "metadata", "spec")
_LIST_KEYS = ("apiVersion", "kind", "metadata", "defaults", "items")
_METADATA_KEYS = ("name", "labels")
_INTENTS = ("same", "none")


class Place(NamedTuple):
    """Where something is said: the document by its number in the request, from 0, and a JSON Pointer into it."""

    document: int
    pointer: str = ""

    def below(self, *keys: str | int) -> Place:
        pointer = self.pointer
        for key in keys:
            pointer = joined(pointer, key)
        return Place(self.document, pointer)


class Problem(NamedTuple):
    """Something that is wrong with a document. `about` names it, by kind and name, as far as it has them; `other` is
    where else to look."""

    place: Place
    about: str
    problem: str
    fix: str
    other: Place | None = None

    def __str__(self) -> str:
        where = f"{self.about or f'document {self.place.document}'}"
        at = f" at `{self.place.pointer}`" if self.place.pointer else ""
        return f"{where}{at}: {self.problem}: {self.fix}"


@dataclass(slots=True)
class Described:
    """What one document, or one item of a list, means. `facts` are by what they are about, with where they are said;
    `fixed` are those of them that it says once and for all, `staying_away` those that are not written a second time.
    `references` are the objects that have to be there, and `descriptors` what it says of arguments, under digests.
    `digests` are those that it names without saying them."""

    kind: Kind
    name: str
    labels: Mapping[str, str]
    place: Place
    facts: dict[RelationshipKey, tuple[Relationship, Place]] = field(default_factory=dict)
    fixed: list[Relationship] = field(default_factory=list)
    staying_away: set[RelationshipKey] = field(default_factory=set)
    references: dict[ObjectRef, Place] = field(default_factory=dict)
    descriptors: list[Record] = field(default_factory=list)
    digests: list[tuple[ObjectRef, Place]] = field(default_factory=list)
    ceilings: Mapping[str, object] | None = None

    @property
    def object(self) -> ObjectRef:
        return ObjectRef(self.kind.type, self.name)

    @property
    def title(self) -> str:
        return f"{self.kind.name}/{self.name}"


class Translation(NamedTuple):
    """All that the documents mean, in their order, and what is wrong with them: a few of many problems."""

    described: tuple[Described, ...]
    problems: tuple[Problem, ...]


def translate(
    documents: Sequence[bytes], *, context_bytes_max: int, interrupt: Interrupt = never_interrupted
) -> Translation:
    """Raises LimitExceeded, and what the interrupt raises. Cost: O(bytes)."""
    _require("documents", "bytes_max", sum(map(len, documents)), BYTES_MAX, "bytes of documents")
    _require("documents", "documents_max", len(documents), DOCUMENTS_MAX, "documents")
    translator = _Translator(context_bytes_max, interrupt)
    for index, data in enumerate(documents):
        translator.document(Place(index), data)
    return Translation(tuple(translator.described.values()), tuple(translator.problems.values()))


class _Said(NamedTuple):
    """A value of a field, and where it is said."""

    value: Json
    place: Place


class _Refused(Exception):  # not an error: how what is wrong leaves the document it is in
    def __init__(self, place: Place, problem: str, fix: str, other: Place | None = None) -> None:
        self.place, self.problem, self.fix, self.other = place, problem, fix, other


class _Translator:
    """Reads documents one after the other, and goes on after what is wrong with one."""

    def __init__(self, context_bytes_max: int, interrupt: Interrupt) -> None:
        self.described: dict[tuple[str, str], Described] = {}
        self.problems: dict[tuple[Place, str], Problem] = {}  # each once: a default is said once and read often
        self._facts = 0
        self._descriptors: dict[str, Record] = {}  # forty tools may share one, which is read once
        self._context_bytes_max = context_bytes_max
        self._interrupt = interrupt

    def document(self, place: Place, data: bytes) -> None:
        self._interrupt()
        about = ""
        try:
            try:
                whole = read_object(data, exact_numbers=True)
            except JsonRefused as error:
                raise _Refused(
                    Place(place.document, error.pointer), error.reason, "send each as one JSON object"
                ) from error
            kind, is_list = _kind_of(whole, place)
            about = str(whole["kind"])
            if is_list:
                self._list(kind, whole, place)
            else:
                self._single(kind, whole, place)
        except _Refused as refused:
            self._tell(refused, about)

    def _tell(self, refused: _Refused, about: str) -> None:
        if len(self.problems) < _PROBLEMS_MAX:
            problem = Problem(refused.place, about, refused.problem, refused.fix, refused.other)
            self.problems.setdefault((refused.place, refused.problem), problem)

    def _single(self, kind: Kind, whole: Mapping[str, Json], place: Place) -> None:
        _check_keys(whole, _SINGLE_KEYS, place, "the document")
        metadata = _mapping(whole.get("metadata", {}), place.below("metadata"))
        _check_keys(metadata, _METADATA_KEYS, place.below("metadata"), "`metadata`")
        if "name" not in metadata:
            raise _Refused(place, "has no name", "give it one under `metadata`")
        name = _name(metadata["name"], place.below("metadata", "name"))
        labels = _labels(metadata.get("labels", {}), place.below("metadata", "labels"))
        spec = _mapping(whole.get("spec", {}), place.below("spec"))
        at = place.below("spec")
        said = {key: _Said(value, at.below(key)) for key, value in spec.items()}
        self._describe(kind, name, labels, said, place, place.below("metadata", "name"))

    def _list(self, kind: Kind, whole: Mapping[str, Json], place: Place) -> None:
        _check_keys(whole, _LIST_KEYS, place, f"a list of kind `{kind.list}`")
        metadata = _mapping(whole.get("metadata", {}), place.below("metadata"))
        _check_keys(metadata, ("labels",), place.below("metadata"), "the `metadata` of a list")
        labels = _labels(metadata.get("labels", {}), place.below("metadata", "labels"))
        at = place.below("defaults")
        defaults = _mapping(whole.get("defaults", {}), at)
        said = {key: _Said(value, at.below(key)) for key, value in defaults.items()}
        _check_fields(kind, said, f"the defaults of `{kind.list}`")
        if "items" not in whole:
            raise _Refused(place, "has no `items`", f"a list of kind `{kind.list}` has one for each")
        for index, item in enumerate(_list(whole["items"], place.below("items"))):
            self._interrupt()
            try:
                self._item(kind, item, labels, said, place.below("items", index))
            except _Refused as refused:
                self._tell(refused, kind.name)

    def _item(
        self, kind: Kind, item: Json, labels: Mapping[str, str], defaults: Mapping[str, _Said], place: Place
    ) -> None:
        if isinstance(item, str):
            self._describe(kind, _name(item, place), labels, defaults, place, place)
            return
        given = _mapping(item, place, "a name, or a mapping with a `name`")
        if "name" not in given:
            raise _Refused(place, "has no `name`", "give it one beside its fields")
        name = _name(given["name"], place.below("name"))
        own = _labels(given.get("labels", {}), place.below("labels"))
        said = {key: _Said(value, place.below(key)) for key, value in given.items() if key not in _METADATA_KEYS}
        # What is the item's own to choose, it chooses: a default gives way to the other of two.
        given_way = kind.either if any(each in said for each in kind.either) else ()
        inherited = {key: value for key, value in defaults.items() if key not in given_way}
        self._describe(kind, name, {**labels, **own}, {**inherited, **said}, place, place.below("name"))

    # --- one object ---------------------------------------------------------------------------------------------

    def _describe(
        self,
        kind: Kind,
        name: str,
        labels: Mapping[str, str],
        said: Mapping[str, _Said],
        place: Place,
        name_place: Place,
    ) -> None:
        described = Described(kind, name, labels, place)
        try:
            first = self.described.setdefault((kind.name, name), described)
            if first is not described:
                there = f" at `{first.place.pointer}`" if first.place.pointer else ""
                problem = f"`{name}` is there twice, first in document {first.place.document}{there}"
                raise _Refused(name_place, problem, "say it once", first.place)
            _require("documents", "documents_max", len(self.described), DOCUMENTS_MAX, "documents")
            _check_fields(kind, said, f"`{kind.name}`")
            if kind.name == "Contact":
                described.references[described.object] = name_place
        except _Refused as refused:
            self._tell(refused, described.title)
            return
        for each in kind.fields:
            try:
                self._field(described, each, said)
            except _Refused as refused:
                self._tell(refused, described.title)
        if kind.either and sum(_is_said(said.get(each)) for each in kind.either) != 1:
            names = " and ".join(f"`{each}`" for each in kind.either)
            self._tell(_Refused(place, f"has both or none of {names}", "give exactly one of them"), described.title)
        self._facts += len(described.facts)
        _require("documents", "facts_max", self._facts, FACTS_MAX, "facts in all documents")

    def _field(self, described: Described, field: Field, all_said: Mapping[str, _Said]) -> None:
        said = all_said.get(field.name)
        if said is None and field.default:
            said = _Said(field.default, described.place)
        if said is None:
            if field.is_required:
                raise _Refused(described.place, f"has no `{field.name}`", _meant(field))
            return
        match field.form:
            case Form.ONE:
                self._named(described, field, said)
            case Form.MANY:
                self._many(described, field, said)
            case Form.FLAG:
                if not isinstance(said.value, bool):
                    raise _wrong(said.place, said.value, "true or false")
                if said.value:
                    self._write(described, field, None, PLAIN, said.place)
            case Form.CHOICE:
                choice = _text(said.value, said.place)
                if choice not in field.types:
                    fix = did_you_mean(choice, field.types) or f"there are {_told(field.types)}"
                    raise _Refused(said.place, f"`{shortened(choice)}` is no {field.name}", fix)
                self._write(described, field, SubjectRef(field.name, choice), PLAIN, said.place)
            case Form.CEILINGS:
                described.ceilings = self._ceilings(described, said)
            case Form.DESCRIPTOR:
                self._descriptor(described, field, said)
            case Form.INTENT:
                self._intent(described, field, said, all_said)

    def _many(self, described: Described, field: Field, said: _Said) -> None:
        items = _list(said.value, said.place)
        if not items and field.is_required:
            raise _Refused(said.place, "is empty", _meant(field))
        for index, item in enumerate(items):
            self._interrupt()
            self._named(described, field, _Said(item, said.place.below(index)))

    def _named(self, described: Described, field: Field, said: _Said) -> None:
        """One name of a field, alone or with what it takes beside it."""
        place, qualifiers = said.place, PLAIN
        if isinstance(said.value, dict):
            _check_keys(said.value, ("name", *field.takes), place, f"a name under `{field.name}`")
            if "name" not in said.value:
                raise _Refused(place, "has no `name`", f"name one of {_told(field.types)}")
            name = _text(said.value["name"], place.below("name"))
            qualifiers = self._qualifiers(said.value, place)
        else:
            what = f"a name, or a mapping with a `name` and {_told(field.takes)}" if field.takes else "a name"
            name = _text(said.value, place, what)
        subject = _subject_of(name, field, place)
        if subject.type in BY_TYPE and subject.id != WILDCARD:
            described.references.setdefault(subject.object, place)
        self._write(described, field, subject, qualifiers, place)

    def _write(
        self, described: Described, field: Field, ref: SubjectRef | None, qualifiers: Qualifiers, place: Place
    ) -> None:
        written = relationship_of(field.fact, described.name, ref, qualifiers)
        if written.key in described.facts:
            raise _Refused(place, f"`{ref}` is there twice", "say it once")
        described.facts[written.key] = (written, place)
        if field.is_fixed:
            described.fixed.append(written)
        if field.stays_away:
            described.staying_away.add(written.key)

    def _qualifiers(self, value: Mapping[str, Json], place: Place) -> Qualifiers:
        times: dict[str, int] = {}
        for key, is_beginning in (("from", True), ("until", False)):
            if key in value:
                text = _text(value[key], place.below(key), "a time such as `2027-01-31T12:00:00Z`")
                times[key] = _read(place.below(key), partial(parse_time, text, round_up=is_beginning))
        caveat = None
        for key in ("arguments", "matching"):
            if key in value:
                document = _mapping(value[key], place.below(key))
                context = _read(place.below(key), partial(canonical_json, document))
                if len(context.encode()) > self._context_bytes_max:
                    most = self._context_bytes_max
                    raise _Refused(place.below(key), f"is longer than {most} bytes", "constrain less in one document")
                caveat = CaveatUse(key, context)
        return Qualifiers(caveat, times.get("from"), times.get("until"))

    # --- fields of a form of their own --------------------------------------------------------------------------

    def _ceilings(self, described: Described, said: _Said) -> Mapping[str, object]:
        given = _mapping(said.value, said.place)
        _check_keys(given, tuple(CEILINGS), said.place, "`ceilings`")
        ceilings: dict[str, object] = {}
        for name, value in given.items():
            at = said.place.below(name)
            if name != "profiles":
                ceilings[name] = _count(value, at)
                continue
            names = [_text(each, at.below(index)) for index, each in enumerate(_list(value, at))]
            for index, each in enumerate(names):
                profile = ObjectRef("profile", _name(each, at.below(index)))
                described.references.setdefault(profile, at.below(index))
            ceilings[name] = sorted(set(names))
        return ceilings

    def _descriptor(self, described: Described, field: Field, said: _Said) -> None:
        if isinstance(said.value, str):
            digest = said.value.removeprefix(f"{DESCRIPTOR}:")
            if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
                raise _Refused(said.place, f"`{shortened(said.value)}` is no SHA-256", "give its 64 hexadecimal digits")
            described.digests.append((ObjectRef(DESCRIPTOR, digest), said.place))
        else:
            text = canonical_text(_mapping(said.value, said.place, "a mapping, or the SHA-256 of one"))
            record = self._descriptors.get(text)
            if record is None:
                record = self._descriptors[text] = _descriptor_record(text.encode(), said.place)
            described.descriptors.append(record)
            digest = record.object.id
        self._write(described, field, SubjectRef(DESCRIPTOR, digest), PLAIN, said.place)

    def _intent(self, described: Described, field: Field, said: _Said, all_said: Mapping[str, _Said]) -> None:
        if isinstance(said.value, str):
            if said.value not in _INTENTS:
                raise _Refused(
                    said.place,
                    f"`{shortened(said.value)}` is no intent",
                    f"say {_told(_INTENTS)}, or name `tools` and `data`",
                )
            covered = all_said if said.value == "same" else {}
        else:
            given = _mapping(said.value, said.place, f"{_told(_INTENTS)}, or a mapping with `tools` and `data`")
            _check_keys(given, tuple(each.name for each in INTENT), said.place, "`intent`")
            covered = {key: _Said(value, said.place.below(key)) for key, value in given.items()}
        for each in INTENT:
            if each.name in covered:
                self._many(described, each, covered[each.name])


def relationship_of(fact: str, name: str, ref: SubjectRef | None, qualifiers: Qualifiers) -> Relationship:
    """What a fact of the table says of a document's name and of what it names."""
    resource, relation, subject = _parts(fact)
    to = _filled(subject, name, ref)
    return Relationship(_filled(resource, name, ref).object, relation, to, qualifiers)


@lru_cache(256)
def _parts(fact: str) -> tuple[str, str, str]:
    resource, _, rest = fact.partition("#")
    relation, _, subject = rest.partition("@")
    return resource, relation, subject


def _filled(side: str, name: str, ref: SubjectRef | None) -> SubjectRef:
    if side == "{ref}":
        assert ref is not None, "a fact that names something has it"
        return ref
    object, _, relation = side.partition("#")
    type, _, id = object.partition(":")
    return SubjectRef(type, name if id == "{name}" else id, relation)


def _subject_of(text: str, field: Field, place: Place) -> SubjectRef:
    """Whom a name means among those that a field may name. Without a type it is of the first."""
    named, _, relation = text.partition("#")
    type, colon, id = named.partition(":")
    if not colon:
        type, id = field.types[0].partition("#")[0], named
    for each in field.types:
        wanted, _, wanted_relation = each.removesuffix(":*").partition("#")
        is_wildcard = each.endswith(":*")
        if wanted == type and is_wildcard == (id == WILDCARD) and relation in ("", wanted_relation):
            checked = WILDCARD if is_wildcard else _read(place, partial(checked_id, id))
            return SubjectRef(type, checked, wanted_relation)
    problem = f"`{shortened(text)}` cannot stand under `{field.name}`"
    raise _Refused(place, problem, f"it names {_told(field.types)}")


def _descriptor_record(document: bytes, place: Place) -> Record:
    try:
        read_descriptor(document)
    except DescriptorInvalid as error:
        raise _Refused(Place(place.document, place.pointer + error.pointer), error.problem, error.fix) from error
    return Record(DESCRIPTOR, ObjectRef(DESCRIPTOR, sha256(document).hexdigest()), document)


# --- shapes -----------------------------------------------------------------------------------------------------


def _kind_of(whole: Mapping[str, Json], place: Place) -> tuple[Kind, bool]:
    """The kind of a document, and whether it is a list of them."""
    version = whole.get("apiVersion")
    if version != API_VERSION:
        said = f"`apiVersion` is {_shown(version)}" if "apiVersion" in whole else "has no `apiVersion`"
        raise _Refused(place, said, f"write `apiVersion: {API_VERSION}`")
    if "kind" not in whole:
        raise _Refused(place, "has no `kind`", f"there are {_told(BY_NAME)}, and lists such as `Tools`")
    name = _text(whole["kind"], place.below("kind"))
    kind, is_list = BY_NAME.get(name), False
    if kind is None:
        kind, is_list = BY_LIST.get(name), True
    if kind is None:
        known = (*BY_NAME, *BY_LIST)
        fix = did_you_mean(name, known) or f"there are {_told(BY_NAME)}, and lists such as `Tools`"
        raise _Refused(place.below("kind"), f"there is no kind `{shortened(name)}`", fix)
    return kind, is_list


def _check_fields(kind: Kind, said: Mapping[str, _Said], what: str) -> None:
    known = [field.name for field in kind.fields]
    for name, (_, place) in said.items():
        if name not in known:
            raise _unknown(name, known, place, what)


def _check_keys(value: Mapping[str, Json], known: Sequence[str], place: Place, what: str) -> None:
    for key in value:
        if key not in known:
            raise _unknown(key, known, place.below(key), what)


def _unknown(name: str, known: Sequence[str], place: Place, what: str) -> _Refused:
    fix = did_you_mean(name, known) or (f"it has {_told(known)}" if known else "leave it out")
    return _Refused(place, f"{what} has no `{shortened(name)}`", fix)


def _name(value: Json, place: Place) -> str:
    text = _text(value, place)
    if text == WILDCARD:
        raise _Refused(place, "`*` names everybody", "name one")
    name = _read(place, partial(checked_id, text))
    if len(name) > NAME_BYTES_MAX:
        raise _Refused(place, f"the name has {len(name)} bytes", f"it may have {NAME_BYTES_MAX}")
    return name


def _labels(value: Json, place: Place) -> dict[str, str]:
    given = _mapping(value, place)
    if len(given) > LABELS_MAX:
        raise _Refused(place, f"{len(given)} labels", f"there may be {LABELS_MAX}")
    labels = {}
    for key, each in given.items():
        text = _text(each, place.below(key))
        for part in (key, text):
            if not 0 < len(part) <= _LABEL_LENGTH_MAX or not part.isprintable() or set(part) & set("=, "):
                raise _Refused(
                    place.below(key),
                    f"`{shortened(part)}` cannot be part of a label",
                    f"1 to {_LABEL_LENGTH_MAX} characters, without spaces, commas and `=`",
                )
        labels[key] = text
    return labels


def _count(value: Json, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise _wrong(place, value, "a whole number")
    if not 0 < value < _CEILING_MAX:
        raise _Refused(place, f"`{value}` is no ceiling", "a whole number from 1 on")
    return int(value)


def _text(value: Json, place: Place, what: str = "text") -> str:
    if not isinstance(value, str):
        raise _wrong(place, value, what)
    return value


def _mapping(value: Json, place: Place, what: str = "a mapping") -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _wrong(place, value, what)
    return value


def _list(value: Json, place: Place) -> list[Json]:
    if not isinstance(value, list):
        raise _wrong(place, value, "a list")
    return value


def _wrong(place: Place, value: Json, what: str) -> _Refused:
    fix = "write it in quotes" if isinstance(value, bool | int | float) and what != "a list" else "correct it"
    return _Refused(
        place, f"`{_shown(value)}` is {_KINDS.get(kind_of(value), 'a mapping')}, where {what} is wanted", fix
    )


_KINDS = {"null": "nothing", "boolean": "true or false", "number": "a number", "string": "text", "list": "a list"}


def _shown(value: Json) -> str:
    return shortened(canonical_text(value), 40)


def _is_said(said: _Said | None) -> bool:
    return said is not None and said.value is not False


def _told(names: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in names)


def _meant(field: Field) -> str:
    return f"give `{field.name}`: {field.about[0].lower()}{field.about[1:].removesuffix('.')}"


def _read(place: Place, read: Callable[[], T]) -> T:
    """What is read; what cannot be is told where it stands."""
    try:
        return read()
    except RemitError as error:
        raise _Refused(place, error.message, "correct it") from error


def _require(field: str, name: str, given: int, most: int, what: str) -> None:
    if given > most:
        raise LimitExceeded(
            f"{given} {what}, and one request may have {most}: apply in parts, each of a set of its own",
            field=field,
            name=name,
            limit=most,
            given=given,
        )
