"""Random organisations over the agent schema before profiles, and its rules said again in plain Python.

An organisation is a healthy one of a seed, then damaged: facts gone, out of date or not yet due, holds, denials,
labels, other delegators, rings. The seed makes it quick, the damages are Hypothesis's to draw and to shrink.
Law: nothing in here asks the evaluator; what it says of an organisation it reads from the facts."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.eval.semantics import Evaluation
from remit.graph.view import GraphView
from remit.language.compiler import compile_schema
from remit.language.plan import Schema
from remit.model import PLAIN, ObjectRef, Qualifiers, Relationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support.places import AGENTS_BEFORE_PROFILES

NOW_US = 1_000_000
OVER = Qualifiers(expiration_us=NOW_US)  # expired iff expiration ≤ now: the last instant it could be
DUE_LATER = Qualifiers(not_before_us=NOW_US + 1, expiration_us=NOW_US + 2)

# The only relations whose facts hold back, so that removing one may give something back (schema/agents.zed, rule 2).
HOLDING_BACK = frozenset({"hold", "denied", "classification"})
CHAIN = ("delegated_by", "instance_of", "version_of")
ACTORS = ("user", "system", "run")
LEVELS = ("public", "internal", "secret")  # each is below the next


@functools.cache
def agents_schema() -> Schema:
    return compile_schema(AGENTS_BEFORE_PROFILES.read_text(), name=str(AGENTS_BEFORE_PROFILES)).schema


@dataclass(frozen=True)
class Organisation:
    """Facts, each with a triple of its own and admitted by the schema."""

    facts: tuple[Relationship, ...]

    def objects(self, *types: str) -> list[ObjectRef]:
        """Everything of these types that a fact names, in a stable order."""
        named = {fact.resource for fact in self.facts} | {fact.subject.object for fact in self.facts}
        return sorted(object for object in named if object.type in types and object.id != "*")

    def having(self, *facts: Relationship) -> Organisation:
        """With these facts, whatever was at their triples."""
        by_key = {fact.key: fact for fact in (*self.facts, *facts)}
        return Organisation(tuple(by_key.values()))

    def without(self, *facts: Relationship) -> Organisation:
        gone = {fact.key for fact in facts}
        return Organisation(tuple(fact for fact in self.facts if fact.key not in gone))

    def __repr__(self) -> str:
        lines = (
            f"{f.resource}#{f.relation}@{f.subject}{'' if f.qualifiers == PLAIN else f.qualifiers}" for f in self.facts
        )
        return "organisation:\n  " + "\n  ".join(lines)


# --- healthy organisations --------------------------------------------------------------------------------------


def healthy(seed: int) -> Organisation:
    """An organisation in which nearly everyone may do nearly everything: what damage has something to destroy in."""
    random = Random(seed)
    lines = [*_people(random), *_agents(random)]
    runs = [f"run:r{i}" for i in range(random.randint(2, 6))]
    free = {run for run in runs if random.random() < 0.35}  # those that may go without an intent
    lines += _chains(random, runs, free, objects_in(lines, "user", "system"), objects_in(lines, "agent_version"))
    links = [*objects_in(lines, "user", "system", "agent", "agent_version"), *runs]
    for i in range(random.randint(1, 2)):
        lines += _tool(random, f"tool:t{i}", links, free)
    lines += [f"level:{low}#above@level:{high}" for low, high in itertools.pairwise(LEVELS)]
    for link in links:
        lines.append(f"level:{random.choice((*LEVELS, *['secret'] * 5))}#cleared@{_named(random, link)}")
    for i in range(random.randint(1, 2)):
        lines += _dataset(random, f"dataset:d{i}", links, free)
    return Organisation(()).having(*map(parse_relationship, lines))


def objects_in(lines: Iterable[str], *types: str) -> list[str]:
    return sorted({line.partition("#")[0] for line in lines if line.partition(":")[0] in types})


def some_domain(random: Random) -> str:
    return f"domain:m{random.randint(0, 1)}"


def _named(random: Random, link: str) -> str:
    """A link by its own name, or a person now and then through a team."""
    return f"team:t{random.randint(0, 1)}#member" if link.startswith("user:") and random.random() < 0.4 else link


def _people(random: Random) -> Iterator[str]:
    yield from (f"domain:m{i}#estate@estate:e{random.randint(0, 1)}" for i in range(2))
    for i in range(random.randint(1, 3)):
        yield f"user:u{i}#registered@directory:people"
        yield from (f"team:t{t}#member@user:u{i}" for t in range(2) if random.random() < 0.8)
    if random.random() < 0.3:
        yield "team:t0#member@team:t1#member"
    if random.random() < 0.3:
        yield "team:t1#member@team:t0#member"
    if random.random() < 0.5:
        yield "system:s#registered@directory:systems"
        yield f"system:s#owner@{_named(random, 'user:u0')}"
        yield f"system:s#domain@{some_domain(random)}"


def _agents(random: Random) -> Iterator[str]:
    for i in range(random.randint(1, 3)):
        agent = f"agent:a{i}"
        yield f"{agent}#registered@directory:agents"
        yield from (f"{agent}#owner@{_named(random, 'user:u0')}" for _ in range(random.randint(1, 2)))
        yield f"{agent}#domain@{some_domain(random)}"
        if random.random() < 0.5:
            yield f"{agent}#inherits_data@directory:agents"
        for j in range(random.randint(1, 2)):
            version = f"agent_version:a{i}.{j}"
            yield f"{version}#version_of@{agent}"
            yield f"{version}#certified@directory:reviews"
            if random.random() < 0.5:
                yield f"{version}#inherits_data@directory:agents"


def _chains(random: Random, runs: list[str], free: set[str], roots: list[str], versions: list[str]) -> Iterator[str]:
    for i, run in enumerate(runs):
        yield f"{run}#delegated_by@{random.choice([*roots, *runs[:i], *runs[:i][-1:] * 4])}"
        yield f"{run}#instance_of@{random.choice(versions)}"
        if run in free:
            yield f"{run}#without_intent@directory:agents"
        if run not in free or random.random() < 0.5:
            yield f"{run}#intent@intent:i"
        if random.random() < 0.3:
            yield f"{run}#inherits_data@directory:agents"


def _tool(random: Random, tool: str, links: list[str], free: set[str]) -> Iterator[str]:
    yield f"{tool}#registered@directory:tools"
    yield f"{tool}#domain@{some_domain(random)}"
    if random.random() < 0.3:
        yield f"{tool}#may_use@agent_version:*"
    for link in links:
        if random.random() < 0.98:
            yield f"{tool}#may_use@{_named(random, link)}"
        if link.startswith("run:") and random.random() < (0.4 if link in free else 0.97):
            yield f"{tool}#in_intent@{link}"


def _dataset(random: Random, dataset: str, links: list[str], free: set[str]) -> Iterator[str]:
    yield f"{dataset}#domain@{some_domain(random)}"
    for label in random.choice((("public",), ("public",), ("internal",), ("secret",), ("public", "secret"))):
        yield f"{dataset}#classification@level:{label}"
    for link in links:
        if random.random() < 0.97:
            yield f"{dataset}#reader@{_named(random, link)}"
        if link.startswith("run:") and random.random() < (0.4 if link in free else 0.97):
            yield f"{dataset}#in_intent@{link}"


# --- damage -----------------------------------------------------------------------------------------------------


def admitted(fact: Relationship, schema: Schema | None = None) -> bool:
    """Whether the schema, the one before profiles where none is named, admits the subject with these times."""
    relation = (schema or agents_schema()).definitions[fact.resource.type].relations[fact.relation]
    return relation.alternative(fact.subject, fact.qualifiers) is not None


@st.composite
def organisations(draw: st.DrawFn, damages_max: int = 3) -> Organisation:
    """A healthy organisation, damaged up to so many times."""
    organisation = healthy(draw(st.integers(0, 2**32), label="seed"))
    for _ in range(draw(st.integers(0, damages_max), label="damages")):
        organisation = damaged(draw, draw(st.sampled_from(DAMAGES)), organisation, agents_schema())
    return organisation


DAMAGES = ("gone", "gone", "over", "later", "hold", "denied", "label", "delegator", "ring")


def damaged(draw: st.DrawFn, kind: str, organisation: Organisation, schema: Schema) -> Organisation:
    """With one damage more, of a kind in DAMAGES."""
    runs = organisation.objects("run")
    match kind:
        case "gone":
            return organisation.without(draw(st.sampled_from(organisation.facts)))
        case "over" | "later":
            times = OVER if kind == "over" else DUE_LATER
            timed = [late for fact in organisation.facts if admitted(late := replace(fact, qualifiers=times), schema)]
            return organisation.having(draw(st.sampled_from(timed))) if timed else organisation
        case "hold":
            return organisation.having(hold_on(draw(st.sampled_from(holdable(organisation, schema)))))
        case "denied":
            banned = [str(link) for link in organisation.objects("agent", "agent_version", *ACTORS)]
            subject = draw(st.sampled_from([*banned, "run:*", "user:*", "agent:*", "agent_version:*", "system:*"]))
            denying = draw(st.sampled_from(organisation.objects("tool", "dataset") or [ObjectRef("tool", "t0")]))
            return organisation.having(parse_relationship(f"{denying}#denied@{subject}"))
        case "label":
            data = organisation.objects("dataset") or [ObjectRef("dataset", "d0")]
            label = draw(st.sampled_from((*LEVELS, "made-up")))
            return organisation.having(
                parse_relationship(f"{draw(st.sampled_from(data))}#classification@level:{label}")
            )
        case "delegator":
            run = draw(st.sampled_from(runs)) if runs else ObjectRef("run", "r0")
            return _below(
                organisation, run, draw(st.sampled_from([run, *runs, *organisation.objects("user", "system")]))
            )
        case _:
            ring = draw(st.lists(st.sampled_from(runs), min_size=1, max_size=3, unique=True)) if runs else []
            for run, above in zip(ring, (*ring[1:], *ring[:1]), strict=True):
                organisation = _below(organisation, run, above)
            return organisation


def _below(organisation: Organisation, run: ObjectRef, above: ObjectRef) -> Organisation:
    """With this one delegator, instead of whoever delegated to the run."""
    old = [fact for fact in organisation.facts if fact.resource == run and fact.relation == "delegated_by"]
    return organisation.without(*old).having(parse_relationship(f"{run}#delegated_by@{above}"))


def holdable(organisation: Organisation, schema: Schema | None = None) -> list[ObjectRef]:
    """Everything a hold can be put on, under the schema before profiles where none is named."""
    definitions = (schema or agents_schema()).definitions
    types = [name for name, definition in definitions.items() if "hold" in definition.relations]
    return organisation.objects(*types)


def hold_on(object: ObjectRef) -> Relationship:
    return Relationship(object, "hold", SubjectRef("hold", "h"))


# --- what the facts say -----------------------------------------------------------------------------------------


class Reading:
    """The rules, read from the facts that count, one method a rule. Slow, and free of the schema and the evaluator."""

    def __init__(self, organisation: Organisation) -> None:
        self.subjects: dict[tuple[ObjectRef, str], list[SubjectRef]] = {}
        for fact in organisation.facts:
            if fact.qualifiers.counts_at(NOW_US):
                self.subjects.setdefault((fact.resource, fact.relation), []).append(fact.subject)

    def targets(self, object: ObjectRef, relation: str) -> list[ObjectRef]:
        return [subject.object for subject in self.subjects.get((object, relation), ())]

    def has(self, object: ObjectRef, relation: str) -> bool:
        return bool(self.targets(object, relation))

    def people(self, object: ObjectRef) -> set[ObjectRef]:
        """The person itself, or everyone in the team and in the teams it contains."""
        people: set[ObjectRef] = set()
        seen, stack = {object}, [object]
        while stack:
            each = stack.pop()
            if each.type == "user":
                people.add(each)
            found = [member for member in self.targets(each, "member") if member not in seen]
            seen.update(found)
            stack.extend(found)
        return people

    def named(self, object: ObjectRef, relation: str, link: ObjectRef) -> list[SubjectRef]:
        """Whom a relation names, where it is read for a link."""
        return self.subjects.get((object, relation), [])

    def names(self, object: ObjectRef, relation: str, link: ObjectRef) -> bool:
        """Whether a relation names a link: itself, everyone of its type, or a team it is in."""
        for subject in self.named(object, relation, link):
            if subject.object in (link, ObjectRef(link.type, "*")):
                return True
            if subject.relation and link in self.people(subject.object):
                return True
        return False

    def stopped(self, object: ObjectRef) -> bool:
        """Held itself, or by its domain, or by its estate."""
        above = [*self.targets(object, "domain"), *self.targets(object, "estate")]
        return self.has(object, "hold") or any(map(self.stopped, above))

    def placed(self, object: ObjectRef) -> bool:
        return any(self.has(domain, "estate") for domain in self.targets(object, "domain"))

    def present(self, person: ObjectRef) -> bool:
        return self.has(person, "registered") and not self.stopped(person)

    def live(self, link: ObjectRef) -> bool:
        if self.stopped(link):
            return False
        match link.type:
            case "user":
                return self.has(link, "registered")
            case "system" | "agent":
                owners = {person for owner in self.targets(link, "owner") for person in self.people(owner)}
                return self.has(link, "registered") and self.placed(link) and any(map(self.present, owners))
            case "agent_version":
                return self.has(link, "certified")
            case _:
                return self.has(link, "intent") or self.has(link, "without_intent")

    def cleared(self, label: ObjectRef, link: ObjectRef) -> bool:
        """For the level, or for one above it."""
        seen, stack = {label}, [label]
        while stack:
            level = stack.pop()
            if self.names(level, "cleared", link):
                return True
            higher = [each for each in self.targets(level, "above") if each not in seen]
            seen.update(higher)
            stack.extend(higher)
        return False

    def passes(self, resource: ObjectRef, link: ObjectRef) -> bool:
        """Whether one link, looked at alone, may use the tool or read the dataset."""
        narrowed = link.type == "run" and not self.has(link, "without_intent")
        if narrowed and not self.names(resource, "in_intent", link):
            return False
        if not self.live(link) or not self.placed(resource) or self.stopped(resource):
            return False
        if self.names(resource, "denied", link):
            return False
        if resource.type == "tool":
            return self.has(resource, "registered") and self.names(resource, "may_use", link)
        labels = self.targets(resource, "classification")
        inherits = link.type in ("agent", "agent_version", "run") and self.has(link, "inherits_data")
        granted = inherits or self.names(resource, "reader", link)
        return granted and bool(labels) and all(self.cleared(label, link) for label in labels)

    def chain(self, link: ObjectRef, below: frozenset[ObjectRef] = frozenset()) -> set[ObjectRef] | None:
        """The link and all above it; None where it is broken or goes around in a cycle."""
        if link in below:
            return None
        links = {link}
        for relation in {"run": ("delegated_by", "instance_of"), "agent_version": ("version_of",)}.get(link.type, ()):
            above = [self.chain(each, below | {link}) for each in self.targets(link, relation)]
            if not above or None in above:
                return None
            links.update(*filter(None, above))
        return links

    def may(self, resource: ObjectRef, subject: ObjectRef) -> bool:
        """Whether the subject may use the tool or read the dataset now."""
        chain = self.chain(subject)
        return subject.type in ACTORS and chain is not None and all(self.passes(resource, link) for link in chain)

    def below(self, held: ObjectRef) -> set[ObjectRef]:
        """Everything that a hold on this must silence: it, what it contains, and what was delegated by any of that."""
        up = ("estate", "domain", *CHAIN)
        parents = [(target, key[0]) for key in self.subjects if key[1] in up for target in self.targets(*key)]
        silent = {held}
        while True:
            more = {child for parent, child in parents if parent in silent} - silent
            if not more:
                return silent
            silent |= more


# --- what the evaluator says ------------------------------------------------------------------------------------

Answers = dict[tuple[ObjectRef, ObjectRef], bool]


def answers(organisation: Organisation, graph: GraphView, asked: Organisation | None = None) -> Answers:
    """Every tool and dataset for every link of every kind. `asked` names the objects, where another's are meant."""
    evaluation = Evaluation(agents_schema(), graph, now_us=NOW_US)
    world = asked or organisation
    return {
        (resource, link): evaluation.check(resource, ACTION[resource.type], SubjectRef(*link)).verdict is Verdict.YES
        for resource in world.objects("tool", "dataset")
        for link in world.objects("user", "system", "run", "agent", "agent_version")
    }


ACTION = {"tool": "use", "dataset": "read"}


# --- are laws on organisations worth anything? ------------------------------------------------------------------


def assert_answered_yes_and_no_often(
    worlds: st.SearchStrategy[Organisation],
    answered: Callable[[Organisation], Answers],
    reading_of: Callable[[Organisation], Reading],
    deep: int,
) -> None:
    """Worlds in which nearly all is forbidden would keep every law, and so would worlds without chains: of long ones
    more than `deep` yeses are found."""
    counts: Counter[str] = Counter()

    @settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(worlds)
    def count(organisation: Organisation) -> None:
        found, reading = answered(organisation), reading_of(organisation)
        runs = {run: len(reading.chain(run) or ()) for run in organisation.objects("run")}
        for (resource, link), is_yes in found.items():
            counts[f"{link.type} {ACTION[resource.type]} {'yes' if is_yes else 'no'}"] += 1
            counts["deep yes"] += is_yes and runs.get(link, 0) >= 7  # three runs with their agents, and a root
        counts["ring"] += any(reading.chain(run) is None and reading.has(run, "delegated_by") for run in runs)

    count()
    for action in ACTION.values():
        for type in ACTORS:
            asked = counts[f"{type} {action} yes"] + counts[f"{type} {action} no"]
            share = counts[f"{type} {action} yes"] / asked
            assert 0.1 < share < 0.95, f"{share:.0%} of `{action}` for a {type}: {counts}"
    assert counts["deep yes"] > deep, counts
    assert counts["ring"] > 5, counts


def assert_matters(
    relation: str, first: Iterable[Organisation], answered: Callable[[Organisation, Organisation], Answers]
) -> None:
    """In one of these, losing all facts of the relation takes a yes away. `answered` hears whose objects to ask of."""
    for organisation in first:
        bare = organisation.without(*(fact for fact in organisation.facts if fact.relation == relation))
        before, after = answered(organisation, organisation), answered(bare, organisation)
        if any(is_yes and not after[question] for question, is_yes in before.items()):
            return
    raise AssertionError(f"no fact of `{relation}` ever mattered")
