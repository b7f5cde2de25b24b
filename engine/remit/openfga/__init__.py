"""OpenFGA's models, tuples and tests, read and said in Remit's language: for who moves in.

Law: what is translated means the same; what cannot mean the same is refused, by name and place."""
