"""Documents and calls: drawn at random, read plainly, and what judging comes to as bounds."""
