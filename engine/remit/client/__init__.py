"""A client of a Remit server, synchronous and asyncio.

from remit.client import Client

with Client("127.0.0.1:50051") as remit:
    remit.touch("tool:erp.pay#may_use@run:r-7")
    if remit.check("tool:erp.pay#use@run:r-7"):
        ..."""

from remit.client.aio import AsyncClient
from remit.client.answers import Answer, Expanded, Identity, Page, SchemaText, SchemaWritten, Unanswered
from remit.client.asks import Question
from remit.client.channel import Tls
from remit.client.sync import Client
from remit.errors import RemoteError
from remit.model import Operation, Precondition, RelationshipFilter, Update, Verdict

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "Expanded",
    "Identity",
    "Operation",
    "Page",
    "Precondition",
    "Question",
    "RelationshipFilter",
    "RemoteError",
    "SchemaText",
    "SchemaWritten",
    "Tls",
    "Unanswered",
    "Update",
    "Verdict",
]
