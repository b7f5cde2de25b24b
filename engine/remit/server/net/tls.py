"""The server's certificate, its private key, and who may vouch for clients, read again when their files change.

Programs that renew certificates replace one file after the other; what does not belong together is told and passed
over, and the certificate of before goes on until the rest has come. Connections that stand keep the certificate they
began with.
Law: the server never listens unencrypted because a file cannot be read; it does not start, or keeps what it had."""

from __future__ import annotations

import logging
import os
import ssl
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from remit.believed_file import read_regular
from remit.errors import CertificateUnreadable

log = logging.getLogger(__name__)

_BYTES_MAX = 16 * 1024 * 1024  # all authorities that a system trusts are some 250 kB


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the chain beginning with the server's own certificate, its key, and where clients must show a
    certificate, the authorities that may have signed it."""

    certificate: Path
    private_key: Path
    client_authorities: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        named = (self.certificate, self.private_key)
        return named if self.client_authorities is None else (*named, self.client_authorities)


class Certificates:
    """What the files held when they last belonged together. Safe from many threads."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises CertificateUnreadable."""
        self.files = files
        self._lock = threading.Lock()
        self._problem = ""
        self._key_is_shown = False  # to others than its owner and group, as far as was told
        self._pem, key_mode = _read(files)
        self._context = _context(files, self._pem)
        self._note_mode(key_mode)

    @property
    def problem(self) -> str:
        """Why the files as they are now are not used; "" where they are."""
        return self._problem

    @property
    def contents(self) -> tuple[bytes, bytes, bytes | None]:
        """The PEM of the chain, of its key, and of the authorities for clients, where there are any."""
        chain, key, *authorities = self._pem
        return chain, key, authorities[0] if authorities else None

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files: each new connection gets the certificate of the last look."""
        given, lock = self.contents, threading.Lock()

        # gRPC asks at every handshake, on many threads, and puts what it is given in the place of what it had, which
        # other handshakes are using. Seen with grpcio 1.85: 300 strangers who broke off their handshakes ended the
        # process, three times of four, where each had been given the same certificate once more. It asks no disk, or
        # whoever connects would decide how often.
        def changed() -> grpc.ServerCertificateConfiguration | None:
            nonlocal given
            with lock:
                if self.contents == given:
                    return None
                given = self.contents
            return _configuration(given)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(given),
            changed,  # type: ignore[arg-type]  # the stubs know of no None
            require_client_authentication=self.files.client_authorities is not None,
        )

    def http_context(self) -> ssl.SSLContext:
        """A context that follows the certificate and the authorities for clients. It insists on no client's: what HTTP
        tells, probes without certificates must be able to read. Whoever answers calls looks whether there is one."""

        # OpenSSL calls this at the beginning of every handshake, whether or not a name is asked for. To change the
        # certificate of a context that is in use would leave a moment in which it has the new one and the old key.
        def use_newest(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
            connection.context = self._context

        context = _context(self.files, self._pem)
        context.sni_callback = use_newest
        return context

    def refresh(self) -> bool:
        """Look at the files; whether other certificates are used now. Cost: reading them, a few kilobytes."""
        with self._lock:
            try:
                pem, key_mode = _read(self.files)
                context = self._context if pem == self._pem else _context(self.files, pem)
            except CertificateUnreadable as error:
                if error.message != self._problem:
                    log.error("certificate not read", extra={"problem": error.message})
                self._problem = error.message
                return False
            self._problem = ""
            self._note_mode(key_mode)
            if pem == self._pem:
                return False
            self._pem, self._context = pem, context
            log.info("certificate read", extra={"path": str(self.files.certificate)})
            return True

    def _note_mode(self, key_mode: int) -> None:
        """Tell once of a private key that everyone on this machine may read. It is used all the same: what mounts
        secrets into containers often makes them so."""
        is_shown = bool(key_mode & stat.S_IROTH)
        if is_shown and not self._key_is_shown:
            log.warning("private key readable by everyone", extra={"path": str(self.files.private_key)})
        self._key_is_shown = is_shown


def _configuration(contents: tuple[bytes, bytes, bytes | None]) -> grpc.ServerCertificateConfiguration:
    chain, key, authorities = contents
    return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)


def _read(files: TlsFiles) -> tuple[tuple[bytes, ...], int]:
    """The PEM of each file, and the mode of the private key's. Raises CertificateUnreadable."""
    contents, modes = [], []
    for path in files.paths:
        try:
            data, found = read_regular(path, _BYTES_MAX)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CertificateUnreadable(f"`{path}` cannot be read for TLS: {reason}") from error
        contents.append(data)
        modes.append(found.st_mode)
    return tuple(contents), modes[1]


def _context(files: TlsFiles, pem: tuple[bytes, ...]) -> ssl.SSLContext:
    """A context of what was read, which says whether it is what it should be: gRPC would not tell. The files may be
    others by now, and are not looked at again. Raises CertificateUnreadable."""
    chain, key, *authorities = pem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with _as_file(chain) as chain_path, _as_file(key) as key_path:
            context.load_cert_chain(chain_path, key_path, password=_no_password)
    except (OSError, ValueError) as error:
        raise CertificateUnreadable(
            f"certificate `{files.certificate}` and key `{files.private_key}` cannot be used together ({_why(error)}): "
            "name a PEM chain and its unencrypted private key"
        ) from error
    for each in authorities:
        try:
            with _as_file(each) as authorities_path:
                context.load_verify_locations(authorities_path)
        except (OSError, ValueError) as error:
            raise CertificateUnreadable(
                f"`{files.client_authorities}` cannot be used to vouch for clients ({_why(error)}): name a PEM file of "
                "certificates"
            ) from error
    if authorities:
        context.verify_mode = ssl.CERT_OPTIONAL
        # No session is gone on from: nobody would look whether its certificate is still one that counts.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
    return context


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """The path of a file that nobody else sees and no disk holds: of all that `ssl` loads keys from, only files."""
    descriptor = os.memfd_create("remit-tls")
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal for the password of an encrypted key.
    return ""


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return str(reason or error).lower().replace("_", " ")
