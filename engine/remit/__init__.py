"""Remit decides what AI agents may do. Read `semantics.py` first."""

__version__ = "0.1.0"
