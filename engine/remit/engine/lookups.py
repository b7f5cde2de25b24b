"""Lookups of a store: what a subject has, who has it, and which permissions of an object that are, a page at a time.

Law: a page is of one revision and one time, which it names; the cursor that goes on from it goes on with the same
lookup of the same store under the same schema, and with no other; and where it is of subjects, only while everybody is
answered as on the first page. All pages of a walk are of one revision and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from remit.engine.cursors import (
    LookupBinding,
    LookupCursor,
    answer_digest,
    decode_lookup_cursor,
    encode_lookup_cursor,
)
from remit.engine.limits import ROWS_BETWEEN_INTERRUPTS, Limits
from remit.engine.request_view import RequestView, RequestViews
from remit.engine.results import LookupResult
from remit.errors import InvalidCursor, RemitError, StepBudgetSpent
from remit.eval.evaluator import Evaluator
from remit.eval.lookups import NOBODY, Entry, LookupPage, Place
from remit.eval.semantics import Answer
from remit.interrupt import Interrupt, never_interrupted, paced
from remit.language.names import require_name, require_type
from remit.model import (
    WILDCARD,
    Lookup,
    PermissionLookup,
    Question,
    Relationship,
    ResourceLookup,
    SubjectLookup,
    SubjectRef,
    Verdict,
)


class PageOptions(NamedTuple):
    """Of what state a page is, with which facts of its own, and which page. `limit` 0, or more than allowed: as many as
    a page may have; `cursor` "": the first."""

    at_least: str = ""
    at_exactly: str = ""
    contextual: Sequence[Relationship] = ()
    limit: int = 0
    cursor: str = ""
    interrupt: Interrupt = never_interrupted


_FIRST = PageOptions()
_NO = Answer(Verdict.NO)

# Of a walk, which finds all candidates anew for each page. Natively 8,192 are judged in some 20 ms, in Python in some
# 300; and nobody holds more of a list than this, and no more bytes of ids.
ENTRIES_AT_ONCE = 8_192
ID_BYTES_AT_ONCE = 1024 * 1024


class Lookups:
    """The lookups of all stores. Safe from many threads."""

    def __init__(self, views: RequestViews, evaluator: Evaluator, limits: Limits) -> None:
        self._views = views
        self._evaluator = evaluator
        self._limits = limits

    def resources(self, store: str, lookup: ResourceLookup, options: PageOptions = _FIRST) -> LookupResult:
        """The resources of a type that the subject has the permission of, by id."""
        return self._page(
            store, lookup, options, lambda view, place: self._evaluator.lookup_resources(view, lookup, place)
        )

    def subjects(self, store: str, lookup: SubjectLookup, options: PageOptions = _FIRST) -> LookupResult:
        """The subjects of a type that have the permission of the resource, by id, `*` first. An entry that is a NO is
        one that `*` does not stand for."""
        return self._page(
            store, lookup, options, lambda view, place: self._evaluator.lookup_subjects(view, lookup, place)
        )

    def permissions(self, store: str, lookup: PermissionLookup, options: PageOptions = _FIRST) -> LookupResult:
        """The permissions of the resource that the subject has, by name."""
        return self._page(store, lookup, options, lambda view, place: self._permissions(view, lookup, place))

    def walk(
        self,
        store: str,
        lookup: ResourceLookup | SubjectLookup,
        *,
        at_least: str = "",
        at_exactly: str = "",
        interrupt: Interrupt = never_interrupted,
    ) -> LookupWalk:
        """The same lists for who goes through all of one: see `LookupWalk`."""
        self._limits.require_context(lookup.context)
        view = self._views.of(store, at_least=at_least, at_exactly=at_exactly, interrupt=interrupt)
        return LookupWalk(self._views, self._evaluator, self._limits.steps_max, store, lookup, view, interrupt)

    def _page(
        self, store: str, lookup: Lookup, options: PageOptions, look_up: Callable[[RequestView, Place], LookupPage]
    ) -> LookupResult:
        at_least, at_exactly, contextual, limit, cursor, interrupt = options
        self._limits.require_context(lookup.context)
        view = self._views.of(
            store, at_least=at_least, at_exactly=at_exactly, contextual=contextual, interrupt=interrupt
        )
        binding = LookupBinding.of(view.identity, view.schema.kept, lookup, contextual)
        after, has_failed, everybody = decode_lookup_cursor(cursor, binding)
        interrupt()
        if isinstance(lookup, SubjectLookup) and cursor:
            self._require_everybody(view, lookup, everybody, interrupt)
        limit = min(limit or self._limits.page_max, self._limits.page_max)
        entries, next_after, steps = look_up(view, Place(after, limit, self._limits.steps_max, interrupt))
        has_failed |= any(isinstance(entry.answer, RemitError) for entry in entries)
        following = ""
        if next_after is not None:
            if isinstance(lookup, SubjectLookup) and not cursor:
                everybody = answer_digest(next((answer for id, answer in entries if id == WILDCARD), _NO))
            following = encode_lookup_cursor(LookupCursor(next_after, has_failed, everybody), binding)
        complete = not following and not has_failed
        return LookupResult(entries, following, complete, view.token, view.now_us, steps, view.historical)

    def _require_everybody(self, view: RequestView, lookup: SubjectLookup, before: bytes, interrupt: Interrupt) -> None:
        """Raises InvalidCursor where everybody has another answer than on the first page: whoever has the same answer
        as everybody is not told, so pages of the two together would be a list of neither."""
        nobody = SubjectRef(lookup.subject_type, NOBODY, lookup.subject_relation)
        question = Question(lookup.resource, lookup.permission, nobody, lookup.context)
        (answer,) = self._evaluator.check_many(view, [question], self._limits.steps_max, interrupt)
        if answer_digest(answer) == before:
            return
        if isinstance(answer, StepBudgetSpent):
            raise answer
        message = f"`{nobody._replace(id=WILDCARD)}` had another answer when this list began: ask for it anew"
        raise InvalidCursor(message, field="cursor")

    def _permissions(self, view: RequestView, lookup: PermissionLookup, place: Place) -> LookupPage:
        """By Check of each name, which share what they settle. A page ends where its steps are spent."""
        resource, subject, with_relations, context = lookup
        definition = require_type(view.schema, resource.type, field="resource")
        if subject.relation:
            require_name(view.schema, subject.type, subject.relation, field="subject")
        else:
            require_type(view.schema, subject.type, field="subject")
        names = {*definition.permissions, *(definition.relations if with_relations else ())}
        left = sorted(name for name in names if name > place.after)
        entries: list[Entry] = []
        last, steps = place.after, 0
        while left and len(entries) < place.limit and steps < place.steps_max:
            questions = [Question(resource, name, subject, context) for name in left[: place.limit - len(entries)]]
            answers = self._evaluator.check_many(
                view, questions, place.steps_max, place.interrupt, steps_together=place.steps_max - steps
            )
            for name, answer in zip(left, answers, strict=False):
                if isinstance(answer, Answer):
                    steps += answer.steps
                elif isinstance(answer, StepBudgetSpent):
                    steps += place.steps_max
                if isinstance(answer, RemitError) or answer.verdict is not Verdict.NO:
                    entries.append(Entry(name, answer))
            last, left = left[len(answers) - 1], left[len(answers) :]
        return LookupPage(tuple(entries), last if left else None, steps)


class LookupWalk:
    """A lookup from the beginning to the end, a page at a time, all of the revision and the time that it began at. One
    thread at a time. Between two pages it holds nothing of the store, however long they are apart."""

    def __init__(
        self,
        views: RequestViews,
        evaluator: Evaluator,
        steps_max: int,
        store: str,
        lookup: ResourceLookup | SubjectLookup,
        view: RequestView,
        interrupt: Interrupt,
    ) -> None:
        self._views = views
        self._evaluator = evaluator
        self._steps_max = steps_max
        self._store = store
        self._lookup = lookup
        self._first: RequestView | None = view
        self._now_us = view.now_us
        self._interrupt = interrupt
        self.token = view.token
        self.binding = LookupBinding.of(view.identity, view.schema.kept, lookup, ())  # of its cursors

    def view(self) -> RequestView:
        """What pages are asked of, one or some together; to be let go of then, for it remembers all that is committed
        while somebody has it. Cost: O(changes since the walk began). Raises as `RequestViews.of`."""
        view, self._first = self._first, None
        if view is None:
            view = self._views.of(self._store, at_exactly=self.token, interrupt=self._interrupt)
        # What was over by then, or had not begun, was so when the walk began.
        return view._replace(now_us=self._now_us)

    def page(self, view: RequestView, after: str, limit: int) -> tuple[Sequence[Entry], str | None]:
        """What comes after an id, at most `limit` and never more than is held at once, and where to go on, None at the
        end. It ends with the first entry that is an error."""
        place = Place(after, min(limit, ENTRIES_AT_ONCE), self._steps_max, self._interrupt)
        if isinstance(self._lookup, ResourceLookup):
            entries, following, _ = self._evaluator.lookup_resources(view, self._lookup, place)
        else:
            entries, following, _ = self._evaluator.lookup_subjects(view, self._lookup, place)
        look, room = paced(self._interrupt, ROWS_BETWEEN_INTERRUPTS), ID_BYTES_AT_ONCE
        for number, (id, answer) in enumerate(entries, 1):
            look()
            room -= len(id)
            if number < len(entries) and (room <= 0 or isinstance(answer, RemitError)):
                return entries[:number], id
        return entries, following
