"""gRPC by grpcio: who listens where the core does not, and carries every stream."""
