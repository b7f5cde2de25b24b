"""The world all servers are asked about: documents, mandates and the shapes that hurt; and, where a server knows
`along`, the chains of runs that the mandates were written out from.

Law: every server holds the same common facts and hears the same questions; what only Remit holds is counted apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from bench import chains, drive, fleet
from bench.chains import Chains
from bench.drive import Drive
from bench.fleet import Fleet
from bench.known_question import KnownQuestion, known
from bench.library import Library
from bench.lists import KnownList
from bench.peers import mandates
from bench.peers.mandates import Mandates, mandate_of
from bench.peers.zipf import ALPHA, Zipf
from bench.shapes import DeepFolders, LargeGroup, WideDocument
from bench.worlds import BULK, LISTED_OF, RECURSIVE_UNIONS, Sizes
from remit.model import ObjectRef, Operation, Question, Relationship, SubjectRef, Update

_CHAINS_SHARE = 0.15  # of what the shapes leave, as facts under `along`; their mandates come to half as many
_FLEET_SHARE = 0.15  # likewise
_HOT_PAIRS = 200
_COLD_TIMES = 10  # as many random questions as elsewhere: a native server asks 20,000 of them in a blink
_SHARED = 500  # documents whose viewers are expanded
IN_A_TENTH = "random documents, in a tenth"
_TENTH = "tenth-"  # before every id of the smaller world, so that both live in one store

PEER_SCHEMA = "definition user {}\n\ndefinition run {}\n" + drive.SCHEMA + fleet.SCHEMA + mandates.SCHEMA
ALONG_SCHEMA = chains.SCHEMA_FILE.read_text(encoding="utf-8") + drive.SCHEMA + fleet.SCHEMA + mandates.SCHEMA


class Kind(Enum):
    CHECK = "check"
    BULK = "bulk"
    EXPAND = "expand"


_UNITS = {Kind.CHECK: "checks", Kind.BULK: "items", Kind.EXPAND: "expands"}


class Expected(NamedTuple):
    """An Expand, and every subject that its answer must name."""

    resource: ObjectRef
    relation: str
    subjects: list[SubjectRef]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked, round and round. One of the three lists is filled, as `kind` says."""

    name: str
    kind: Kind
    checks: Sequence[KnownQuestion] = ()
    bulks: Sequence[Sequence[KnownQuestion]] = ()
    expands: Sequence[Expected] = ()
    needs_along: bool = False
    in_flight: tuple[int, ...] = (64,)
    fixed_rate: bool = False  # asked once more at a fixed rate, by the clock

    @property
    def unit(self) -> str:
        return _UNITS[self.kind]

    @property
    def items(self) -> int:
        """What is counted in one request."""
        return BULK if self.kind is Kind.BULK else 1

    @property
    def distinct(self) -> int:
        """Different requests: fewer than were sent means that a cache could have seen them before."""
        if self.kind is Kind.EXPAND:
            return len(self.expands)
        if self.kind is Kind.BULK:
            return len(self.bulks)
        return len({(each.question.resource, each.question.permission, each.question.subject) for each in self.checks})


class Spawned(NamedTuple):
    """What is written when a run is spawned, and the question that is yes because of it, and of nothing else."""

    facts: list[Relationship]
    asked: KnownQuestion


class PeerWorld:
    """Exactly `sizes.relationships` common facts. Raises ValueError where the sizes cannot be met."""

    def __init__(self, sizes: Sizes, seed: int) -> None:
        self.sizes = sizes
        self.seed = str(seed)
        self._shapes = (
            DeepFolders(sizes.folder_depth),
            LargeGroup(sizes.group_members),
            WideDocument(sizes.wide_groups),
        )
        self._library = Library(sizes.relationships // LISTED_OF)
        shapes = (*self._shapes, self._library)
        left = sizes.relationships - sum(1 for shape in shapes for _ in shape.relationships())
        try:
            self._chains = Chains(int(left * _CHAINS_SHARE), sizes.chain_depth, seed)
            self._mandates = Mandates(self._chains)
            self._fleet = Fleet(int(left * _FLEET_SHARE), seed)
            others = sum(1 for part in (self._mandates, self._fleet) for _ in part.relationships())
            self._drive = Drive(left - others, seed)
            self._tenth = Drive(sizes.relationships // 10, seed)
        except ValueError as error:
            raise ValueError(f"a world of {sizes.relationships} relationships is too small: {error}") from error
        self._cold = _COLD_TIMES * sizes.questions
        self._parents = self._chains.sound_at(min(3, sizes.chain_depth))

    # --- facts ------------------------------------------------------------------------------------------------------

    def facts(self) -> Iterator[Relationship]:
        """What every server holds, made as it is asked for."""
        for part in (self._drive, self._mandates, self._fleet, *self._shapes, self._library):
            yield from part.relationships()

    def chain_facts(self) -> Iterator[Relationship]:
        """What only a server with `along` holds besides."""
        return self._chains.relationships()

    def tenth_facts(self) -> Iterator[Relationship]:
        """A drive of a tenth of the size, under ids of its own."""
        for fact in self._tenth.relationships():
            yield Relationship(_tenth(fact.resource), fact.relation, _tenth_subject(fact.subject))

    # --- what is asked ----------------------------------------------------------------------------------------------

    def workloads(self) -> list[Workload]:
        """A workload's name is the same in every result."""
        most, depth = self.sizes.questions, self.sizes.chain_depth
        documents = self._drive.questions(self._cold, self.seed)
        zipf = [documents[number] for number in Zipf(len(documents)).draw(len(documents), self.seed)]
        deep, group, wide = self._shapes
        four = min(4, depth)

        def check(name: str, questions: Sequence[KnownQuestion], *, needs_along: bool = False) -> Workload:
            return Workload(name, Kind.CHECK, checks=questions, needs_along=needs_along)

        return [
            Workload("hot pair", Kind.CHECK, [next(each for each in documents if each.expected)], in_flight=(1, 64)),
            check("200 pairs", documents[:_HOT_PAIRS]),
            Workload("random documents", Kind.CHECK, documents, in_flight=(1, 64), fixed_rate=True),
            Workload(f"documents by Zipf, alpha {ALPHA}", Kind.CHECK, zipf, fixed_rate=True),
            check("random documents, denied", self._drive.denied(most // 4, self.seed)),
            check(f"mandates, 1-{depth} deep", self._mandates.questions(most // 4, self.seed)),
            check(f"mandates, {four} deep, allowed", self._mandates.allowed(four)),
            check(f"along, 1-{depth} deep", self._chains.questions(most // 4, self.seed), needs_along=True),
            check(f"along, {four} deep, allowed", self._chains.allowed(four), needs_along=True),
            check(RECURSIVE_UNIONS, self._fleet.questions(most, self.seed)),
            check(f"folders {deep.depth} deep, denied", deep.denied()),
            check(f"group of {group.members:,}, denied", group.denied()),
            check(f"shared with {wide.groups:,} groups, denied", wide.denied()),
            Workload(
                f"bulk of {BULK}, random documents",
                Kind.BULK,
                bulks=[documents[start : start + BULK] for start in range(0, most - BULK + 1, BULK)],
                in_flight=(8,),
            ),
            Workload(
                "expand viewers",
                Kind.EXPAND,
                expands=[Expected(on, "viewer", who) for on, who in self._drive.viewers(_SHARED, self.seed)],
                in_flight=(16,),
            ),
        ]

    def lists(self) -> dict[str, KnownList]:
        """Lists of which the first id and the last are waited for."""
        listed = self._library.listed
        return {
            f"{listed:,} documents, some barred": self._library.documents(),
            f"{listed:,} subjects, some barred": self._library.readers(),
        }

    def random_documents(self) -> Workload:
        """Other draws than those of `workloads`, for asking them beside writes."""
        return Workload("random documents", Kind.CHECK, self._drive.questions(self._cold, f"{self.seed} again"))

    def in_a_tenth(self) -> Workload:
        """Random documents of the smaller world: what the larger one costs more is what growing costs."""
        questions = self._tenth.questions(self._cold, self.seed)
        return Workload(IN_A_TENTH, Kind.CHECK, [_asked_in_a_tenth(each) for each in questions])

    # --- what is written --------------------------------------------------------------------------------------------

    def spawned_mandate(self, label: str, number: int) -> Spawned:
        """A run below a sound link of some chain, with a mandate of its own. `label` keeps harness runs apart."""
        chain, link = self._parents[number % len(self._parents)], min(3, self.sizes.chain_depth)
        mandate, run = ObjectRef("mandate", f"{label}-{number}"), ObjectRef("run", f"{label}-m{number}")
        facts = mandates.link_below(mandate, mandate_of(chain, link), run)
        return Spawned(facts, known(mandate, "use", SubjectRef(*run), True))

    def spawned_along(self, label: str, number: int) -> Spawned:
        """The same under `along`: five facts, and every link above asked again."""
        chain, link = self._parents[number % len(self._parents)], min(3, self.sizes.chain_depth)
        return Spawned(*self._chains.spawned(chain, link, ObjectRef("run", f"{label}-a{number}")))


def unrelated(label: str, number: int) -> Relationship:
    """A fact that no workload asks about."""
    return Relationship(ObjectRef("document", f"{label}-{number}"), "viewer", SubjectRef("user", f"u{number % 50}"))


def touched(facts: Sequence[Relationship]) -> list[Update]:
    return [Update(Operation.TOUCH, fact) for fact in facts]


def _tenth(object: ObjectRef) -> ObjectRef:
    return ObjectRef(object.type, _TENTH + object.id)


def _tenth_subject(subject: SubjectRef) -> SubjectRef:
    return SubjectRef(subject.type, _TENTH + subject.id, subject.relation)


def _asked_in_a_tenth(asked: KnownQuestion) -> KnownQuestion:
    resource, permission, subject = asked.question.resource, asked.question.permission, asked.question.subject
    return KnownQuestion(Question(_tenth(resource), permission, _tenth_subject(subject)), asked.expected)
