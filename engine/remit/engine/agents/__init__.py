"""The verbs of agents: registered, spawned, held, released, ended. Each is one revision.

A verb decides nothing that a question could not: it writes facts of the agent schema, which answers are made of, and
records, which describe them. `performing.py` says how one is carried out; each noun's verbs have a file."""
