"""How often a password may be tried: five times freely, then after 30 seconds, 1, 5, 15 and 30 minutes.

For somebody who sits at this computer with the rights of its user (security.md 1 row 3, 2.4). Who copies the disk is
slowed by Argon2id alone, and so is who removes every record of the tries at once.

- A try is counted, durably, before Argon2id runs: a killed program has used it up.
- Counts lie in the vault's folder and in the program's own; the highest counts and the longest wait. A folder put back
  from a copy, or one record removed, gains nothing.
- Time is what the machine has run since it started. The wall clock is never asked. After a restart of the machine the
  wait begins again, in full.
- Nobody is locked out for good and nothing is wiped. A right password clears the count.
- One try at a time on this computer, whichever copy of the program it comes from: many at once would all be judged
  before the first is found wrong.
- Each person of each vault is counted alone. A record is named by a digest of both and says nothing about anybody.
- Where no record can be written (a full disk, a folder that takes nothing) this process remembers. A process that could
  not know of earlier tries begins with a wait, the first 30 seconds at least: so starting the program anew gains
  nothing, and who has the password comes in after it.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from app.errors import ChainBroken, HudangError, VaultProblem
from app.ledger import encoding
from app.vault import disk, slotfile, slots
from app.vault.slots import Unlocked

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

FREE: Final = 5
WAITS_S: Final = (30, 60, 300, 900, 1800)
FOLDER: Final = "attempts"  # in the vault's folder and in the program's
TURN: Final = "attempts.lock"  # in the program's: who holds it is being judged
TURN_S: Final = 10.0  # some derivations long
MOST: Final = 1_000_000  # a count beyond it was not written here

_CHECKSUM_BYTES: Final = 8


def wait_after(wrong: int) -> int:
    """Milliseconds to wait after so many wrong passwords in a row."""
    return 0 if wrong < FREE else WAITS_S[min(wrong - FREE, len(WAITS_S) - 1)] * 1000


def running_ms() -> int:
    """Milliseconds since the machine started, with sleep where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)) // 1_000_000


def boot_id() -> str:
    """Which start of the machine this is, where the system names it, else an empty text. Without it a start shows by
    the clock being lower; where it is not, more time has passed than the clock's difference, never less."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tries:
    """`wrong` passwords in a row; `left_ms` still to wait when the clock of the machine's start `boot` stood at
    `at_ms`."""

    wrong: int = 0
    left_ms: int = 0
    at_ms: int = 0
    boot: str = ""

    def encode(self) -> bytes:
        inside = encoding.encode([1, self.wrong, self.left_ms, self.at_ms, self.boot])
        return inside + hashlib.sha256(inside).digest()[:_CHECKSUM_BYTES]

    @classmethod
    def decode(cls, data: bytes) -> _Tries | None:
        """None for what is no record: a torn one is worth as much as a removed one."""
        inside = data[:-_CHECKSUM_BYTES]
        try:
            body: Any = encoding.decode(inside)
        except ChainBroken:
            return None
        if hashlib.sha256(inside).digest()[:_CHECKSUM_BYTES] != data[-_CHECKSUM_BYTES:]:
            return None
        if not isinstance(body, list) or [type(part) for part in body] != [int, int, int, int, str] or body[0] != 1:
            return None
        wrong, left_ms, at_ms = (int(part) for part in body[1:4])
        if not 0 <= wrong <= MOST or not 0 <= left_ms <= WAITS_S[-1] * 1000 or at_ms < 0:
            return None
        return cls(wrong=wrong, left_ms=left_ms, at_ms=at_ms, boot=str(body[4]))

    def begun(self, at_ms: int, boot: str) -> bool:
        """Whether it was written since the machine's last start, as far as that shows."""
        return self.boot == boot and self.at_ms <= at_ms

    def as_of(self, at_ms: int, boot: str) -> _Tries:
        """The same tries seen now: less to wait when it is the same start of the machine, else all of it again."""
        if self.begun(at_ms, boot):
            left_ms = max(0, self.left_ms - (at_ms - self.at_ms))
        else:
            left_ms = wait_after(self.wrong) if self.left_ms else 0
        return replace(self, left_ms=left_ms, at_ms=at_ms, boot=boot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """The limiter of this program: `home` is its own folder; clock and start of the machine come from the system."""

    home: Path
    clock_ms: Callable[[], int] = running_ms
    boot: Callable[[], str] = boot_id
    _remembered: dict[str, _Tries] = field(default_factory=dict, init=False, repr=False)

    def seconds_left(self, folder: Path, staff: bytes) -> int:
        """How long `staff` still has to wait before the next try at the vault in `folder`; 0 for not at all.

        VaultProblem as `slots.people`.
        """
        places = self.places(folder, staff)
        return math.ceil(self._look(places).left_ms / 1000)

    @contextmanager
    def counting(self, folder: Path, staff: bytes) -> Iterator[None]:
        """Around one try at a password. VaultProblem("too-soon", seconds=...) before it; "wrong-password" leaves it
        with `seconds` to wait until the next; when it ends well the count is cleared.

        Another error is no try: the password was not judged, so what stood before is put back. VaultProblem(
        "vault-in-use") when another copy of the program holds its turn for long.
        """
        with self._turn(), self._counted(folder, staff):
            yield

    @contextmanager
    def _counted(self, folder: Path, staff: bytes) -> Iterator[None]:
        places = self.places(folder, staff)
        before = self._look(places)
        if before.left_ms:
            self._remembered.setdefault(places[0].name, before)  # who waits here need not wait a second time
            raise VaultProblem("too-soon", seconds=math.ceil(before.left_ms / 1000))
        wrong = min(before.wrong + 1, MOST)
        now = _Tries(wrong=wrong, left_ms=wait_after(wrong), at_ms=self.clock_ms(), boot=self.boot())
        if not self._write(places, now):
            self._remember_only(places, before, now)
        try:
            yield
        except HudangError as problem:
            if problem.code == "wrong-password":
                raise VaultProblem("wrong-password", seconds=now.left_ms // 1000) from problem
            if before.wrong:
                self._write(places, before)
            else:
                self._clear(places)
            raise
        self._clear(places)

    def unlock(self, folder: Path, staff: bytes, password: str) -> Unlocked:
        """`slots.unlock` with the try counted: for whoever needs the keys without the open vault, as with a backup."""
        with self.counting(folder, staff):
            return slots.unlock(folder, staff, password)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """The system takes it back from a process that dies. Where the file cannot be made nobody has to wait."""
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.home / TURN, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            handle = None
        try:
            end = time.monotonic() + TURN_S
            while handle is not None and not _taken(handle):
                if time.monotonic() > end:
                    raise VaultProblem("vault-in-use")
                time.sleep(0.02)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    # --- where it is counted ---

    def places(self, folder: Path, staff: bytes) -> tuple[Path, ...]:
        """The records of the tries of `staff` at the vault in `folder`; VaultProblem as `slots.people`."""
        vault_id = slotfile.read(folder).file.vault_id
        name = hashlib.sha256(b"attempts" + vault_id + staff).hexdigest()[:32]
        return folder / FOLDER / name, self.home / FOLDER / name

    def _look(self, places: tuple[Path, ...]) -> _Tries:
        """The highest count and the longest wait of all places. They are written where one is missing or behind, so
        that records cannot be removed one after the other; and when a wait begins again, so that it also ends."""
        boot, at_ms = self.boot(), self.clock_ms()
        records = [_read(place) for place in places]
        found = [tries for tries in records if tries is not None]
        if (remembered := self._remembered.get(places[0].name)) is not None:
            # This process knows the wait after so many tries; a record that cannot be written would say it for ever.
            found = [each if each.wrong > remembered.wrong else replace(each, left_ms=0) for each in found]
            found.append(remembered)
        seen = [tries.as_of(at_ms, boot) for tries in found]
        tries = _Tries(
            wrong=max((each.wrong for each in seen), default=0),
            left_ms=max((each.left_ms for each in seen), default=0),
            at_ms=at_ms,
            boot=boot,
        )
        begins_again = not all(each.begun(at_ms, boot) for each in found)
        behind = any(record is None or record.wrong < tries.wrong for record in records)
        if tries.wrong and (begins_again or behind) and not self._write(places, tries) and tries.left_ms:
            self._remembered[places[0].name] = tries
        return tries

    def _write(self, places: tuple[Path, ...], tries: _Tries) -> bool:
        """Whether one place took it."""
        taken = False
        for place in places:
            try:
                with disk.disk_errors():
                    if not place.parent.is_dir():
                        place.parent.mkdir(mode=0o700, parents=True)
                        disk.sync_folder(place.parent.parent)
                disk.write_whole(place, tries.encode())
            except VaultProblem:
                continue
            taken = True
        if taken:
            self._remembered[places[0].name] = tries
        return taken

    def _remember_only(self, places: tuple[Path, ...], before: _Tries, now: _Tries) -> None:
        """Nothing can be written. Who already waited for it in this process may try; otherwise the wait begins."""
        name = places[0].name
        waited = name in self._remembered
        wrong = max(before.wrong, FREE)
        self._remembered[name] = now if waited else replace(now, wrong=wrong, left_ms=wait_after(wrong))
        if not waited:
            raise VaultProblem("too-soon", seconds=wait_after(wrong) // 1000)

    def _clear(self, places: tuple[Path, ...]) -> None:
        """A record that cannot be removed costs its person a wait after the next slip, and nothing else."""
        self._remembered[places[0].name] = _Tries(at_ms=self.clock_ms(), boot=self.boot())
        for place in places:
            try:
                with disk.disk_errors():
                    place.unlink(missing_ok=True)
            except VaultProblem:
                continue
            with suppress(OSError):  # others are being counted there
                place.parent.rmdir()


def counting(attempts: Attempts | None, folder: Path, staff: bytes) -> AbstractContextManager[None]:
    """`attempts.counting`, or nothing where tries are not counted."""
    return nullcontext() if attempts is None else attempts.counting(folder, staff)


def _taken(handle: int) -> bool:
    """Whether the lock on the open file `handle` was free; it is ours then until the file is closed."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(place: Path) -> _Tries | None:
    try:
        with place.open("rb") as stream:
            return _Tries.decode(stream.read(1000))
    except OSError:
        return None
