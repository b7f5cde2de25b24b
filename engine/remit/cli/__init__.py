"""The command `remit`: the server, its verbs from a shell, and worlds verified offline.

One file a group of commands; `main.py` puts them together. Answers go to standard output, everything else to standard
error. Exit codes: 0 yes or done, 1 no, 3 conditional, 2 every error, 130 interrupted."""
