"""New keys: what a person who left still opens, what a kill leaves, and what an older file put back is told as."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app.errors import VaultProblem
from app.messages import SENTENCES
from app.progress import Steps
from app.vault import cipherfile, disk, slotfile, slots
from app.vault.slotfile import FILE_NAMES
from app.vault.vault import DATABASE, Vault
from tests.vault.conftest import (
    CHEAP,
    COLLEAGUE,
    PASSWORD,
    STAFF,
    MakeVault,
    code_of,
    read_notes,
    refused,
    write_notes,
)
from tests.vault.rotation import THEIRS, left_over

THIRD = bytes(range(32, 48))


@pytest.fixture
def vault(make_vault: MakeVault) -> Vault:
    """A vault of three people with something in it, open."""
    vault = make_vault()
    vault.add_person(staff=COLLEAGUE, label="李桂花", password=THEIRS, random=os.urandom, kdf=CHEAP)
    vault.add_person(staff=THIRD, label="丙", password="third", random=os.urandom, kdf=CHEAP)
    write_notes(vault, ["first", "second"])
    return vault


def run(steps: Steps[None]) -> None:
    for _ in steps:
        pass


def copy_of(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def put_back(source: Path, folder: Path, *names: str) -> None:
    for name in names:
        shutil.copy(source / name, folder / name)


# --- removing -----------------------------------------------------------------------------------------------


def test_who_is_removed_has_nothing_left_and_nobody_else_notices(
    vault: Vault, tmp_path: Path, recovery: X25519PrivateKey
) -> None:
    device, seed, vault_id = vault.device_seed, vault.signing_seed, vault.vault_id
    before = copy_of(vault.folder, tmp_path / "before")
    run(vault.remove_person(COLLEAGUE, random=os.urandom))
    assert (vault.device_seed, vault.signing_seed, vault.vault_id) == (device, seed, vault_id)
    write_notes(vault, ["third"])
    vault.lock()
    assert left_over(vault.folder) == set()
    for name in FILE_NAMES:
        assert COLLEAGUE not in (vault.folder / name).read_bytes()
        assert [slot.person.staff for slot in slotfile._parse((vault.folder / name).read_bytes()).slots] == [
            STAFF,
            THIRD,
        ]
    assert code_of(Vault.unlock, vault.folder, COLLEAGUE, THEIRS) == "no-slot"
    for staff, password in ((STAFF, PASSWORD), (THIRD, "third")):
        again = Vault.unlock(vault.folder, staff, password)
        assert read_notes(again) == ["first", "second", "third"]
        again.lock()
    # What they knew: vault key and database key of the copy they made.
    old = slots.unlock(before, COLLEAGUE, THEIRS)
    new = slots.unlock(vault.folder, STAFF, PASSWORD)
    assert (new.epoch, old.epoch) == (2, 1)
    assert {old.vault_key, old.database_key.raw}.isdisjoint({new.vault_key, new.database_key.raw})
    assert code_of(cipherfile.open_existing, vault.folder / DATABASE, old.database_key) == "vault-foreign"
    part = slotfile.read(vault.folder).file.vault
    assert part is not None
    assert slots.vault_key_of_county(part.recovery_sealed, vault_id, 2, recovery.private_bytes_raw()) == new.vault_key


def test_keys_known_to_others_are_renewed_for_the_same_people(vault: Vault, tmp_path: Path) -> None:
    before = copy_of(vault.folder, tmp_path / "before")
    for epoch in (2, 3):
        run(vault.renew_keys(random=os.urandom))
        assert slots.epoch(vault.folder) == epoch
    write_notes(vault, ["third"])
    vault.lock()
    old = slots.unlock(before, STAFF, PASSWORD)
    for staff, password in ((STAFF, PASSWORD), (COLLEAGUE, THEIRS), (THIRD, "third")):
        opened = slots.unlock(vault.folder, staff, password)
        assert opened.database_key != old.database_key
    again = Vault.unlock(vault.folder, COLLEAGUE, THEIRS)
    assert read_notes(again) == ["first", "second", "third"]
    again.lock()


def test_what_cannot_be_removed(vault: Vault) -> None:
    before = [(vault.folder / name).read_bytes() for name in FILE_NAMES]
    with refused("slot-own"):
        run(vault.remove_person(STAFF, random=os.urandom))
    with refused("no-slot"):
        run(vault.remove_person(bytes(16), random=os.urandom))
    assert [(vault.folder / name).read_bytes() for name in FILE_NAMES] == before
    write_notes(vault, ["third"])
    vault.remove_person(COLLEAGUE, random=os.urandom).close()
    assert len(Vault.people(vault.folder)) == 3


def test_attachments_and_behind_the_curtain(vault: Vault) -> None:
    stored = vault.store_attachment(b"photo", random=os.urandom)
    vault.drop_signing_key()
    run(vault.remove_person(COLLEAGUE, random=os.urandom))
    with refused("signing-key-dropped"):
        _ = vault.signing_seed
    assert vault.load_attachment(stored.name, key=stored.key, digest=stored.digest) == b"photo"


# --- older files put back -----------------------------------------------------------------------------------


def test_an_older_slot_file_or_database_is_told_and_changes_nothing(vault: Vault, tmp_path: Path) -> None:
    folder = vault.folder
    vault.lock()
    before = copy_of(folder, tmp_path / "before")
    vault = Vault.unlock(folder, STAFF, PASSWORD)
    run(vault.remove_person(COLLEAGUE, random=os.urandom))
    vault.lock()
    after = copy_of(folder, tmp_path / "after")
    # One of the two: the newer one counts and is written again.
    for name in FILE_NAMES:
        put_back(before, folder, name)
        assert code_of(Vault.unlock, folder, COLLEAGUE, THEIRS) == "no-slot"
        again = Vault.unlock(folder, STAFF, PASSWORD)
        assert again.repaired
        again.lock()
        assert (folder / name).read_bytes() == (after / name).read_bytes()
    put_back(before, folder, *FILE_NAMES)
    for staff, password in ((STAFF, PASSWORD), (COLLEAGUE, THEIRS)):
        assert code_of(Vault.unlock, folder, staff, password) == "slots-outdated"
    assert (folder / DATABASE).read_bytes() == (after / DATABASE).read_bytes()
    put_back(after, folder, *FILE_NAMES)
    put_back(before, folder, DATABASE)
    assert code_of(Vault.unlock, folder, STAFF, PASSWORD) == "database-outdated"
    assert (folder / DATABASE).read_bytes() == (before / DATABASE).read_bytes()
    put_back(after, folder, DATABASE)
    again = Vault.unlock(folder, STAFF, PASSWORD)
    assert read_notes(again) == ["first", "second"]
    again.lock()
    assert {"slots-outdated", "database-outdated"} <= SENTENCES.keys()


def test_another_vault_s_database_is_foreign_not_old(vault: Vault, tmp_path: Path, make_vault: MakeVault) -> None:
    run(vault.renew_keys(random=os.urandom))
    vault.lock()
    other = make_vault(tmp_path / "other")
    other.lock()
    shutil.copy(other.folder / DATABASE, vault.folder / DATABASE)
    assert code_of(Vault.unlock, vault.folder, STAFF, PASSWORD) == "vault-foreign"


# --- what goes wrong on the way -----------------------------------------------------------------------------


def test_a_copy_that_finds_no_room_leaves_everything_as_it_was(vault: Vault) -> None:
    before = [(vault.folder / name).read_bytes() for name in FILE_NAMES]
    (vault.folder / (DATABASE + "-next")).mkdir()
    (vault.folder / (DATABASE + "-next") / "in the way").touch()
    with refused("disk-error", or_nothing=False):
        run(vault.remove_person(COLLEAGUE, random=os.urandom))
    shutil.rmtree(vault.folder / (DATABASE + "-next"))
    assert [(vault.folder / name).read_bytes() for name in FILE_NAMES] == before
    write_notes(vault, ["third"])
    run(vault.remove_person(COLLEAGUE, random=os.urandom))
    assert read_notes(vault) == ["first", "second", "third"]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_slot_file_that_cannot_be_written_locks_and_the_next_unlocking_knows(vault: Vault, name: str) -> None:
    """After the first copy of it the new keys count, before it the old ones: nobody may write until that is clear."""
    in_the_way = vault.folder / (name + disk.PARTIAL)
    in_the_way.mkdir()
    with refused("disk-error"):
        run(vault.remove_person(COLLEAGUE, random=os.urandom))
    assert code_of(write_notes, vault, ["lost?"]) == "vault-locked"
    in_the_way.rmdir()
    again = Vault.unlock(vault.folder, STAFF, PASSWORD)
    assert read_notes(again) == ["first", "second"]
    assert slots.epoch(vault.folder) == (1 if name == FILE_NAMES[0] else 2)
    again.lock()
    assert left_over(vault.folder) == set()
    assert (vault.folder / FILE_NAMES[0]).read_bytes() == (vault.folder / FILE_NAMES[1]).read_bytes()


def test_a_slot_changed_meanwhile_is_not_undone(vault: Vault) -> None:
    steps = vault.remove_person(COLLEAGUE, random=os.urandom)
    next(steps)
    next(steps)  # the new slot file is made, not written
    vault.change_password(PASSWORD, "changed meanwhile", random=os.urandom, kdf=CHEAP)
    with refused("vault-in-use"):
        run(steps)
    assert len(Vault.people(vault.folder)) == 3
    again = Vault.unlock(vault.folder, STAFF, "changed meanwhile")
    assert read_notes(again) == ["first", "second"]
    again.lock()


def test_a_second_program_does_not_take_away_a_copy_that_counts(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It read the old keys before they were renewed, and opens the file just after."""
    folder = vault.folder
    vault.lock()
    unlock: Callable[..., slots.Unlocked] = slots.unlock

    def slowly(*arguments: object) -> slots.Unlocked:
        opened = unlock(*arguments)
        monkeypatch.undo()
        first = Vault.unlock(folder, STAFF, PASSWORD)
        run(first.remove_person(COLLEAGUE, random=os.urandom))
        first.lock()
        return opened

    monkeypatch.setattr(slots, "unlock", slowly)
    with pytest.raises(VaultProblem):
        Vault.unlock(folder, STAFF, PASSWORD)
    again = Vault.unlock(folder, STAFF, PASSWORD)
    assert read_notes(again) == ["first", "second"]
    again.lock()


def test_a_kill_at_any_step_leaves_the_old_keys_or_the_new(make_vault: MakeVault, tmp_path: Path, root: Path) -> None:
    """Every fourth step on the disk here, and three random moments; all of them by `killed_rotation` itself."""
    vault = make_vault()
    vault.add_person(staff=COLLEAGUE, label="李桂花", password=THEIRS, random=os.urandom, kdf=CHEAP)
    vault.lock()
    (tmp_path / "place").mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "tests.vault.killed_rotation", vault.folder, tmp_path / "place", "4", "3"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    outcomes = json.loads(ended.stdout)
    assert outcomes["steps"] > 15
    assert outcomes["old"]
    assert outcomes["new"]
