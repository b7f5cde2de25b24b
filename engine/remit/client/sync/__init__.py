"""The synchronous client: what is generated from `aio/`, over a connection of its own."""
