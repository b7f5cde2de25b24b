"""SpiceDB's checks at the frontend: its messages are answered alike by the core and by Python."""

from __future__ import annotations

import grpc
import pytest
from authzed.api.v1 import core_pb2, permission_service_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.ways_in import CHECK_BULK, CHECK_PERMISSION, Both, Refused, told

usual = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

ids = st.sampled_from(["top", "sub", "ann", "bob", "cara", "", "*", "a b"])
types = st.sampled_from(["folder", "user", "folder", "user", "ghost", ""])
names = st.sampled_from(["view", "viewer", "parent", "view", "ghost", "", "View"])
relations = st.sampled_from(["", "", "...", "viewer", "ghost", "Bad"])
objects = st.builds(lambda kind, id: core_pb2.ObjectReference(object_type=kind, object_id=id), types, ids)
subjects = st.builds(
    lambda object, relation: core_pb2.SubjectReference(object=object, optional_relation=relation), objects, relations
)
items = st.builds(
    lambda resource, permission, subject: permission_service_pb2.CheckBulkPermissionsRequestItem(
        resource=resource, permission=permission, subject=subject
    ),
    objects,
    names,
    subjects,
)
consistencies = st.sampled_from(
    [
        None,
        permission_service_pb2.Consistency(minimize_latency=True),
        permission_service_pb2.Consistency(fully_consistent=True),
        permission_service_pb2.Consistency(fully_consistent=False),
        permission_service_pb2.Consistency(at_least_as_fresh=core_pb2.ZedToken(token="none")),
        permission_service_pb2.Consistency(at_least_as_fresh=core_pb2.ZedToken()),
    ]
)


@usual
@given(item=items, consistency=consistencies)
def test_a_question_is_answered_alike(
    door: grpc.Channel,
    bare: grpc.Channel,
    item: permission_service_pb2.CheckBulkPermissionsRequestItem,
    consistency: permission_service_pb2.Consistency | None,
) -> None:
    request = permission_service_pb2.CheckPermissionRequest(
        resource=item.resource, permission=item.permission, subject=item.subject, consistency=consistency
    )
    data = request.SerializeToString()
    assert told(door, CHECK_PERMISSION, data) == told(bare, CHECK_PERMISSION, data)


@usual
@given(asked=st.lists(items, max_size=4))
def test_many_questions_are_answered_alike(
    door: grpc.Channel, bare: grpc.Channel, asked: list[permission_service_pb2.CheckBulkPermissionsRequestItem]
) -> None:
    data = permission_service_pb2.CheckBulkPermissionsRequest(items=asked).SerializeToString()
    assert told(door, CHECK_BULK, data) == told(bare, CHECK_BULK, data)


@pytest.mark.parametrize("path", [CHECK_PERMISSION, CHECK_BULK])
def test_a_plain_question_never_reaches_python(pair: Both, door: grpc.Channel, path: str) -> None:
    resource = core_pb2.ObjectReference(object_type="folder", object_id="sub")
    subject = core_pb2.SubjectReference(object=core_pb2.ObjectReference(object_type="user", object_id="ann"))
    parts = {"resource": resource, "permission": "view", "subject": subject}
    item = permission_service_pb2.CheckBulkPermissionsRequestItem(**parts)
    request = (
        permission_service_pb2.CheckPermissionRequest(**parts)
        if path == CHECK_PERMISSION
        else permission_service_pb2.CheckBulkPermissionsRequest(items=[item])
    )
    verb = f"spicedb.{path.rpartition('/')[2]}"
    before = pair.native()[verb]
    answer = told(door, path, request.SerializeToString())
    assert not isinstance(answer, Refused)
    assert pair.native()[verb] == (before[0] + 1, *before[1:])
