"""The verbs as plain functions `(engine, request, call) -> response`, one file a service."""
