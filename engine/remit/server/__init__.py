"""The edge: a transport adapts requests to plain functions, and those to the engine."""
