"""The encrypted file: unreadable from outside, nothing wrong opened, no damage unnoticed, no save lost."""

from __future__ import annotations

import hashlib
import os
import random as chance
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlcipher
from sqlalchemy.exc import IntegrityError, OperationalError

from app.errors import VaultProblem
from app.vault import cipherfile
from app.vault.cipherfile import CipherFile, DatabaseKey
from tests.vault.conftest import code_of, refused

KEY = DatabaseKey.make(os.urandom)


def _open_and_check(path: Path) -> None:
    opened = cipherfile.open_existing(path, KEY)
    try:
        opened.check()
    finally:
        opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "档案.db"


@pytest.fixture
def file(path: Path) -> Iterator[CipherFile]:
    made = cipherfile.create(path, KEY)
    yield made
    made.close()


def fill(file: CipherFile, rows: int) -> None:
    with file.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, body TEXT UNIQUE)")
        for n in range(rows):
            connection.exec_driver_sql("INSERT INTO t (body) VALUES (?)", (f"marker-{n}-" + "户" * 40,))


def count(file: CipherFile) -> int:
    with file.reading() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM t").scalar_one())


def attempt(path: Path) -> tuple[CipherFile | None, str]:
    """The file, or the code of the reason why it does not open."""
    try:
        return cipherfile.open_existing(path, KEY), ""
    except VaultProblem as problem:
        return None, problem.code


# --- what stands on the disk --------------------------------------------------------------------------------


def test_a_file_opens_again_with_what_was_saved(path: Path, file: CipherFile) -> None:
    fill(file, 50)
    file.close()
    again = cipherfile.open_existing(path, KEY)
    assert count(again) == 50
    assert not again.opened_hot
    again.close()


def test_nothing_readable_stands_on_the_disk(path: Path, file: CipherFile) -> None:
    fill(file, 200)
    with file.writing() as connection:
        connection.exec_driver_sql("UPDATE t SET body = 'changed-marker-' || n")
        connection.exec_driver_sql("CREATE TEMP TABLE picked AS SELECT body FROM t ORDER BY body DESC")
        on_disk = {item.name: item.read_bytes() for item in path.parent.iterdir()}
    assert set(on_disk) == {path.name, path.name + "-journal", path.name + "-open"}
    for data in on_disk.values():
        for needle in (b"marker", "户".encode(), b"CREATE TABLE", KEY.raw, KEY.raw.hex().encode()):
            assert needle not in data
    assert on_disk[path.name].startswith(KEY.salt)
    file.close()
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    plain = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError):
        plain.execute("SELECT * FROM t").fetchall()
    plain.close()


@pytest.mark.skipif(os.name == "nt", reason="permission bits of POSIX")
def test_only_the_owner_may_read_it(path: Path, file: CipherFile) -> None:
    assert path.stat().st_mode & 0o077 == 0


def test_the_recipe_is_in_force(file: CipherFile) -> None:
    with file.reading() as connection:
        found = {name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in cipherfile._EXPECTED}
        assert found == cipherfile._EXPECTED
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == -64 * 1024


def test_a_key_that_is_too_short_is_refused_before_it_becomes_a_passphrase() -> None:
    for wrong in (b"", bytes(32), bytes(47), bytes(49)):
        with pytest.raises(ValueError, match="32 bytes"):
            DatabaseKey.of_bytes(wrong)


def test_keys_show_in_no_text(file: CipherFile) -> None:
    assert repr(KEY) == "DatabaseKey()"
    assert KEY.raw.hex() not in repr(file.engine) + str(file.engine.url)


def test_the_key_goes_in_by_the_c_api_only(path: Path) -> None:
    """Every statement that the library is given while a file is made and opened, seen from inside."""
    seen: list[str] = []
    connect = sqlcipher.connect

    def listening(*args: object, **kwargs: object) -> object:
        raw = connect(*args, **kwargs)
        raw.set_trace_callback(seen.append)
        return raw

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlcipher, "connect", listening)
        cipherfile.create(path, KEY).close()
        cipherfile.open_existing(path, KEY).close()
    assert any("locking_mode" in line for line in seen)
    assert not [line for line in seen if "key =" in line.lower() or KEY.raw.hex() in line.lower()]


# --- what is not opened -------------------------------------------------------------------------------------


def test_an_existing_file_is_never_made_anew(path: Path, file: CipherFile) -> None:
    fill(file, 3)
    before = path.read_bytes()
    assert code_of(cipherfile.create, path, KEY) == "vault-exists"
    assert path.read_bytes() == before


def test_every_wrong_file_has_its_own_name_and_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    made = cipherfile.create(path, KEY)
    fill(made, 60)
    made.close()
    good = path.read_bytes()
    plain = tmp_path / "plain.db"
    connection = sqlite3.connect(plain)
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    connection.close()
    other = tmp_path / "other.db"
    cipherfile.create(other, DatabaseKey.make(os.urandom)).close()
    cases = {
        "vault-not-encrypted": plain.read_bytes(),
        "vault-foreign": other.read_bytes(),
        "vault-cut": good[: len(good) // 2],
        "vault-empty": b"",
    }
    for code, data in cases.items():
        path.write_bytes(data)
        assert code_of(cipherfile.open_existing, path, KEY) == code
        assert path.read_bytes() == data
    for data in (good[:15], good[:100], good[:-1], good + b"x", good[:4096]):
        path.write_bytes(data)
        assert code_of(cipherfile.open_existing, path, KEY) == "vault-cut"
        assert path.read_bytes() == data
    for page in range(len(good) // 4096):
        data = good[: page * 4096 + 90] + bytes([good[page * 4096 + 90] ^ 1]) + good[page * 4096 + 91 :]
        path.write_bytes(data)
        with pytest.raises(VaultProblem, match="vault-damaged pages=1"):
            _open_and_check(path)
        assert path.read_bytes() == data
    path.write_bytes(KEY.salt + os.urandom(8176))
    assert code_of(cipherfile.open_existing, path, KEY) == "vault-foreign"
    path.unlink()
    assert code_of(cipherfile.open_existing, path, KEY) == "vault-missing"
    assert not path.exists()
    path.mkdir()
    assert code_of(cipherfile.open_existing, path, KEY) == "vault-missing"


def test_a_wrong_key_is_not_a_damaged_file(path: Path) -> None:
    cipherfile.create(path, KEY).close()
    assert code_of(cipherfile.open_existing, path, DatabaseKey.make(os.urandom)) == "vault-foreign"
    # With the right salt no page proves to be of this key.
    wrong = DatabaseKey(raw=os.urandom(32), salt=KEY.salt)
    assert code_of(cipherfile.open_existing, path, wrong) == "vault-foreign"
    cipherfile.open_existing(path, KEY).close()


def test_nothing_is_said_on_stderr(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cipherfile.create(path, KEY).close()
    code_of(cipherfile.open_existing, path, DatabaseKey(raw=os.urandom(32), salt=KEY.salt))
    assert capfd.readouterr() == ("", "")


def test_a_second_program_cannot_open_it(path: Path, file: CipherFile) -> None:
    fill(file, 3)
    # Neither can this one, and its attempt must not drop the lock.
    assert code_of(cipherfile.open_existing, path, KEY) == "vault-in-use"
    script = (
        "import sys; from pathlib import Path\n"
        "from app.errors import VaultProblem; from app.vault import cipherfile\n"
        "key = cipherfile.DatabaseKey.of_bytes(bytes.fromhex(sys.stdin.read()))\n"
        "try:\n    cipherfile.open_existing(Path(sys.argv[1]), key)\n"
        "except VaultProblem as problem:\n    sys.exit(problem.code)\n"
    )
    with file.writing() as connection:  # with a journal of ours beside it
        connection.exec_driver_sql("INSERT INTO t (body) VALUES ('unfinished')")
        run = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            input=KEY.to_bytes().hex(),
            text=True,
            capture_output=True,
        )
    assert run.stderr.strip() == "vault-in-use"
    file.close()
    again = cipherfile.open_existing(path, KEY)
    assert not again.opened_hot
    assert count(again) == 4
    again.close()


# --- damage -------------------------------------------------------------------------------------------------


def test_no_flipped_bit_is_silent(path: Path, file: CipherFile) -> None:
    fill(file, 60)
    file.close()
    good = path.read_bytes()
    dice = chance.Random(71)
    bits = [*range(0, 128, 9), *(dice.randrange(len(good) * 8) for _ in range(200))]
    for bit in bits:
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        opened, code = attempt(path)
        if opened is None:
            assert code in {"vault-damaged", "vault-foreign", "vault-cut"}
            continue
        # A page that nobody needs is read around: then nothing differs, and the check still tells.
        with refused("vault-damaged", or_nothing=True):
            assert count(opened) == 60
        assert code_of(opened.check) == "vault-damaged"
        opened.close()
    path.write_bytes(good)
    whole = cipherfile.open_existing(path, KEY)
    whole.check()
    assert count(whole) == 60
    whole.close()


def crash_inside_a_transaction(path: Path) -> None:
    """Leaves the file as a power cut would: pages written into it, the journal waiting."""
    script = (
        "import os, sys; from pathlib import Path; from app.vault import cipherfile\n"
        "key = cipherfile.DatabaseKey.of_bytes(bytes.fromhex(sys.stdin.read()))\n"
        "file = cipherfile.open_existing(Path(sys.argv[1]), key)\n"
        "with file.writing() as connection:\n"
        "    connection.exec_driver_sql('PRAGMA cache_size = 5')\n"
        "    connection.exec_driver_sql(\"UPDATE t SET body = 'half-' || n || hex(randomblob(200))\")\n"
        "    os._exit(9)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(path)], input=KEY.to_bytes().hex(), text=True)
    assert run.returncode == 9


def test_a_hot_journal_is_rolled_back_and_told_until_the_caller_has_recovered(path: Path, file: CipherFile) -> None:
    fill(file, 300)
    file.close()
    before = path.read_bytes()
    crash_inside_a_transaction(path)
    assert path.read_bytes() != before
    for _ in range(2):  # also after a second start that did not get as far as recovering
        again = cipherfile.open_existing(path, KEY)
        assert again.opened_hot
        again.check()
        with again.reading() as connection:
            bodies = connection.exec_driver_sql("SELECT body FROM t").scalars().all()
        assert len(bodies) == 300
        assert all(body.startswith("marker-") for body in bodies)
        again.close()
    again = cipherfile.open_existing(path, KEY)
    again.recovered()
    assert not again.opened_hot
    again.close()
    again = cipherfile.open_existing(path, KEY)
    assert not again.opened_hot
    again.close()
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_flipped_bit_in_a_hot_journal_is_never_taken_for_a_clean_start(path: Path, file: CipherFile) -> None:
    fill(file, 300)
    file.close()
    crash_inside_a_transaction(path)
    journal = path.with_name(path.name + "-journal")
    good, waiting = path.read_bytes(), journal.read_bytes()
    dice = chance.Random(72)
    for bit in [*range(64), *(dice.randrange(len(waiting) * 8) for _ in range(60))]:
        for item in path.parent.iterdir():
            item.unlink()
        flipped = bytearray(waiting)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(good)
        journal.write_bytes(flipped)
        opened, code = attempt(path)
        if opened is None:
            assert code in {"vault-damaged", "vault-cut", "disk-error"}
            continue
        assert opened.opened_hot
        opened.close()


def test_a_copy_is_the_file_between_two_transactions_and_drops_no_lock(path: Path, file: CipherFile) -> None:
    fill(file, 300)
    for number in range(2):
        target = path.with_name(f"copy-{number}.db")
        steps = file.copy(target)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                digest = end.value
                break
        assert hashlib.sha256(target.read_bytes()).digest() == digest
        copied = cipherfile.open_existing(target, KEY)
        assert count(copied) == 300 + 5 * number
        copied.check()
        copied.close()
        with file.writing() as connection:
            for n in range(5):
                connection.exec_driver_sql("INSERT INTO t (body) VALUES (?)", (f"later-{number}-{n}",))
    script = (
        "import fcntl, os, sys, struct\n"
        "file = os.open(sys.argv[1], os.O_RDWR)\n"
        "lock = struct.pack('hhqqi', fcntl.F_WRLCK, os.SEEK_SET, 0x40000000, 512, 0)\n"
        "print(struct.unpack('hhqqi', fcntl.fcntl(file, fcntl.F_GETLK, lock))[0] == fcntl.F_UNLCK)\n"
    )
    if sys.platform == "linux":
        run = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "False"


# --- transactions -------------------------------------------------------------------------------------------


def test_what_raises_leaves_nothing(file: CipherFile) -> None:
    fill(file, 2)
    with suppress(ZeroDivisionError), file.writing() as connection:
        connection.exec_driver_sql("INSERT INTO t (body) VALUES ('x')")
        raise ZeroDivisionError
    assert count(file) == 2


def test_tables_are_made_and_undone_in_the_transaction(file: CipherFile) -> None:
    with suppress(ZeroDivisionError), file.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE gone (a)")
        raise ZeroDivisionError
    with file.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() == 0


def test_a_broken_constraint_is_a_bug_and_names_no_value(file: CipherFile) -> None:
    fill(file, 1)
    with pytest.raises(IntegrityError) as caught, file.writing() as connection:
        connection.exec_driver_sql("INSERT INTO t (n, body) VALUES (?, ?)", (1, "secret-value"))
    assert "secret-value" not in str(caught.value)


def test_writing_in_a_reading_is_a_bug(file: CipherFile) -> None:
    fill(file, 1)
    with pytest.raises(OperationalError, match="readonly"), file.reading() as connection:
        connection.exec_driver_sql("DELETE FROM t")
    fill(file, 0)
    assert count(file) == 1


def test_transactions_are_not_nested(file: CipherFile) -> None:
    with file.writing():
        for nested in (file.writing, file.reading):
            with pytest.raises(RuntimeError, match="inside"), nested():
                pass
        with pytest.raises(RuntimeError, match="inside"):
            file.close()
    with file.writing():
        pass


def test_transactions_of_two_threads_do_not_overlap(file: CipherFile) -> None:
    fill(file, 0)
    with file.writing() as connection:
        connection.exec_driver_sql("INSERT INTO t (n, body) VALUES (1, '0')")

    def add() -> None:
        for _ in range(40):
            with file.writing() as connection:
                old = int(connection.exec_driver_sql("SELECT body FROM t WHERE n = 1").scalar_one())
                connection.exec_driver_sql("UPDATE t SET body = ? WHERE n = 1", (str(old + 1),))

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with file.reading() as connection:
        assert connection.exec_driver_sql("SELECT body FROM t WHERE n = 1").scalar_one() == "120"


def test_an_engine_transaction_writes_too(file: CipherFile) -> None:
    fill(file, 1)
    with file.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t (body) VALUES ('by engine')")
    assert count(file) == 2


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_search_can_be_interrupted_and_a_write_cannot(file: CipherFile) -> None:
    fill(file, 1)
    running, done = threading.Event(), threading.Event()

    def interrupt_until_done() -> None:
        running.wait(10)
        while not done.wait(0.01):
            file.interrupt()

    thread = threading.Thread(target=interrupt_until_done)
    thread.start()
    try:
        with refused("interrupted"), file.reading(interruptible=True) as connection:
            running.set()
            connection.exec_driver_sql(ENDLESS)
        for door in (file.writing, file.reading):
            with door() as connection:
                limited = ENDLESS.replace("FROM n)", "FROM n WHERE i < 400000)")
                assert connection.exec_driver_sql(limited).scalar_one() == 400_000
    finally:
        done.set()
        thread.join()
    assert count(file) == 1


def test_a_closed_file_is_closed(path: Path, file: CipherFile) -> None:
    file.close()
    file.close()
    file.interrupt()
    with refused("vault-locked"), file.writing():
        pass


def test_sql_reaches_no_other_file_and_loads_nothing(tmp_path: Path, file: CipherFile) -> None:
    for statement in (
        f"ATTACH '{tmp_path / 'copy.db'}' AS copy",
        f"VACUUM INTO '{tmp_path / 'copy.db'}'",
        "SELECT load_extension('x')",
    ):
        with pytest.raises(sqlcipher.DatabaseError, match=r"not authorized|authorization denied"):
            file.engine.raw_connection().cursor().execute(statement)  # outside a transaction
    assert not (tmp_path / "copy.db").exists()
    file.engine.raw_connection().cursor().execute("VACUUM")


# --- the disk -----------------------------------------------------------------------------------------------


def test_a_full_database_keeps_what_was_saved_and_goes_on(file: CipherFile) -> None:
    fill(file, 20)
    with file.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 12")
    with refused("disk-full"), file.writing() as connection:
        for _ in range(100):
            connection.exec_driver_sql("INSERT INTO t (body) VALUES (hex(randomblob(2000)))")
    assert count(file) == 20
    with file.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    with file.writing() as connection:
        connection.exec_driver_sql("INSERT INTO t (body) VALUES (hex(randomblob(2000)))")
    assert count(file) == 21


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of 1 MiB, where mounting is allowed."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = sys.platform == "linux" and os.geteuid() == 0
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if not mounted or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_still_opens_for_reading(small_disk: Path) -> None:
    path = small_disk / "vault.db"
    file = cipherfile.create(path, KEY)
    fill(file, 20)
    with refused("disk-full"):
        for _ in range(1000):
            with file.writing() as connection:
                connection.exec_driver_sql("INSERT INTO t (body) VALUES (hex(randomblob(20000)))")
    saved = count(file)
    assert saved > 20
    file.close()
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="space"):
        ballast.write_bytes(bytes(2 * 1024 * 1024))
    again = cipherfile.open_existing(path, KEY)
    assert count(again) == saved
    with refused("disk-full"), again.writing() as connection:
        connection.exec_driver_sql("INSERT INTO t (body) VALUES (hex(randomblob(20000)))")
    assert count(again) == saved
    ballast.unlink()
    with again.writing() as connection:
        connection.exec_driver_sql("DELETE FROM t WHERE n = 1")
    assert count(again) == saved - 1
    again.check()
    again.close()
    assert code_of(cipherfile.create, path, KEY) == "vault-exists"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs to become somebody without rights")
def test_a_folder_that_cannot_be_written_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        path = place / "vault.db"
        file = cipherfile.create(path, KEY)
        fill(file, 3)
        file.close()
        path.chmod(0o644)
        os.seteuid(65534)
        try:
            assert code_of(cipherfile.create, place / "new.db", KEY) == "folder-read-only"
            visitor = cipherfile.open_existing(path, KEY)
            assert count(visitor) == 3
            assert code_of(fill, visitor, 1) == "folder-read-only"
            visitor.close()
        finally:
            os.seteuid(0)
