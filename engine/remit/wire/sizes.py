"""How large a message may be, in bytes: what the server refuses beyond, and the client is ready for."""

from __future__ import annotations

REQUEST_BYTES_MAX = 8 << 20  # a thousand updates with long ids and full contexts come to some 6 MiB
RESPONSE_BYTES_MAX = 64 << 20  # an expansion of some half a million facts
