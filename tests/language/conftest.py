"""How Hypothesis runs here: without its deadline, since a busy machine is no failing law."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("remit", deadline=None)
settings.load_profile("remit")
