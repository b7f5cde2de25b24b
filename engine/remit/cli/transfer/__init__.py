"""What commands that move whole stores share: worlds into a server, and how far a transfer has come."""
