"""OpenFGA's models, tuples and tests, read and said in Remit's language, and the way back: for who moves in or out.

Law: what is translated means the same; what cannot mean the same is refused, by name and place."""
