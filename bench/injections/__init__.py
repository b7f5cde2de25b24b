"""Injected calls: what a text that was written by somebody else would make an agent do, beside what its user asked for.

Four domains of tools with destinations (mail, files, payments, travel), each in a file that can be read by itself.
Law: whatever a user's task would do is let through, and of what an injected text would do, what is let through is named
with the reason."""
