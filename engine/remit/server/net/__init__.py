"""Addresses that may be listened on, and the certificates that are shown there."""
