"""What the lists of SpiceDB's lookups say of an id, read as the comments of its protocol say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from authzed.api.v1 import permission_service_pb2 as permissions

from remit.model import Verdict

Said = tuple[Verdict, tuple[str, ...]]
"""A verdict, and the parameters that it waits for."""

NOTHING: Said = (Verdict.NO, ())
_VERDICTS: dict[int, Verdict] = {
    permissions.LOOKUP_PERMISSIONSHIP_HAS_PERMISSION: Verdict.YES,
    permissions.LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION: Verdict.CONDITIONAL,
}
LookupRequest = permissions.LookupResourcesRequest | permissions.LookupSubjectsRequest
LookupResponse = permissions.LookupResourcesResponse | permissions.LookupSubjectsResponse


def said_of(message: permissions.LookupResourcesResponse | permissions.ResolvedSubject) -> Said:
    missing = tuple(message.partial_caveat_info.missing_required_context)
    assert message.HasField("partial_caveat_info") == bool(missing)
    return _VERDICTS[message.permissionship], missing


def resources_in(messages: Iterable[permissions.LookupResourcesResponse]) -> dict[str, Said]:
    """Of each resource that is listed; none twice."""
    found: dict[str, Said] = {}
    for each in messages:
        assert each.resource_object_id not in found
        found[each.resource_object_id] = said_of(each)
    return found


class Subjects:
    """The messages of one list, whichever calls they came in."""

    def __init__(self, messages: Iterable[permissions.LookupSubjectsResponse]) -> None:
        self.concrete: dict[str, Said] = {}
        self.everybody: Said = NOTHING
        self.excluded: dict[str, Said] = {}
        for each in messages:
            id, said = each.subject.subject_object_id, said_of(each.subject)
            self._require_deprecated(each)
            if id == "*":
                assert self.everybody in (NOTHING, said)
                self.everybody = said
                for subject in each.excluded_subjects:
                    self.excluded[subject.subject_object_id] = said_of(subject)
            else:
                assert not each.excluded_subjects
                assert id not in self.concrete
                self.concrete[id] = said

    def _require_deprecated(self, message: permissions.LookupSubjectsResponse) -> None:
        subject = message.subject
        assert message.subject_object_id == subject.subject_object_id
        assert message.permissionship == subject.permissionship
        assert message.partial_caveat_info == subject.partial_caveat_info
        assert list(message.excluded_subject_ids) == [each.subject_object_id for each in message.excluded_subjects]

    def of(self, id: str) -> Said:
        """Who is named has what is said of them, others what is said of `*`, unless they are excluded. Who is excluded
        on a condition has to be named."""
        if id in self.concrete:
            return self.concrete[id]
        if id not in self.excluded:
            return self.everybody
        assert self.excluded[id][0] is Verdict.YES, "what is said of somebody excluded on a condition is said by name"
        return NOTHING

    def by_wildcard(self, id: str) -> Said:
        """What `*` alone lets be believed of somebody: never more than there is."""
        verdict = self.excluded.get(id, NOTHING)[0]
        if verdict is Verdict.YES:
            return NOTHING
        return self.everybody if verdict is Verdict.NO else (min(self.everybody[0], Verdict.CONDITIONAL), ())


def in_pages(
    ask: Callable[[LookupRequest], Iterable[LookupResponse]], request: LookupRequest, limit: int
) -> list[LookupResponse]:
    """All of a list, so many at a time (0: at once), each page gone on after by the cursor of its last message."""
    asked = type(request)()
    asked.CopyFrom(request)
    found: list[LookupResponse] = []
    while True:
        with_limit(asked, limit)
        page = list(ask(asked))
        found += page
        if not limit or (count := count_of(page)) < limit:
            return found
        assert count == limit
        asked.optional_cursor.CopyFrom(page[-1].after_result_cursor)


def with_limit(request: LookupRequest, limit: int) -> None:
    if isinstance(request, permissions.LookupResourcesRequest):
        request.optional_limit = limit
    else:
        request.optional_concrete_limit = limit


def count_of(page: Iterable[LookupResponse]) -> int:
    """How many of them count, which `*` does not."""
    return sum(isinstance(each, permissions.LookupResourcesResponse) or each.subject_object_id != "*" for each in page)
