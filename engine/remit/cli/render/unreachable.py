"""What to do where no server answers, by what gRPC says of it: long, and of no help to a person at a shell.

Law: the advice is for the reason at hand. Whoever speaks plaintext to a server with TLS is not advised to start one."""

from __future__ import annotations

NOBODY = "no server answers at `"
_START = "start one with `remit serve`, or name another with --endpoint"
_HANGS_UP = (
    "what listens there hangs up: a server with TLS wants --ca or --tls, and perhaps a certificate of yours "
    "(--cert, --cert-key)"
)

# What the transport's words hold → what is the matter. The first that fits.
_SOMEBODY = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is of an authority that is not trusted here: name that with --ca"),
    ("Hostname Verification", "its certificate is for other names: name the server as the certificate does"),
    ("WRONG_VERSION_NUMBER", "what listens there does not speak TLS: leave out --tls, --ca, REMIT_TLS and REMIT_CA"),
    ("http1.x", "what listens there speaks HTTP, not gRPC: name the address that the server has for gRPC"),
    # How far the first bytes had come when it hung up decides which of these the transport says.
    ("Socket closed", _HANGS_UP),
    ("Connection reset", _HANGS_UP),
    ("Broken pipe", _HANGS_UP),
)


def advised(message: str) -> str:
    """The client's message that no server answers, with what helps in place of the transport's own words."""
    endpoint, _, transport = message.removeprefix(NOBODY).partition("`: ")
    if transport.startswith("errors resolving"):
        return f"{NOBODY}{endpoint}`: there is no such host; name another with --endpoint"
    # A connection that stood and broke says less: only one that never came about says who listens there.
    if transport.startswith("failed to connect"):
        for words, matter in _SOMEBODY:
            if words in transport:
                return f"no connection to `{endpoint}`: {matter}"
    return f"{NOBODY}{endpoint}`: {_START}"
