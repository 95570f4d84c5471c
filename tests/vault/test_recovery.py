"""A forgotten password: from the request to the opened vault, and every wrong answer told apart."""

from __future__ import annotations

import hashlib
import os
import random as chance
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import qrcode
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypinyin import lazy_pinyin

from app.errors import InputProblem
from app.ledger import chain as chains
from app.messages import SENTENCES
from app.vault import recovery, sealing, slotfile, slots
from app.vault.attempts import Attempts
from app.vault.recovery import FILES, Answer, Request
from app.vault.vault import Vault
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

NEW = "新的密码 new horse"
ENROL = (os.urandom(420), os.urandom(64), os.urandom(420))  # as long as a real entry that names a chain


@pytest.fixture
def recovery_key(request: pytest.FixtureRequest) -> X25519PrivateKey:
    """The county's key, under a name that is not the module's."""
    key = request.getfixturevalue("recovery")
    assert isinstance(key, X25519PrivateKey)
    return key


@pytest.fixture
def folder(make_vault: MakeVault) -> Path:
    vault = make_vault()
    vault.add_person(staff=COLLEAGUE, label="李桂花", password="theirs", random=os.urandom, kdf=CHEAP)
    write_notes(vault, ["kept"])
    vault.lock()
    return vault.folder


def kept(folder: Path) -> list[bytes]:
    """All that is kept there of recoveries."""
    return [path.read_bytes() for path in sorted(folder.glob(FILES))]


def begin(folder: Path, staff: bytes = STAFF) -> Request:
    return recovery.begin(folder, staff, NEW, random=os.urandom, kdf=CHEAP)


def finish(folder: Path, answer: Answer, password: str) -> slots.Unlocked:
    return recovery.finish(folder, password, answer, random=os.urandom, kdf=CHEAP)


def answer_to(request: Request, county: X25519PrivateKey) -> Answer:
    """What the county says, by way of the files."""
    made = recovery.answer(Request.decode(request.encode()), county.private_bytes_raw(), ENROL)
    return Answer.decode(made.encode())


def other(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


# --- the way through ----------------------------------------------------------------------------------------


def test_a_forgotten_password_costs_nothing(folder: Path, recovery_key: X25519PrivateKey) -> None:
    before = slotfile.read(folder).file
    request = begin(folder)
    assert recovery.waiting(folder) == request
    Vault.unlock(folder, STAFF, PASSWORD).lock()  # remembered after all: the old one still opens
    opened = finish(folder, answer_to(request, recovery_key), NEW)
    assert (opened.person.box_public, opened.person.signing_public) == (request.box_public, request.signing_public)
    after = slotfile.read(folder).file
    assert after.slots[1] == before.slots[1]
    assert after.vault is not None
    assert before.vault is not None
    assert after.vault.epoch == before.vault.epoch == 1
    vault = Vault.unlock(folder, STAFF, NEW)
    assert read_notes(vault) == ["kept"]
    assert vault.signing_seed == opened.person.signing_seed
    vault.lock()
    assert code_of(Vault.unlock, folder, STAFF, PASSWORD) == "wrong-password"
    Vault.unlock(folder, COLLEAGUE, "theirs").lock()


def test_the_new_chain_begins_whenever_the_program_is_started_next(
    folder: Path, recovery_key: X25519PrivateKey
) -> None:
    request = begin(folder)
    assert recovery.answered(folder, request.signing_public) is None
    opened = finish(folder, answer_to(request, recovery_key), NEW)
    assert recovery.answered(folder, os.urandom(32)) is None
    assert recovery.answered(folder, opened.person.signing_public) == (request, ENROL)
    assert request.chain == chains.chain_id(opened.person.signing_public, request.nonce)
    recovery.close(folder, COLLEAGUE)
    assert recovery.answered(folder, opened.person.signing_public) == (request, ENROL)
    recovery.close(folder, STAFF)
    recovery.close(folder, STAFF)
    assert recovery.answered(folder, opened.person.signing_public) is None
    assert recovery.waiting(folder) is None
    assert not kept(folder)


def test_it_can_be_done_again_when_it_was_cut_off(
    folder: Path, recovery_key: X25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = begin(folder)
    answer = answer_to(request, recovery_key)

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(slotfile, "write", cut)
    with pytest.raises(KeyboardInterrupt):
        finish(folder, answer, NEW)
    monkeypatch.undo()
    Vault.unlock(folder, STAFF, PASSWORD).lock()
    finish(folder, answer, NEW)
    finish(folder, answer, NEW)
    vault = Vault.unlock(folder, STAFF, NEW)
    assert recovery.answered(folder, request.signing_public) == (request, ENROL)
    vault.lock()


def test_nothing_that_is_kept_or_sent_holds_a_secret(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request = begin(folder)
    answer = answer_to(request, recovery_key)
    asked = kept(folder)
    opened = finish(folder, answer, NEW)
    secrets = [opened.vault_key, opened.database_key.raw, opened.person.box_private, opened.person.signing_seed]
    for data in (request.encode(), answer.encode(), *asked, *kept(folder)):
        assert not any(secret in data for secret in (*secrets, NEW.encode()))
    for text in (repr(request), repr(answer), repr(opened)):
        assert not any(repr(secret)[2:-1] in text for secret in secrets)


# --- what does not fit --------------------------------------------------------------------------------------


def test_every_wrong_answer_is_told_apart(
    folder: Path, tmp_path: Path, recovery_key: X25519PrivateKey, make_vault: MakeVault
) -> None:
    second = make_vault(tmp_path / "second")
    second.lock()
    assert code_of(finish, folder, answer_to(begin(second.folder), recovery_key), NEW) == "recovery-none"
    first = begin(folder)
    request = begin(folder)
    good = answer_to(request, recovery_key)
    before = [(folder / name).read_bytes() for name in slotfile.FILE_NAMES] + kept(folder)
    for answer, password, code in (
        (answer_to(begin(second.folder), recovery_key), NEW, "answer-other-vault"),
        (answer_to(first, recovery_key), NEW, "answer-foreign"),
        (replace(good, epoch=2), NEW, "answer-outdated"),
        (replace(good, sealed=other(good.sealed)), NEW, "answer-unusable"),
        (good, PASSWORD, "wrong-password"),
        (good, "", "wrong-password"),
    ):
        assert code_of(finish, folder, answer, password) == code
        assert code in SENTENCES
        assert [(folder / name).read_bytes() for name in slotfile.FILE_NAMES] + kept(folder) == before
    finish(folder, good, NEW)


def test_keys_renewed_meanwhile_make_an_answer_useless(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request = begin(folder)
    vault = Vault.unlock(folder, COLLEAGUE, "theirs")
    for _ in vault.renew_keys(random=os.urandom):
        pass
    assert code_of(finish, folder, answer_to(request, recovery_key), NEW) == "answer-outdated"
    request = begin(folder)
    finish(folder, answer_to(request, recovery_key), NEW)
    for _ in vault.remove_person(STAFF, random=os.urandom):
        pass
    assert code_of(finish, folder, answer_to(request, recovery_key), NEW) == "answer-outdated"
    assert code_of(begin, folder) == "no-slot"
    vault.lock()


def test_only_the_county_s_key_answers_and_only_the_asking_laptop_opens(
    folder: Path, recovery_key: X25519PrivateKey
) -> None:
    request = begin(folder)
    with refused("wrong-recovery-key"):
        answer_to(request, X25519PrivateKey.generate())
    with refused("wrong-recovery-key"):
        answer_to(replace(request, epoch=2), recovery_key)
    # Somebody puts their own key into the request: the answer is theirs, and not the laptop's.
    theirs = X25519PrivateKey.generate()
    swapped = replace(request, box_public=theirs.public_key().public_bytes_raw())
    assert code_of(finish, folder, answer_to(swapped, recovery_key), NEW) == "answer-foreign"
    assert recovery.words(swapped.encode()) != recovery.words(request.encode())
    # A vault key that is not this vault's, sealed by somebody who saw the request.
    sealed = sealing.seal(os.urandom(32), request.box_public, *recovery._bound(request))
    forged = replace(answer_to(request, recovery_key), sealed=sealed)
    assert code_of(finish, folder, forged, NEW) == "slots-altered"


def test_guesses_at_the_new_password_are_counted(folder: Path, tmp_path: Path, recovery_key: X25519PrivateKey) -> None:
    answer = answer_to(begin(folder), recovery_key)
    limiter = Attempts(home=tmp_path / "home", clock_ms=lambda: 1_000, boot=lambda: "one")
    for _ in range(5):
        with refused("wrong-password"):
            recovery.finish(folder, "wrong", answer, random=os.urandom, kdf=CHEAP, attempts=limiter)
    with refused("too-soon"):
        recovery.finish(folder, NEW, answer, random=os.urandom, kdf=CHEAP, attempts=limiter)


def test_an_answer_of_one_s_own_making_clears_no_count(
    folder: Path, tmp_path: Path, recovery_key: X25519PrivateKey
) -> None:
    limiter = Attempts(home=tmp_path / "home", clock_ms=lambda: 1_000, boot=lambda: "one")
    for guess in range(4):
        with refused("wrong-password"):
            limiter.unlock(folder, STAFF, f"guess {guess}")
    request = begin(folder)  # by who sits here, for whom they please, under a password of their own
    digest = hashlib.sha256(request.encode()).digest()
    made = Answer(vault_id=request.vault_id, epoch=1, request=digest, sealed=os.urandom(80), enrol=ENROL)
    sealed = sealing.seal(os.urandom(32), request.box_public, *recovery._bound(request))
    for forged, code in ((made, "answer-unusable"), (replace(made, sealed=sealed), "slots-altered")):
        with refused(code):
            recovery.finish(folder, NEW, forged, random=os.urandom, kdf=CHEAP, attempts=limiter)
    assert len(kept(folder)) == 1
    assert limiter.seconds_left(folder, STAFF) == 0
    with refused("wrong-password"):
        limiter.unlock(folder, STAFF, "guess 4")
    assert limiter.seconds_left(folder, STAFF) == 30
    with refused("too-soon"):
        recovery.finish(folder, NEW, made, random=os.urandom, kdf=CHEAP, attempts=limiter)


def test_colleagues_ask_at_the_same_time(folder: Path, recovery_key: X25519PrivateKey) -> None:
    mine, theirs = begin(folder), begin(folder, COLLEAGUE)
    assert (recovery.waiting(folder, STAFF), recovery.waiting(folder, COLLEAGUE)) == (mine, theirs)
    assert recovery.waiting(folder) is None  # not one's alone
    finish(folder, answer_to(mine, recovery_key), NEW)
    recovery.close(folder, STAFF)
    assert recovery.waiting(folder) == theirs
    finish(folder, answer_to(theirs, recovery_key), NEW)
    Vault.unlock(folder, COLLEAGUE, NEW).lock()


def test_who_asks_after_the_new_keys_are_in_takes_nothing_away(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request = begin(folder)
    opened = finish(folder, answer_to(request, recovery_key), NEW)
    second = recovery.begin(folder, STAFF, "somebody else's", random=os.urandom, kdf=CHEAP)
    assert recovery.answered(folder, opened.person.signing_public) == (request, ENROL)
    # And who has forgotten the new one too is not stuck.
    again = finish(folder, answer_to(second, recovery_key), "somebody else's")
    assert recovery.answered(folder, again.person.signing_public) == (second, ENROL)


def test_a_damaged_request_keeps_nobody_else_waiting(folder: Path, recovery_key: X25519PrivateKey) -> None:
    mine = begin(folder)
    begin(folder, COLLEAGUE)
    recovery.waits_at(folder, COLLEAGUE).write_bytes(b"hudang-recovery")
    assert code_of(recovery.waiting, folder, COLLEAGUE) == "recovery-damaged"
    assert recovery.waiting(folder) == mine
    finish(folder, answer_to(mine, recovery_key), NEW)


def test_who_may_ask(folder: Path, tmp_path: Path) -> None:
    assert code_of(begin, folder, os.urandom(16)) == "no-slot"
    assert code_of(begin, tmp_path) == "not-a-vault"
    assert code_of(recovery.begin, folder, STAFF, "", random=os.urandom, kdf=CHEAP) == "password-empty"
    assert not kept(folder)


# --- the files ----------------------------------------------------------------------------------------------


def files(folder: Path, county: X25519PrivateKey) -> tuple[bytes, bytes]:
    request = begin(folder)
    return request.encode(), answer_to(request, county).encode()


def test_no_flipped_bit_and_no_cut_goes_through(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request, answer = files(folder, recovery_key)
    for decode, data in ((Request.decode, request), (Answer.decode, answer)):
        for bit in range(0, len(data) * 8, 7):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            assert code_of(decode, bytes(flipped)) in {"recovery-damaged", "recovery-not-ours"}
        for cut in range(0, len(data), 5):
            assert code_of(decode, data[:cut]) in {"recovery-damaged", "recovery-not-ours"}
        assert code_of(decode, data + b"\0") == "recovery-damaged"
    (path,) = folder.glob(FILES)
    data = path.read_bytes()
    for bit in range(0, len(data) * 8, 31):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert code_of(recovery.waiting, folder) in {"recovery-damaged", "recovery-not-ours"}


def test_what_is_no_such_file_is_told_as_that(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request, answer = files(folder, recovery_key)
    assert code_of(Request.decode, answer) == "recovery-not-ours"
    assert code_of(Answer.decode, request) == "recovery-not-ours"
    newer = recovery._file("hudang-request/2", [b"of a later day"])
    assert code_of(Request.decode, newer) == "recovery-newer"
    assert code_of(Request.decode, recovery._file("hudang-request/1", [1, 2, 3])) == "recovery-damaged"
    assert code_of(Request.decode, request * 200) == "recovery-damaged"
    assert {"recovery-newer", "recovery-damaged", "recovery-not-ours", "recovery-none"} <= SENTENCES.keys()


@given(st.binary(max_size=300))
def test_no_content_surprises_the_reader(data: bytes) -> None:
    for decode in (Request.decode, Answer.decode):
        for raw in (data, recovery._REQUEST.encode() + data, recovery._ANSWER.encode() + data):
            with pytest.raises(InputProblem):
                decode(raw)


def test_each_fits_one_code_that_is_read_again(folder: Path, recovery_key: X25519PrivateKey) -> None:
    for data in files(folder, recovery_key):
        code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=4)
        code.add_data(data)
        code.make(fit=True)
        assert code.version <= 27
        picture = BytesIO()
        code.make_image().save(picture)
        (found,) = zxingcpp.read_barcodes(Image.open(picture).convert("L"))
        assert bytes(found.bytes) == data


# --- over the telephone -------------------------------------------------------------------------------------


def test_the_words_are_common_and_no_two_sound_alike() -> None:
    words = recovery.check_words()
    assert len(set(words)) == 256
    assert all(re.fullmatch("[\u4e00-\u9fa5]{2}", word) for word in words)
    assert len({tuple(lazy_pinyin(word)) for word in words}) == 256
    assert len({tuple(map(_as_many_say_it, lazy_pinyin(word))) for word in words}) == 256
    assert all(word.encode("gb2312") for word in words)  # the most common characters of all


def _as_many_say_it(syllable: str) -> str:
    """Without what dialects do not tell apart: zh and z, n and l, n and ng, h and f before u."""
    syllable = re.sub("^([zcs])h", r"\1", syllable)
    return re.sub("^hu(?=.)", "f", re.sub("^[lr]", "n", re.sub("ng$", "n", syllable)))


def test_the_words_belong_to_the_file(folder: Path, recovery_key: X25519PrivateKey) -> None:
    request, answer = files(folder, recovery_key)
    assert recovery.words(request) == recovery.words(request)
    dice = chance.Random(7)
    seen = {recovery.words(request), recovery.words(answer)}
    for _ in range(6):
        changed = bytearray(request)
        changed[dice.randrange(len(changed))] ^= 1
        seen.add(recovery.words(bytes(changed)))
    assert len(seen) == 8
    # Both sides have to say the same words for ever.
    assert recovery.words(b"a vector") == ("蚂蚁", "课本", "纽扣", "辣椒")
