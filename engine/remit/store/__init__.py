"""Where facts live: LMDB on disk, or memory for tests and trials, behind one interface."""
