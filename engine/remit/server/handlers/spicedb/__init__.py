"""SpiceDB's verbs over Remit's engine: its clients load and ask Remit as they would SpiceDB.

A thin translation at the edge, with no logic of its own; SpiceDB has one store, which here is `default`.
Law: the same question over either wire has the same answer."""

DEFAULT = ""
