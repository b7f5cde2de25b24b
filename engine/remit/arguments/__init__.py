"""Calls judged by their arguments: the constraint documents beside relationships, and what a call comes to under one.

Law: what cannot be judged is unknown, and never a yes; nothing here repairs a value, so that whoever decides, whoever
enforces and the tool itself see the same bytes."""
