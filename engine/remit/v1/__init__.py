"""Generated from proto/remit/v1 by `make proto`; the wire in Python. Not edited by hand."""
