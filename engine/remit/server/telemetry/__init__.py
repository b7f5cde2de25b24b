"""What the server tells of itself: metrics, traces and logs, read from calls once they have ended."""
