"""From the agent schema before profiles, `schema/agents.zed`, to `remit:agents@1`, facts included.

What changes between the two: a run's intent was an object of its own and what it covered named the run; now the run
declares a profile, and coverage names that. Consent, credentials, descriptors and tags are new, and asked for. So for
each run the profile is made that covers what it was about, as long as it was; for each person and agent the consent
that was taken for granted; for each tool the words that it was looked at.

Each step is a schema or some facts, and between them everything is asked under the schema that is in force: the old
meaning first, beside the new names; then the new one, with places for the old facts.
Law: no answer of `use` and `read` is another after any of the steps, now or later, whatever the facts are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib import resources

from remit.client import Client
from remit.errors import InvalidArgument
from remit.language import compile_schema
from remit.language.diff import diff
from remit.language.libraries import AGENTS, library_text
from remit.language.parser import parse
from remit.language.printer import print_schema
from remit.language.source import Source
from remit.language.syntax import DefinitionSyntax, MemberSyntax, RelationSyntax, SchemaSyntax, TypeSyntax, UseSyntax
from remit.model import ObjectRef, Qualifiers, Relationship, RelationshipKey, SubjectRef

AFTER = f'use import\n\nimport "{AGENTS}"\n'
"""The schema at the end."""

# What is made here bears this name, so that it can be found, looked at and replaced by what is truly known.
_BY = "upgrade"
_WHO = SubjectRef("directory", _BY)

_FOREVER = -1  # an end later than any
_DELETED_AT_ONCE = 500


@cache
def schema_before() -> str:
    """The agent schema before profiles, as it was shipped."""
    return (resources.files("remit") / "schema" / "agents.zed").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do; each is what its title says. A step may be done again."""

    title: str
    schema: str = ""
    written: tuple[Relationship, ...] = ()
    deleted: tuple[RelationshipKey, ...] = ()
    is_turn: bool = False  # from here on profiles say what runs are about, and intents no longer


def plan(facts: Iterable[Relationship], now_us: int) -> tuple[Step, ...]:
    """The steps for a store that holds these facts, in their order. Cost: O(facts)."""
    known = _Facts(facts, now_us)
    coverage = tuple(fact.key for fact in known.of("in_intent"))
    declared = tuple(fact.key for fact in (*known.of("intent"), *known.of("without_intent")))
    return (
        Step("declare what is new beside what there is; no permission changes", schema=_beside_the_old()),
        Step("write what the new meaning asks for", written=tuple(known.asked_for())),
        Step("delete what covered runs by name; the profiles they declare cover the same", deleted=coverage),
        Step("change the meaning, with places for what is left of the old facts", _with_old_places(), is_turn=True),
        Step("delete the intents, which nothing asks for any more", deleted=declared),
        Step(f"import `{AGENTS}`", schema=AFTER),
    )


def steps_left(text: str, facts: Iterable[Relationship], now_us: int) -> tuple[Step, ...]:
    """The steps for a store of this schema that holds these facts: all of them, those after the one it stopped at, or
    none where it has the library, whatever stands beside that. Raises InvalidArgument where it is neither schema nor on
    the way from one to the other."""
    schemas = [_beside_the_old(), _with_old_places()]
    before, after, there = (compile_schema(each).schema for each in (schema_before(), AFTER, text))
    in_library = {name: each for name, each in there.definitions.items() if name in after.definitions}
    if not diff(replace(there, definitions=in_library, caveats={}), after):
        return ()
    if text not in schemas and (changes := diff(before, there)):
        raise InvalidArgument(
            f"the store's schema is not the agent schema before profiles: {changes[0].message}"
            f"{f', and {len(changes) - 1} differences more' if changes[1:] else ''}; bring it along by hand, as "
            "docs/agents.md says under Upgrading"
        )
    steps = plan(facts, now_us)
    passed = [at for at, step in enumerate(steps) if step.schema == text]
    return steps[passed[0] + 1 :] if passed else steps


def take(client: Client, step: Step, now_us: int) -> str:
    """Do one step. The token of its last write, "" where there was nothing to do."""
    if not step.schema:
        return _write(client, step.written, step.deleted)
    if not step.is_turn:
        return client.write_schema(step.schema).token
    # Once before, so that nothing opens, and once more for what was withdrawn between the look and the turn.
    _write(client, *outlasting(client.export(), now_us))
    token = client.write_schema(step.schema).token
    return _write(client, *outlasting(client.export(), now_us)) or token


def outlasting(
    facts: Iterable[Relationship], now_us: int
) -> tuple[tuple[Relationship, ...], tuple[RelationshipKey, ...]]:
    """What an upgrade has let runs declare for longer than they have an intent, because that was withdrawn or cut short
    after it was read: to be written with the earlier end, and to be deleted. Cost: O(facts)."""
    known = _Facts(facts, now_us)
    live = known.live()
    written, deleted = [], []
    for fact in known.of("declarer"):
        run = fact.subject.object
        if not fact.resource.id.startswith(f"{_BY}/"):
            continue
        if run not in live:
            deleted.append(fact.key)
        elif (end := _earlier(_end(fact), live[run])) != _end(fact):
            written.append(replace(fact, qualifiers=Qualifiers(expiration_us=end)))
    return tuple(written), tuple(deleted)


def _write(client: Client, written: tuple[Relationship, ...], deleted: tuple[RelationshipKey, ...]) -> str:
    token = client.import_(written).token if written else ""
    for start in range(0, len(deleted), _DELETED_AT_ONCE):
        keys = deleted[start : start + _DELETED_AT_ONCE]
        token = client.delete(*(Relationship(*key) for key in keys))
    return token


# --- schemas ------------------------------------------------------------------------------------------------------


def _beside_the_old() -> str:
    """The old schema with all that is new: where both define a name, its permissions mean what they meant. Nothing is
    final yet, so that there is a way back."""
    return print_schema(_joined(_tree(schema_before()), _not_final(_tree(library_text(AGENTS)))))


def _with_old_places() -> str:
    """The new schema with places for the old facts that are not deleted yet; nothing asks for them."""
    old = _tree(schema_before())
    places = [
        replace(item, members=tuple(each for each in item.members if each.name in ("intent", "without_intent")))
        for item in old.items
        if isinstance(item, DefinitionSyntax) and item.name in ("intent", "run")
    ]
    return print_schema(_joined(_tree(library_text(AGENTS)), replace(old, items=tuple(places))))


def _tree(text: str) -> SchemaSyntax:
    return parse(Source("schema", text))


def _not_final(tree: SchemaSyntax) -> SchemaSyntax:
    def member(each: MemberSyntax) -> MemberSyntax:
        return replace(each, final=False) if isinstance(each, RelationSyntax) else each

    items = (
        replace(item, members=tuple(map(member, item.members))) if isinstance(item, DefinitionSyntax) else item
        for item in tree.items
    )
    return replace(tree, items=tuple(items))


def _joined(tree: SchemaSyntax, other: SchemaSyntax) -> SchemaSyntax:
    """The first, and what the other has beside: flags, definitions, members, and subject types of its relations."""
    others = {item.name: item for item in other.items if isinstance(item, DefinitionSyntax)}
    flags = [item for item in tree.items if isinstance(item, UseSyntax)]
    flags += [each for each in other.items if isinstance(each, UseSyntax) and each.flag not in {f.flag for f in flags}]
    definitions = [
        _with_members_of(item, others.pop(item.name)) if item.name in others else item
        for item in tree.items
        if isinstance(item, DefinitionSyntax)
    ]
    return replace(tree, items=(*flags, *definitions, *others.values()))


def _with_members_of(definition: DefinitionSyntax, other: DefinitionSyntax) -> DefinitionSyntax:
    others = {member.name: member for member in other.members}
    members: list[MemberSyntax] = []
    for member in definition.members:
        same = others.pop(member.name, None)
        if isinstance(member, RelationSyntax) and isinstance(same, RelationSyntax):
            known: set[TypeSyntax] = set(member.types)
            members.append(replace(member, types=(*member.types, *(each for each in same.types if each not in known))))
        else:
            members.append(member)
    return replace(definition, members=(*members, *others.values()))


# --- facts --------------------------------------------------------------------------------------------------------


class _Facts:
    """The facts of the old schema by relation and object, without those that are over."""

    def __init__(self, facts: Iterable[Relationship], now_us: int) -> None:
        self._by_relation: dict[str, dict[ObjectRef, list[Relationship]]] = defaultdict(lambda: defaultdict(list))
        tools: dict[ObjectRef, None] = {}
        data: dict[ObjectRef, None] = {}
        for fact in facts:
            if fact.resource.type == "tool":
                tools[fact.resource] = None
            elif fact.resource.type == "dataset":
                data[fact.resource] = None
            if fact.relation == "in_intent" and fact.subject.type != "run":
                continue  # written by an upgrade that was cut short
            if not fact.qualifiers.is_over(now_us):
                self._by_relation[fact.relation][fact.resource].append(fact)
        self.tools, self.data = tuple(tools), tuple(data)

    def of(self, relation: str) -> Iterator[Relationship]:
        for facts in self._by_relation[relation].values():
            yield from facts

    def asked_for(self) -> Iterator[Relationship]:
        """What nobody had to state before, and what was covered, as profiles."""
        for tool in self.tools:
            yield Relationship(tool, "descriptor", SubjectRef("descriptor", _BY))
            yield Relationship(tool, "untagged", _WHO)
        yield from self._roots()
        yield from self._profiles()

    def _roots(self) -> Iterator[Relationship]:
        """Of each run that nobody but a person or a system stands above: its credential, and the consent of the
        person."""
        credential, consents = ObjectRef("credential", _BY), set[ObjectRef]()
        yield Relationship(credential, "registered", _WHO)
        for edge in self.of("delegated_by"):
            run, above = edge.resource, edge.subject.object
            if above.type == "run":
                continue
            yield Relationship(run, "spawned_by", SubjectRef(*credential))
            for agent in self._agents(run) if above.type == "user" else ():
                consent = ObjectRef("consent", _named(str(above), str(agent)))
                if consent not in consents:
                    consents.add(consent)
                    yield Relationship(above, "consent", SubjectRef(*consent))
                    yield Relationship(consent, "agent", SubjectRef(*agent))
                yield Relationship(consent, "run", SubjectRef(*run))

    def _agents(self, run: ObjectRef) -> Iterator[ObjectRef]:
        for version in self._by_relation["instance_of"].get(run, ()):
            for agent in self._by_relation["version_of"].get(version.subject.object, ()):
                yield agent.subject.object

    def _profiles(self) -> Iterator[Relationship]:
        """The profiles that runs declare in the place of their intents. Equal ones are one."""
        made: set[ObjectRef] = set()
        for run, covered in self._covered().items():
            until: dict[ObjectRef, int] = {}
            for end, things in covered.items():
                profile = ObjectRef("profile", _named(*sorted(map(str, things))))
                until[profile] = _later(until[profile], end) if profile in until else end
                if profile not in made:
                    made.add(profile)
                    yield from (Relationship(each, "in_intent", SubjectRef(*profile, "declares")) for each in things)
            for profile, end in until.items():
                ends = Qualifiers(expiration_us=None if end == _FOREVER else end)
                yield Relationship(profile, "declarer", SubjectRef(*run), ends)

    def _covered(self) -> dict[ObjectRef, dict[int, set[ObjectRef]]]:
        """What each run is about, by the time until which it is: as long as something covers it, and as long as the run
        has an intent, or may go without one and so is about everything."""
        live = self.live()
        covered: dict[ObjectRef, dict[int, set[ObjectRef]]] = defaultdict(lambda: defaultdict(set))
        for fact in self.of("in_intent"):
            run = fact.subject.object
            if run in live:
                covered[run][_earlier(_end(fact), live[run])].add(fact.resource)
        for run, facts in self._by_relation["without_intent"].items():
            covered[run][_latest(facts)].update(self.tools, self.data)
        return covered

    def live(self) -> dict[ObjectRef, int]:
        """The runs that have an intent or may go without one, and until when."""
        live = {run: _latest(facts) for run, facts in self._by_relation["without_intent"].items()}
        for run, facts in self._by_relation["intent"].items():
            live[run] = _later(live[run], _latest(facts)) if run in live else _latest(facts)
        return live


def _named(*parts: str) -> str:
    """An id that says what something is made of, and that this made it."""
    return f"{_BY}/{sha256(' '.join(parts).encode()).hexdigest()[:24]}"


def _end(fact: Relationship) -> int:
    end = fact.qualifiers.expiration_us
    return _FOREVER if end is None else end


def _latest(facts: Iterable[Relationship]) -> int:
    ends = [_end(fact) for fact in facts]
    return _FOREVER if _FOREVER in ends else max(ends)


def _later(one: int, other: int) -> int:
    return _FOREVER if _FOREVER in (one, other) else max(one, other)


def _earlier(one: int, other: int) -> int:
    return max(one, other) if _FOREVER in (one, other) else min(one, other)
