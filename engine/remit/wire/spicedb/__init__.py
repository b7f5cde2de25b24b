"""SpiceDB's messages (`authzed.api.v1`) as Remit's data and back: the same nouns under other names.

Law: what cannot be said in Remit's terms is refused by name, never dropped."""
