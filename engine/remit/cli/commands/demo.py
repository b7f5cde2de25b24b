"""`remit demo`: a story about the example organisation, asked on a running server, in five short chapters.

Every yes and no on the page is the server's own, at that moment. What the story changes it puts back, also when it is
interrupted; what a telling that was killed left behind, the next one puts back first.
Law: after a telling the store holds the facts it held before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import typer
from rich.console import Console
from rich.text import Text

from remit.cli.render.failures import FAILED
from remit.cli.render.output import err, out, put_json
from remit.cli.render.reasons import reasons_against
from remit.cli.session import Session, command
from remit.client import Client, Unanswered
from remit.errors import RemitError, Status
from remit.language import compile_schema
from remit.language.plan import Schema
from remit.model import Operation, Relationship, RelationshipFilter, Update
from remit.notation import parse_relationship

HOLD = parse_relationship("run:r-4#hold@hold:demo")
MEMBERSHIP = parse_relationship("team:finance#member@user:anne")
# Written in one revision with anne's leaving and removed with her return, so that a telling which was killed in between
# is noticed by the next. Nothing is granted to this team.
LEFT = parse_relationship("team:demo-left-finance#member@user:anne")

CHAIN = ("user:anne", "run:r-1", "run:r-4", "run:r-6", "run:r-7")
_ASKERS = (*CHAIN, "run:r-8", "run:r-9", "user:carla", "run:r-20", "run:r-21", "run:r-22", "run:r-40", "run:r-41")
_ACTIONS = (
    "tool:erp.read#use",
    "tool:erp.pay#use",
    "tool:mail.send#use",
    "tool:crm.find#use",
    "dataset:ledger-2026#read",
)
EVERYTHING = tuple(f"{action}@{asker}" for action in _ACTIONS for asker in _ASKERS)
SHOWN = (*(f"tool:erp.pay#use@{link}" for link in CHAIN), "tool:mail.send#use@run:r-9", "tool:mail.send#use@run:r-41")

# What the story counts on. A store that answers otherwise holds something else.
YES = ("tool:erp.pay#use@run:r-7", "tool:crm.update#use@run:r-20", "tool:mail.send#use@run:r-9")
NO = (
    ("tool:erp.pay#use@run:r-8", "an agent like r-7 and beside it, which declared that it would only look"),
    ("tool:crm.update#use@run:r-21", "handed the tool by r-20, which may use it; but its own agent may not"),
    ("dataset:ledger-2026#read@run:r-6", "granted the ledger, and not cleared for secrets"),
    ("dataset:merger#read@user:carla", "labelled public by somebody; labelled secret before"),
    ("tool:mail.send#use@run:r-50", "in a domain that is held"),
    ("tool:crm.find#use@run:r-60", "started by a person who has left since"),
)

ABSENT = """\
This store does not hold the example organisation as it ships. To have one that does, beside this one and in memory:

  remit serve --in-memory --with-example --grpc 127.0.0.1:50061
  REMIT_ENDPOINT=127.0.0.1:50061 remit demo
"""
_NOT_HERE = ("SCHEMA_NOT_FOUND", "STORE_NOT_FOUND", "UNKNOWN_TYPE", "UNKNOWN_RELATION")
# A write that ends with one of these was looked at and not done.
_REFUSED = (Status.INVALID_ARGUMENT, Status.FAILED_PRECONDITION, Status.PERMISSION_DENIED, Status.UNAUTHENTICATED)
_REASONS_SHOWN = 2


def register(app: typer.Typer) -> None:
    command(app, "demo")(demo)


def demo(session: Session) -> int:
    """Tell the story of the example organisation, on a running server.

    Who may, who may not and why; what a hold on a parent does to its grandchildren, and what its release restores;
    what happens when the human at the root leaves the team. What it changes it puts back.

    It needs the example: `remit serve --in-memory --with-example`.
    """
    with session.connect() as client:
        told = tell_story(client, err() if session.json else out())
    if session.json:
        put_json({"told": told})
    return 0 if told else FAILED


def tell_story(client: Client, console: Console) -> bool:
    """Tells the story; False where the store does not hold the organisation, or its answers changed meanwhile, which
    the page then says. Raises RemitError where the server does not answer or refuses a write. Some twenty requests."""
    story = _Story(client, console)
    schema = story.prepared_schema()
    if schema is None:
        console.print(ABSENT, markup=False, highlight=False, soft_wrap=True)
        return False
    story.who_may(schema)
    story.who_may_not(schema)
    return story.a_hold(schema) and story.a_departure(schema) and story.farewell()


class _Story:
    def __init__(self, client: Client, console: Console) -> None:
        self.client = client
        self.console = console

    # --- before it begins -------------------------------------------------------------------------------------------

    def prepared_schema(self) -> Schema | None:
        """The store's schema, once an earlier telling is undone that was cut short; None for another organisation."""
        try:
            schema = compile_schema(self.client.read_schema().expansion).schema
            if not {"hold", "run", "team"} <= schema.definitions.keys():
                return None
            self._undo_earlier()
            questions = (*YES, *(question for question, _ in NO))
            as_shipped = self._answers(questions) == [question in YES for question in questions]
        except RemitError as error:
            if error.reason in _NOT_HERE:
                return None
            raise
        return schema if as_shipped and self._stored(MEMBERSHIP) is not None else None

    def _undo_earlier(self) -> None:
        if self._stored(HOLD) is not None:
            self.client.delete(HOLD)
        left = self._stored(LEFT)
        if left is not None:
            self.client.write(_swapped(left, replace(MEMBERSHIP, qualifiers=left.qualifiers)))

    def _stored(self, fact: Relationship) -> Relationship | None:
        """The fact at this triple as the store has it, with its times; None where there is none."""
        return next((stored.relationship for stored in self.client.read(_only(fact))), None)

    def _answers(self, questions: Sequence[str]) -> list[bool]:
        """What the server says, all at one revision. An answer that is missing is raised, not taken for a no."""
        answers = self.client.check_many(questions)
        for answer in answers:
            if isinstance(answer, Unanswered):
                raise answer.error
        return [answer.allowed for answer in answers]

    # --- the chapters -----------------------------------------------------------------------------------------------

    def who_may(self, schema: Schema) -> None:
        self._chapter("Who may")
        self._lines(
            "anne closes the month. Her run delegated to another, which delegated in turn, down to r-7: it pays one",
            "invoice. Every link of the chain is asked the same, with its release and its agent.",
            "",
        )
        person, *runs = CHAIN
        self._lines(f"  {person}")
        for depth, run in enumerate(runs):
            self._lines(f"  {'   ' * depth}└─ {run}, {self._release(run)}")
        self._lines("")
        self._ask(schema, "tool:erp.pay#use@run:r-7")

    def _release(self, run: str) -> str:
        id = run.partition(":")[2]
        stored = self.client.read(RelationshipFilter(resource_type="run", resource_id=id, relation="instance_of"))
        return ", ".join(f"a run of {each.relationship.subject.id}" for each in stored)

    def who_may_not(self, schema: Schema) -> None:
        self._chapter("Who may not, and why")
        for question, remark in NO:
            self._ask(schema, question, remark)

    def a_hold(self, schema: Schema) -> bool:
        self._chapter("One hold on a parent")
        self._lines("Something is wrong with r-4. One relationship stops it, and all that it delegated:", "")
        before = self._answers(EVERYTHING)
        shown = self._answers(SHOWN)
        self._command("touch", HOLD)
        with self._changed([Update(Operation.TOUCH, HOLD)], undo=[Update(Operation.DELETE, HOLD)]):
            self._compare("held", shown)
            self._tell_change(before)
            self._ask(schema, "tool:erp.pay#use@run:r-7")
        self._chapter("Its release")
        self._command("delete", HOLD)
        return self._tell_restored(before)

    def a_departure(self, schema: Schema) -> bool:
        self._chapter("The human at the root leaves the team")
        self._lines("anne may pay because the finance team may. She moves on; her runs are still there:", "")
        before = self._answers(EVERYTHING)
        shown = self._answers(SHOWN)
        membership = self._stored(MEMBERSHIP) or MEMBERSHIP
        left = replace(LEFT, qualifiers=membership.qualifiers)
        self._command("delete", membership)
        with self._changed(_swapped(membership, left), undo=_swapped(left, membership)):
            self._compare("left", shown)
            self._tell_change(before)
            self._ask(schema, "tool:erp.pay#use@run:r-7")
        self._lines("She comes back.")
        self._command("touch", membership)
        return self._tell_restored(before)

    def farewell(self) -> bool:
        self._lines("", "The store is as it was. To go on: remit check 'tool:erp.pay#use@run:r-7' --explain")
        return True

    @contextmanager
    def _changed(self, updates: Sequence[Update], *, undo: Sequence[Update]) -> Iterator[None]:
        """The store with some facts changed, for as long as this is open. A write that was refused changed nothing; one
        that timed out or was interrupted may have, and undoing what did not happen is no harm."""
        may_have_happened = True
        try:
            try:
                self.client.write(updates)
            except RemitError as error:
                may_have_happened = error.status not in _REFUSED
                raise
            yield
        finally:
            if may_have_happened:
                self._put_back(undo)

    def _put_back(self, undo: Sequence[Update]) -> None:
        try:
            self.client.write(undo)
        except RemitError:
            self._lines("", "What was changed could not be put back. `remit demo`, told again, puts it back first.")
            raise

    # --- the page ---------------------------------------------------------------------------------------------------

    def _chapter(self, title: str) -> None:
        self._print(Text(f"\n{title}\n", style="bold"))

    def _lines(self, *lines: str) -> None:
        for line in lines:
            self._print(Text(line))

    def _command(self, verb: str, fact: Relationship) -> None:
        self._print(Text(f"  $ remit {verb} '{fact.key}'\n", style="cyan"))

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)

    def _ask(self, schema: Schema, question: str, remark: str = "") -> None:
        """One question with the server's answer, what it is about, and what decided."""
        answer = self.client.check(question, explain=True)
        self._print(
            Text.assemble("  ", _word(answer.allowed), f"  {question}", (f"   {remark}" if remark else "", "dim"))
        )
        if answer.explanation is not None:
            if answer.allowed:
                reason = "every link may, and a live human stands at the root"
            else:
                reasons = reasons_against(answer.explanation, schema)
                more = len(reasons) - _REASONS_SHOWN
                reason = ", ".join(reasons[:_REASONS_SHOWN]) + (f", and {more} more" if more > 0 else "")
            self._lines(f"       {reason}", "")

    def _compare(self, now: str, before: Iterable[bool]) -> None:
        """The shown questions, then and now."""
        width = max(map(len, SHOWN))
        self._print(Text(f"  {'':{width}}  before  {now}", style="dim"))
        for question, then, allowed in zip(SHOWN, before, self._answers(SHOWN), strict=True):
            self._print(Text.assemble(f"  {question:{width}}  ", _word(then), "     ", _word(allowed)))
        self._lines("")

    def _tell_change(self, before: Sequence[bool]) -> None:
        now = self._answers(EVERYTHING)
        lost = sum(then and not is_yes for then, is_yes in zip(before, now, strict=True))
        gained = sum(is_yes and not then for then, is_yes in zip(before, now, strict=True))
        self._lines(f"Of {len(EVERYTHING)} questions, {lost} turned from yes to no, and {gained} from no to yes.", "")

    def _tell_restored(self, before: Sequence[bool]) -> bool:
        now = self._answers(EVERYTHING)
        changed = [question for question, then, is_yes in zip(EVERYTHING, before, now, strict=True) if then != is_yes]
        if changed:
            self._lines(
                f"{len(changed)} answers are not what they were; somebody else is writing: {', '.join(changed)}"
            )
        else:
            self._lines(f"All {len(EVERYTHING)} answers are what they were.")
        return not changed


def _word(allowed: bool) -> Text:
    return Text("yes", style="green") if allowed else Text("no ", style="red")


def _only(fact: Relationship) -> RelationshipFilter:
    """The filter that means this one triple."""
    resource, relation, subject = fact.key
    return RelationshipFilter(
        resource_type=resource.type,
        resource_id=resource.id,
        relation=relation,
        subject_type=subject.type,
        subject_id=subject.id,
        subject_relation=subject.relation,
    )


def _swapped(gone: Relationship, come: Relationship) -> list[Update]:
    """One fact for another, in one revision."""
    return [Update(Operation.DELETE, gone), Update(Operation.TOUCH, come)]
