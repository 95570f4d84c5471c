"""Backups, salvage and restoration of real vaults, with a county on the line: nothing lost without being told."""

from __future__ import annotations

import os
import random as chance
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.casework.desk import Desk
from app.casework.safekeeping import ON_STICK, Safe
from app.errors import VaultProblem
from app.models.rules.policy import Policy
from app.models.rules.rights import Rights
from app.sync import journal
from app.vault import backups, kept, pages, salvage, slots
from app.vault.backups import Backup
from app.vault.salvage import Salvaged
from app.vault.vault import ATTACHMENTS, DATABASE
from tests.sync.conftest import Scene, scene
from tests.sync.laptops import CHEAP, PASSWORD, Laptop, clock, finished
from tests.vault.conftest import code_of, refused

__all__ = ["scene"]

NOW = clock()
PAGE = 4096


def household(n: int) -> bytes:
    """A household's id."""
    return bytes([n + 1]) * 16


@pytest.fixture
def safe(tmp_path: Path) -> Safe:
    """Backups beside the vault, without a ballast to speak of."""
    return Safe(place=tmp_path / "backups", ballast_size=10_000)


def desk_of(laptop: Laptop, now: Callable[[], int] = clock) -> Desk:
    with laptop.vault.reading() as tx:
        author = journal.author_of(tx, laptop.vault.signing_seed, 1)
    return Desk(
        vault=laptop.vault,
        author=author,
        workplace=b"w" * 16,
        county_code="990101",
        demo=True,
        clock=now,
        random=os.urandom,
        rights=Rights(),
        policy=Policy(),
    )


def back_up(safe: Safe, laptop: Laptop) -> Backup:
    state = finished(safe.back_up(desk_of(laptop)))
    assert state.newest is not None
    assert not state.changed
    return state.newest


def salvage_of(safe: Safe, laptop: Worked) -> Salvaged:
    laptop.vault.lock()
    return finished(safe.salvage(laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))


def spoil(path: Path, numbers: list[int]) -> None:
    """Damage one bit in the middle of each of these pages."""
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * PAGE + 1000)
            byte = file.read(1)[0]
            file.seek((number - 1) * PAGE + 1000)
            file.write(bytes([byte ^ 0x10]))


def pages_of(laptop: Worked, table: str) -> list[int]:
    """Numbers of the leaves where rows of a table lie; the vault is locked."""
    unlocked = slots.unlock(laptop.vault.folder, laptop.vault_staff, PASSWORD)
    shape = salvage._SHAPES[table]
    with pages.Pages(laptop.vault.folder / DATABASE, unlocked.database_key) as found:
        return [
            number
            for number in range(1, found.count + 1)
            if any(
                len(row) == len(shape) and all(salvage._fits(v, k) for v, k in zip(row, shape, strict=True))
                for row in found.rows(number) or ()
            )
        ]


class Worked(Laptop):
    """A laptop whose person is remembered when it is locked."""

    vault_staff: bytes

    @classmethod
    def of(cls, laptop: Laptop) -> Worked:
        found = cls(laptop.vault)
        found.base, found.chance = laptop.base, laptop.chance
        found.vault_staff = laptop.vault.staff
        return found

    def again(self) -> Worked:
        """Unlocked again, checked where it has to be."""
        return Worked.of(Laptop.unlock(self.vault.folder))


def worker(scene: Scene, *, sent: int, waiting: int) -> Worked:
    """A laptop with entries at the county and entries that wait."""
    laptop = Worked.of(scene.enrol())
    laptop.write_all([(household(n % 7), f"第{n}组 " + "很长的名字" * 20) for n in range(sent)])
    laptop.sync()
    laptop.write_all([(household(n % 7), f"后来{n}组 " + "很长的名字" * 20) for n in range(waiting)])
    return laptop


# --- backups ---


def test_a_backup_is_whole_sealed_and_not_made_twice_for_nothing(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=10, waiting=3)
    photo = laptop.vault.store_attachment(os.urandom(50_000), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    desk = desk_of(laptop)
    assert safe.is_due(desk, exchanged=False)
    made = back_up(safe, laptop)
    assert (made.entries, made.waiting) == (made.entries, 3)
    assert sorted(item.name for item in made.folder.iterdir()) == sorted(
        [DATABASE, "slots.cbor", "slots.copy.cbor", backups.MANIFEST]
    )
    assert (made.pool / photo.name).read_bytes() == laptop.vault.sealed_attachment(photo.name)
    assert not safe.is_due(desk, exchanged=True)
    laptop.write(household(0), "又改了")
    assert not safe.is_due(desk, exchanged=False)
    assert safe.is_due(desk, exchanged=True)
    tomorrow = replace(desk, clock=lambda: NOW + 86_400_000)
    assert safe.is_due(tomorrow, exchanged=False)
    assert finished(safe.back_up_when_due(tomorrow, exchanged=False))
    assert not finished(safe.back_up_when_due(tomorrow, exchanged=True))
    for _ in range(3):
        laptop.write(household(1), "再改")
        back_up(safe, laptop)
    kept_ones = backups.of_vault(safe.place, laptop.vault.folder.name)
    assert [each.number for each in kept_ones] == [5, 4, 3]
    assert not list(safe.place.rglob("*.unfinished"))
    for path in safe.place.rglob("*"):
        if path.is_file():
            assert b"SQLite format" not in path.read_bytes()
            assert "组".encode() not in path.read_bytes()


def test_a_damaged_vault_is_found_out_by_its_backup_and_the_older_ones_stay(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=30, waiting=0)
    first = back_up(safe, laptop)
    with laptop.vault.transaction() as tx:
        kept.put_setting(tx, "x", 1)
    laptop.vault.lock()
    spoil(laptop.vault.folder / DATABASE, pages_of(laptop, "payload")[:1])
    laptop = laptop.again()
    with pytest.raises(VaultProblem, match="vault-damaged pages=1"):
        finished(safe.back_up(desk_of(laptop)))
    assert backups.of_vault(safe.place, laptop.vault.folder.name) == [first]
    assert not list(safe.place.rglob("*.unfinished"))
    laptop.vault.lock()


def test_no_changed_or_mixed_backup_is_used(scene: Scene, safe: Safe, tmp_path: Path) -> None:
    laptop = worker(scene, sent=5, waiting=1)
    first = back_up(safe, laptop)
    laptop.write(household(0), "又改了")
    second = back_up(safe, laptop)
    laptop.vault.lock()
    staff = laptop.vault_staff
    finished(backups.proved(second, staff, PASSWORD))
    dice = chance.Random(5)
    good = {path.name: path.read_bytes() for path in second.folder.iterdir()}
    for name, data in good.items():
        path = second.folder / name
        other = (first.folder / name).read_bytes()
        cases = [data[:-1], data + b"\0", b""]
        if other != data:
            cases.append(other)
        for _ in range(6):
            flipped = bytearray(data)
            bit = dice.randrange(len(data) * 8)
            flipped[bit // 8] ^= 1 << bit % 8
            cases.append(bytes(flipped))
        for case in cases:
            path.write_bytes(case)
            if (found := backups.of_vault(safe.place, laptop.vault.folder.name)) and found[0].number == 2:
                assert code_of(lambda one=found[0]: finished(backups.proved(one, staff, PASSWORD))) in (
                    "backup-altered",
                    "vault-newer",
                )
            else:
                assert name == backups.MANIFEST
            path.write_bytes(data)
    with refused("wrong-password"):
        finished(backups.proved(second, staff, "别的密码 something else"))
    finished(backups.proved(second, staff, PASSWORD))


def test_a_backup_on_a_stick_is_made_again_whenever_the_stick_is_there(
    scene: Scene, safe: Safe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop = worker(scene, sent=5, waiting=1)
    photo = laptop.vault.store_attachment(os.urandom(5_000), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    stick = tmp_path / "stick"
    stick.mkdir()
    desk = desk_of(laptop)
    with refused("backup-same-disk"):
        finished(safe.back_up_to(desk, stick))
    monkeypatch.setattr("app.vault.places.same_disk", lambda *_: False)
    monkeypatch.setattr(os, "link", refuse_links)
    state = finished(safe.back_up_to(desk, stick))
    assert state.second == stick / ON_STICK
    assert state.reachable
    assert state.newest is None
    found = safe.found_in(stick)
    assert [each.number for each in found] == [1]
    assert (found[0].pool / photo.name).stat().st_nlink == 1
    stick.rename(tmp_path / "pulled")
    state = finished(safe.back_up(desk))
    assert not state.reachable
    (tmp_path / "pulled").rename(stick)
    state = finished(safe.back_up(desk))
    assert state.newest_there is not None
    assert state.newest_there.number == 2
    with refused("backup-none"):
        safe.found_in(tmp_path / "vault" / ATTACHMENTS)
    laptop.vault.lock()
    shutil.rmtree(laptop.vault.folder)
    newest = safe.found_in(stick)[0]
    finished(safe.restore(newest, laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    again = laptop.again()
    assert again.vault.load_attachment(photo.name, key=photo.key, digest=photo.digest)
    again.vault.lock()


def refuse_links(*_names: object) -> None:
    """A disk that knows no second names."""
    raise OSError(95, "not supported")


# --- restoration ---


def test_restored_after_more_was_uploaded_everything_comes_back_and_nothing_forks(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=12, waiting=2)
    made = back_up(safe, laptop)
    laptop.sync()
    for n in range(6):
        laptop.write(household(n % 3), f"备份以后{n}")
        laptop.write(household(10 + n), f"新的{n}")
    laptop.sync()
    wanted, chain = laptop.tables(), laptop.chain_ids()
    laptop.vault.lock()
    (laptop.vault.folder / DATABASE).write_bytes(b"")

    told = finished(safe.restore(made, laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    assert told.chains[0].waits
    assert (laptop.vault.folder / salvage.SET_ASIDE).is_dir()
    again = laptop.again()
    with refused("exchange-first"):
        again.write(household(0), "太早了")
    assert again.sync().same
    assert again.chain_ids() == chain
    assert again.tables() == wanted
    again.write(household(0), "现在可以")
    again.sync()
    assert scene.county.chain_ids(again.chain.state.id) == again.chain_ids()
    again.assert_fold_is_tables()
    again.vault.lock()


def test_what_waited_and_is_readable_comes_over_into_a_restored_vault(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=12, waiting=0)
    made = back_up(safe, laptop)
    for n in range(5):
        laptop.write(household(n), f"还没上报{n}")
    wanted = laptop.tables()
    laptop.vault.lock()
    spoil(laptop.vault.folder / DATABASE, [1])
    assert code_of(Laptop.unlock, laptop.vault.folder) == "vault-damaged"
    told = finished(safe.restore(made, laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    assert not told.chains[0].lost
    again = laptop.again()
    assert again.tables() == wanted
    again.sync()
    assert scene.county.chain_ids(again.chain.state.id) == again.chain_ids()
    again.vault.lock()


def test_a_backup_of_another_vault_or_of_older_keys_is_not_put_in_place(scene: Scene, safe: Safe) -> None:
    laptop, other = worker(scene, sent=3, waiting=0), Worked.of(scene.enrol("other"))
    foreign = back_up(safe, other)
    laptop.vault.lock()
    before = (laptop.vault.folder / DATABASE).read_bytes()
    with refused("backup-of-another"):
        finished(safe.restore(foreign, laptop.vault.folder, other.vault_staff, PASSWORD, now_ms=NOW))
    assert (laptop.vault.folder / DATABASE).read_bytes() == before
    other.vault.lock()
    finished(safe.restore(foreign, other.vault.folder, other.vault_staff, PASSWORD, now_ms=NOW))


def test_a_new_password_makes_a_backup_old_and_new_keys_remove_those_under_older_ones(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=3, waiting=0)
    made = back_up(safe, laptop)
    desk, folder, staff = desk_of(laptop), laptop.vault.folder, laptop.vault_staff
    laptop.vault.change_password(PASSWORD, "另一句 很长的话 quite long", random=os.urandom, kdf=CHEAP)
    assert safe.is_due(desk, exchanged=True)
    assert not safe.is_due(desk, exchanged=False)
    newer = back_up(safe, laptop)
    for _ in laptop.vault.renew_keys(random=os.urandom):
        pass
    assert safe.is_due(desk, exchanged=False)
    under_new_keys = back_up(safe, laptop)
    assert backups.of_vault(safe.place, folder.name) == [under_new_keys]
    assert under_new_keys.epoch > newer.epoch >= made.epoch
    laptop.vault.lock()
    (folder / DATABASE).unlink()
    with refused("wrong-password"):
        finished(safe.restore(under_new_keys, folder, staff, PASSWORD, now_ms=NOW))
    finished(safe.restore(under_new_keys, folder, staff, "另一句 很长的话 quite long", now_ms=NOW))


def test_a_backup_under_older_keys_lets_nobody_in_again(scene: Scene, safe: Safe, tmp_path: Path) -> None:
    laptop = worker(scene, sent=3, waiting=0)
    made = back_up(safe, laptop)
    shutil.copytree(safe.place, tmp_path / "elsewhere")
    for _ in laptop.vault.renew_keys(random=os.urandom):
        pass
    laptop.vault.lock()
    old = backups.of_vault(tmp_path / "elsewhere", laptop.vault.folder.name)[0]
    assert old.mark == made.mark
    with refused("backup-before-new-keys"):
        finished(safe.restore(old, laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    # Also where the old slot file was put back: it is told, and a backup of today helps.
    laptop.again().vault.lock()
    for name in ("slots.cbor", "slots.copy.cbor"):
        shutil.copyfile(old.folder / name, laptop.vault.folder / name)
    told = None
    try:
        laptop.again()
    except VaultProblem as problem:
        told = safe.diagnose(laptop.vault.folder, problem)
    assert told is not None
    assert told.problem.code == "slots-outdated"


def test_a_damaged_file_that_waits_for_its_rollback_is_rolled_back_in_a_copy(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=20, waiting=5)
    wanted = laptop.state_hash()
    laptop.vault.lock()
    folder = laptop.vault.folder
    process = os.fork()
    if not process:
        try:
            cut_off = Laptop.unlock(folder)
            with cut_off.vault.transaction() as tx:
                tx.exec_driver_sql("PRAGMA cache_size = 5")
                tx.exec_driver_sql("UPDATE payload SET data = randomblob(length(data))")
                tx.exec_driver_sql("INSERT INTO setting VALUES ('large', randomblob(200000))")
                os._exit(9)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert f"{DATABASE}-journal" in files
    told = salvage_of(safe, laptop)
    assert not told.chains[0].lost
    aside = next((folder / salvage.SET_ASIDE).iterdir())
    for name in (DATABASE, f"{DATABASE}-journal"):
        assert (aside / name).read_bytes() == files[name]
    assert not (folder / f"{DATABASE}-journal").exists()
    again = laptop.again()
    assert again.state_hash() == wanted
    assert again.sync().same
    again.vault.lock()


def test_nothing_is_done_while_the_vault_is_open_anywhere(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=3, waiting=1)
    back_up(safe, laptop)
    folder, staff = laptop.vault.folder, laptop.vault_staff
    with refused("vault-in-use"):
        finished(safe.salvage(folder, staff, PASSWORD, now_ms=NOW))
    laptop.vault.lock()
    script = (
        "import sys; from pathlib import Path; from tests.sync.laptops import Laptop\n"
        "laptop = Laptop.unlock(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with refused("vault-in-use"):
        finished(safe.salvage(folder, staff, PASSWORD, now_ms=NOW))
    assert code_of(Laptop.unlock, folder) == "vault-in-use"
    process.communicate("")
    finished(safe.salvage(folder, staff, PASSWORD, now_ms=NOW))
    laptop.again().vault.lock()


# --- salvage ---


@pytest.mark.parametrize("seed", range(6))
def test_salvage_takes_all_that_is_whole_and_the_county_gives_back_the_rest(
    scene: Scene, safe: Safe, seed: int
) -> None:
    """Random pages are damaged, the first or the end cut off among them; in the end the county and the laptop hold the
    same, and whatever never came to the county is there or was named as lost."""
    dice = chance.Random(seed)
    laptop = worker(scene, sent=40, waiting=25)
    unsent = {household(n % 7) for n in range(25)}
    before = laptop.chain
    written = laptop.chain_ids()
    path = laptop.vault.folder / DATABASE
    if seed % 2:
        back_up(safe, laptop)
        laptop.write_all([(household(n % 7), f"最后{n} " + "很长的名字" * 20) for n in range(8)])
        written = laptop.chain_ids()
    laptop.vault.lock()
    count = path.stat().st_size // PAGE
    essential = {*pages_of(laptop, "setting"), *pages_of(laptop, "chain")} if not seed % 2 else set()
    spoil(path, dice.sample([n for n in range(1, count + 1) if n not in essential], 4))
    if seed in (2, 3):
        with path.open("r+b") as file:
            file.truncate((count - 6) * PAGE - 100)
    damaged = path.read_bytes()

    told = salvage_of(safe, laptop)
    aside = next((laptop.vault.folder / salvage.SET_ASIDE).iterdir())
    assert (aside / DATABASE).read_bytes() == damaged
    assert told.condition is not None
    assert len(told.condition.damaged) >= 4
    again = laptop.again()
    mine = told.chains[0]
    lost = [seq for first, last in mine.lost for seq in range(first, last + 1)]
    with again.vault.reading() as tx:
        dots = {row.dot for row in tx.exec_driver_sql("SELECT dot FROM entry")}
    missing = [seq for seq, identity in enumerate(written) if identity[:16] not in dots]
    at_county = [seq for first, last in mine.at_county for seq in range(first, last + 1)]
    known_end = 1 + max([before.state.next_seq - 1, *lost, *at_county])
    assert [seq for seq in missing if seq < known_end] == sorted({*lost, *at_county})
    assert all(seq < before.acknowledged for seq in at_county)
    if mine.waits:
        with refused("exchange-first"):
            again.write(household(0), "太早了")
    report = again.sync()
    assert report.same
    assert again.chain.acknowledged == again.chain.state.next_seq
    assert scene.county.chain_ids(again.chain.state.id) == again.chain_ids()
    with again.vault.reading() as tx:
        dots = {row.dot for row in tx.exec_driver_sql("SELECT dot FROM entry")}
        assert not salvage.waiting_chains(tx)
    assert [seq for seq, identity in enumerate(written) if identity[:16] not in dots and seq < known_end] == lost
    again.assert_fold_is_tables()
    finished(journal.recheck(again.vault))
    again.write(household(0), "现在可以")
    again.sync()
    assert unsent
    again.vault.lock()


def test_an_undamaged_vault_comes_out_of_salvage_as_it_was(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=20, waiting=6)
    with laptop.vault.transaction() as tx:
        kept.put_draft(
            tx,
            kept.KeptDraft(
                id=b"d" * 16,
                form="visit",
                root=household(0),
                staff=laptop.vault_staff,
                saved_at=5,
                data={1: "写了一半"},
            ),
        )
        kept.put_cards(tx, [("7K3MAAAA", "payload"), ("7K3MBBBB", "payload")])
        kept.take_card(tx)
    wanted, heads, chain = laptop.tables(), laptop.state_hash(), laptop.chain
    told = salvage_of(safe, laptop)
    assert told.chains[0].whole == chain.state.next_seq
    assert not told.chains[0].waits
    assert (told.refused, told.bare, told.cards_put_away, told.drafts) == (0, 0, 0, 1)
    again = laptop.again()
    assert again.tables() == wanted
    assert again.state_hash() == heads
    assert again.chain == chain
    with again.vault.reading() as tx:
        assert kept.cards_left(tx) == 1
        assert kept.drafts(tx, "visit", laptop.vault_staff)[0].data == {1: "写了一半"}
    again.write(household(0), "不用等")
    assert again.sync().same
    again.vault.lock()


def test_a_hole_in_what_was_not_sent_is_told_and_what_stands_behind_it_is_signed_again(
    scene: Scene, safe: Safe
) -> None:
    laptop = worker(scene, sent=6, waiting=60)
    ids = laptop.chain_ids()
    laptop.vault.lock()
    leaves = pages_of(laptop, "payload")
    assert len(leaves) > 6
    spoil(laptop.vault.folder / DATABASE, leaves[4:5])
    told = salvage_of(safe, laptop)
    mine = told.chains[0]
    assert mine.lost
    assert mine.again
    first, last = mine.lost[0]
    assert mine.again == len(ids) - last - 1
    again = laptop.again()
    live = again.state_hash()
    assert again.sync().same
    assert again.state_hash() == live
    behind = {identity[:16] for identity in ids[last + 1 :]}
    with again.vault.reading() as tx:
        dots = {row.dot for row in tx.exec_driver_sql("SELECT dot FROM entry")}
    assert behind <= dots
    assert scene.county.chain_ids(again.chain.state.id) == again.chain_ids()
    assert len(again.chain_ids()) == len(ids) - (last - first + 1)
    again.assert_fold_is_tables()
    reader = scene.enrol("reader")
    reader.sync()
    assert reader.state_hash() == again.state_hash()
    again.vault.lock()


def test_cards_of_a_backup_are_never_given_out_twice(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=3, waiting=0)
    with laptop.vault.transaction() as tx:
        kept.put_cards(tx, [(f"7K3MAAA{n}", "payload") for n in range(5)])
    made = back_up(safe, laptop)
    laptop.vault.lock()
    (laptop.vault.folder / DATABASE).unlink()
    told = finished(safe.restore(made, laptop.vault.folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
    assert told.cards_put_away == 5
    again = laptop.again()
    with again.vault.reading() as tx:
        assert kept.cards_left(tx) == 0
    again.vault.lock()


def test_an_entry_that_proves_nothing_does_not_come_over(scene: Scene, safe: Safe) -> None:
    """Pages whose check sum is right, written by somebody with the key."""
    laptop = worker(scene, sent=6, waiting=2)
    with laptop.vault.transaction() as tx:
        tx.exec_driver_sql("UPDATE entry SET signature = zeroblob(64) WHERE seq = 3")
        tx.exec_driver_sql("UPDATE payload SET data = X'00' WHERE id = (SELECT id FROM entry WHERE seq = 5)")
    told = salvage_of(safe, laptop)
    assert told.refused >= 1
    assert told.bare >= 1
    again = laptop.again()
    assert again.sync().same
    again.assert_fold_is_tables()
    assert scene.county.chain_ids(again.chain.state.id) == again.chain_ids()
    again.vault.lock()


# --- what is told at the door ---


def test_every_kind_of_damage_is_told_apart_and_has_a_way_out(scene: Scene, safe: Safe) -> None:
    laptop = worker(scene, sent=6, waiting=2)
    back_up(safe, laptop)
    laptop.vault.lock()
    folder = laptop.vault.folder
    good = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    data = good[DATABASE]
    cases: list[tuple[dict[str, bytes | None], str, bool]] = [
        ({DATABASE: data[: PAGE * 3 + 50]}, "vault-cut", True),
        ({DATABASE: data[: PAGE * 3]}, "vault-cut", True),
        ({DATABASE: data[:500] + bytes([data[500] ^ 1]) + data[501:]}, "vault-damaged", True),
        ({DATABASE: bytes([data[0] ^ 1]) + data[1:]}, "vault-damaged", True),
        ({DATABASE: b""}, "vault-empty", False),
        ({DATABASE: None}, "vault-missing", False),
        ({DATABASE: os.urandom(len(data))}, "vault-foreign", False),
        ({DATABASE: b"SQLite format 3\0" + data[16:]}, "vault-not-encrypted", False),
        ({"slots.cbor": None, "slots.copy.cbor": None}, "slots-missing", False),
        ({"slots.cbor": b"x", "slots.copy.cbor": good["slots.cbor"][:-3]}, "slots-damaged", False),
    ]
    for changes, code, salvageable in cases:
        for name, content in changes.items():
            (folder / name).unlink(missing_ok=True)
            if content is not None:
                (folder / name).write_bytes(content)
        told = None
        try:
            Laptop.unlock(folder)
        except VaultProblem as problem:
            told = safe.diagnose(folder, problem)
        assert told is not None
        assert (told.problem.code, told.salvageable, len(told.backups)) == (code, salvageable, 1)
        for name, content in changes.items():
            assert ((folder / name).read_bytes() if (folder / name).exists() else None) == content
        finished(safe.restore(told.backups[0], folder, laptop.vault_staff, PASSWORD, now_ms=NOW))
        Laptop.unlock(folder).vault.lock()
        for name, content in good.items():
            (folder / name).write_bytes(content)
    (folder / "slots.cbor").write_bytes(b"half")
    again = Laptop.unlock(folder)  # one copy is enough, and is written again
    assert again.vault.repaired
    again.vault.lock()
    assert safe.diagnose(folder, VaultProblem("wrong-password")) is None
    assert safe.diagnose(folder, VaultProblem("vault-in-use")) is None
