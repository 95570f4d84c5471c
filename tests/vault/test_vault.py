"""The vault as a whole: made whole or not at all, one door, one answer for each way it can fail."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection

from app.messages import SENTENCES
from app.vault import slotfile
from app.vault.vault import ATTACHMENTS, DATABASE, Vault
from tests.vault.conftest import (
    CHEAP,
    COLLEAGUE,
    PASSWORD,
    STAFF,
    MakeVault,
    code_of,
    prepare,
    read_notes,
    refused,
    write_notes,
)

# What must never stand in the clear: name, address, illness, identity number, telephone.
MARKERS = ["欧阳测试", "双龙村七组", "慢性病", "990101199001011234", "10012345678"]


def test_a_vault_keeps_what_was_saved(make_vault: MakeVault) -> None:
    vault = make_vault()
    write_notes(vault, MARKERS)
    keys = vault.signing_seed, vault.device_seed, vault.vault_id
    vault.lock()
    again = Vault.unlock(vault.folder, STAFF, PASSWORD)
    assert read_notes(again) == MARKERS
    assert (again.signing_seed, again.device_seed, again.vault_id) == keys
    assert (again.staff, again.opened_hot, again.repaired) == (STAFF, False, False)
    assert [person.label for person in Vault.people(vault.folder)] == ["王建国"]
    again.lock()


def test_nothing_personal_stands_in_the_clear(make_vault: MakeVault) -> None:
    vault = make_vault()
    write_notes(vault, MARKERS)
    vault.store_attachment("\n".join(MARKERS).encode(), random=os.urandom)
    with suppress(ZeroDivisionError), vault.transaction() as connection:
        connection.exec_driver_sql("UPDATE note SET body = body || ' 改'")
        raise ZeroDivisionError
    vault.lock()
    files = [path for path in vault.folder.rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        data = path.read_bytes()
        for marker in MARKERS:
            assert marker not in path.name
            for coding in ("utf-8", "utf-16-le", "gb18030"):
                assert marker.encode(coding) not in data
        plain = sqlite3.connect(path)
        with pytest.raises(sqlite3.DatabaseError):
            plain.execute("SELECT * FROM sqlite_master").fetchall()
        plain.close()


# --- making -------------------------------------------------------------------------------------------------


def create(folder: Path, recovery: X25519PrivateKey, **other: object) -> Vault:
    arguments: dict[str, object] = {
        "staff": STAFF,
        "label": "王建国",
        "password": PASSWORD,
        "recovery_public": recovery.public_key().public_bytes_raw(),
        "random": os.urandom,
        "prepare": prepare,
        "kdf": CHEAP,
    }
    return Vault.create(folder, **(arguments | other))  # type: ignore[arg-type]


def test_a_vault_is_made_whole_or_not_at_all(tmp_path: Path, recovery: X25519PrivateKey) -> None:
    folder = tmp_path / "vault"

    def fail(connection: Connection) -> None:
        prepare(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create(folder, recovery, prepare=fail)
    assert list(tmp_path.iterdir()) == []
    # A crash leaves what nobody has ever unlocked; the next start clears it.
    (tmp_path / "vault.unfinished").mkdir()
    (tmp_path / "vault.unfinished" / DATABASE).write_bytes(b"half")
    create(folder, recovery).lock()
    assert [path.name for path in tmp_path.iterdir()] == ["vault"]
    assert {path.name for path in folder.iterdir()} == {DATABASE, ATTACHMENTS, *slotfile.FILE_NAMES}


def test_what_is_there_already_is_not_touched(
    tmp_path: Path, recovery: X25519PrivateKey, make_vault: MakeVault
) -> None:
    vault = make_vault()
    vault.lock()
    assert code_of(create, vault.folder, recovery) == "vault-exists"
    file = tmp_path / "a file"
    file.write_bytes(b"mine")
    assert code_of(create, file, recovery) == "vault-exists"
    assert file.read_bytes() == b"mine"
    empty = tmp_path / "deep" / "empty"
    empty.mkdir(parents=True)
    create(empty, recovery).lock()
    Vault.unlock(vault.folder, STAFF, PASSWORD).lock()


# --- unlocking ----------------------------------------------------------------------------------------------


def test_each_way_to_fail_has_its_own_answer(tmp_path: Path, make_vault: MakeVault) -> None:
    vault = make_vault()
    write_notes(vault, MARKERS)
    folder = vault.folder
    assert code_of(Vault.unlock, folder, STAFF, PASSWORD) == "vault-in-use"
    vault.lock()
    assert code_of(Vault.unlock, folder, STAFF, "wrong") == "wrong-password"
    assert code_of(Vault.unlock, folder, COLLEAGUE, PASSWORD) == "no-slot"
    assert code_of(Vault.unlock, tmp_path, STAFF, PASSWORD) == "not-a-vault"
    good = (folder / DATABASE).read_bytes()
    for data, code in (
        (good[:5000], "vault-cut"),
        (bytes(5000), "vault-foreign"),
        (b"SQLite format 3\0" + good[16:], "vault-not-encrypted"),
    ):
        (folder / DATABASE).write_bytes(data)
        assert code_of(Vault.unlock, folder, STAFF, "wrong") == "wrong-password"
        assert code_of(Vault.unlock, folder, STAFF, PASSWORD) == code
        assert (folder / DATABASE).read_bytes() == data
        assert code in SENTENCES
    (folder / DATABASE).unlink()
    assert code_of(Vault.unlock, folder, STAFF, PASSWORD) == "vault-missing"
    (folder / DATABASE).write_bytes(good)
    again = Vault.unlock(folder, STAFF, PASSWORD)
    assert read_notes(again) == MARKERS
    again.lock()


def test_a_damaged_copy_of_the_slots_is_replaced_and_told(make_vault: MakeVault) -> None:
    vault = make_vault()
    vault.lock()
    copy = vault.folder / slotfile.FILE_NAMES[0]
    copy.write_bytes(b"")
    again = Vault.unlock(vault.folder, STAFF, PASSWORD)
    assert again.repaired
    again.lock()
    assert copy.read_bytes() == (vault.folder / slotfile.FILE_NAMES[1]).read_bytes()


def test_colleagues_share_one_vault(make_vault: MakeVault) -> None:
    vault = make_vault()
    write_notes(vault, ["first"])
    keys = vault.add_person(staff=COLLEAGUE, label="李桂花", password="theirs", random=os.urandom, kdf=CHEAP)
    assert vault.keys_of(COLLEAGUE, "theirs") == keys
    assert code_of(vault.keys_of, COLLEAGUE, PASSWORD) == "wrong-password"
    mine = vault.signing_seed
    vault.lock()
    theirs = Vault.unlock(vault.folder, COLLEAGUE, "theirs")
    assert theirs.signing_seed == keys.signing_seed != mine
    assert theirs.staff == COLLEAGUE
    assert read_notes(theirs) == ["first"]
    theirs.lock()


def test_rests_of_a_crash_are_cleared(make_vault: MakeVault) -> None:
    vault = make_vault()
    vault.lock()
    (vault.folder / ATTACHMENTS / ("a" * 32 + ".tmp")).write_bytes(b"half")
    Vault.unlock(vault.folder, STAFF, PASSWORD).lock()
    assert list((vault.folder / ATTACHMENTS).iterdir()) == []


# --- the door -----------------------------------------------------------------------------------------------


def test_the_door_is_shut_on_the_thread_of_the_window(tmp_path: Path, recovery: X25519PrivateKey) -> None:
    window = threading.get_ident()
    forbid = {"on": False}
    vault = create(tmp_path / "vault", recovery, forbid_thread=lambda: forbid["on"] and threading.get_ident() == window)
    forbid["on"] = True
    for door in (vault.transaction, vault.reading):
        with pytest.raises(RuntimeError, match="this thread"), door():
            pass
    with pytest.raises(RuntimeError, match="this thread"):
        Vault.unlock(vault.folder, STAFF, PASSWORD, forbid_thread=lambda: True)
    lane = threading.Thread(target=write_notes, args=(vault, ["from a lane"]))
    lane.start()
    lane.join()
    forbid["on"] = False
    assert read_notes(vault) == ["from a lane"]
    vault.lock()


def test_transactions_are_not_nested(make_vault: MakeVault) -> None:
    vault = make_vault()
    with vault.transaction(), pytest.raises(RuntimeError, match="inside"):
        read_notes(vault)
    write_notes(vault, ["after"])
    assert read_notes(vault) == ["after"]


def test_a_locked_vault_gives_nothing(make_vault: MakeVault) -> None:
    vault = make_vault()
    write_notes(vault, ["x"])
    stored = vault.store_attachment(b"photo", random=os.urandom)
    vault.lock()
    vault.lock()
    vault.interrupt()
    for read in (
        lambda: vault.signing_seed,
        lambda: vault.device_seed,
        lambda: vault.vault_id,
        lambda: read_notes(vault),
        lambda: write_notes(vault, ["y"]),
        lambda: vault.load_attachment(stored.name, key=stored.key, digest=stored.digest),
        vault.drop_signing_key,
        vault.recovered,
    ):
        assert code_of(read) == "vault-locked"


def test_locking_waits_for_the_running_transaction(make_vault: MakeVault) -> None:
    vault = make_vault()
    inside, leave = threading.Event(), threading.Event()

    def save() -> None:
        with vault.transaction() as connection:
            connection.exec_driver_sql("INSERT INTO note (body) VALUES ('kept')")
            inside.set()
            leave.wait(10)

    lane, locker = threading.Thread(target=save), threading.Thread(target=vault.lock)
    lane.start()
    inside.wait(10)
    locker.start()
    leave.set()
    lane.join()
    locker.join()
    again = Vault.unlock(vault.folder, STAFF, PASSWORD)
    assert read_notes(again) == ["kept"]
    again.lock()


def test_behind_the_curtain_nobody_signs_but_work_goes_on(make_vault: MakeVault) -> None:
    vault = make_vault()
    device = vault.device_seed
    vault.drop_signing_key()
    with refused("signing-key-dropped"):
        _ = vault.signing_seed
    assert vault.device_seed == device
    write_notes(vault, ["received"])
    assert read_notes(vault) == ["received"]


def test_attachments_live_in_the_vault(make_vault: MakeVault) -> None:
    vault = make_vault()
    stored = vault.store_attachment(b"photo", random=os.urandom)
    sealed = vault.sealed_attachment(stored.name)
    name = vault.accept_attachment(sealed, upload_digest=stored.upload_digest, random=os.urandom)
    assert name != stored.name
    assert vault.load_attachment(name, key=stored.key, digest=stored.digest) == b"photo"
    vault.discard_attachment(name)
    assert code_of(vault.sealed_attachment, name) == "attachment-missing"
