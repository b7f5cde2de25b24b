"""A server process from its start to its end: flags, files, addresses, signals."""
