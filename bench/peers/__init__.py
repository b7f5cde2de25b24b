"""Remit beside SpiceDB and OpenFGA: the same tuples, the same questions, the same client, checked answers, one run.

`python -m bench peers --help`; what each number means, and what it does not, is in bench/README.md.
Law: no server gets a figure for a question it answered wrongly, and what one cannot be asked is said, not left out."""
