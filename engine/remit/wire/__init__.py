"""protobuf ↔ model, encode beside decode, for the server and the client alike. No transport, no engine."""
