"""HTTP: whether the server is well, and its metrics."""
