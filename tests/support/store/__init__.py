"""Stores to open and fill: small words, strategies, and the storm that a crash interrupts."""
