"""Each method as data, by service: its path, its request, and how its response is read."""
