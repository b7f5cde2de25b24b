"""The tables on disk, in one LMDB environment."""
