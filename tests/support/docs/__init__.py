"""Pages of docs/ read as data: their fenced blocks, and the shapes of JSON that they promise."""
