"""A client of a Remit server, synchronous and asyncio.

from remit.client import Client

with Client("127.0.0.1:50051") as remit:
    remit.touch("tool:erp.pay#may_use@run:r-7")
    if remit.check("tool:erp.pay#use@run:r-7"):
        ..."""

from remit.arguments.canonical import CanonicalArguments, Change, canonical_arguments, canonical_value
from remit.client.aio.client import AsyncClient
from remit.client.aio.runs import AsyncRun
from remit.client.aio.streams import AsyncBackup, AsyncExport, AsyncPermissionWatch, AsyncWatch
from remit.client.answers import (
    AgentResult,
    Answer,
    ApplyResult,
    CertifyResult,
    ChangeKind,
    ConsentResult,
    Deleted,
    Expanded,
    ExportPage,
    FailedLookup,
    Found,
    HoldResult,
    Identity,
    ImpactResult,
    Imported,
    LookupPage,
    OrphanPage,
    Page,
    PermissionEvent,
    Permissionship,
    PermissionUpdate,
    Reset,
    RetireResult,
    RunResult,
    SchemaDiff,
    SchemaOrphans,
    SchemaText,
    SchemaWritten,
    StopsOfType,
    TerminateResult,
    ToolResult,
    TransferResult,
    Unanswered,
    VersionResult,
    WatchedChange,
    WatchedRecord,
    WatchEvent,
    WouldStop,
    Written,
)
from remit.client.channel import Tls
from remit.client.requests.permissions import Question
from remit.client.sync.client import Client
from remit.client.sync.runs import Run
from remit.client.sync.streams import Backup, Export, PermissionWatch, Watch
from remit.engine.agents.ceiling_record import Ceilings
from remit.engine.agents.tool_reading import ToolDescription, ToolPage
from remit.engine.agents.tool_states import ToolState
from remit.errors import RemoteError
from remit.model import Call, Operation, Precondition, RelationshipFilter, StoreInfo, Update, Verdict

__all__ = [
    "AgentResult",
    "Answer",
    "ApplyResult",
    "AsyncBackup",
    "AsyncClient",
    "AsyncExport",
    "AsyncPermissionWatch",
    "AsyncRun",
    "AsyncWatch",
    "Backup",
    "Call",
    "CanonicalArguments",
    "Ceilings",
    "CertifyResult",
    "Change",
    "ChangeKind",
    "Client",
    "ConsentResult",
    "Deleted",
    "Expanded",
    "Export",
    "ExportPage",
    "FailedLookup",
    "Found",
    "HoldResult",
    "Identity",
    "ImpactResult",
    "Imported",
    "LookupPage",
    "Operation",
    "OrphanPage",
    "Page",
    "PermissionEvent",
    "PermissionUpdate",
    "PermissionWatch",
    "Permissionship",
    "Precondition",
    "Question",
    "RelationshipFilter",
    "RemoteError",
    "Reset",
    "RetireResult",
    "Run",
    "RunResult",
    "SchemaDiff",
    "SchemaOrphans",
    "SchemaText",
    "SchemaWritten",
    "StopsOfType",
    "StoreInfo",
    "TerminateResult",
    "Tls",
    "ToolDescription",
    "ToolPage",
    "ToolResult",
    "ToolState",
    "TransferResult",
    "Unanswered",
    "Update",
    "Verdict",
    "VersionResult",
    "Watch",
    "WatchEvent",
    "WatchedChange",
    "WatchedRecord",
    "WouldStop",
    "Written",
    "canonical_arguments",
    "canonical_value",
]
