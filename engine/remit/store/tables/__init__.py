"""A store written once, over ordered tables of bytes that LMDB or memory provide."""
