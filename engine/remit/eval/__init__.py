"""What questions mean: goals, their equations, and what they come to."""
