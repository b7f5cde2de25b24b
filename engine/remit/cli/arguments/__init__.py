"""How arguments and options are read: filters, lines, tokens, durations, limits."""
