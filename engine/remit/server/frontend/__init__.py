"""The core's own gRPC listener: how it is configured from Python, and the threads that answer what it dispatches."""
