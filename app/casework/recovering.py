"""忘记密码: a new password, a request to the county, its answer, and a new chain that goes on from the old one.

The keys change in the vault's folder alone (`app.vault.recovery`); what the log has to know is written at the next
unlocking, whatever was cut off between: `settle`. Request and answer travel as files, or as the text of a QR code
(base64 of the same bytes).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from app.casework import scanning
from app.casework.colleagues import note_password
from app.errors import HudangError, InputProblem, VaultProblem
from app.ledger.signatures import public_key
from app.sync import journal
from app.sync.transport import Clock
from app.vault import kept, recovery
from app.vault.recovery import Answer, Request
from app.vault.vault import Vault

PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request that waits for its answer: the bytes of its file, the text of its code, four words to read out."""

    staff: bytes
    data: bytes
    words: tuple[str, str, str, str]

    @property
    def text(self) -> str:
        """What the QR code says."""
        return base64.b64encode(self.data).decode("ascii")

    @classmethod
    def of(cls, request: Request) -> Asked:
        """Takes about 0.1 s for the words."""
        data = request.encode()
        return cls(staff=request.staff, data=data, words=recovery.words(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer of the county that was read; its words have to be those that the county reads out."""

    answer: Answer
    words: tuple[str, str, str, str]


def waiting(folder: Path, staff: bytes | None = None) -> Asked | None:
    """The request of `staff` that waits in `folder`, without `staff` that of the one person who asked; else None."""
    request = recovery.waiting(folder, staff)
    return None if request is None else Asked.of(request)


def read_text(text: str) -> Answered:
    """An answer from the text of a code. InputProblem("recovery-not-ours" | "recovery-damaged" | "recovery-newer")."""
    return _answered(_from_text(text))


def read_file(path: Path) -> Answered:
    """An answer from a file, or from a picture of a code. As `read_text`; InputProblem of files and pictures, and
    ("recovery-no-code") when the picture shows none."""
    if path.suffix.lower() in PICTURES:
        found = scanning.read_image(path)
        if not found:
            raise InputProblem("recovery-no-code")
        problems: list[HudangError] = []
        for text in found:
            try:
                return read_text(text)
            except InputProblem as problem:
                problems.append(problem)
        raise problems[0]
    try:
        with path.open("rb") as stream:
            data = stream.read(recovery.LARGEST + 1)
    except FileNotFoundError:
        raise InputProblem("file-missing") from None
    except OSError:
        raise InputProblem("file-unreadable") from None
    try:
        return _answered(data)
    except InputProblem as problem:
        if problem.code != "recovery-not-ours":
            raise
        return read_text(data.decode("utf-8", errors="replace"))


def _from_text(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InputProblem("recovery-not-ours") from None


def _answered(data: bytes) -> Answered:
    return Answered(answer=Answer.decode(data), words=recovery.words(data))


def settle(vault: Vault, *, build: int, clock: Clock) -> None:
    """After an unlocking: where a recovery brought the keys of this person, their new chain begins, citing the old
    one, and what was kept for it goes. Again does nothing."""
    found = recovery.answered(vault.folder, public_key(vault.signing_seed))
    if found is None:
        return
    request, enrol = found
    with vault.transaction() as tx:
        if kept.chain(tx, request.chain) is None:
            now = clock()
            before = journal.last_of(tx, vault.staff)
            if before is None:
                raise VaultProblem("not-enrolled")
            journal.begin(tx, vault.signing_seed, request.nonce, vault.staff, now, build, cites=before)
            note_password(tx, vault.staff, now)
            # The county's word for this chain, until the log brings it in its place.
            kept.put_setting(tx, f"recovered/{request.chain.hex()}", list(enrol))
    recovery.close(vault.folder, vault.staff)
