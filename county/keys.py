"""The secrets of the county machine, in a folder of their own beside no data: keys, certificate, recovery key.

`county.keys` (mode 0600) holds what `serve` needs to restart unattended: database key, seeds of the log, of the
server's chain and of the cards, the key that names imported objects. `tls.key` and `tls.crt` are the server's
self-signed certificate, which laptops pin. The recovery private key is written once, to a file that is then kept
offline. The keys of administrators are in none of these: they lie under passwords (`app.vault.slots`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger.encoding import decode, encode
from app.vault.cipherfile import DatabaseKey

Random = Callable[[int], bytes]

KEY_FILE = "county.keys"
TLS_KEY = "tls.key"
CERTIFICATE = "tls.crt"
CERTIFICATE_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class CountyKeys:
    """What lies in the key file; every seed has 32 bytes."""

    database: DatabaseKey = field(repr=False)
    log_seed: bytes = field(repr=False)
    service_seed: bytes = field(repr=False)
    card_seed: bytes = field(repr=False)
    import_key: bytes = field(repr=False)

    @classmethod
    def make(cls, random: Random) -> CountyKeys:
        return cls(
            database=DatabaseKey.make(random),
            log_seed=random(32),
            service_seed=random(32),
            card_seed=random(32),
            import_key=random(32),
        )

    def encode(self) -> bytes:
        seeds = {2: self.log_seed, 3: self.service_seed, 4: self.card_seed, 5: self.import_key}
        return encode({1: self.database.to_bytes(), **seeds})

    @classmethod
    def decode(cls, data: bytes) -> CountyKeys:
        """The keys in `data`; VaultProblem("county-keys-damaged") for anything else."""
        try:
            table = decode(data)
            if table.keys() != {1, 2, 3, 4, 5} or any(len(table[number]) != 32 for number in (2, 3, 4, 5)):
                raise ValueError
            return cls(
                database=DatabaseKey.of_bytes(table[1]),
                log_seed=table[2],
                service_seed=table[3],
                card_seed=table[4],
                import_key=table[5],
            )
        except (ChainBroken, ValueError, TypeError, AttributeError):
            raise VaultProblem("county-keys-damaged") from None


def create(folder: Path, random: Random, now_ms: int) -> CountyKeys:
    """New keys and a new certificate in `folder`, which must hold none. VaultProblem("vault-exists", disk codes)."""
    if (folder / KEY_FILE).exists():
        raise VaultProblem("vault-exists")
    keys = CountyKeys.make(random)
    key, certificate = _certificate(now_ms)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(folder / TLS_KEY, key)
    write_secret(folder / CERTIFICATE, certificate)
    write_secret(folder / KEY_FILE, keys.encode())
    return keys


def load(folder: Path) -> CountyKeys:
    """The keys in `folder`; VaultProblem("county-keys-missing" | "county-keys-open" | "county-keys-damaged")."""
    path = folder / KEY_FILE
    try:
        if os.name != "nt" and path.stat().st_mode & 0o077:
            raise VaultProblem("county-keys-open")
        return CountyKeys.decode(path.read_bytes())
    except OSError:
        raise VaultProblem("county-keys-missing") from None


def pin(folder: Path) -> bytes:
    """SHA-256 of the server's certificate: what the enrolment code carries."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE).read_bytes())
    except (OSError, ValueError):
        raise VaultProblem("county-keys-missing") from None
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def make_recovery(path: Path, random: Random) -> bytes:
    """Write the county's recovery private key (X25519) to `path`, which must not exist; the public key."""
    private = X25519PrivateKey.from_private_bytes(random(32))
    write_secret(path, b"hudang-recovery/1\n" + private.private_bytes_raw().hex().encode() + b"\n")
    return private.public_key().public_bytes_raw()


def load_recovery(path: Path) -> bytes:
    """The recovery private key, 32 bytes, in the file of `make_recovery`. VaultProblem("recovery-key-unusable")."""
    try:
        kind, private = path.read_text(encoding="ascii").split()
        key = bytes.fromhex(private)
    except (OSError, ValueError):
        raise VaultProblem("recovery-key-unusable") from None
    if kind != "hudang-recovery/1" or len(key) != 32:
        raise VaultProblem("recovery-key-unusable")
    return key


def public_of(recovery_private: bytes) -> bytes:
    """The public key that belongs to a recovery private key."""
    return X25519PrivateKey.from_private_bytes(recovery_private).public_key().public_bytes_raw()


def write_secret(path: Path, data: bytes) -> None:
    """A new file that only its owner reads, durable on return. InputProblem("file-exists") when there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputProblem("file-exists") from None
    except OSError:
        raise VaultProblem("folder-read-only") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _certificate(now_ms: int) -> tuple[bytes, bytes]:
    """A self-signed certificate and its key, both PEM. The name says nothing: laptops pin the certificate itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hudang-county")])
    start = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=1)
    names = [x509.DNSName("hudang-county"), x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem, certificate.public_bytes(serialization.Encoding.PEM)
