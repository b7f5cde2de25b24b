"""Random organisations over `remit:agents@1`, and the rules of docs/agents.md said again in plain Python.

As in organisations.py, an organisation is a healthy one of a seed, then damaged; what is new here are profiles,
consents, credentials, tags and guardrails.
Law: nothing in here asks the evaluator but `answers`; what is said of an organisation is read from its facts."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from random import Random

from hypothesis import strategies as st

from remit.eval.semantics import Evaluation
from remit.graph.view import GraphView
from remit.language import compile_schema
from remit.language.libraries import AGENTS, library_text
from remit.language.plan import Schema
from remit.model import ObjectRef, Relationship, SubjectRef, Verdict
from remit.notation import parse_relationship
from tests.support import organisations
from tests.support.organisations import (
    CHAIN,
    DAMAGES,
    LEVELS,
    NOW_US,
    Answers,
    Organisation,
    damaged,
    objects_in,
    some_domain,
)

# The only relations whose facts hold back, so that removing one may give something back (schema/agents@1.zed, rule 2).
HOLDING_BACK = frozenset({"hold", "denied", "classification", "guardrail", "forbids", "tag"})
# Those that are never removed (rule 3).
STAYING = frozenset({"terminated", "withdrawn", "spawned_by"})

LINKS = ("user", "system", "run", "agent", "agent_version")
STAGES = {
    "tool": ("stage_guardrail", "stage_live", "stage_grant", "stage_intent"),
    "dataset": ("stage_guardrail", "stage_live", "stage_data", "stage_intent"),
}
ACTION = organisations.ACTION


@functools.cache
def profiles_schema() -> Schema:
    return compile_schema(library_text(AGENTS), name=AGENTS).schema


# --- healthy organisations --------------------------------------------------------------------------------------


def healthy(seed: int) -> Organisation:
    """An organisation in which nearly everyone may do nearly everything: what damage has something to destroy in."""
    random = Random(seed)
    lines = [*_people(random), *_agents(random)]
    people, versions = objects_in(lines, "user"), objects_in(lines, "agent_version")
    runs = [f"run:r{i}" for i in range(random.randint(2, 6))]
    lines += _chains(random, runs, objects_in(lines, "user", "system"), versions)
    lines += _consents(random, people, objects_in(lines, "agent"), runs)
    links = [*objects_in(lines, "user", "system", "agent", "agent_version"), *runs]
    profiles = [f"profile:p{i}" for i in range(random.randint(1, 3))]
    for profile in profiles:
        lines += _profile(random, profile, links, runs)
    for i in range(random.randint(1, 2)):
        lines += _tool(random, f"tool:t{i}", profiles)
    lines += [f"level:{low}#above@level:{high}" for low, high in itertools.pairwise(LEVELS)]
    for profile in profiles:
        lines.append(f"level:{random.choice((*LEVELS, *['secret'] * 4))}#cleared@{profile}#holds")
    for i in range(random.randint(1, 2)):
        lines += _dataset(random, f"dataset:d{i}", profiles, links)
    return Organisation(()).having(*map(parse_relationship, lines))


def _named(random: Random, link: str) -> str:
    """A link by its own name, or a person now and then through a team."""
    return f"team:t{random.randint(0, 1)}#member" if link.startswith("user:") and random.random() < 0.3 else link


def _people(random: Random) -> Iterator[str]:
    yield from (f"domain:m{i}#estate@estate:e{random.randint(0, 1)}" for i in range(2))
    yield from (f"credential:k{i}#registered@directory:keys" for i in range(2))
    for i in range(random.randint(1, 3)):
        yield f"user:u{i}#registered@directory:people"
        yield from (f"team:t{t}#member@user:u{i}" for t in range(2) if random.random() < 0.8)
    if random.random() < 0.3:
        yield "team:t0#member@team:t1#member"
    if random.random() < 0.6:
        yield "system:s#registered@directory:systems"
        yield f"system:s#owner@{_named(random, 'user:u0')}"
        yield f"system:s#domain@{some_domain(random)}"


def _agents(random: Random) -> Iterator[str]:
    for i in range(random.randint(1, 3)):
        agent = f"agent:a{i}"
        yield f"{agent}#registered@directory:agents"
        yield f"{agent}#owner@{random.choice(('user:u0', 'team:t0#member', 'system:s'))}"
        if random.random() < 0.6:
            yield f"{agent}#owner@user:u0"
        yield f"{agent}#domain@{some_domain(random)}"
        if random.random() < 0.4:
            yield f"{agent}#inherits_data@directory:agents"
        for j in range(random.randint(1, 2)):
            version = f"agent_version:a{i}.{j}"
            yield f"{version}#version_of@{agent}"
            yield f"{version}#certified@directory:reviews"
            if random.random() < 0.4:
                yield f"{version}#inherits_data@directory:agents"


def _chains(random: Random, runs: list[str], roots: list[str], versions: list[str]) -> Iterator[str]:
    for i, run in enumerate(runs):
        above = random.choice([*roots, *runs[:i], *runs[:i][-1:] * 4])
        yield f"{run}#delegated_by@{above}"
        yield f"{run}#instance_of@{random.choice(versions)}"
        if not above.startswith("run:") or random.random() < 0.3:
            yield f"{run}#spawned_by@credential:k{random.randint(0, 1)}"
        if random.random() < 0.3:
            yield f"{run}#inherits_data@directory:agents"
        if random.random() < 0.5:
            yield f"binding:b/{random.randint(0, 1)}#of@{run}"


def _consents(random: Random, people: list[str], agents: list[str], runs: list[str]) -> Iterator[str]:
    """Each person's own, or their directory's; a run is named by more of them than it would be."""
    for giver in (*people, "directory:people"):
        if giver != "directory:people" and random.random() < 0.2:
            continue
        consent = f"consent:{giver.replace(':', '-')}"
        yield f"{giver}#consent@{consent}"
        yield from (f"{consent}#agent@{agent}" for agent in agents if random.random() < 0.95)
        yield from (f"{consent}#run@{run}" for run in runs if random.random() < (0.9 if giver in people else 0.6))


def _profile(random: Random, profile: str, links: list[str], runs: list[str]) -> Iterator[str]:
    yield from (f"{profile}#holder@{_named(random, link)}" for link in links if random.random() < 0.95)
    yield from (f"{profile}#declarer@{run}" for run in runs if random.random() < 0.9)


def _tool(random: Random, tool: str, profiles: list[str]) -> Iterator[str]:
    yield f"{tool}#registered@directory:tools"
    yield f"{tool}#domain@{some_domain(random)}"
    yield f"{tool}#descriptor@descriptor:d"
    if random.random() < 0.5:
        yield f"{tool}#untagged@directory:tools"
    if random.random() < 0.6:
        yield f"{tool}#tag@tag:g{random.randint(0, 1)}"
    if random.random() < 0.3:
        yield f"{tool}#may_use@agent_version:*"
    if random.random() < 0.3:
        yield f"{tool}#observed@agent:a0[expiration:2099-01-01T00:00:00Z]"
    for profile in profiles:
        if random.random() < 0.8:
            yield f"{tool}#may_use@{profile}#holds"
        if random.random() < 0.8:
            yield f"{tool}#in_intent@{profile}#declares"


def _dataset(random: Random, dataset: str, profiles: list[str], links: list[str]) -> Iterator[str]:
    yield f"{dataset}#domain@{some_domain(random)}"
    for label in random.choice((("public",), ("public",), ("internal",), ("secret",), ("public", "secret"))):
        yield f"{dataset}#classification@level:{label}"
    by_name = random.random() < 0.4  # then people and systems are readers, and who stands below them may inherit
    for profile in profiles:
        if random.random() < 0.8 and not by_name:
            yield f"{dataset}#reader@{profile}#holds"
        if random.random() < 0.8:
            yield f"{dataset}#in_intent@{profile}#declares"
    for link in links:
        is_root = link.startswith(("user:", "system:"))
        if random.random() < (0.9 if by_name and is_root else 0.2):
            yield f"{dataset}#reader@{_named(random, link)}"


# --- damage -----------------------------------------------------------------------------------------------------


def admitted(fact: Relationship) -> bool:
    """Whether the schema admits the subject with these times."""
    return organisations.admitted(fact, profiles_schema())


def holdable(organisation: Organisation) -> list[ObjectRef]:
    """Everything a hold can be put on."""
    return organisations.holdable(organisation, profiles_schema())


@st.composite
def profile_organisations(draw: st.DrawFn, damages_max: int = 3) -> Organisation:
    """A healthy organisation, damaged up to so many times."""
    organisation = healthy(draw(st.integers(0, 2**32), label="seed"))
    for _ in range(draw(st.integers(0, damages_max), label="damages")):
        organisation = damaged_once(draw, organisation)
    return organisation


def damaged_once(draw: st.DrawFn, organisation: Organisation) -> Organisation:
    match draw(st.sampled_from((*DAMAGES, "guardrail", "stay"))):
        case "guardrail":
            named = [str(link) for link in organisation.objects(*LINKS)]
            who = draw(st.sampled_from([*named, *(f"{type}:*" for type in LINKS)]))
            guarded = draw(st.sampled_from([*organisation.objects("tool", "domain"), ObjectRef("tag", "g0")]))
            rule = f"guardrail:{draw(st.sampled_from(('x', 'y')))}"
            lines = (f"{guarded}#guardrail@{rule}", f"{rule}#forbids@{who}")
            return organisation.having(*map(parse_relationship, lines))
        case "stay":
            over = draw(st.sampled_from(organisation.objects("run", "agent", "agent_version", "consent")))
            word = "withdrawn" if over.type == "consent" else "terminated"
            return organisation.having(parse_relationship(f"{over}#{word}@directory:agents"))
        case kind:
            return damaged(draw, kind, organisation, profiles_schema())


# --- what the facts say -----------------------------------------------------------------------------------------


class Reading(organisations.Reading):
    """The rules, read from the facts that count, one method a rule. Slow, and free of the schema and the evaluator."""

    def names(self, object: ObjectRef, relation: str, link: ObjectRef) -> bool:
        """Whether a relation names a link: itself, everyone of its type, a team it is in, or a profile it holds or has
        declared that is not held."""
        for subject in self.named(object, relation, link):
            if subject.object.type != "profile":
                continue
            by = "holder" if subject.relation == "holds" else "declarer"
            if not self.has(subject.object, "hold") and self.names(subject.object, by, link):
                return True
        return super().names(object, relation, link)

    def people(self, object: ObjectRef) -> set[ObjectRef]:
        """Who answers for what the object owns: people, or a system, for which people answer."""
        return {object} if object.type == "system" else super().people(object)

    def over(self, object: ObjectRef) -> bool:
        return self.has(object, "terminated")

    def forbidden(self, resource: ObjectRef, link: ObjectRef) -> bool:
        """By a guardrail of its own, of a tag, or of its domain."""
        guarded = [resource, *self.targets(resource, "tag"), *self.targets(resource, "domain")]
        rules = [rule for each in guarded for rule in self.targets(each, "guardrail")]
        return any(self.names(rule, "forbids", link) for rule in rules)

    def present(self, person: ObjectRef) -> bool:
        if person.type == "system":
            return self.live(person)
        return super().present(person)

    def live(self, link: ObjectRef) -> bool:
        if self.over(link) or self.stopped(link):
            return False
        if link.type != "run":
            return super().live(link)
        credentials, above = self.targets(link, "spawned_by"), self.targets(link, "delegated_by")
        if any(self.has(each, "hold") for each in credentials):
            return False
        started = any(self.has(each, "registered") for each in credentials)
        started = started or any(self.has(each, "delegated_by") for each in above)
        return started and any(self.consents(each, link) for each in above)

    def consents(self, delegator: ObjectRef, run: ObjectRef) -> bool:
        match delegator.type:
            case "run":
                return self.has(delegator, "delegated_by")
            case "system":
                return self.has(delegator, "registered")
        given = [delegator, *self.targets(delegator, "registered")]
        return any(self.covers(consent, run) for each in given for consent in self.targets(each, "consent"))

    def covers(self, consent: ObjectRef, run: ObjectRef) -> bool:
        if self.has(consent, "withdrawn") or run not in self.targets(consent, "run"):
            return False
        return self.is_of(run, self.targets(consent, "agent"))

    def is_of(self, run: ObjectRef, agents: list[ObjectRef]) -> bool:
        """Whether every agent that a run is an instance of is one of these, and there is one."""
        versions = self.targets(run, "instance_of")
        found = [self.targets(version, "version_of") for version in versions]
        return bool(versions) and all(each and set(each) <= set(agents) for each in found)

    def granted(self, resource: ObjectRef, link: ObjectRef) -> bool:
        """Stage 3 or 4, of one link."""
        if self.names(resource, "denied", link):
            return False
        if resource.type == "tool":
            return self.names(resource, "may_use", link)
        labels = self.targets(resource, "classification")
        inherits = link.type in ("agent", "agent_version", "run") and self.has(link, "inherits_data")
        reads = inherits or self.names(resource, "reader", link)
        return reads and bool(labels) and all(self.cleared(label, link) for label in labels)

    def in_force(self, resource: ObjectRef, link: ObjectRef) -> bool:
        """Stage 2, of one link: it is live, and the tool is offered, or the data placed."""
        if not self.live(link) or not self.placed(resource) or self.stopped(resource):
            return False
        if resource.type == "dataset":
            return True
        tagged = self.has(resource, "tag") or self.has(resource, "untagged")
        return tagged and self.has(resource, "registered") and self.has(resource, "descriptor")

    def passes(self, resource: ObjectRef, link: ObjectRef) -> bool:
        return all(self.stages(resource, link))

    def stages(self, resource: ObjectRef, link: ObjectRef) -> tuple[bool, bool, bool, bool]:
        """In the order of STAGES, of one link."""
        return (
            not self.forbidden(resource, link),
            self.in_force(resource, link),
            self.granted(resource, link),
            link.type != "run" or self.names(resource, "in_intent", link),
        )

    def below(self, held: ObjectRef) -> set[ObjectRef]:
        """Everything that a hold on this must silence: it, what it contains, what was started with it, and what was
        delegated by any of that."""
        up = ("estate", "domain", "spawned_by", *CHAIN)
        parents = [(target, key[0]) for key in self.subjects if key[1] in up for target in self.targets(*key)]
        silent = {held}
        while True:
            more = {child for parent, child in parents if parent in silent} - silent
            if not more:
                return silent
            silent |= more


# --- what the evaluator says ------------------------------------------------------------------------------------


def answers(organisation: Organisation, graph: GraphView, asked: Organisation | None = None) -> Answers:
    """Every tool and dataset for every link of every kind. `asked` names the objects, where another's are meant."""
    return staged(organisation, graph, asked, ACTION)


def staged(
    organisation: Organisation, graph: GraphView, asked: Organisation | None, permissions: dict[str, str]
) -> Answers:
    """The same of one permission of each type."""
    evaluation = Evaluation(profiles_schema(), graph, now_us=NOW_US)
    world = asked or organisation
    return {
        (resource, link): evaluation.check(resource, permissions[resource.type], SubjectRef(*link)).verdict
        is Verdict.YES
        for resource in world.objects(*permissions)
        for link in world.objects(*LINKS)
    }
