"""Real vaults in temporary folders, with a cheap Argon2id so that a test file takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection

from app.errors import HudangError, VaultProblem
from app.vault.slotfile import KdfParameters
from app.vault.vault import Vault

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
STAFF = bytes(range(16))
COLLEAGUE = bytes(range(16, 32))
PASSWORD = "正确的密码 correct horse"

MakeVault = Callable[..., Vault]


def prepare(connection: Connection) -> None:
    """Tables of a test vault: text to look for, and a number to count by."""
    connection.exec_driver_sql("CREATE TABLE note (n INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE)")


@pytest.fixture(scope="session")
def recovery() -> X25519PrivateKey:
    """The county's recovery key."""
    return X25519PrivateKey.generate()


@pytest.fixture
def make_vault(tmp_path: Path, recovery: X25519PrivateKey) -> Iterator[MakeVault]:
    """Makes vaults for `STAFF` and locks them in the end."""
    made: list[Vault] = []

    def make(folder: Path | None = None) -> Vault:
        vault = Vault.create(
            folder or tmp_path / "vault",
            staff=STAFF,
            label="王建国",
            password=PASSWORD,
            recovery_public=recovery.public_key().public_bytes_raw(),
            random=os.urandom,
            prepare=prepare,
            kdf=CHEAP,
        )
        made.append(vault)
        return vault

    yield make
    for vault in made:
        vault.lock()


@contextmanager
def refused(code: str, *, or_nothing: bool = False) -> Iterator[None]:
    """The block ends with the VaultProblem `code`, or, where that is allowed, with nothing wrong."""
    try:
        yield
    except VaultProblem as problem:
        if problem.code != code:
            raise
    else:
        assert or_nothing, f"nobody said {code}"


def code_of(action: Callable[..., object], *args: object, **named: object) -> str:
    """The code with which `action` refuses."""
    try:
        action(*args, **named)
    except HudangError as problem:
        return problem.code
    return "nothing"


def write_notes(vault: Vault, bodies: list[str]) -> None:
    """Adds rows in one transaction."""
    with vault.transaction() as connection:
        for body in bodies:
            connection.exec_driver_sql("INSERT INTO note (body) VALUES (?)", (body,))


def read_notes(vault: Vault) -> list[str]:
    """All rows in order."""
    with vault.reading() as connection:
        return list(connection.exec_driver_sql("SELECT body FROM note ORDER BY n").scalars())
