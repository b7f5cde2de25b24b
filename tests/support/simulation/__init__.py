"""A server in a simulated life: its model, those who ask it, those who mean it ill, and the process it runs in."""
