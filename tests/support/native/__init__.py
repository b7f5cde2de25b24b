"""The native core beside its plain twin: worlds to compare them in, and histories for both to live through."""
