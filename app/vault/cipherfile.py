"""The encrypted database file: one SQLCipher file, one recipe to open it, one connection.

What holds for every open (reasons and measurements: security.md 2.3):
- The key is 32 raw bytes and a 16-byte salt, given by the C API before anything is read, never as SQL.
- The file belongs to this program alone while it is open (`locking_mode=EXCLUSIVE`, taken at once).
- Journal DELETE with `synchronous=EXTRA`: when a commit has returned, it survives a power cut. No WAL,
  because one flipped bit in a WAL drops committed rows without a word (600 of 600).
- Before it is used the file has proved that it is encrypted, that it is ours and that its first page is
  whole. SQLCipher alone does not see three cases, all reproduced: an empty file is an empty database, the 16
  bytes of salt are not covered by a check sum when the salt is given, and a plain SQLite file is only "not a
  database".
- A journal that still has to be rolled back is proved whole first (`rollback`), for SQLite believes it: one flipped
  bit ends the rollback early without an error, or makes the file terabytes long. It is then reported (`opened_hot`)
  until `recovered()` is called, also over further crashes: the caller walks the chain and folds again.
- While the file is open a mark lies beside it. Found at an opening without any journal, it says that a journal may have
  been taken away: that opening counts as hot too.
- SQL can neither attach a file nor load a library. Errors carry no values.

Errors of the database engine become VaultProblem in one place (`_translate`). Everything else (a broken
constraint, wrong SQL) is a bug and passes through.

The county uses the same file with a key from its key file. Nothing here knows households.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy import Connection, Engine, ExceptionContext, StaticPool, create_engine, event

from app.errors import VaultProblem
from app.progress import Progress, Steps
from app.vault import disk, pages, rollback
from app.vault.pages import KEY_BYTES as KEY_BYTES
from app.vault.pages import PAGE_BYTES, SALT_BYTES
from app.vault.pages import DatabaseKey as DatabaseKey  # the county knows only this module

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

CACHE_KIB = 64 * 1024
# With exclusive locking SQLite keeps its journal and only blanks the header; this much may stay on the disk.
JOURNAL_KEPT_BYTES = 4 * 1024 * 1024
COPY_BYTES = 1024 * 1024  # at a time
LOCK_WAIT_S = 1.0  # a virus scanner lets go within it; a second program does not
APPLICATION_ID = 0x48754461  # "HuDa"

# Files that this process has open. POSIX drops all locks of a process on a file as soon as the process closes
# any handle to it, so nothing here may touch an open file beside SQLite, not even to look at its header.
_OPEN: set[Path] = set()

_PLAIN_MAGIC = b"SQLite format 3\0"
_JOURNAL = "-journal"
_UNPROVEN = "-unproven"
_OPENED = "-open"
_NEXT = "-next"
_READING = "hudang_reading"
# Where SQLite puts its locks (https://www.sqlite.org/lockingv3.html): pending, reserved, shared.
_LOCK_BYTE, _LOCK_BYTES = 0x40000000, 512

# Names and numbers of https://www.sqlite.org/rescode.html and c3ref/c_alter_table.html; the module exports
# few of them.
_SQLITE_PERM, _SQLITE_BUSY, _SQLITE_LOCKED, _SQLITE_READONLY = 3, 5, 6, 8
_SQLITE_INTERRUPT, _SQLITE_IOERR, _SQLITE_CORRUPT, _SQLITE_FULL = 9, 10, 11, 13
_SQLITE_CANTOPEN, _SQLITE_NOTADB = 14, 26
_ACTION_ATTACH, _ACTION_FUNCTION = 24, 31

_CODES = {
    _SQLITE_PERM: "folder-read-only",
    _SQLITE_BUSY: "vault-in-use",
    _SQLITE_LOCKED: "vault-in-use",
    _SQLITE_READONLY: "folder-read-only",
    _SQLITE_INTERRUPT: "interrupted",
    _SQLITE_IOERR: "disk-error",
    _SQLITE_CORRUPT: "vault-damaged",
    _SQLITE_FULL: "disk-full",
    _SQLITE_CANTOPEN: "folder-read-only",
    _SQLITE_NOTADB: "vault-damaged",
}

_AFTER_KEY = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = DELETE",
    f"PRAGMA journal_size_limit = {JOURNAL_KEPT_BYTES}",
    "PRAGMA synchronous = EXTRA",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA secure_delete = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
)
# What the recipe must have led to. A build of the library that ignores a line of it is refused, not used.
_EXPECTED = {
    "cipher_status": "1",
    "locking_mode": "exclusive",
    "journal_mode": "delete",
    "synchronous": "3",
    "temp_store": "2",
    "secure_delete": "1",
    "foreign_keys": "1",
    "trusted_schema": "0",
    "cell_size_check": "1",
}


class CipherFile:
    """An open file: `with file.writing() as connection` is one transaction on its one connection.

    Transactions take turns, from whatever thread they come, and are never nested: both would mix two acts.
    `engine.begin()` begins with BEGIN IMMEDIATE too, for code made for other databases, but takes no turn.
    """

    def __init__(self, path: Path, engine: Engine, raw: Any, *, opened_hot: bool) -> None:
        self.path = path
        self.engine = engine
        self.opened_hot = opened_hot
        self._raw = raw
        self._turn = threading.Lock()
        self._owner: int | None = None
        self._closed = False
        self._gate = threading.Lock()
        self._interruptible = False
        self._reader: int | None = None

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: on the disk when the block ends, none of it when the block raises.

        VaultProblem: "disk-full", "disk-error", "folder-read-only", "vault-damaged", "vault-locked" (closed).
        RuntimeError when nested.
        """
        with self._taking_turn(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self, *, interruptible: bool = False) -> Iterator[Connection]:
        """One consistent view; a write inside is a bug and raises. Only an interruptible one can be cut."""
        with self._taking_turn(), self.engine.connect() as connection:
            connection.execution_options(**{_READING: True})
            self._raw.execute("PRAGMA query_only = ON")
            try:
                with connection.begin():
                    self._allow_interrupt(interruptible)
                    try:
                        yield connection
                    finally:
                        self._allow_interrupt(False)
            finally:
                self._raw.execute("PRAGMA query_only = OFF")

    @property
    def closed(self) -> bool:
        """After `close`, or when `renew_key` could not tell which file counts."""
        return self._closed

    def interrupt(self) -> None:
        """From any thread: ends the statement of an interruptible reading with VaultProblem("interrupted").

        Never a write: a write would be rolled back whole. Does nothing when no such reading runs.
        """
        with self._gate:
            if self._interruptible:
                self._raw.interrupt()

    def check(self) -> None:
        """Reads every page, first against its check sum, then as a tree: 0.4 s for 17 MiB (security.md 2.6).

        VaultProblem("vault-damaged", pages=n) when n pages fail, 0 when each is whole but they do not fit.
        """
        with self.reading() as connection:
            broken = connection.exec_driver_sql("PRAGMA cipher_integrity_check").fetchall()
            if broken:
                raise VaultProblem("vault-damaged", pages=len(broken))
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalars().all()
            if list(found) != ["ok"]:
                raise VaultProblem("vault-damaged", pages=0)

    def recovered(self) -> None:
        """The caller has walked the chain and folded again; the next open is an ordinary one."""
        with disk.disk_errors():
            _beside(self.path, _UNPROVEN).unlink(missing_ok=True)
            disk.sync_folder(self.path.parent)
        self.opened_hot = False

    def doubt(self) -> None:
        """The next opening counts as one after a crash: the content is checked before it is used."""
        disk.write_whole(_beside(self.path, _UNPROVEN), b"")

    def copy(self, target: Path) -> Steps[bytes]:
        """Copies the file byte for byte to `target`, as it stands between two transactions, and makes it durable; the
        SHA-256 of what was read. Nobody writes meanwhile. VaultProblem of the disk; `target` is then incomplete."""
        with self._taking_turn(), disk.disk_errors():
            size, digest = self.path.stat().st_size, hashlib.sha256()
            reader = self._own_reader()
            os.lseek(reader, 0, os.SEEK_SET)
            with target.open("xb") as copied:
                for at in range(0, size, COPY_BYTES):
                    data = os.read(reader, COPY_BYTES)
                    digest.update(data)
                    copied.write(data)
                    yield Progress(done=min(at + COPY_BYTES, size), of=size)
                copied.flush()
                os.fsync(copied.fileno())
            if os.name == "nt":
                self._close_reader()  # there it keeps no lock, but keeps the file from being replaced
            return digest.digest()

    def _own_reader(self) -> int:
        """A handle of our own for reading. It is closed only after the connection: see `_OPEN`."""
        if self._reader is not None and not os.path.samestat(os.fstat(self._reader), self.path.stat()):
            self._close_reader()
        if self._reader is None:
            self._reader = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        return self._reader

    def _close_reader(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None

    def renew_key(self, key: DatabaseKey, settle: Callable[[], None]) -> None:
        """Puts the same content under `key`, in one turn: a copy beside, read once from end to end, then `settle()`,
        which writes durably which key counts, then the copy takes the place of the file.

        Until `settle` has written, the old file counts; afterwards the copy does, and `settle_renewal` finishes what
        was cut off. The old file stays taken until then, so that no second program opens it in between. When
        something fails from `settle` on, the file is closed: only the next opening can know which one counts, and a
        write into the other would be lost. Needs the room of a second file; 2.5 s for 100 MiB on two
        shared cores, half of it for reading.

        VaultProblem as `writing`; also what `settle` raises.
        """
        beside = _beside(self.path, _NEXT)
        with self._taking_turn():
            try:
                self._copy_to(beside, key)
            except BaseException:
                _remove_with_journal(beside)
                raise
            self._closed = True
            try:
                settle()
            finally:
                self._let_go()
            settle_renewal(self.path, key)
            renewed = open_existing(self.path, key)
            with self._gate:
                self.engine, self._raw, self.opened_hot = renewed.engine, renewed._raw, renewed.opened_hot
            self._closed = False

    def _copy_to(self, path: Path, key: DatabaseKey) -> None:
        """A copy of the content under `key`, durable and read whole when it returns."""
        _remove_with_journal(path)
        _make_empty(path)
        target = _connect(path, key, shielded=True)
        try:
            self._raw.backup(target)
        except sqlcipher.Error as error:
            problem = _problem_of(error)
            if problem is None:
                raise
            raise problem from error
        finally:
            target.close()
        copy = open_existing(path, key)
        try:
            copy.check()
        finally:
            copy.close()

    def close(self) -> None:
        """Waits for the running transaction and closes; SQLite removes its journal. Twice does nothing."""
        if self._owner == threading.get_ident():
            raise RuntimeError("a file is not closed inside its transaction")
        with self._turn:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        self.engine.dispose()
        self._close_reader()
        _OPEN.discard(self.path.resolve())
        with suppress(OSError):  # it only costs the next opening a look at everything
            _beside(self.path, _OPENED).unlink(missing_ok=True)

    @contextmanager
    def _taking_turn(self) -> Iterator[None]:
        if self._owner == threading.get_ident():
            raise RuntimeError("a transaction inside a transaction")
        with self._turn:
            if self._closed:
                raise VaultProblem("vault-locked")
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = None

    def _allow_interrupt(self, allowed: bool) -> None:
        with self._gate:
            self._interruptible = allowed


def create(path: Path, key: DatabaseKey, *, shielded: bool = True) -> CipherFile:
    """Makes the file at `path`, which must not exist, and opens it. `shielded` as in `open_existing`.

    VaultProblem: "vault-exists", "disk-full", "folder-read-only", "disk-error".
    """
    _make_empty(path)
    file = _open(path, key, opened_hot=False, shielded=shielded)
    try:
        with file.writing() as connection:
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    finally:
        file.close()
    # Now page 1 is there, and opening it shows whether the key was in force.
    return open_existing(path, key, shielded=shielded)


def settle_renewal(path: Path, key: DatabaseKey) -> None:
    """Finishes what a crash left of `CipherFile.renew_key`, before `path` is opened with `key`: of the file and the
    copy beside it, the one that begins with the salt of `key` counts."""
    beside = _beside(path, _NEXT)
    if path.resolve() in _OPEN or head_of(beside) != key.salt or head_of(path) == key.salt:
        return
    with disk.disk_errors():
        # A journal of the old file would be rolled back into the new one.
        _beside(path, _JOURNAL).unlink(missing_ok=True)
        disk.rename(beside, path)
        disk.sync_folder(path.parent)


def clear_renewal(path: Path) -> None:
    """Removes a copy that never came to count. Only while `path` is open and its key is known to be the one that
    counts: another program may be making such a copy, and it keeps `path` open."""
    _remove_with_journal(_beside(path, _NEXT))


def open_existing(path: Path, key: DatabaseKey, *, shielded: bool = True) -> CipherFile:
    """Opens the file at `path`; a wrong or damaged file is left exactly as it is.

    `shielded`: memory is locked and wiped piece by piece. The county does without: its key lies in a file on the same
    machine, and many small writes take four times as long (docs/decisions/0016).

    VaultProblem: "vault-missing", "vault-empty" (no byte), "vault-not-encrypted" (a plain SQLite file),
    "vault-foreign" (another file, or the key of another), "vault-cut" (it ends too soon, or inside a page),
    "vault-damaged" (pages=how many), "vault-in-use" (a second program), "disk-full", "disk-error", "folder-read-only".
    """
    if path.resolve() in _OPEN:
        raise VaultProblem("vault-in-use")
    _assert_ours(path, key)
    unproven = _beside(path, _UNPROVEN)
    marked = unproven.exists()
    waits = waits_for_rollback(path)
    if waits:
        _assert_whole_journal(path, key)
    hot = marked or waits or _has_lost_its_journal(path)
    if hot and not marked:
        # Written before the rollback removes the sign, so that a crash in between loses nothing of it.
        disk.write_whole(unproven, b"")
    try:
        file = _open(path, key, opened_hot=hot, shielded=shielded)
    except VaultProblem as problem:
        if problem.code == "vault-in-use" and not marked:
            unproven.unlink(missing_ok=True)  # it was the journal of the program that has the file open
        if problem.code == "vault-damaged":
            raise _told_apart(path, key) from problem
        raise
    try:
        # SQLite takes no notice of half a page at the end. After a rollback there is none.
        if path.stat().st_size % PAGE_BYTES:
            raise VaultProblem("vault-cut")
        with suppress(VaultProblem):  # a full disk, a folder that takes nothing: it is read, not written
            disk.write_whole(_beside(path, _OPENED), b"")
    except BaseException:
        file.close()
        raise
    return file


def _make_empty(path: Path) -> None:
    with disk.disk_errors():
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise VaultProblem("vault-exists") from None
        disk.sync_folder(path.parent)


def _remove_with_journal(path: Path) -> None:
    with disk.disk_errors():
        for each in (_beside(path, _JOURNAL), _beside(path, _OPENED), path):
            each.unlink(missing_ok=True)


def head_of(path: Path) -> bytes | None:
    """The first 16 bytes of the file at `path`, its salt when it is one of ours; None when there is no file."""
    with disk.disk_errors():
        try:
            with path.open("rb") as file:
                return file.read(SALT_BYTES)
        except (FileNotFoundError, IsADirectoryError):
            return None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def refuse_open(path: Path) -> None:
    """VaultProblem("vault-in-use") when this or another program has the file at `path` open. Unlike opening it, this
    reads nothing and rolls no journal back. No file, no problem."""
    if path.resolve() in _OPEN:
        raise VaultProblem("vault-in-use")
    with disk.disk_errors():
        try:
            handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return
        try:
            if sys.platform == "win32":
                os.lseek(handle, _LOCK_BYTE, os.SEEK_SET)
                msvcrt.locking(handle, msvcrt.LK_NBLCK, _LOCK_BYTES)
                msvcrt.locking(handle, msvcrt.LK_UNLCK, _LOCK_BYTES)
            else:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _LOCK_BYTE)
        except (BlockingIOError, PermissionError):
            raise VaultProblem("vault-in-use") from None
        finally:
            os.close(handle)


def waits_for_rollback(path: Path) -> bool:
    """A journal lies there that SQLite will roll back: it asks the same, by its first byte."""
    with disk.disk_errors():
        try:
            with _beside(path, _JOURNAL).open("rb") as journal:
                return journal.read(1) not in (b"", b"\0")
        except FileNotFoundError:
            return False


def _has_lost_its_journal(path: Path) -> bool:
    """The program that had the file open did not close it, and no journal lies there: it was cut off before its first
    write, or somebody took away a journal with which half a commit would have been rolled back."""
    with disk.disk_errors():
        journal = _beside(path, _JOURNAL)
        return _beside(path, _OPENED).exists() and not (journal.exists() and journal.stat().st_size)


def _assert_whole_journal(path: Path, key: DatabaseKey) -> None:
    """The journal of a cut-off commit is looked at before SQLite believes it; a damaged one is left where it is."""
    seen: bytes | None = None
    while True:
        with disk.disk_errors():
            try:
                data = _beside(path, _JOURNAL).read_bytes()
                if rollback.whole(data, path, key):
                    return
            except FileNotFoundError:
                return
        if data == seen:
            raise VaultProblem("vault-damaged", pages=1)
        seen = data  # perhaps read while another program was writing it: at no instant is such a one not whole


def _assert_ours(path: Path, key: DatabaseKey) -> None:
    """The header gate: encrypted, and with our salt. It reads 16 bytes and changes nothing."""
    head = head_of(path)
    if head is None:
        raise VaultProblem("vault-missing")
    if head == _PLAIN_MAGIC:
        raise VaultProblem("vault-not-encrypted")
    if len(head) < SALT_BYTES:
        raise VaultProblem("vault-cut" if head else "vault-empty")
    if head != key.salt:
        raise _told_apart(path, key)


def _told_apart(path: Path, key: DatabaseKey) -> VaultProblem:
    """Why a file does not open with this key, by asking each of its pages. It is closed by now."""
    with pages.Pages(path, key) as found:
        condition = found.condition()
    nothing_whole = condition.pages == len(condition.damaged)
    if condition.cut and (head_of(path) == key.salt or not nothing_whole):
        return VaultProblem("vault-cut")
    if nothing_whole:
        return VaultProblem("vault-foreign")
    # The salt stands before the first page and has no check sum.
    return VaultProblem("vault-damaged", pages=max(1, len(condition.damaged)))


def _open(path: Path, key: DatabaseKey, *, opened_hot: bool, shielded: bool) -> CipherFile:
    raw = _connect(path, key, shielded=shielded)
    try:
        # The connection exists before the engine, so that the engine's creator holds no key.
        engine = create_engine(
            "sqlite://", creator=lambda: raw, poolclass=StaticPool, module=sqlcipher, hide_parameters=True
        )
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _translate)
        engine.connect().close()
    except BaseException:
        raw.close()
        raise
    _OPEN.add(path.resolve())
    return CipherFile(path, engine, raw, opened_hot=opened_hot)


def _connect(path: Path, key: DatabaseKey, *, shielded: bool) -> Any:
    raw = None
    try:
        raw = sqlcipher.connect(
            f"{path.resolve().as_uri()}?mode=rw",  # never makes a file
            uri=True,
            timeout=LOCK_WAIT_S,
            isolation_level=None,  # we say BEGIN ourselves
            check_same_thread=False,  # one connection, handed from lane to lane under a lock
        )
        # Both before the key: SQLCipher writes errors to stderr, and copies the key.
        raw.execute("PRAGMA cipher_log_level = NONE")
        raw.execute(f"PRAGMA cipher_memory_security = {'ON' if shielded else 'OFF'}")
        raw.set_key(b"x'%s'" % key.to_bytes().hex().encode("ascii"))
        for line in _AFTER_KEY:
            raw.execute(line)
        # Takes the file now, not at the first write: a second program must not read an open file either.
        raw.execute("BEGIN EXCLUSIVE")
        raw.execute("SELECT count(*) FROM sqlite_master").fetchone()
        raw.execute("COMMIT")
        _assert_recipe(raw, shielded=shielded)
        raw.set_authorizer(_authorize)
    except sqlcipher.Error as error:
        if raw is not None:
            raw.close()
        problem = _problem_of(error)
        if problem is None:
            raise
        raise problem from error
    except BaseException:
        if raw is not None:
            raw.close()
        raise
    return raw


def _assert_recipe(raw: Any, *, shielded: bool) -> None:
    version = raw.execute("PRAGMA cipher_version").fetchone()
    if version is None:
        raise VaultProblem("vault-cipher-missing", setting="cipher_version")
    # It holds for the whole process and cannot be taken off again: more than asked for is no fault.
    for name, wanted in {**_EXPECTED, **({"cipher_memory_security": "1"} if shielded else {})}.items():
        row = raw.execute(f"PRAGMA {name}").fetchone()
        if row is None or str(row[0]) != wanted:
            raise VaultProblem("vault-cipher-missing", setting=name)
    # 0 would put temporary tables on the disk, unencrypted, whatever the pragma says.
    if raw.execute("SELECT sqlite_compileoption_used('TEMP_STORE=0')").fetchone()[0]:
        raise VaultProblem("vault-cipher-missing", setting="compiled temp_store")


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
    """Denies files beside the one file and foreign code. VACUUM attaches a nameless one in memory."""
    if (action == _ACTION_ATTACH and first != "") or (action == _ACTION_FUNCTION and second == "load_extension"):
        return int(sqlcipher.SQLITE_DENY)
    return int(sqlcipher.SQLITE_OK)


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _translate(context: ExceptionContext) -> None:
    """The one place where an error of the engine becomes a VaultProblem: raising here replaces its own."""
    connection = context.connection
    reading = connection is not None and connection.get_execution_options().get(_READING, False)
    if reading and _primary(context.original_exception) == _SQLITE_READONLY:
        return  # a write inside a reading: a bug of ours, not of the disk
    problem = _problem_of(context.original_exception)
    if problem is not None:
        raise problem from context.original_exception


def _problem_of(error: BaseException) -> VaultProblem | None:
    code = _CODES.get(_primary(error))
    if code is None:
        return None
    if code == "vault-damaged":
        return VaultProblem(code, pages=1)
    if code == "disk-error":
        return VaultProblem(code, number=int(getattr(error, "sqlite_errorcode", 0)))
    return VaultProblem(code)


def _primary(error: BaseException) -> int:
    """The primary result code; extended codes carry more in the higher bytes."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
