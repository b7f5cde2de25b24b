"""What callers share: places, turns, bytes and rates, and who is refused where they run out."""
