"""The asyncio client. `sync/client.py`, `sync/runs.py` and `sync/streams.py` are generated from
their namesakes here."""
