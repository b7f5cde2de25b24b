"""The server's certificate, its private key, and who may vouch for clients, read again when their files change.

Programs that renew certificates replace one file after the other; what does not belong together is told and passed
over, and the certificate of before goes on until the rest has come. Connections that stand keep the certificate they
began with.
Law: the server never listens unencrypted because a file cannot be read; it does not start, or keeps what it had."""

from __future__ import annotations

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from remit.errors import CertificateUnreadable

log = logging.getLogger(__name__)


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
        self._contexts: list[ssl.SSLContext] = []
        self._problem = ""
        self._read = self._read_files()

    @property
    def problem(self) -> str:
        """Why the files as they are now are not used; "" where they are."""
        return self._problem

    @property
    def contents(self) -> tuple[bytes, bytes, bytes | None]:
        """The PEM of the chain, of its key, and of the authorities for clients, where there are any."""
        chain, key, *authorities = self._read
        return chain, key, authorities[0] if authorities else None

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Credentials that follow the files: each new connection gets the certificate of that moment."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self._current_configuration,
            require_client_authentication=self.files.client_authorities is not None,
        )

    def http_context(self) -> ssl.SSLContext:
        """A context that follows the certificate. It asks no client for one: what HTTP tells, probes without
        certificates must be able to read."""
        context = _context(self.files)
        with self._lock:
            self._contexts.append(context)
        return context

    def refresh(self) -> bool:
        """Look at the files; whether other certificates are used now. Cost: reading them, a few kilobytes."""
        with self._lock:
            try:
                read = self._read_files()
                if read != self._read:
                    for context in self._contexts:
                        _load(context, self.files)
            except CertificateUnreadable as error:
                if error.message != self._problem:
                    log.error("certificate not read", extra={"problem": error.message})
                self._problem = error.message
                return False
            self._problem = ""
            if read == self._read:
                return False
            self._read = read
            log.info("certificate read", extra={"path": str(self.files.certificate)})
            return True

    def _current_configuration(self) -> grpc.ServerCertificateConfiguration:
        self.refresh()
        return self._configuration()

    def _configuration(self) -> grpc.ServerCertificateConfiguration:
        chain, key, authorities = self.contents
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities)

    def _read_files(self) -> tuple[bytes, ...]:
        """The files' contents, which belong together. Raises CertificateUnreadable."""
        before = _contents(self.files)
        _context(self.files)
        if _contents(self.files) != before:
            raise CertificateUnreadable(f"certificate `{self.files.certificate}` is being replaced")
        return before


def _contents(files: TlsFiles) -> tuple[bytes, ...]:
    contents = []
    for path in files.paths:
        try:
            contents.append(path.read_bytes())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CertificateUnreadable(f"`{path}` cannot be read for TLS: {reason}") from error
    return tuple(contents)


def _context(files: TlsFiles) -> ssl.SSLContext:
    """A context with these files, which says whether they are what they should be: gRPC would not tell."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, files)
    if files.client_authorities is not None:
        try:
            context.load_verify_locations(files.client_authorities)
        except (OSError, ValueError) as error:
            raise CertificateUnreadable(
                f"`{files.client_authorities}` cannot be used to vouch for clients ({_why(error)}): name a PEM file of "
                "certificates"
            ) from error
    return context


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        context.load_cert_chain(files.certificate, files.private_key, password=_no_password)
    except (OSError, ValueError) as error:
        raise CertificateUnreadable(
            f"certificate `{files.certificate}` and key `{files.private_key}` cannot be used together ({_why(error)}): "
            "name a PEM chain and its unencrypted private key"
        ) from error


def _no_password() -> str:
    # Without this, OpenSSL would ask on the terminal for the password of an encrypted key.
    return ""


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return str(reason or error).lower().replace("_", " ")
