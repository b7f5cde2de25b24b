"""The asyncio client. `sync/client.py` and `sync/streams.py` are generated from their namesakes here."""
