"""The table of verbs: one row says all of a method. See `verb.py` for what each column means.

A person should be able to proofread it by eye against proto/remit/v1.
Law: a method that is not in the table answers nobody."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from authzed.api.v1 import (
    experimental_service_pb2,
    permission_service_pb2,
    schema_service_pb2,
    watch_service_pb2,
)
from google.protobuf.message import Message

from remit.access.keys import Right
from remit.engine.facade import Engine
from remit.server import request_summary as summary
from remit.server.call import Call
from remit.server.handlers import lookups, permissions, relationships, schemas, stores, watch
from remit.server.handlers.agents import applies, consents, holds, impacts, owners, registrations, runs, tools, versions
from remit.server.handlers.spicedb import experimental
from remit.server.handlers.spicedb import lookups as spicedb_lookups
from remit.server.handlers.spicedb import permissions as spicedb_permissions
from remit.server.handlers.spicedb import relationships as spicedb_relationships
from remit.server.handlers.spicedb import schemas as spicedb_schemas
from remit.server.handlers.spicedb import watch as spicedb_watch
from remit.server.limits.request_size import Caveats, SizeLimits
from remit.server.streams import Stream
from remit.server.verb import About, Queue, Verb
from remit.v1 import agents_pb2, permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2

UnaryVerb = Verb[Callable[[Engine, Any, Call], Message]]
# Its requests, its responses, or both are a stream. The handler gives messages, or their bytes where it has them.
StreamVerb = Verb[Callable[[Engine, Any, Stream], AsyncGenerator[Message | bytes, None]]]

# --- what is bounded of a request, before it is read ------------------------------------------------------------

_ITEMS = ("items", "items_max")
_UPDATES = ("updates", "updates_max")
_PRECONDITIONS = ("preconditions", "preconditions_max")
_CONTEXTUAL = ("contextual", "contextual_max")
_METADATA = ("metadata", "metadata_bytes_max")

_IN_FACT = Caveats(lambda fact: fact.caveat, "caveat")
_IN_UPDATE = Caveats(lambda update: update.relationship.caveat, "relationship.caveat")
_IN_SPICEDB_UPDATE = Caveats(lambda update: update.relationship.optional_caveat, "relationship.optional_caveat")

_FOR_QUESTION = SizeLimits(counted=(_CONTEXTUAL,), caveats=(("contextual", _IN_FACT),))
_FOR_QUESTIONS = SizeLimits(counted=(_ITEMS, _CONTEXTUAL), caveats=(("contextual", _IN_FACT),))
_FOR_WRITE = SizeLimits((_UPDATES, _PRECONDITIONS), measured=(_METADATA,), caveats=(("updates", _IN_UPDATE),))
_FOR_DELETE = SizeLimits(counted=(_PRECONDITIONS,), measured=(_METADATA,))
_FOR_IMPORT = SizeLimits(counted=(("relationships", "updates_max"),), caveats=(("relationships", _IN_FACT),))
_FOR_WATCH = SizeLimits(counted=(("filters", "filters_max"),))


def _naming(*fields: str) -> SizeLimits:
    """Of a verb of agents: each field names as much as a write may have updates, at most; its own bound is lower."""
    return SizeLimits(counted=tuple((field, "updates_max") for field in fields))


_IN_SPICEDB_FACT = Caveats(lambda fact: fact.optional_caveat, "optional_caveat")
_SPICEDB_CONDITIONS = ("optional_preconditions", "spicedb_preconditions_max")
_SPICEDB_METADATA = ("optional_transaction_metadata", "spicedb_metadata_bytes_max")

_FOR_SPICEDB_QUESTIONS = SizeLimits(counted=(("items", "spicedb_items_max"),))
_FOR_SPICEDB_WRITE = SizeLimits(
    (_UPDATES, _SPICEDB_CONDITIONS), measured=(_SPICEDB_METADATA,), caveats=(("updates", _IN_SPICEDB_UPDATE),)
)
_FOR_SPICEDB_DELETE = SizeLimits(counted=(_SPICEDB_CONDITIONS,), measured=(_SPICEDB_METADATA,))
_FOR_SPICEDB_IMPORT = SizeLimits(
    counted=(("relationships", "spicedb_import_max"),), caveats=(("relationships", _IN_SPICEDB_FACT),)
)
_FOR_SPICEDB_WATCH = SizeLimits(
    counted=tuple(
        (field, "filters_max")
        for field in ("optional_relationship_filters", "optional_object_types", "optional_update_kinds")
    )
)
_FOR_REFLECTION = SizeLimits(counted=(("optional_filters", "filters_max"),))

# --- the table --------------------------------------------------------------------------------------------------

_A = agents_pb2
_P, _R, _S, _T = permissions_pb2, relationships_pb2, schemas_pb2, stores_pb2
_SP, _SS = permission_service_pb2, schema_service_pb2
_SW, _SE = watch_service_pb2, experimental_service_pb2
_READS, _WRITES, _STREAMS = Queue.READS, Queue.WRITES, Queue.STREAMS

# fmt: off
VERBS: tuple[UnaryVerb, ...] = (
    Verb(service="remit.v1.Permissions", method="Check",
         handler=permissions.check, request=_P.CheckRequest, response=_P.CheckResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, is_hot=True, sizes=_FOR_QUESTION, reader=summary.CHECK),
    Verb(service="remit.v1.Permissions", method="CheckMany",
         handler=permissions.check_many, request=_P.CheckManyRequest, response=_P.CheckManyResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, is_hot=True, sizes=_FOR_QUESTIONS,
         reader=summary.CHECK_MANY),
    Verb(service="remit.v1.Permissions", method="Expand",
         handler=permissions.expand, request=_P.ExpandRequest, response=_P.ExpandResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, is_hot=True, sizes=_FOR_QUESTION, reader=summary.EXPAND),
    Verb(service="remit.v1.Permissions", method="LookupResources",
         handler=lookups.lookup_resources, request=_P.LookupResourcesRequest, response=_P.LookupResourcesResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, sizes=_FOR_QUESTION, reader=summary.LOOKUP_RESOURCES),
    Verb(service="remit.v1.Permissions", method="LookupSubjects",
         handler=lookups.lookup_subjects, request=_P.LookupSubjectsRequest, response=_P.LookupSubjectsResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, sizes=_FOR_QUESTION, reader=summary.LOOKUP_SUBJECTS),
    Verb(service="remit.v1.Permissions", method="LookupPermissions",
         handler=lookups.lookup_permissions,
         request=_P.LookupPermissionsRequest, response=_P.LookupPermissionsResponse,
         right=Right.CHECK, about=About.STORE, queue=_READS, sizes=_FOR_QUESTION, reader=summary.LOOKUP_PERMISSIONS),

    # Of managed relations it needs the right `write-managed` as well, which only admission can tell.
    Verb(service="remit.v1.Relationships", method="Write",
         handler=relationships.write, request=_R.WriteRequest, response=_R.WriteResponse,
         right=Right.WRITE, about=About.STORE, queue=_WRITES, sizes=_FOR_WRITE, reader=summary.WRITE),
    Verb(service="remit.v1.Relationships", method="Delete",
         handler=relationships.delete, request=_R.DeleteRequest, response=_R.DeleteResponse,
         right=Right.WRITE, about=About.STORE, queue=_WRITES, sizes=_FOR_DELETE, reader=summary.DELETE),
    Verb(service="remit.v1.Relationships", method="Read",
         handler=relationships.read, request=_R.ReadRequest, response=_R.ReadResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.READ),

    Verb(service="remit.v1.Schemas", method="WriteSchema",
         handler=schemas.write_schema, request=_S.WriteSchemaRequest, response=_S.WriteSchemaResponse,
         right=Right.SCHEMA, about=About.STORE, queue=_WRITES, is_heavy=True, reader=summary.SCHEMA),
    Verb(service="remit.v1.Schemas", method="ReadSchema",
         handler=schemas.read_schema, request=_S.ReadSchemaRequest, response=_S.ReadSchemaResponse,
         right=Right.READ, about=About.STORE, queue=_READS),
    Verb(service="remit.v1.Schemas", method="DiffSchema",
         handler=schemas.diff_schema, request=_S.DiffSchemaRequest, response=_S.DiffSchemaResponse,
         right=Right.READ, about=About.STORE, queue=_READS, is_heavy=True, reader=summary.SCHEMA),

    Verb(service="remit.v1.Stores", method="CreateStore",
         handler=stores.create_store, request=_T.CreateStoreRequest, response=_T.CreateStoreResponse,
         right=Right.ADMIN, about=About.NEW, queue=_WRITES),
    Verb(service="remit.v1.Stores", method="ListStores",
         handler=stores.list_stores, request=_T.ListStoresRequest, response=_T.ListStoresResponse,
         right=None, about=About.ALL, queue=_READS),
    Verb(service="remit.v1.Stores", method="DeleteStore",
         handler=stores.delete_store, request=_T.DeleteStoreRequest, response=_T.DeleteStoreResponse,
         right=Right.ADMIN, about=About.NAMED, queue=_WRITES),
    Verb(service="remit.v1.Stores", method="WhoAmI",
         handler=stores.who_am_i, request=_T.WhoAmIRequest, response=_T.WhoAmIResponse,
         right=None, about=About.ALL, queue=_READS),

    Verb(service="remit.v1.Agents", method="Hold",
         handler=holds.hold, request=_A.HoldRequest, response=_A.HoldResponse,
         right=Right.HOLD, about=About.STORE, queue=_WRITES, reader=summary.HOLD),
    Verb(service="remit.v1.Agents", method="Release",
         handler=holds.release, request=_A.ReleaseRequest, response=_A.ReleaseResponse,
         right=Right.RELEASE, about=About.STORE, queue=_WRITES, reader=summary.RELEASE),
    Verb(service="remit.v1.Agents", method="Terminate",
         handler=holds.terminate, request=_A.TerminateRequest, response=_A.TerminateResponse,
         right=Right.TERMINATE, about=About.STORE, queue=_WRITES, reader=summary.TERMINATE),
    Verb(service="remit.v1.Agents", method="GiveConsent",
         handler=consents.give_consent, request=_A.GiveConsentRequest, response=_A.GiveConsentResponse,
         right=Right.CONSENT, about=About.STORE, queue=_WRITES, sizes=_naming("agents"), reader=summary.GIVE_CONSENT),
    Verb(service="remit.v1.Agents", method="WithdrawConsent",
         handler=consents.withdraw_consent, request=_A.WithdrawConsentRequest, response=_A.WithdrawConsentResponse,
         right=Right.CONSENT, about=About.STORE, queue=_WRITES, reader=summary.WITHDRAW_CONSENT),
    Verb(service="remit.v1.Agents", method="ListConsents",
         handler=consents.list_consents, request=_A.ListConsentsRequest, response=_A.ListConsentsResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.LIST_CONSENTS),
    # Below a person it needs the right `spawn-unproven` as well, which only the request can tell.
    Verb(service="remit.v1.Agents", method="Spawn",
         handler=runs.spawn, request=_A.SpawnRequest, response=_A.SpawnResponse,
         right=Right.SPAWN, about=About.STORE, queue=_WRITES, sizes=_naming("profiles", "bindings"),
         reader=summary.SPAWN),
    Verb(service="remit.v1.Agents", method="Renew",
         handler=runs.renew, request=_A.RenewRequest, response=_A.RenewResponse,
         right=Right.SPAWN, about=About.STORE, queue=_WRITES, reader=summary.OF_RUN),
    Verb(service="remit.v1.Agents", method="Narrow",
         handler=runs.narrow, request=_A.NarrowRequest, response=_A.NarrowResponse,
         right=Right.SPAWN, about=About.STORE, queue=_WRITES, reader=summary.OF_RUN),
    Verb(service="remit.v1.Agents", method="DeclareIntent",
         handler=runs.declare_intent, request=_A.DeclareIntentRequest, response=_A.DeclareIntentResponse,
         right=Right.SPAWN, about=About.STORE, queue=_WRITES, reader=summary.OF_RUN),
    Verb(service="remit.v1.Agents", method="DescribeRun",
         handler=runs.describe_run, request=_A.DescribeRunRequest, response=_A.DescribeRunResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.OF_RUN),
    Verb(service="remit.v1.Agents", method="ListRuns",
         handler=runs.list_runs, request=_A.ListRunsRequest, response=_A.ListRunsResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.LIST_RUNS),
    Verb(service="remit.v1.Agents", method="ShowChain",
         handler=runs.show_chain, request=_A.ShowChainRequest, response=_A.ShowChainResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.OF_RUN),
    Verb(service="remit.v1.Agents", method="ShowSubtree",
         handler=runs.show_subtree, request=_A.ShowSubtreeRequest, response=_A.ShowSubtreeResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.SHOW_SUBTREE),

    Verb(service="remit.v1.Agents", method="RegisterAgent",
         handler=registrations.register_agent, request=_A.RegisterAgentRequest, response=_A.RegisterAgentResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, sizes=_naming("owners"),
         reader=summary.REGISTER_AGENT),
    Verb(service="remit.v1.Agents", method="ChangeAgent",
         handler=registrations.change_agent, request=_A.ChangeAgentRequest, response=_A.ChangeAgentResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, sizes=_naming("owners"),
         reader=summary.CHANGE_AGENT),
    Verb(service="remit.v1.Agents", method="RetireAgent",
         handler=registrations.retire_agent, request=_A.RetireAgentRequest, response=_A.RetireAgentResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, reader=summary.RETIRE_AGENT),
    Verb(service="remit.v1.Agents", method="AddVersion",
         handler=versions.add_version, request=_A.AddVersionRequest, response=_A.AddVersionResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, reader=summary.ADD_VERSION),
    # Heavy for its snapshot: two lookups, whatever the version has.
    Verb(service="remit.v1.Agents", method="Certify",
         handler=versions.certify, request=_A.CertifyRequest, response=_A.CertifyResponse,
         right=Right.CERTIFY, about=About.STORE, queue=_WRITES, is_heavy=True, reader=summary.CERTIFY),
    Verb(service="remit.v1.Agents", method="Decertify",
         handler=versions.decertify, request=_A.DecertifyRequest, response=_A.DecertifyResponse,
         right=Right.CERTIFY, about=About.STORE, queue=_WRITES, reader=summary.DECERTIFY),
    Verb(service="remit.v1.Agents", method="ListAgents",
         handler=registrations.list_agents, request=_A.ListAgentsRequest, response=_A.ListAgentsResponse,
         right=Right.READ, about=About.STORE, queue=_READS),
    Verb(service="remit.v1.Agents", method="DescribeAgent",
         handler=registrations.describe_agent, request=_A.DescribeAgentRequest, response=_A.DescribeAgentResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.DESCRIBE_AGENT),
    Verb(service="remit.v1.Agents", method="Orphans",
         handler=owners.orphans, request=_A.OrphansRequest, response=_A.OrphansResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.ORPHANS),
    Verb(service="remit.v1.Agents", method="TransferOwner",
         handler=owners.transfer_owner, request=_A.TransferOwnerRequest, response=_A.TransferOwnerResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, sizes=_naming("only"),
         reader=summary.TRANSFER_OWNER),
    Verb(service="remit.v1.Agents", method="Impact",
         handler=impacts.impact, request=_A.ImpactRequest, response=_A.ImpactResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.IMPACT),

    Verb(service="remit.v1.Agents", method="RegisterTool",
         handler=tools.register_tool, request=_A.RegisterToolRequest, response=_A.RegisterToolResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, sizes=_naming("tags"), reader=summary.REGISTER_TOOL),
    Verb(service="remit.v1.Agents", method="ProposeDescriptor",
         handler=tools.propose_descriptor, request=_A.ProposeDescriptorRequest, response=_A.ProposeDescriptorResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, reader=summary.PROPOSE_DESCRIPTOR),
    Verb(service="remit.v1.Agents", method="AcceptDescriptor",
         handler=tools.accept_descriptor, request=_A.AcceptDescriptorRequest, response=_A.AcceptDescriptorResponse,
         right=Right.ACCEPT, about=About.STORE, queue=_WRITES, reader=summary.ACCEPT_DESCRIPTOR),
    Verb(service="remit.v1.Agents", method="RejectDescriptor",
         handler=tools.reject_descriptor, request=_A.RejectDescriptorRequest, response=_A.RejectDescriptorResponse,
         right=Right.ACCEPT, about=About.STORE, queue=_WRITES, reader=summary.REJECT_DESCRIPTOR),
    Verb(service="remit.v1.Agents", method="ChangeTool",
         handler=tools.change_tool, request=_A.ChangeToolRequest, response=_A.ChangeToolResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, sizes=_naming("tags"), reader=summary.CHANGE_TOOL),
    Verb(service="remit.v1.Agents", method="RelaxTool",
         handler=tools.relax_tool, request=_A.RelaxToolRequest, response=_A.RelaxToolResponse,
         right=Right.ACCEPT, about=About.STORE, queue=_WRITES, sizes=_naming("remove_tags"), reader=summary.RELAX_TOOL),
    Verb(service="remit.v1.Agents", method="RetireTool",
         handler=tools.retire_tool, request=_A.RetireToolRequest, response=_A.RetireToolResponse,
         right=Right.REGISTER, about=About.STORE, queue=_WRITES, reader=summary.RETIRE_TOOL),
    Verb(service="remit.v1.Agents", method="ListTools",
         handler=tools.list_tools, request=_A.ListToolsRequest, response=_A.ListToolsResponse,
         right=Right.READ, about=About.STORE, queue=_READS),
    Verb(service="remit.v1.Agents", method="DescribeTool",
         handler=tools.describe_tool, request=_A.DescribeToolRequest, response=_A.DescribeToolResponse,
         right=Right.READ, about=About.STORE, queue=_READS, reader=summary.DESCRIBE_TOOL),
    Verb(service="remit.v1.Agents", method="Apply",
         handler=applies.apply, request=_A.ApplyRequest, response=_A.ApplyResponse,
         right=Right.APPLY, about=About.STORE, queue=_WRITES, sizes=_naming("documents", "selector"),
         reader=summary.APPLY),
)
STREAMS: tuple[StreamVerb, ...] = (
    Verb(service="remit.v1.Permissions", method="WatchPermission",
         handler=watch.watch_permission,
         request=_P.WatchPermissionRequest, response=_P.WatchPermissionResponse,
         right=Right.CHECK, about=About.STORE, queue=_STREAMS),
    Verb(service="remit.v1.Relationships", method="Import",
         handler=relationships.import_, request=_R.ImportRequest, response=_R.ImportResponse,
         right=Right.WRITE, about=About.STORE, queue=_STREAMS, sizes=_FOR_IMPORT),
    Verb(service="remit.v1.Relationships", method="Export",
         handler=relationships.export, request=_R.ExportRequest, response=_R.ExportResponse,
         right=Right.READ, about=About.STORE, queue=_STREAMS),
    Verb(service="remit.v1.Relationships", method="Watch",
         handler=watch.watch, request=_R.WatchRequest, response=_R.WatchResponse,
         right=Right.READ, about=About.STORE, queue=_STREAMS, sizes=_FOR_WATCH),
    Verb(service="remit.v1.Stores", method="Backup",
         handler=stores.backup, request=_T.BackupRequest, response=_T.BackupResponse,
         right=Right.ADMIN, about=About.NAMED, queue=_STREAMS),
    Verb(service="remit.v1.Stores", method="Restore",
         handler=stores.restore, request=_T.RestoreRequest, response=_T.RestoreResponse,
         right=Right.ADMIN, about=About.NEW, queue=_STREAMS),
)
# SpiceDB's, for its clients: see `handlers/spicedb`.
SPICEDB_VERBS: tuple[UnaryVerb, ...] = (
    Verb(service="authzed.api.v1.PermissionsService", method="CheckPermission",
         handler=spicedb_permissions.check_permission,
         request=_SP.CheckPermissionRequest, response=_SP.CheckPermissionResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_READS, is_hot=True, reader=summary.CHECK_PERMISSION),
    Verb(service="authzed.api.v1.PermissionsService", method="CheckBulkPermissions",
         handler=spicedb_permissions.check_bulk_permissions,
         request=_SP.CheckBulkPermissionsRequest, response=_SP.CheckBulkPermissionsResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_READS, is_hot=True, sizes=_FOR_SPICEDB_QUESTIONS,
         reader=summary.CHECK_BULK_PERMISSIONS),
    Verb(service="authzed.api.v1.PermissionsService", method="ExpandPermissionTree",
         handler=spicedb_permissions.expand_permission_tree,
         request=_SP.ExpandPermissionTreeRequest, response=_SP.ExpandPermissionTreeResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_READS),
    Verb(service="authzed.api.v1.PermissionsService", method="WriteRelationships",
         handler=spicedb_relationships.write_relationships,
         request=_SP.WriteRelationshipsRequest, response=_SP.WriteRelationshipsResponse,
         right=Right.WRITE, about=About.DEFAULT, queue=_WRITES, sizes=_FOR_SPICEDB_WRITE,
         reader=summary.WRITE_RELATIONSHIPS),
    Verb(service="authzed.api.v1.PermissionsService", method="DeleteRelationships",
         handler=spicedb_relationships.delete_relationships,
         request=_SP.DeleteRelationshipsRequest, response=_SP.DeleteRelationshipsResponse,
         right=Right.WRITE, about=About.DEFAULT, queue=_WRITES, sizes=_FOR_SPICEDB_DELETE,
         reader=summary.DELETE_RELATIONSHIPS),

    Verb(service="authzed.api.v1.SchemaService", method="WriteSchema",
         handler=spicedb_schemas.write_schema, request=_SS.WriteSchemaRequest, response=_SS.WriteSchemaResponse,
         right=Right.SCHEMA, about=About.DEFAULT, queue=_WRITES, is_heavy=True, reader=summary.SCHEMA),
    Verb(service="authzed.api.v1.SchemaService", method="ReadSchema",
         handler=spicedb_schemas.read_schema, request=_SS.ReadSchemaRequest, response=_SS.ReadSchemaResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS),
    Verb(service="authzed.api.v1.SchemaService", method="ReflectSchema",
         handler=spicedb_schemas.reflect_schema, request=_SS.ReflectSchemaRequest, response=_SS.ReflectSchemaResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS, sizes=_FOR_REFLECTION),
    Verb(service="authzed.api.v1.SchemaService", method="DiffSchema",
         handler=spicedb_schemas.diff_schema, request=_SS.DiffSchemaRequest, response=_SS.DiffSchemaResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS, is_heavy=True),
    Verb(service="authzed.api.v1.SchemaService", method="ComputablePermissions",
         handler=spicedb_schemas.computable,
         request=_SS.ComputablePermissionsRequest, response=_SS.ComputablePermissionsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS),
    Verb(service="authzed.api.v1.SchemaService", method="DependentRelations",
         handler=spicedb_schemas.dependent,
         request=_SS.DependentRelationsRequest, response=_SS.DependentRelationsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS),

    Verb(service="authzed.api.v1.ExperimentalService", method="BulkCheckPermission",
         handler=experimental.bulk_check_permission,
         request=_SE.BulkCheckPermissionRequest, response=_SE.BulkCheckPermissionResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_READS, sizes=_FOR_SPICEDB_QUESTIONS,
         reader=summary.CHECK_BULK_PERMISSIONS),
    Verb(service="authzed.api.v1.ExperimentalService", method="ExperimentalReflectSchema",
         handler=experimental.reflect_schema,
         request=_SE.ExperimentalReflectSchemaRequest, response=_SE.ExperimentalReflectSchemaResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS, sizes=_FOR_REFLECTION),
    Verb(service="authzed.api.v1.ExperimentalService", method="ExperimentalDiffSchema",
         handler=experimental.diff_schema,
         request=_SE.ExperimentalDiffSchemaRequest, response=_SE.ExperimentalDiffSchemaResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS, is_heavy=True),
    Verb(service="authzed.api.v1.ExperimentalService", method="ExperimentalComputablePermissions",
         handler=experimental.computable_permissions,
         request=_SE.ExperimentalComputablePermissionsRequest,
         response=_SE.ExperimentalComputablePermissionsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS),
    Verb(service="authzed.api.v1.ExperimentalService", method="ExperimentalDependentRelations",
         handler=experimental.dependent_relations,
         request=_SE.ExperimentalDependentRelationsRequest, response=_SE.ExperimentalDependentRelationsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_READS),
)
SPICEDB_STREAMS: tuple[StreamVerb, ...] = (
    Verb(service="authzed.api.v1.PermissionsService", method="LookupResources",
         handler=spicedb_lookups.lookup_resources,
         request=_SP.LookupResourcesRequest, response=_SP.LookupResourcesResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_STREAMS),
    Verb(service="authzed.api.v1.PermissionsService", method="LookupSubjects",
         handler=spicedb_lookups.lookup_subjects,
         request=_SP.LookupSubjectsRequest, response=_SP.LookupSubjectsResponse,
         right=Right.CHECK, about=About.DEFAULT, queue=_STREAMS),
    Verb(service="authzed.api.v1.PermissionsService", method="ReadRelationships",
         handler=spicedb_relationships.read_relationships,
         request=_SP.ReadRelationshipsRequest, response=_SP.ReadRelationshipsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_STREAMS),
    Verb(service="authzed.api.v1.PermissionsService", method="ImportBulkRelationships",
         handler=spicedb_relationships.import_bulk_relationships,
         request=_SP.ImportBulkRelationshipsRequest, response=_SP.ImportBulkRelationshipsResponse,
         right=Right.WRITE, about=About.DEFAULT, queue=_STREAMS, sizes=_FOR_SPICEDB_IMPORT),
    Verb(service="authzed.api.v1.PermissionsService", method="ExportBulkRelationships",
         handler=spicedb_relationships.export_bulk_relationships,
         request=_SP.ExportBulkRelationshipsRequest, response=_SP.ExportBulkRelationshipsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_STREAMS),
    Verb(service="authzed.api.v1.WatchService", method="Watch",
         handler=spicedb_watch.watch, request=_SW.WatchRequest, response=_SW.WatchResponse,
         right=Right.READ, about=About.DEFAULT, queue=_STREAMS, sizes=_FOR_SPICEDB_WATCH),
    Verb(service="authzed.api.v1.ExperimentalService", method="BulkImportRelationships",
         handler=experimental.bulk_import_relationships,
         request=_SE.BulkImportRelationshipsRequest, response=_SE.BulkImportRelationshipsResponse,
         right=Right.WRITE, about=About.DEFAULT, queue=_STREAMS, sizes=_FOR_SPICEDB_IMPORT),
    Verb(service="authzed.api.v1.ExperimentalService", method="BulkExportRelationships",
         handler=experimental.bulk_export_relationships,
         request=_SE.BulkExportRelationshipsRequest, response=_SE.BulkExportRelationshipsResponse,
         right=Right.READ, about=About.DEFAULT, queue=_STREAMS),
)
# fmt: on
UNARY = (*VERBS, *SPICEDB_VERBS)
STREAMING = (*STREAMS, *SPICEDB_STREAMS)
SERVICES = tuple(dict.fromkeys([*(verb.service for verb in UNARY), *(verb.service for verb in STREAMING)]))
