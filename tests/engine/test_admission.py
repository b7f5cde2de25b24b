"""Law: a request is admitted whole or not at all, and what it names as wrong is wrong at that very revision."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from remit.engine.admission import SMALL_ROWS_MAX
from remit.engine.limits import SPICEDB_WIRE, Limits
from remit.errors import (
    Fault,
    FilterTooBroad,
    FinalRefused,
    InvalidArgument,
    InvalidContext,
    LimitExceeded,
    ManagedRefused,
    PreconditionFailed,
    RelationshipExists,
    RelationshipRefused,
    RemitError,
    SchemaNotFound,
    SchemaOrphansRelationships,
    SingleTaken,
    TooManyMatch,
    UnknownRelation,
    UnknownType,
    WeakeningRefused,
)
from remit.model import Caller, Operation, Precondition, RelationshipFilter, Update
from remit.notation import format_relationship, format_time, parse_relationship
from remit.store.port import SMALL_WEIGHT_MAX, Admission, Draft, WriteTransaction
from tests.support.engines import STRANGER, EngineOfTest, EngineOpener, facts
from tests.support.small_worlds import AFTER, AT, BEFORE, NO, NOW_US, YES

SCHEMA = """
use delegation
use expiration
use not_before

caveat small(x int) { x < 10 }
caveat other(y string) { y == "yes" }

definition user {}
definition group {
    relation member: user | group#member
}
definition doc {
    relation viewer: user | user:* | group#member
    relation editor: user with small | user with expiration | user with small and expiration
    relation soon: user with not_before | user with not_before and expiration
    relation crowd: group#member with other
    single relation owner: user | user with expiration | user with not_before
    single relation home: doc
    managed relation seal: user
    single managed relation root: user
    final relation closed: user | user:* | group#member
    single final managed relation ended: user
    relation banned: user | user with small | user with expiration | user with not_before |
        user with small and expiration | user with not_before and expiration
    permission view = viewer + editor
    permission open = view - banned
}
"""


@pytest.fixture
def world(engine: EngineOfTest) -> EngineOfTest:
    engine.schema(SCHEMA)
    return engine


def refused(
    world: EngineOfTest, error: type[RemitError], *lines: str, caller: Caller | None = None, match: str | None = None
) -> RemitError:
    """The error that a write is refused with; it leaves no trace."""
    before, revision = world.facts(), world.check("doc:1#view@user:a").token
    with pytest.raises(error, match=match) as raised:
        world.write(*lines, **({"caller": caller} if caller else {}))
    assert world.facts() == before
    assert world.check("doc:1#view@user:a").token == revision, "a refused write is no revision"
    return raised.value


# --- what a relation takes --------------------------------------------------------------------------------------

ALLOWED = [
    "doc:1#viewer@user:a",
    "doc:1#viewer@user:*",
    "doc:1#viewer@group:g#member",
    "doc:1#editor@user:a[small]",
    'doc:1#editor@user:a[small:{"x":3}]',
    f"doc:1#editor@user:a[expiration:{AFTER}]",
    f"doc:1#editor@user:a[expiration:{BEFORE}]",
    f"doc:1#editor@user:a[small][expiration:{AFTER}]",
    f"doc:1#soon@user:a[not_before:{AFTER}]",
    f"doc:1#soon@user:a[not_before:{AFTER}][expiration:{AFTER}]",
    "doc:1#crowd@group:g#member[other]",
]


@pytest.mark.parametrize("line", ALLOWED)
@pytest.mark.parametrize("operation", ["touch", "create"])
def test_what_a_relation_declares_is_taken(world: EngineOfTest, line: str, operation: str) -> None:
    world.write(f"{operation} {line}")
    assert set(world.graph().relationships()) == {parse_relationship(line)}


REFUSED = [
    ("doc:1#viewer@group:g", "takes `user`, `user:*`, `group#member`, not `group`"),
    ("doc:1#viewer@doc:2", "not `doc`"),
    ("doc:1#viewer@doc:2#viewer", "not `doc#viewer`"),
    ("doc:1#viewer@group:*", "not `group:*`"),
    ("doc:1#viewer@user:a[small]", "not `user with small`"),
    (f"doc:1#viewer@user:a[expiration:{AFTER}]", "not `user with expiration`"),
    ("doc:1#editor@user:a", "takes `user with small`, `user with expiration`, `user with small and expiration`, not"),
    ("doc:1#editor@user:a[other]", "not `user with other`"),
    ("doc:1#editor@user:a[nothing]", "not `user with nothing`"),
    (f"doc:1#editor@user:a[other][expiration:{AFTER}]", "not `user with other and expiration`"),
    (f"doc:1#editor@user:a[not_before:{AFTER}]", "not `user with not_before`"),
    (f"doc:1#soon@user:a[expiration:{AFTER}]", "not `user with expiration`"),
    ("doc:1#soon@user:a", "not `user`"),
    ("doc:1#crowd@group:g#member", "not `group#member`"),
    ("doc:1#viewer@ghost:g", "not `ghost`"),
    ("doc:1#viewer@group:g#membr", "not `group#membr`"),
]


@pytest.mark.parametrize(("line", "words"), REFUSED)
@pytest.mark.parametrize("operation", ["touch", "create"])
def test_what_a_relation_does_not_declare_is_refused(
    world: EngineOfTest, line: str, words: str, operation: str
) -> None:
    error = refused(world, RelationshipRefused, "doc:1#viewer@user:z", f"{operation} {line}")
    assert words in error.message
    assert f"`{parse_relationship(line).key}`" in error.message
    assert error.field == "updates[1]"
    assert error.reason == "RELATIONSHIP_NOT_ALLOWED"


@pytest.mark.parametrize("operation", ["touch", "create", "delete"])
def test_facts_are_written_to_relations_that_exist(world: EngineOfTest, operation: str) -> None:
    error = refused(world, RelationshipRefused, f"{operation} doc:1#view@user:a")
    assert error.message == "`view` of `doc` is a permission: facts are written to relations"
    error = refused(world, RelationshipRefused, f"{operation} doc:1#viwer@user:a")
    assert error.message == "relation `viwer` is not defined on `doc`; did you mean `viewer`?"
    refused(world, UnknownType, f"{operation} dock:1#viewer@user:a", match="did you mean `doc`")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('doc:1#editor@user:a[small:{"y":1}]', "caveat `small` has no parameter `y`; it has `x`"),
        ('doc:1#editor@user:a[small:{"x":"one"}]', "takes parameter `x` as int"),
        ('doc:1#crowd@group:g#member[other:{"y":1}]', "takes parameter `y` as string"),
    ],
)
def test_what_is_fixed_for_a_caveat_fits_its_parameters(world: EngineOfTest, line: str, words: str) -> None:
    error = refused(world, InvalidContext, line)
    assert words in error.message
    assert error.field == "updates[0]"


def test_nothing_is_written_without_a_schema(engine: EngineOfTest) -> None:
    for line in ("doc:1#viewer@user:a", "delete doc:1#viewer@user:a"):
        with pytest.raises(SchemaNotFound, match="store `default` has no schema yet: write one first"):
            engine.write(line)


# --- create, delete, twice --------------------------------------------------------------------------------------


def test_create_refuses_what_is_there_and_touch_does_not(world: EngineOfTest) -> None:
    world.write("create doc:1#viewer@user:a")
    error = refused(world, RelationshipExists, "doc:1#viewer@user:b", "create doc:1#viewer@user:a")
    assert error.message == "`doc:1#viewer@user:a` is already there; use TOUCH to write it whatever was there"
    assert error.field == "updates[1]"
    world.write("touch doc:1#viewer@user:a")


def test_create_is_of_the_triple_whatever_qualifies_it(world: EngineOfTest) -> None:
    world.write("create doc:1#editor@user:a[small]")
    refused(world, RelationshipExists, f"create doc:1#editor@user:a[expiration:{AFTER}]")
    world.write(f"doc:1#editor@user:a[expiration:{AFTER}]")
    assert world.facts() == [f"doc:1#editor@user:a[expiration:{AFTER}]"]


@pytest.mark.parametrize("there", [f"editor@user:a[expiration:{AT}]", f"soon@user:a[not_before:{AFTER}]"])
def test_create_takes_what_does_not_count_now_as_absent(world: EngineOfTest, there: str) -> None:
    world.write(f"doc:1#{there}")
    fresh = there.partition("[")[0] + (f"[expiration:{AFTER}]" if "editor" in there else f"[not_before:{BEFORE}]")
    world.write(f"create doc:1#{fresh}")
    refused(world, RelationshipExists, f"create doc:1#{fresh}")


def test_a_delete_of_nothing_is_a_revision_that_changes_nothing(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a")
    revision = world.write("delete doc:1#viewer@user:b").revision
    assert world.write("delete doc:1#viewer@user:b").revision == revision + 1
    assert world.facts() == ["doc:1#viewer@user:a"]


def test_a_delete_ignores_what_qualifies_the_triple(world: EngineOfTest) -> None:
    world.write("doc:1#editor@user:a[small]")
    world.write(f"delete doc:1#editor@user:a[expiration:{AFTER}]")
    assert world.facts() == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("delete doc:1#editor@ghost:a", Fault.SUBJECT_TYPE_UNKNOWN),
        ("delete doc:1#viewer@group:g#nothing", Fault.SUBJECT_RELATION_UNKNOWN),
        ("delete doc:1#editor@doc:1", Fault.SUBJECT_NOT_TAKEN),
        ("delete doc:1#editor@user:*", Fault.SUBJECT_NOT_TAKEN),
        ("delete doc:1#view@user:a", Fault.PERMISSION_WRITTEN),
        ("delete doc:1#nothing@user:a", Fault.RELATION_UNKNOWN),
    ],
)
def test_a_delete_of_what_could_never_stand_there_is_an_error(world: EngineOfTest, line: str, fault: Fault) -> None:
    """Whoever deletes it means something else, and would believe that it is gone."""
    world.write("doc:1#viewer@user:a")
    assert refused(world, RelationshipRefused, "delete doc:1#viewer@user:a", line).fault is fault
    assert world.facts() == ["doc:1#viewer@user:a"]


@pytest.mark.parametrize("pair", [*itertools.product(("touch", "create", "delete"), repeat=2)])
def test_a_request_says_one_thing_about_a_relationship(world: EngineOfTest, pair: tuple[str, str]) -> None:
    first, second = pair
    lines = [f"{first} doc:1#editor@user:a[small]", f"{second} doc:1#editor@user:a[expiration:{AFTER}]"]
    error = refused(world, InvalidArgument, "doc:2#viewer@user:a", *lines, match="occurs twice")
    assert error.field == "updates[2]"


def test_a_request_is_admitted_whole_or_not_at_all(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#viewer@user:b")
    refused(
        world,
        RelationshipExists,
        "delete doc:1#viewer@user:a",
        "doc:1#viewer@user:c",
        "create doc:1#viewer@user:b",
    )
    assert world.verdict("doc:1#view@user:a") is YES
    assert world.verdict("doc:1#view@user:c") is NO


# --- single -----------------------------------------------------------------------------------------------------


def test_a_single_relation_takes_one_subject(world: EngineOfTest) -> None:
    world.write("doc:1#owner@user:a")
    error = refused(world, SingleTaken, "doc:2#viewer@user:a", "doc:1#owner@user:b")
    assert "`doc:1#owner` is single and would lead to `user:a` and `user:b`" in error.message
    assert error.field == "updates[1]"
    assert error.reason == "SINGLE_RELATION_TAKEN"
    refused(world, SingleTaken, "create doc:1#owner@user:b")
    world.write("doc:1#owner@user:a")  # the same one again
    world.write("doc:2#owner@user:b")  # another resource
    world.write("doc:1#home@doc:2")  # another relation


def test_two_subjects_for_a_single_relation_in_one_request_are_refused(world: EngineOfTest) -> None:
    refused(world, SingleTaken, "doc:1#owner@user:a", "doc:1#owner@user:b")
    refused(world, SingleTaken, "create doc:1#owner@user:b", "create doc:1#owner@user:a")


@pytest.mark.parametrize(
    "lines", [*itertools.permutations(("delete doc:1#owner@user:a", "doc:1#owner@user:b", "doc:1#viewer@user:b"))]
)
def test_one_request_replaces_what_a_single_relation_holds_in_any_order(
    world: EngineOfTest, lines: Sequence[str]
) -> None:
    world.write("doc:1#owner@user:a")
    world.write(*lines)
    assert world.facts(RelationshipFilter(relation="owner")) == ["doc:1#owner@user:b"]


def test_what_is_over_leaves_a_single_relation_free(world: EngineOfTest) -> None:
    world.write(f"doc:1#owner@user:a[expiration:{AFTER}]")
    refused(world, SingleTaken, "doc:1#owner@user:b")
    world.clock.advance_us(1)
    world.write("doc:1#owner@user:b")
    refused(world, SingleTaken, f"doc:1#owner@user:a[expiration:{format_time(NOW_US + 9)}]")
    refused(world, SingleTaken, "doc:1#owner@user:a")
    world.write(f"doc:1#owner@user:a[expiration:{AT}]")  # over as it is written


def test_what_has_not_begun_holds_a_single_relation(world: EngineOfTest) -> None:
    """It will begin, and then there would be two."""
    world.write(f"doc:1#owner@user:a[not_before:{AFTER}]")
    refused(world, SingleTaken, "doc:1#owner@user:b")
    refused(world, SingleTaken, f"doc:1#owner@user:b[expiration:{AFTER}]")


# --- managed ----------------------------------------------------------------------------------------------------


def test_a_managed_relation_is_written_only_with_the_right_to(world: EngineOfTest) -> None:
    world.write("doc:1#seal@user:a")
    for operation in ("touch", "create", "delete"):
        error = refused(world, ManagedRefused, "doc:1#viewer@user:a", f"{operation} doc:1#seal@user:b", caller=STRANGER)
        assert "relation `seal` of `doc` is managed" in error.message
        assert error.field == "updates[1]"
    refused(world, ManagedRefused, "doc:1#root@user:b", caller=STRANGER)
    world.write("doc:1#viewer@user:a", caller=STRANGER)


def test_a_refusal_does_not_tell_a_stranger_what_is_there(world: EngineOfTest) -> None:
    world.write("doc:1#seal@user:a", "doc:1#root@user:a")
    for there, absent in (("seal@user:a", "seal@user:b"), ("root@user:a", "root@user:b")):
        for operation in ("create", "delete", "touch"):
            one = refused(world, ManagedRefused, f"{operation} doc:1#{there}", caller=STRANGER)
            other = refused(world, ManagedRefused, f"{operation} doc:1#{absent}", caller=STRANGER)
            assert one.message.replace(there, absent) == other.message


def test_writing_a_managed_relation_by_hand_is_on_record(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#seal@user:a")
    world.write("doc:1#viewer@user:b")
    world.write("delete doc:1#seal@user:a")
    with world.store.read("default") as view:
        assert [delta.managed_bypass for delta in view.changelog(1)] == [True, False, True]


# --- final ------------------------------------------------------------------------------------------------------


def test_what_is_final_is_deleted_by_nobody(world: EngineOfTest) -> None:
    """Whoever it is, and whether it is there or not: a key that may not read learns nothing by the refusal."""
    world.write("doc:1#closed@user:a")
    for there in ("user:a", "user:b"):
        error = refused(world, FinalRefused, "doc:1#viewer@user:z", f"delete doc:1#closed@{there}")
        assert (error.reason, error.field) == ("FINAL_RELATION", "updates[1]")
        assert error.message == (
            f"`doc:1#closed@{there}`: relation `closed` of `doc` is final: what is written there is deleted by nobody; "
            "name other relations"
        )
        refused(world, ManagedRefused, f"delete doc:1#ended@{there}", caller=STRANGER)
        refused(world, FinalRefused, f"delete doc:1#ended@{there}")


def test_what_is_final_stays_as_it_was_first_written(world: EngineOfTest) -> None:
    first = world.write("create doc:1#closed@user:a", caller=Caller("first", may_write_managed=True))
    again = world.write("doc:1#closed@user:a", "doc:1#viewer@user:a", caller=Caller("second", may_write_managed=True))
    refused(world, RelationshipExists, "create doc:1#closed@user:a")
    by = {str(each.relationship): each.provenance for each in world.stored(RelationshipFilter(relation="closed"))}
    assert [(each.principal, each.revision) for each in by.values()] == [("first", first.revision)]
    with world.store.read("default") as view:
        (delta,) = view.changelog(again.revision - 1)
    assert [change.key.relation for change in delta.changes] == ["viewer"], "and nobody is told of it again"


@pytest.mark.parametrize(
    "filter",
    [
        RelationshipFilter("doc", "1"),
        RelationshipFilter("doc", relation="closed"),
        RelationshipFilter(subject_type="user", subject_id="a"),
        RelationshipFilter("doc", resource_id_prefix=""),
    ],
)
def test_no_filter_removes_what_is_final(world: EngineOfTest, filter: RelationshipFilter) -> None:
    world.write("doc:1#closed@user:a", "doc:1#viewer@user:a", "doc:2#viewer@user:b")
    before = world.facts()
    for remove in (
        lambda: world.engine.relationships.delete("", filter),
        lambda: world.engine.relationships.delete("", filter, whole=True),
        lambda: world.engine.relationships.write("", [], replace=filter),
        lambda: world.write("doc:1#closed@user:b", replace=filter),
    ):
        with pytest.raises(FinalRefused, match="`doc:1#closed@user:a`"):
            remove()
        assert world.facts() == before


def test_what_is_final_stays_where_what_replaces_the_rest_names_it(world: EngineOfTest) -> None:
    first = world.write("doc:1#closed@user:a", "doc:1#viewer@user:a").revision
    world.write("doc:1#closed@user:a", "doc:1#viewer@user:b", replace=RelationshipFilter("doc", "1"))
    assert world.facts() == ["doc:1#closed@user:a", "doc:1#viewer@user:b"]
    assert world.stored(RelationshipFilter(relation="closed"))[0].provenance.revision == first


def test_a_single_relation_that_is_final_keeps_its_subject(world: EngineOfTest) -> None:
    world.write("doc:1#ended@user:b")
    error = refused(world, SingleTaken, "doc:1#ended@user:a")
    assert error.message.endswith("would lead to `user:a` and `user:b`: it is final, and keeps what it has")
    world.write("doc:1#ended@user:b")


def test_no_change_of_schema_takes_its_place_from_what_is_final(world: EngineOfTest) -> None:
    final = "final relation closed: user | user:* | group#member"
    world.write("doc:1#closed@user:a", "doc:1#viewer@user:a")
    for line, reason in (
        ("relation closed: user | user:* | group#member", "`closed` of `doc` would no longer be final"),
        ("final relation closed: user:* | group#member", "takes `user:*`, `group#member`, not `user`"),
        ("final relation shut: user | user:* | group#member", "relation `closed` is not defined on `doc`"),
    ):
        changed = SCHEMA.replace(final, line)
        with pytest.raises(SchemaOrphansRelationships) as caught:
            world.schema(changed)
        assert reason in caught.value.message
        assert caught.value.message.endswith("; keep `doc#closed`, which is final")
        (orphans,) = world.engine.schemas.diff("", changed).orphans
        assert (orphans.type, orphans.relation, orphans.count) == ("doc", "closed", 1)
    world.schema(SCHEMA.replace(final, "final managed relation closed: user | user:* | group#member | doc"))
    world.schema(SCHEMA.replace("single final managed relation ended: user", "relation other: user"))
    assert "doc:1#closed@user:a" in world.facts()


def test_what_is_there_becomes_final_with_its_relation(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#home@doc:2")
    world.schema(SCHEMA.replace("    relation viewer:", "    final relation viewer:"))
    refused(world, FinalRefused, "delete doc:1#viewer@user:a")
    world.write("delete doc:1#home@doc:2")


# --- what is subtracted -----------------------------------------------------------------------------------------

PLAINLY, SMALL, SMALLER = "", "[small]", '[small:{"x":3}]'
LATER = format_time(NOW_US + 50)
QUALIFIED = [
    PLAINLY,
    SMALL,
    SMALLER,
    *(f"[expiration:{time}]" for time in (BEFORE, AT, AFTER, LATER)),
    *(f"[not_before:{time}]" for time in (BEFORE, AFTER, LATER)),
    f"[small][expiration:{AFTER}]",
    f"[not_before:{AFTER}][expiration:{LATER}]",
]


@pytest.mark.parametrize(("there", "written"), [*itertools.product(QUALIFIED, repeat=2)])
def test_what_is_subtracted_holds_back_no_less_for_being_written_anew(
    world: EngineOfTest, there: str, written: str
) -> None:
    """Asked at every moment at which anything begins or ends, with every value its caveat might be given."""

    def holds_back(line: str, at_us: int, x: int) -> bool:
        qualifiers = parse_relationship(line).qualifiers
        caveat = qualifiers.caveat
        fixed = caveat is None or (3 if caveat.context_json != "{}" else x) < 10
        return qualifiers.counts_at(at_us) and fixed

    was, becomes = f"doc:1#banned@user:a{there}", f"doc:1#banned@user:a{written}"
    world.write(was)
    moments = itertools.product((NOW_US, NOW_US + 1, NOW_US + 49, NOW_US + 50, NOW_US + 9**9), (3, 50))
    is_less = any(holds_back(was, *moment) and not holds_back(becomes, *moment) for moment in moments)
    before, after = parse_relationship(was).qualifiers, parse_relationship(becomes).qualifiers
    # Another caveat, or other values for it, may come to the same here, and not under the next schema.
    is_unlike = after.caveat not in (None, before.caveat) and not before.is_over(NOW_US)
    if is_less or is_unlike:
        error = refused(world, WeakeningRefused, "doc:1#viewer@user:a", becomes)
        assert (error.reason, error.field) == ("SUBTRACTED_WEAKENED", "updates[1]")
        world.write(becomes, replace=RelationshipFilter("doc", "1", relation="banned"))
    else:
        world.write(becomes)
    there_now = world.facts(RelationshipFilter(relation="banned"))
    assert there_now == ([] if after.is_over(NOW_US) else [format_relationship(parse_relationship(becomes))])


def test_what_has_not_begun_is_weakened_by_no_create(world: EngineOfTest) -> None:
    world.write(f"doc:1#banned@user:a[not_before:{AFTER}]")
    refused(world, WeakeningRefused, f"create doc:1#banned@user:a[expiration:{AFTER}]")
    world.write("create doc:1#banned@user:a")


def test_what_only_grants_is_written_as_one_likes(world: EngineOfTest) -> None:
    world.write("doc:1#editor@user:a[small]")
    world.write(f"doc:1#editor@user:a[expiration:{AFTER}]")
    world.schema(
        SCHEMA.replace("use delegation", "").replace("final ", "").replace("managed ", "").replace("single ", "")
    )
    world.write("doc:1#banned@user:a")
    world.write(f"doc:1#banned@user:a[expiration:{AFTER}]")  # as in SpiceDB, where nobody asked for more


def test_provenance_says_who_wrote_and_when(world: EngineOfTest) -> None:
    revision = world.write("doc:1#viewer@user:a", caller=Caller("key-7", run="r-1")).revision
    (stored,) = world.stored()
    assert (stored.provenance.principal, stored.provenance.run, stored.provenance.revision) == (
        "key-7",
        "r-1",
        revision,
    )
    renewed = world.write("doc:1#viewer@user:a", caller=Caller("key-8")).revision
    (stored,) = world.stored()
    assert (stored.provenance.principal, stored.provenance.run, stored.provenance.revision) == ("key-8", "", renewed)


# --- preconditions ----------------------------------------------------------------------------------------------

VIEWERS = RelationshipFilter(resource_type="doc", resource_id="1", relation="viewer")


def test_a_precondition_holds_at_the_moment_of_the_write(world: EngineOfTest) -> None:
    exists, none = Precondition(VIEWERS, must_match=True), Precondition(VIEWERS, must_match=False)
    with pytest.raises(PreconditionFailed, match=r"precondition 1 does not hold: nothing matches `doc:1#viewer@\*:\*`"):
        world.write("doc:2#viewer@user:a", preconditions=[none, exists])
    world.write("doc:1#viewer@user:a", preconditions=[none])
    with pytest.raises(
        PreconditionFailed, match="precondition 0 does not hold: `doc:1#viewer@user:a` matches"
    ) as raised:
        world.write("doc:1#viewer@user:b", preconditions=[none])
    assert raised.value.field == "preconditions[0]"
    world.write("doc:1#viewer@user:b", preconditions=[exists])


def test_a_precondition_is_judged_before_the_request_changes_anything(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a")
    world.write("delete doc:1#viewer@user:a", preconditions=[Precondition(VIEWERS, must_match=True)])
    world.write("doc:1#viewer@user:a", preconditions=[Precondition(VIEWERS, must_match=False)])


def test_what_does_not_count_now_matches_no_precondition(world: EngineOfTest) -> None:
    world.write(f"doc:1#editor@user:a[expiration:{AT}]", f"doc:1#soon@user:a[not_before:{AFTER}]")
    for relation in ("editor", "soon"):
        filter = RelationshipFilter(resource_type="doc", relation=relation)
        with pytest.raises(PreconditionFailed):
            world.write("doc:2#viewer@user:a", preconditions=[Precondition(filter, must_match=True)])
        world.write("doc:2#viewer@user:a", preconditions=[Precondition(filter, must_match=False)])


@pytest.mark.parametrize(
    ("filter", "error", "field"),
    [
        (RelationshipFilter(resource_type="dock"), UnknownType, "resource_type"),
        (RelationshipFilter(resource_type="doc", relation="viwer"), UnknownRelation, "relation"),
        (RelationshipFilter(subject_type="usr"), UnknownType, "subject_type"),
        (RelationshipFilter(subject_type="group", subject_relation="membr"), UnknownRelation, "subject_relation"),
        (RelationshipFilter(resource_type="doc", resource_id="1", resource_id_prefix="1"), InvalidArgument, ""),
    ],
)
def test_a_misspelt_filter_is_no_empty_list(
    world: EngineOfTest, filter: RelationshipFilter, error: type[RemitError], field: str
) -> None:
    """That nothing matches a misspelt name would hold for ever, and let every such write through."""
    with pytest.raises(error) as raised:
        world.write("doc:1#viewer@user:a", preconditions=[Precondition(filter, must_match=False)])
    assert raised.value.field == ".".join(["preconditions[0].filter", *([field] if field else [])])
    with pytest.raises(error) as raised:
        world.engine.relationships.delete("", VIEWERS, preconditions=[Precondition(filter, must_match=False)])
    with pytest.raises(error) as raised:
        world.engine.relationships.read("", filter)
    assert raised.value.field == ".".join(["filter", *([field] if field else [])])


# --- replace and delete by filter -------------------------------------------------------------------------------


def test_replace_removes_what_it_means_in_the_same_revision(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#viewer@user:b", "doc:2#viewer@user:a", "doc:1#owner@user:a")
    written = world.write("create doc:1#viewer@user:b", "doc:1#viewer@user:c", replace=VIEWERS)
    assert written.replaced == 1
    assert world.facts(VIEWERS) == ["doc:1#viewer@user:b", "doc:1#viewer@user:c"]
    assert len(world.facts()) == 4
    owners = RelationshipFilter(resource_type="doc", relation="owner")
    world.write("doc:1#owner@user:b", replace=owners)
    assert world.facts(owners) == ["doc:1#owner@user:b"]


def test_replace_and_delete_keep_from_strangers_what_is_managed(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a", "doc:1#seal@user:a", "doc:2#viewer@user:a")
    before = world.facts()
    everything = RelationshipFilter(resource_type="doc", resource_id="1")
    with pytest.raises(ManagedRefused):
        world.write("doc:1#viewer@user:b", replace=everything, caller=STRANGER)
    with pytest.raises(ManagedRefused):
        world.engine.relationships.delete("", everything, caller=STRANGER)
    assert world.facts() == before
    assert world.engine.relationships.delete("", everything).deleted == 2
    assert world.facts() == ["doc:2#viewer@user:a"]


def test_delete_goes_on_until_nothing_matches(world: EngineOfTest) -> None:
    world.write(*(f"doc:1#viewer@user:{i}" for i in range(7)), "doc:2#viewer@user:0")
    found = [world.engine.relationships.delete("", VIEWERS, limit=3) for _ in range(3)]
    assert [(each.deleted, each.complete) for each in found] == [(3, False), (3, False), (1, True)]
    assert world.engine.relationships.delete("", VIEWERS, limit=3).deleted == 0
    assert world.facts() == ["doc:2#viewer@user:0"]


def test_what_removes_names_at_least_a_type(world: EngineOfTest) -> None:
    for filter in (RelationshipFilter(), RelationshipFilter(resource_id="1"), RelationshipFilter(relation="viewer")):
        with pytest.raises(InvalidArgument, match="names a resource type or a subject type"):
            world.engine.relationships.delete("", filter)
        with pytest.raises(InvalidArgument, match="names a resource type or a subject type"):
            world.write("doc:1#viewer@user:a", replace=filter)


def test_a_dry_run_is_judged_the_same_and_leaves_no_trace(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a")
    token = world.check("doc:1#view@user:a").token
    assert world.write("doc:1#viewer@user:b", dry_run=True).token == ""
    assert world.engine.relationships.delete("", VIEWERS, dry_run=True).deleted == 1
    assert world.engine.schemas.write("", SCHEMA + "definition extra {}", dry_run=True).token == ""
    with pytest.raises(RelationshipExists):
        world.write("create doc:1#viewer@user:a", dry_run=True)
    with pytest.raises(SchemaOrphansRelationships):
        world.engine.schemas.write("", "definition user {}", dry_run=True)
    assert world.facts() == ["doc:1#viewer@user:a"]
    assert world.check("doc:1#view@user:a").token == token
    assert "extra" not in world.engine.schemas.read("").text


# --- whose turn it is -------------------------------------------------------------------------------------------


class Turn(NamedTuple):
    """How a write was queued."""

    client_id: str
    is_small: bool


def turns_of(world: EngineOfTest, monkeypatch: pytest.MonkeyPatch) -> list[Turn]:
    """Whose turn, and of which class, each write took from now on."""
    turns: list[Turn] = []
    write, submit = world.store.write, world.store.submit

    def noted(queue: Callable[..., Any]) -> Callable[..., Any]:
        def queued(name: str, admission: Admission, client_id: str = "", weight: int = 1) -> Any:
            assert weight > 0, "with no weight, a turn would never end"
            turns.append(Turn(client_id, weight <= SMALL_WEIGHT_MAX))
            return queue(name, admission, client_id, weight)

        return queued

    monkeypatch.setattr(world.store, "write", noted(write))
    monkeypatch.setattr(world.store, "submit", noted(submit))
    return turns


def test_what_changes_little_is_small_and_all_else_is_bulk(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = turns_of(world, monkeypatch)
    ann = Caller("ann", client_id="key-a")
    world.write(*(f"doc:few#viewer@user:{number}" for number in range(10)), caller=ann)
    world.write(*(f"doc:many#viewer@user:{number}" for number in range(11)), caller=ann)
    world.schema(SCHEMA + "definition more {}")
    importing = world.engine.streams.import_("", caller=ann)
    importing.take(facts("doc:one#viewer@user:a")).result(60)  # or it would overtake larger messages
    assert turns == [Turn("key-a", True), Turn("key-a", False), Turn("", False), Turn("key-a", False)]


def test_a_deletion_is_small_where_it_means_a_few_and_bulk_where_it_turns_out_not_to(
    world: EngineOfTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(*(f"doc:few#viewer@user:{number}" for number in range(10)))
    world.write(*(f"doc:many#viewer@user:{number}" for number in range(11)))
    world.write(*(f"doc:{number}#viewer@user:rare" for number in range(SMALL_ROWS_MAX + 1)))
    turns = turns_of(world, monkeypatch)
    delete, small, bulk = world.engine.relationships.delete, Turn("key-a", True), Turn("key-a", False)
    ann = Caller("ann", client_id="key-a")

    assert delete("", RelationshipFilter("doc", "few"), caller=ann).deleted == 10
    assert turns == [small]
    turns.clear()
    deleted = delete("", RelationshipFilter("doc", "many"), caller=ann)
    assert (deleted.deleted, deleted.complete) == (11, True)
    assert turns == [small, bulk]
    turns.clear()
    # None at all, but looked for among many.
    assert delete("", RelationshipFilter("doc", subject_id="nobody"), caller=ann).deleted == 0
    assert turns == [small, bulk]
    turns.clear()
    assert world.write("doc:1#viewer@user:a", replace=RelationshipFilter("doc"), caller=ann).replaced > SMALL_ROWS_MAX
    assert turns == [small, bulk]
    assert world.facts() == ["doc:1#viewer@user:a"]


def test_a_dry_run_is_judged_against_the_last_revision_while_the_writer_is_busy(world: EngineOfTest) -> None:
    world.write("doc:1#viewer@user:a")
    gate, entered = threading.Event(), threading.Event()

    def busy(view: WriteTransaction) -> Draft:
        entered.set()
        assert gate.wait(60)
        return Draft("gate")

    held = world.store.submit("default", busy)
    assert entered.wait(60)
    try:
        assert world.engine.relationships.delete("", VIEWERS, dry_run=True).deleted == 1
        assert world.write("doc:1#viewer@user:b", dry_run=True).token == ""
        assert world.engine.schemas.write("", SCHEMA + "definition extra {}", dry_run=True).token == ""
        with pytest.raises(RelationshipExists):
            world.write("create doc:1#viewer@user:a", dry_run=True)
    finally:
        gate.set()
    held.result(60)
    assert world.facts() == ["doc:1#viewer@user:a"]


# --- limits -----------------------------------------------------------------------------------------------------


def test_a_request_beyond_a_limit_is_refused_and_one_at_it_is_not(open_engine) -> None:  # type: ignore[no-untyped-def]
    world = open_engine(Limits(updates_max=3, preconditions_max=2, matches_max=4))
    world.schema(SCHEMA)
    world.write(*(f"doc:1#viewer@user:{i}" for i in range(3)))
    with pytest.raises(LimitExceeded, match="at most 3 updates, and this one has 4") as raised:
        world.write(*(f"doc:2#viewer@user:{i}" for i in range(4)))
    assert (raised.value.metadata["limit"], raised.value.metadata["given"]) == ("3", "4")
    condition = Precondition(VIEWERS, must_match=True)
    world.write("doc:1#viewer@user:3", preconditions=[condition] * 2)
    with pytest.raises(LimitExceeded, match="at most 2 preconditions"):
        world.write("doc:1#viewer@user:3", preconditions=[condition] * 3)
    world.write("doc:1#viewer@user:4")
    with pytest.raises(TooManyMatch):
        world.write("doc:1#viewer@user:9", replace=VIEWERS)
    assert world.engine.relationships.delete("", VIEWERS, limit=99).deleted == 4, "a higher limit is the highest"


def test_a_write_of_nothing_is_refused_but_over_spicedbs_wire_a_revision_that_changes_nothing(
    world: EngineOfTest,
) -> None:
    before = world.write("doc:1#viewer@user:a")
    with pytest.raises(InvalidArgument, match="at least one of `updates`"):
        world.write()
    after = world.write(wire=SPICEDB_WIRE)
    assert (after.revision, world.facts()) == (before.revision + 1, ["doc:1#viewer@user:a"])


def test_what_is_too_large_is_refused_by_its_bytes(world: EngineOfTest) -> None:
    updates = [Update(Operation.TOUCH, *facts("doc:1#viewer@user:a"))]
    world.engine.relationships.write("", updates, metadata_json='{"k":"' + "é" * 2_040 + '"}')
    with pytest.raises(LimitExceeded, match="the metadata has 4098 bytes, more than the 4096 allowed"):
        world.engine.relationships.write("", updates, metadata_json='{"k":"' + "é" * 2_045 + '"}')
    long = f'doc:1#crowd@group:g#member[other:{{"y":"{"z" * 25_000}"}}]'
    with pytest.raises(LimitExceeded, match="caveat context of `doc:1#crowd@group:g#member`"):
        world.write(long)


# --- races ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["create doc:{i}#viewer@user:a", "doc:{i}#owner@user:{n}", "create doc:{i}#home@doc:{n}"]
)
def test_of_writers_that_race_for_one_place_exactly_one_wins(world: EngineOfTest, line: str) -> None:
    writers, rounds = 4, 12
    start = threading.Barrier(writers)
    won: list[tuple[int, int]] = []
    errors: list[RemitError] = []

    def race(n: int) -> None:
        for i in range(rounds):
            start.wait()
            try:
                world.write(line.format(i=i, n=n))
                won.append((i, n))
            except RemitError as error:
                errors.append(error)

    threads = [threading.Thread(target=race, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(i for i, _ in won) == list(range(rounds))
    assert {type(error) for error in errors} <= {RelationshipExists, SingleTaken}
    assert len(errors) == (writers - 1) * rounds
    assert len(world.facts()) == rounds
    if "{n}" in line:
        assert set(world.facts()) == {line.removeprefix("create ").format(i=i, n=n) for i, n in won}


# --- how much the filters of one write may look at --------------------------------------------------------------


@pytest.fixture
def narrow(open_engine: EngineOpener) -> EngineOfTest:
    """Ten documents, the last of which is somebody's; a write looks at five rows at most."""
    world = open_engine(Limits(scanned_max=5))
    world.schema("definition user {}\ndefinition doc {\n relation viewer: user\n relation editor: user\n}")
    for number in range(10):
        world.write(f"doc:d{number}#viewer@user:{'zoe' if number == 9 else 'ann'}")
    return world


BROAD = RelationshipFilter(resource_type="doc", subject_type="user", relation="editor")


def test_a_write_whose_filters_would_look_at_too_much_is_refused_whole_and_told_which(narrow: EngineOfTest) -> None:
    """Also where little or nothing is meant: it is the looking that keeps others waiting."""
    first = Precondition(RelationshipFilter(resource_type="doc", resource_id="d1"), True)
    conditions = [first, Precondition(BROAD, False)]
    attempts: dict[str, Callable[[], object]] = {
        "preconditions[1].filter": lambda: narrow.write("doc:n#viewer@user:n", preconditions=conditions),
        "replace": lambda: narrow.write("doc:n#viewer@user:n", replace=BROAD),
        "filter": lambda: narrow.engine.relationships.delete("", BROAD),
    }
    for refused_for, attempt in attempts.items():
        with pytest.raises(FilterTooBroad, match="more than 5 relationships would be looked at") as refused:
            attempt()
        assert refused.value.field == refused_for
        assert (refused.value.metadata["name"], refused.value.metadata["limit"]) == ("scanned_max", "5")
    assert len(narrow.facts()) == 10


def test_the_filters_of_one_write_share_what_they_may_look_at(narrow: EngineOfTest) -> None:
    absent = [Precondition(RelationshipFilter(resource_type="doc", resource_id=f"no{n}"), False) for n in range(9)]
    present = [Precondition(RelationshipFilter(resource_type="doc", resource_id=f"d{n}"), True) for n in range(6)]
    narrow.write("doc:n#viewer@user:n", preconditions=absent)
    narrow.write("doc:n#viewer@user:n", preconditions=present[:5])
    with pytest.raises(FilterTooBroad):
        narrow.write("doc:n#viewer@user:n", preconditions=present)


def test_a_filter_that_names_a_whole_resource_or_subject_looks_at_nothing_else(narrow: EngineOfTest) -> None:
    whose = RelationshipFilter(subject_type="user", subject_id="zoe", resource_type="doc")
    assert narrow.engine.relationships.delete("", whose).deleted == 1
    one = RelationshipFilter(resource_type="doc", resource_id="d8", relation="viewer")
    narrow.write("doc:d8#viewer@user:ben", preconditions=[Precondition(one, True)], replace=one)
    assert narrow.facts(one) == ["doc:d8#viewer@user:ben"]


def test_a_delete_that_found_something_removes_it_and_asks_to_be_called_again(narrow: EngineOfTest) -> None:
    viewers = RelationshipFilter(resource_type="doc", relation="viewer")
    outcomes = []
    while not outcomes or not outcomes[-1].complete:
        outcomes.append(narrow.engine.relationships.delete("", viewers))
    assert [each.deleted for each in outcomes] == [5, 5]
    assert narrow.facts() == []
