"""The world a benchmark runs in: documents, agents and the shapes that hurt, in one schema and one store.

Law: a world has exactly as many relationships as it was asked for, and the same ones for the same seed and sizes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench import chains, drive, fleet, library
from bench.chains import Chains
from bench.drive import Drive
from bench.fleet import Fleet
from bench.known_question import KnownQuestion
from bench.library import Library
from bench.lists import PAGE, KnownList
from bench.shapes import DeepFolders, LargeGroup, WideDocument
from remit.model import Relationship

_CHAINS_SHARE = 0.15  # of what the shapes leave
_FLEET_SHARE = 0.15  # likewise; the drive has the rest
LISTED_OF = 50  # a list is so much of all relationships long: 20,000 of a million
_HOT_PAIRS = 200
_LISTS = 5
BULK = 50
RECURSIVE_UNIONS = "tool use by recursive unions"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large each part is. `questions`: so many that one comes back only when the processor has forgotten it."""

    relationships: int
    group_members: int = 10_000
    folder_depth: int = 40
    chain_depth: int = 8
    wide_groups: int = 1_000
    questions: int = 20_000


SIZES = {
    "small": Sizes(30_000),
    "medium": Sizes(100_000),
    "large": Sizes(1_000_000),
    "huge": Sizes(10_000_000),
}


class World:
    """Facts, a schema for them, and workloads over them. Raises ValueError where the sizes cannot be met."""

    def __init__(self, sizes: Sizes, seed: int) -> None:
        self.sizes = sizes
        self.seed = seed
        agents = chains.SCHEMA_FILE.read_text(encoding="utf-8")
        self.schema = agents + drive.SCHEMA + fleet.SCHEMA + library.RECORDS_SCHEMA
        self.deep = DeepFolders(sizes.folder_depth)
        self.group = LargeGroup(sizes.group_members)
        self.wide = WideDocument(sizes.wide_groups)
        self.library = Library(sizes.relationships // LISTED_OF)
        shapes = sum(1 for shape in (self.deep, self.group, self.wide, self.library) for _ in shape.relationships())
        left = sizes.relationships - shapes - sum(1 for _ in self.library.records())
        try:
            self.chains = Chains(int(left * _CHAINS_SHARE), sizes.chain_depth, seed)
            self.fleet = Fleet(int(left * _FLEET_SHARE), seed)
            others = sum(1 for part in (self.chains, self.fleet) for _ in part.relationships())
            self.drive = Drive(left - others, seed)
        except ValueError as error:
            raise ValueError(f"a world of {sizes.relationships} relationships is too small: {error}") from error

    def relationships(self) -> Iterator[Relationship]:
        """Every fact once, made as they are asked for."""
        for part in (self.drive, self.chains, self.fleet, self.deep, self.group, self.wide, self.library):
            yield from part.relationships()
        yield from self.library.records()

    def workloads(self) -> dict[str, list[KnownQuestion]]:
        """Questions asked one by one, round and round. A workload's name is the same in every result."""
        seed = str(self.seed)
        most = self.sizes.questions
        documents = self.drive.questions(most, seed)
        return {
            "hot pair": [next(each for each in documents if each.expected)],
            "200 pairs": documents[:_HOT_PAIRS],
            "random documents": documents,
            "random documents, denied": self.drive.denied(most // 4, seed),
            f"agents, 1-{self.chains.depth_max} deep": self.chains.questions(most // 4, seed),
            "agents, 4 deep, allowed": self.chains.allowed(min(4, self.chains.depth_max)),
            "agents, denied": self.chains.denied(),
            RECURSIVE_UNIONS: self.fleet.questions(most, seed),
            f"folders {self.deep.depth} deep, allowed": self.deep.allowed(),
            f"folders {self.deep.depth} deep, denied": self.deep.denied(),
            f"group of {self.group.members:,}, allowed": self.group.allowed(most // 4, seed),
            f"group of {self.group.members:,}, denied": self.group.denied(),
            f"shared with {self.wide.groups:,} groups, denied": self.wide.denied(),
        }

    def bulks(self) -> dict[str, list[list[KnownQuestion]]]:
        """Questions asked fifty at a time."""
        seed = str(self.seed)
        most = self.sizes.questions
        documents = self.drive.questions(most, f"{seed} in bulk")
        lists = [self.drive.listing(BULK, f"{seed} {number}") for number in range(most // (4 * BULK))]
        return {
            f"bulk of {BULK}, random documents": [documents[i : i + BULK] for i in range(0, most, BULK)],
            f"bulk of {BULK}, one person's list": lists,
        }

    def lists(self) -> dict[str, list[KnownList]]:
        """Lists asked for a page at a time, from beginning to end."""
        listed = self.library.listed
        return {
            f"documents of a person, by {PAGE}": self.drive.lists(_LISTS, str(self.seed)),
            f"people of a group of {self.group.members:,}, by {PAGE}": [self.group.people()],
            f"{listed:,} documents, some barred, by {PAGE}": [self.library.documents()],
            f"{listed:,} subjects, some barred, by {PAGE}": [self.library.readers()],
            f"records with caveats, by {PAGE}": [self.library.open_records()],
        }

    def first_pages(self) -> dict[str, list[KnownList]]:
        """Lists of which only the beginning is asked for, again and again."""
        listed = self.library.listed
        return {
            f"{listed:,} documents, first {PAGE}": [self.library.documents()],
            f"{listed:,} subjects, first {PAGE}": [self.library.readers()],
            f"records with caveats, first {PAGE}": [self.library.open_records()],
            "permissions of a document": self.library.permissions(),
        }

    def whole_lists(self) -> dict[str, list[KnownList]]:
        """Lists asked for in as few pages as they come in."""
        listed = self.library.listed
        return {
            f"{listed:,} documents, all": [self.library.documents()],
            f"{listed:,} subjects, all": [self.library.readers()],
        }

    def served(self) -> tuple[str, ...]:
        """Those worth asking over gRPC too: what the wire adds differs little among the others."""
        return (
            "hot pair",
            "200 pairs",
            "random documents",
            "random documents, denied",
            f"agents, 1-{self.chains.depth_max} deep",
            "agents, 4 deep, allowed",
            RECURSIVE_UNIONS,
            f"folders {self.deep.depth} deep, denied",
            f"group of {self.group.members:,}, denied",
            f"bulk of {BULK}, random documents",
            *self.first_pages(),
        )
