"""Random values of the model, as the wire may carry them."""

from __future__ import annotations

from hypothesis import strategies as st

from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.descriptions import AgentState, Digests, VersionState
from remit.engine.agents.versions import Snapshot
from remit.eval.trees import (
    ExpandAlong,
    ExpandArrow,
    ExpandExclusion,
    ExpandExists,
    ExpandIntersection,
    ExpandLeaf,
    ExpandNobody,
    ExpandReference,
    ExpandSelf,
    ExpandSet,
    ExpandSubject,
    ExpandSubjectFilter,
    ExpandUnion,
    Expansion,
    ExplainedQuestion,
    Explanation,
    ExplanationKind,
    ExplanationNode,
)
from remit.model import (
    PLAIN,
    WILDCARD,
    CaveatUse,
    ObjectRef,
    Operation,
    Precondition,
    Provenance,
    Qualifiers,
    Relationship,
    RelationshipFilter,
    StoredRelationship,
    SubjectRef,
    Update,
    Verdict,
)
from remit.notation import canonical_json

_ID_ALPHABET = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#[]")
_FIRST_US = -62_135_596_800_000_000
_LAST_US = 253_402_300_799_999_999

names = st.from_regex(r"[a-z]([a-z0-9_]{0,8}[a-z0-9])?", fullmatch=True)
types = st.lists(names, min_size=1, max_size=2).map("/".join)
# Capitals too: SpiceDB takes them in the names of caveats, and so do schemas here.
caveat_names = st.from_regex(r"([A-Za-z0-9_]{1,8}/)?[A-Za-z0-9_]{1,8}", fullmatch=True)
ids = st.text(_ID_ALPHABET, min_size=1, max_size=12).filter(lambda id: id != WILDCARD)
objects = st.builds(ObjectRef, types, ids)
plain = st.just("")
subjects = st.one_of(
    st.builds(SubjectRef, types, ids, plain),
    st.builds(SubjectRef, types, ids, names),
    st.builds(SubjectRef, types, st.just(WILDCARD), plain),
)
times_us = st.integers(_FIRST_US, _LAST_US)
verdicts = st.sampled_from(Verdict)

json_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
keys = st.text(st.characters(codec="utf-8"), max_size=6)
json_values = st.recursive(
    json_leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
contexts = st.dictionaries(keys, json_values, max_size=4)

caveats = st.builds(CaveatUse, caveat_names, contexts.map(canonical_json))
qualifiers = st.one_of(
    st.just(PLAIN), st.builds(Qualifiers, st.none() | caveats, st.none() | times_us, st.none() | times_us)
)
relationships = st.builds(Relationship, objects, names, subjects, qualifiers)
plain_relationships = st.builds(Relationship, objects, names, subjects, st.just(PLAIN))
stored = st.builds(
    StoredRelationship, relationships, st.builds(Provenance, st.text(max_size=5), ids, st.integers(0, 2**64 - 1))
)
updates = st.one_of(
    st.builds(Update, st.sampled_from([Operation.TOUCH, Operation.CREATE]), relationships),
    st.builds(Update, st.just(Operation.DELETE), plain_relationships),
)


@st.composite
def filters(draw: st.DrawFn) -> RelationshipFilter:
    by_prefix = draw(st.booleans())
    return RelationshipFilter(
        resource_type=draw(st.none() | types),
        resource_id=None if by_prefix else draw(st.none() | ids),
        resource_id_prefix=draw(ids) if by_prefix else None,
        relation=draw(st.none() | names),
        subject_type=draw(st.none() | types),
        subject_id=draw(st.none() | ids | st.just("*")),
        subject_relation=draw(st.none() | names | st.just("")),
    )


preconditions = st.builds(Precondition, filters(), st.booleans())

# --- trees ------------------------------------------------------------------------------------------------------

notes = st.text(st.characters(codec="utf-8"), max_size=8)
relation_texts = names | st.just("link.along(delegated_by, instance_of)")
explanation_leaves = st.one_of(
    st.builds(
        ExplanationNode,
        st.just(ExplanationKind.QUESTION),
        verdicts,
        resource=objects,
        relation=relation_texts,
        subject=subjects,
    ),
    st.builds(
        ExplanationNode,
        st.just(ExplanationKind.RELATIONSHIP),
        verdicts,
        relationship=relationships,
        missing=st.lists(names, max_size=2).map(tuple),
        note=notes,
    ),
    st.builds(ExplanationNode, st.just(ExplanationKind.CONSTANT), verdicts, note=notes),
)
explanation_nodes = st.recursive(
    explanation_leaves,
    lambda inner: st.builds(
        ExplanationNode,
        st.sampled_from([ExplanationKind.UNION, ExplanationKind.INTERSECTION, ExplanationKind.EXCLUSION]),
        verdicts,
        children=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)
questions = st.builds(ExplainedQuestion, objects, relation_texts, subjects, verdicts, explanation_nodes)
explanations = st.builds(
    Explanation,
    st.lists(questions, max_size=3).map(tuple),
    st.booleans(),
    st.lists(relationships, max_size=2).map(tuple),
    st.lists(updates, max_size=2).map(tuple),
    st.booleans(),
)

references = st.builds(ExpandReference, objects, relation_texts, st.booleans())
found = st.lists(st.builds(ExpandSubject, relationships, st.none() | references), max_size=2).map(tuple)
expand_leaves = st.one_of(
    references,
    st.builds(ExpandLeaf, names, found),
    st.builds(ExpandExists, names, found),
    st.builds(ExpandArrow, names, names, st.booleans(), found),
    st.builds(ExpandSubjectFilter, names),
    st.builds(ExpandSelf, objects),
    st.just(ExpandNobody()),
)
expand_nodes = st.recursive(
    expand_leaves,
    lambda inner: st.one_of(
        st.builds(ExpandUnion, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(ExpandIntersection, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(ExpandExclusion, inner, inner),
        st.builds(ExpandAlong, inner, st.lists(names, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
expansions = st.builds(
    Expansion, st.lists(st.builds(ExpandSet, objects, relation_texts, expand_nodes), max_size=3).map(tuple)
)

# --- agents -----------------------------------------------------------------------------------------------------

_texts = st.text(st.characters(codec="utf-8"), max_size=6)
_counts = st.integers(0, 2**32 - 1)
agents = st.builds(
    AgentState,
    ids,
    _texts,
    st.lists(subjects.filter(lambda subject: not subject.is_wildcard), max_size=3).map(tuple),
    st.booleans(),
    st.none() | ids.map(lambda id: ObjectRef("domain", id)),
    st.builds(Ceilings, _counts, _counts, _counts, st.lists(ids, max_size=3).map(tuple)),
    _texts,
    st.none() | times_us,
)
versions = st.builds(
    VersionState,
    ids,
    ids,
    _texts,
    st.builds(Digests, _texts, _texts, _texts),
    _texts,
    st.lists(_texts, max_size=3).map(tuple),
    _texts,
    st.none() | times_us,
    _texts,
    st.none() | times_us,
)
_some_ids = st.lists(ids, max_size=3).map(tuple)
snapshots = st.builds(
    Snapshot,
    st.integers(0, 2**63 - 1),
    _some_ids,
    _some_ids,
    st.lists(objects, max_size=3).map(tuple),
    st.booleans(),
)
