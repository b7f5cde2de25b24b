"""A domain: tools with their descriptors, what a person and a run of theirs may do with them, and calls.

The files name no digests: a descriptor becomes a record of the object that its SHA-256 names, a tool's `person` and
`run` the constraints beside their grants, `guard` what a guardrail forbids to everybody, and `bindings` what the run
was given when it was spawned.
Law: what is in a file is all there is; the facts, records and calls are made of it, and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import yaml

from remit.arguments.json_text import Json, canonical_text
from remit.arguments.tool_schema import Descriptor, read_descriptor
from remit.language import compile_schema, plan
from remit.model import Call, ObjectRef, Question, Record, Relationship, SubjectRef
from remit.notation import parse_relationship, parse_subject

HERE = Path(__file__).parent
NAMES = ("mail", "files", "payments", "travel")
SCHEMA = (HERE / "organisation.zed").read_text(encoding="utf-8")
ORGANISATION: plan.Schema = compile_schema(SCHEMA).schema


@dataclass(frozen=True)
class Tool:
    """`person`, `run` and `guard` are constraint documents; None where there is no such grant, or no guardrail."""

    name: str
    descriptor: bytes
    person: Mapping[str, Json] | None
    run: Mapping[str, Json] | None
    guard: Mapping[str, Json] | None

    @cached_property
    def digest(self) -> str:
        return sha256(self.descriptor).hexdigest()

    @cached_property
    def described(self) -> Descriptor:
        return read_descriptor(self.descriptor)


class Sample(NamedTuple):
    """A call, and what is said of it: the task or the text that it comes of; what refuses it first, "" where nothing
    does; whether that leaves it without an answer; and why it cannot be refused, "" where it need not or can."""

    about: str
    call: Call
    refused_by: str = ""
    is_unjudged: bool = False
    why_not: str = ""


@dataclass(frozen=True)
class Domain:
    name: str
    person: SubjectRef
    run: SubjectRef
    tools: Mapping[str, Tool]
    known: tuple[Relationship, ...]
    benign: tuple[Sample, ...]
    injected: tuple[Sample, ...]
    gaps: tuple[Sample, ...]

    @classmethod
    def read(cls, name: str) -> Domain:
        """The domain of that name. Cost: O(its file)."""
        said = yaml.safe_load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
        run = parse_subject(said["run"])
        lines = [*said["facts"].splitlines(), f"{run.object}#delegated_by@{said['person']}"]
        lines += [f"{_binding(*each)}#of@{run.object}" for each in said.get("bindings", {}).items()]
        tools = {tool: _tool(tool, **fields) for tool, fields in said["tools"].items()}
        return cls(
            name,
            parse_subject(said["person"]),
            run,
            tools,
            tuple(map(parse_relationship, lines)),
            tuple(Sample(each["task"], _call(each, tools)) for each in said["benign"]),
            tuple(
                Sample(each["text"], _call(each, tools), each.get("refused") or each["unjudged"], "unjudged" in each)
                for each in said["injected"]
            ),
            tuple(Sample(each["text"], _call(each, tools), why_not=each["why"]) for each in said["gaps"]),
        )

    @property
    def samples(self) -> tuple[Sample, ...]:
        return (*self.benign, *self.injected, *self.gaps)

    def descriptor(self, digest: str) -> Descriptor | None:
        return next((tool.described for tool in self.tools.values() if tool.digest == digest), None)

    def facts(self) -> tuple[Relationship, ...]:
        """All that is related, constraints beside the grants."""
        return (*self.known, *(fact for tool in self.tools.values() for fact in self._facts_of(tool)))

    def facts_by_tool_alone(self) -> tuple[Relationship, ...]:
        """The same grants as if they said which tool, and nothing of its calls."""
        grants = ((tool, subject) for tool in self.tools.values() for subject, _ in self._granted(tool))
        return (
            *self.known,
            *(Relationship(ObjectRef("tool", tool.name), "may_use", subject) for tool, subject in grants),
        )

    def records(self) -> tuple[Record, ...]:
        return tuple(
            Record("descriptor", ObjectRef("descriptor", tool.digest), tool.descriptor) for tool in self.tools.values()
        )

    def question(self, sample: Sample) -> Question:
        """May the run make the call?"""
        return Question(ObjectRef("tool", sample.call.tool), "use", self.run, call=sample.call)

    def _facts_of(self, tool: Tool) -> Iterator[Relationship]:
        itself = ObjectRef("tool", tool.name)
        yield Relationship(itself, "descriptor", SubjectRef("descriptor", tool.digest))
        for subject, document in self._granted(tool):
            yield _grant(tool.name, subject, document)
        if tool.guard is not None:
            guardrail = ObjectRef("guardrail", tool.name)
            yield Relationship(itself, "guard", SubjectRef(*guardrail))
            for type in (self.person.type, self.run.type):
                everyone = SubjectRef(type, "*")
                yield parse_relationship(f"{guardrail}#forbids@{everyone}{_written('matching', tool.guard)}")

    def _granted(self, tool: Tool) -> Iterator[tuple[SubjectRef, Mapping[str, Json]]]:
        for subject, document in ((self.person, tool.person), (self.run, tool.run)):
            if document is not None:
                yield subject, document


def _tool(
    name: str,
    descriptor: dict[str, Json],
    person: Mapping[str, Json] | None = None,
    run: Mapping[str, Json] | None = None,
    guard: Mapping[str, Json] | None = None,
) -> Tool:
    return Tool(name, canonical_text(descriptor).encode(), person, run, guard)


def _call(said: Mapping[str, Json], tools: Mapping[str, Tool]) -> Call:
    """A call names the descriptor of its tool where the file names no other."""
    tool, arguments = str(said["tool"]), said["arguments"]
    written = arguments if isinstance(arguments, str) else canonical_text(arguments)
    seen = str(said.get("descriptor", tools[tool].digest))
    return Call(tool, written.encode(), str(said.get("purpose", "")), seen)


def _binding(name: str, value: str) -> ObjectRef:
    return ObjectRef("binding", f"{name}/{sha256(canonical_text(value).encode()).hexdigest()}")


def _grant(tool: str, subject: SubjectRef, document: Mapping[str, Json]) -> Relationship:
    return parse_relationship(f"tool:{tool}#may_use@{subject}{_written('arguments', document)}")


def _written(caveat: str, document: Mapping[str, Json]) -> str:
    return f"[{caveat}:{canonical_text(dict(document))}]"
