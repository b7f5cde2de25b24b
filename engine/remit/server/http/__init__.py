"""HTTP: whether the server is well, its metrics, and calls in JSON."""
