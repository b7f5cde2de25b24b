"""What the verbs of agents take and tell, as protobuf. Law: what is decoded is what was encoded."""
