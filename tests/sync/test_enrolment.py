"""Enrolment: one code, one laptop, whatever is cut off in between; and nothing left of a code that was refused."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ChainBroken, CountyRefusal, HudangError, InputProblem, TransportProblem, VaultProblem
from app.sync import enrolment, journal
from app.sync.connection import Connection
from app.sync.enrolment import Invited
from app.sync.protocol import EnrolmentCode
from app.vault import kept
from app.vault.vault import Vault
from tests.county_simulator import (
    HTML,
    LOSE_ANSWER,
    LOSE_REQUEST,
    SimulatedCounty,
    Trick,
    make_certificate,
    serving,
)
from tests.sync.conftest import Scene
from tests.sync.laptops import CHEAP, PASSWORD, Laptop, clock, finished


def look(code: str) -> Invited:
    """What the county says of the code."""
    return enrolment.look(code, random=os.urandom, clock=clock)


def enrol(invited: Invited, folder: Path, password: str = PASSWORD, name: str = "笔记本") -> Vault:
    """The whole way."""
    steps = enrolment.enrol(invited, password, folder, name, build=1, random=os.urandom, clock=clock, kdf=CHEAP)
    return finished(steps)[0]


def test_a_look_says_whom_the_code_is_for_and_makes_nothing(scene: Scene) -> None:
    invited = look(scene.county.invite(scene.base).lower().replace("-", " "))
    assert invited.invitation.staff_name == "吴秀英"
    assert invited.invitation.workplace_name == "第三网格"
    assert invited.demo
    assert scene.county.devices == {}


def test_the_connection_is_kept_and_the_secret_is_not(scene: Scene) -> None:
    vault = enrol(look(scene.county.invite(scene.base)), scene.folder / "vault")
    with vault.reading() as tx:
        connection = Connection.load(tx)
        assert connection.enrolled
        assert connection.secret == b""
        assert connection.workplace == scene.county.workplace
        assert journal.author_of(tx, vault.signing_seed, 1).staff == vault.staff == connection.staff
    assert set(scene.county.devices) == {connection.device}
    assert connection.secret.hex() not in repr(connection) or connection.secret == b""
    vault.lock()


def test_another_county_at_the_address_is_not_believed(scene: Scene) -> None:
    other = SimulatedCounty(seed=2)
    code = EnrolmentCode.parse(scene.county.invite(scene.base))
    with serving(other) as base, pytest.raises(ChainBroken, match="county-foreign"):
        look(replace(code, host=base).text())
    assert "POST /v1/enrolments/look" not in other.requests  # the secret was not told


def test_enrolment_over_tls_with_the_pin_of_the_code(tmp_path: Path) -> None:
    county = SimulatedCounty()
    pin = make_certificate(tmp_path / "tls.pem")
    with serving(county, tmp_path / "tls.pem") as base:
        vault = enrol(look(county.invite(base, pin)), tmp_path / "vault")
        vault.lock()
        with pytest.raises(TransportProblem, match="wrong-certificate"):
            look(county.invite(base, bytes(32)))


@pytest.mark.parametrize("wrong", ["", "HUDANG1", "HUDANG1-ABCD", "某个别的文字", "HUDANG1-" + "0" * 200])
def test_what_is_no_code_is_told_before_anybody_is_asked(wrong: str) -> None:
    with pytest.raises(InputProblem, match="enrolment-code"):
        look(wrong)


def test_a_code_with_one_wrong_character_is_told(scene: Scene) -> None:
    code = scene.county.invite(scene.base)
    for place in range(len("HUDANG1-"), len(code), 11):
        changed = "A" if code[place] != "A" else "B"
        with pytest.raises(InputProblem, match="enrolment-code"):
            look(code[:place] + changed + code[place + 1 :])


# --- refusals ---


def test_a_used_code_leaves_no_vault_behind(scene: Scene) -> None:
    invited = look(scene.county.invite(scene.base))
    enrol(invited, scene.folder / "one").lock()
    with pytest.raises(CountyRefusal, match="enrolment-used"):
        enrol(invited, scene.folder / "two")
    assert not (scene.folder / "two").exists()
    with pytest.raises(CountyRefusal, match="enrolment-used"):
        look(invited.code.text())


def test_an_unknown_code_is_refused_at_the_first_look(scene: Scene) -> None:
    code = replace(EnrolmentCode.parse(scene.county.invite(scene.base)), secret=bytes(14))
    with pytest.raises(CountyRefusal, match="enrolment-unknown"):
        look(code.text())


@pytest.mark.parametrize("name", ["", "   ", "字" * 61])
def test_a_device_needs_a_name(scene: Scene, name: str) -> None:
    with pytest.raises(InputProblem, match="device-name"):
        enrol(look(scene.county.invite(scene.base)), scene.folder / "vault", name=name)
    assert not (scene.folder / "vault").exists()


def test_a_folder_that_holds_something_else_is_left_alone(scene: Scene) -> None:
    folder = scene.folder / "vault"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(VaultProblem):
        enrol(look(scene.county.invite(scene.base)), folder)
    assert (folder / "letter.txt").read_text(encoding="utf-8") == "mine"


def test_the_vault_of_somebody_else_is_left_alone(scene: Scene) -> None:
    folder = scene.folder / "vault"
    enrol(look(scene.county.invite(scene.base)), folder).lock()
    with pytest.raises(VaultProblem, match="vault-exists"):
        enrol(look(scene.county.invite(scene.base)), folder)
    assert Laptop.unlock(folder).sync().same


def test_the_same_person_with_a_second_code_keeps_the_first_vault(scene: Scene) -> None:
    folder = scene.folder / "vault"
    vault = enrol(look(scene.county.invite(scene.base)), folder)
    staff = vault.staff
    vault.lock()
    again = enrol(look(scene.county.invite(scene.base, staff=staff)), folder)
    assert again.staff == staff
    again.lock()


# --- cut off anywhere ---


@pytest.mark.parametrize("trick", [LOSE_REQUEST, LOSE_ANSWER, HTML])
@pytest.mark.parametrize("failing", range(4))
def test_the_same_code_and_password_go_on_where_it_was_cut_off(scene: Scene, trick: Trick, failing: int) -> None:
    invited = look(scene.county.invite(scene.base))
    scene.county.tricks.extend([Trick()] * failing + [trick])
    with pytest.raises(TransportProblem):
        enrol(invited, scene.folder / "vault")
    scene.county.tricks.clear()
    vault = enrol(invited, scene.folder / "vault")
    laptop = Laptop(vault)
    assert laptop.sync().same
    assert len(scene.county.devices) == 1
    assert scene.county.chain_ids(laptop.chain.state.id) == laptop.chain_ids()
    vault.lock()


@pytest.mark.parametrize("steps", range(1, 5))
def test_a_stopped_enrolment_is_resumed_after_unlocking(scene: Scene, steps: int) -> None:
    folder = scene.folder / "vault"
    invited = look(scene.county.invite(scene.base))
    running = enrolment.enrol(invited, PASSWORD, folder, "笔记本", build=1, random=os.urandom, clock=clock, kdf=CHEAP)
    for _ in range(steps):
        next(running)
    running.close()
    if not folder.exists():
        assert steps == 1
        return
    vault = Vault.unlock(folder, invited.invitation.staff, PASSWORD)
    report = finished(enrolment.resume(vault, build=1, random=os.urandom, clock=clock))
    assert report.same
    with vault.reading() as tx:
        assert Connection.load(tx).enrolled
        assert kept.waiting(tx) == 0
    vault.lock()


def test_another_password_does_not_open_what_was_begun(scene: Scene) -> None:
    invited = look(scene.county.invite(scene.base))
    scene.county.tricks.append(LOSE_ANSWER)
    with pytest.raises(TransportProblem):
        enrol(invited, scene.folder / "vault")
    with pytest.raises(VaultProblem, match="wrong-password"):
        enrol(invited, scene.folder / "vault", password="another sentence")
    enrol(invited, scene.folder / "vault").lock()


def test_a_vault_that_was_never_connected_says_so(scene: Scene) -> None:
    vault = Vault.create(
        scene.folder / "vault",
        staff=bytes(16),
        label="吴秀英",
        password=PASSWORD,
        recovery_public=scene.county.recovery.public_key().public_bytes_raw(),
        random=os.urandom,
        prepare=kept.prepare,
        kdf=CHEAP,
    )
    with pytest.raises(HudangError, match="not-enrolled"):
        finished(enrolment.resume(vault, build=1, random=os.urandom, clock=clock))
    vault.lock()
