"""Every verb of Remit over a store that is the truth and a graph in memory that is quick."""
