"""Measures Remit: seeded worlds, workloads that know their answers, and figures kept with their machine.

`make bench`, or `python -m bench --help`; README.md beside this says what each number means and what it does not.
Law: an answer that is not the expected one ends the run; a quick wrong answer is no figure."""
