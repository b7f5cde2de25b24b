"""All callers that ever kept a stop waiting, at once, and one client beside them that must not notice: `make siege`.

Begin at `table.py`, which says who attacks, and `siege.py`, which says what is asked meanwhile and afterwards."""

import os

# gRPC reads this when it is first imported. A line for each connection that a server ends would bury what is printed.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
