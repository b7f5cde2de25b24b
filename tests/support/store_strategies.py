"""What the laws of the store are drawn from: triples with short, long and nearly equal ids, qualifiers, filters."""

from __future__ import annotations

from hypothesis import strategies as st

from remit.model import (
    PLAIN,
    CaveatUse,
    ObjectRef,
    Provenance,
    Qualifiers,
    RelationshipFilter,
    RelationshipKey,
    SubjectRef,
)
from remit.store.codec import SORT_KEY_BYTES_MAX

_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#[]")
_LONG = st.builds(
    lambda letter, count, tail: (letter * count + tail)[-1024:],
    st.sampled_from("ab"),
    st.integers(400, 1024),
    st.text(_PRINTABLE, max_size=4),
)
names = st.sampled_from(["user", "team", "document", "a", "acme/doc"])
ids = st.one_of(st.sampled_from(["1", "2", "10", "anne", "*"]), st.text(_PRINTABLE, min_size=1, max_size=8), _LONG)
relations = st.sampled_from(["viewer", "owner", "member"])
objects = st.builds(ObjectRef, names, ids)
subjects = st.builds(SubjectRef, names, ids, st.sampled_from(["", "", "member"]))
keys = st.builds(RelationshipKey, objects, relations, subjects)
times = st.none() | st.integers(0, 2**52)
qualifiers = st.one_of(
    st.just(PLAIN),
    st.builds(
        Qualifiers,
        st.none() | st.builds(CaveatUse, st.sampled_from(["c", "on_call"]), st.sampled_from(["{}", '{"a":1}'])),
        times,
        times,
    ),
)
provenances = st.builds(Provenance, st.text(max_size=9), st.sampled_from(["", "run:r-7"]), st.integers(0, 2**63))

LONGEST = RelationshipKey(ObjectRef("t", "r" * 1024), "viewer", SubjectRef("u", "s" * 1024, "member"))
# Triples of exactly the length of the longest sort key, one byte less and one more.
AT_THE_EDGE = [
    RelationshipKey(ObjectRef("t", "r" * (SORT_KEY_BYTES_MAX + more - 12)), "v", SubjectRef("u", "s" * 4, ""))
    for more in (-1, 0, 1)
]

# A narrower world, in which triples meet. Two of its ids differ only behind what a key can hold.
_few_ids = st.sampled_from(["1", "10", "2", "x" * 600, "x" * 600 + "y"])
few_keys = st.builds(
    RelationshipKey,
    st.builds(ObjectRef, st.sampled_from(["doc", "docs"]), _few_ids),
    st.sampled_from(["viewer", "owner"]),
    st.builds(SubjectRef, st.sampled_from(["user", "team"]), _few_ids, st.sampled_from(["", "member"])),
)


@st.composite
def filters(draw: st.DrawFn, of: st.SearchStrategy[RelationshipKey] = few_keys) -> RelationshipFilter:
    """A filter made of some parts of some triple, so that it often matches."""
    model = draw(of)

    def sometimes(value: str) -> str | None:
        return draw(st.sampled_from([value, None]))

    resource_id = sometimes(model.resource.id)
    prefix = None if resource_id is not None else sometimes(model.resource.id[: draw(st.integers(0, 1200))])
    return RelationshipFilter(
        sometimes(model.resource.type),
        resource_id,
        prefix,
        sometimes(model.relation),
        sometimes(model.subject.type),
        sometimes(model.subject.id),
        sometimes(model.subject.relation),
    )
