"""A forgotten password, all the way, with the real county: a request, four words, an answer, the work goes on.

The old chain's unsent work is reported, the new chain goes on from it, drafts are where they were, the old password
opens nothing. Cut off anywhere, the next unlocking brings it to its end.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from app.casework import recovering, scanning, visits
from app.casework.desk import Desk
from app.casework.files import NewFile, open_file
from app.casework.opening import Opened, Opener
from app.casework.recovering import Asked
from app.errors import InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger.entry import decode_entry
from app.models.queries import households as queries
from app.models.queries import places
from app.models.records.registry import BY_NAME
from app.printing import codes
from app.sync.protocol import EnrolmentCode
from app.vault import kept, recovery
from app.vault.attempts import Attempts
from app.vault.recovery import Answer
from app.vault.vault import Vault
from county import demo
from county import recovery as office
from county.keys import load_recovery
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import clock, serving
from tests.sync.laptops import CHEAP, finished

OLD, NEW = "walnut ladder 清晨 seven", "copper teapot 雨后 nine"
GRID = f"{demo.VILLAGE}/{demo.GRIDS[0]}"
HOUSEHOLD = BY_NAME["household"]


@dataclass
class Forgetful:
    """A laptop whose person had work that nobody has seen, and then no password."""

    site: Site
    opener: Opener
    folder: Path
    staff: bytes
    chain: bytes
    household: bytes
    drafted: bytes

    def answer(self, asked: Asked) -> bytes:
        """What the county hands back, once the words were read out."""
        request = office.read(asked.data)
        private = recovery_key(self.site)
        told = " ".join(asked.words)
        return office.recover(self.site.county, self.site.by, request, private, told).encode()

    def unlocked(self, password: str) -> Opened:
        return finished(self.opener.unlock(self.folder, self.staff, password))


def recovery_key(county_site: Site) -> bytes:
    """The county's recovery key, from where the demo keeps it."""
    return load_recovery(county_site.folder / "recovery.key")


def new_household(desk: Desk) -> bytes:
    """A file that is opened here."""
    with desk.vault.reading() as tx:
        village = places.areas(tx)[desk.workplace].parent
    household = desk.new_id()
    facts = {"household_type": "ORDINARY", "village": village, "grid": desk.workplace, "villager_group": "九组"}
    head = {"name": "韦试", "gender": "1"}
    open_file(desk, NewFile(household=household, head=desk.new_id(), household_values=facts, head_values=head))
    return household


@pytest.fixture
def forgetful(site: Site, tmp_path: Path) -> Iterator[Forgetful]:  # noqa: F811
    with serving(site.county) as base:
        (tmp_path / "home").mkdir()
        attempts = Attempts(home=tmp_path / "home")
        opener = Opener(build=1, clock=clock, random=os.urandom, attempts=attempts, kdf=CHEAP)
        code = site.invite("韦测一", GRID)
        text = EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text()
        folder = tmp_path / "vault"
        desk = finished(opener.enrol(opener.look(text), OLD, folder, "办公室")).desk
        household = new_household(desk)
        draft = visits.begin(desk, household)
        visits.keep_draft(desk, visits.VisitDraft(id=draft.id, household=household, values={"respondent": "老人"}))
        desk.vault.lock()
        yield Forgetful(site, opener, folder, desk.author.staff, desk.author.chain, household, draft.id)


def picture_of(text: str, path: Path) -> Path:
    """A photograph of a code, as a messenger would send it."""
    modules = codes.matrix(text)
    size = len(modules)
    image = Image.new("L", (size + 8, size + 8), 255)
    for row, line in enumerate(modules):
        for column, dark in enumerate(line):
            if dark:
                image.putpixel((column + 4, row + 4), 0)
    image.resize((image.width * 6, image.height * 6), Image.Resampling.NEAREST).convert("RGB").save(path, quality=80)
    return path


def test_the_work_goes_on_where_it_was(forgetful: Forgetful, tmp_path: Path) -> None:
    asked = forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)
    assert recovering.waiting(forgetful.folder) == asked  # the program may be closed
    # The county reads the request from a photograph and answers with one.
    seen = scanning.read_image(picture_of(asked.text, tmp_path / "request.jpg"))
    data = forgetful.answer(Asked(staff=b"", data=base64.b64decode(seen[0]), words=asked.words))
    sent = picture_of(base64.b64encode(data).decode(), tmp_path / "answer.png")
    answered = recovering.read_file(sent)
    assert answered.words == office.check_words(data)
    opened = finished(forgetful.opener.recover(forgetful.folder, NEW, answered.answer))
    desk = opened.desk
    assert desk.author.staff == forgetful.staff
    assert desk.author.chain != forgetful.chain
    assert [draft.id for draft in visits.drafts(desk)] == [forgetful.drafted]
    with desk.vault.reading() as tx:
        old = kept.chain(tx, forgetful.chain)
        assert old is not None
        genesis = decode_entry(kept.sealed_from(tx, desk.author.chain, 0, 1)[0][0])
        assert genesis.body is not None
        assert genesis.body[chains.CITES] == [old.state.id, old.state.next_seq - 1, old.state.head]
    assert recovering.waiting(forgetful.folder) is None
    later = new_household(desk)
    report = finished(forgetful.opener.report(desk.vault))
    assert report.same
    with desk.vault.reading() as tx:
        assert kept.waiting(tx) == 0
    with forgetful.site.county.log.reading() as tx:
        for household in (forgetful.household, later):
            assert queries.sheet(tx, HOUSEHOLD, household) is not None
    desk.vault.lock()
    with pytest.raises(VaultProblem, match="wrong-password"):
        Vault.unlock(forgetful.folder, forgetful.staff, OLD)
    again = forgetful.unlocked(NEW)
    assert again.desk.author == desk.author
    again.desk.vault.lock()


def test_an_answer_comes_as_a_file_or_as_text(forgetful: Forgetful, tmp_path: Path) -> None:
    asked = forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)
    data = forgetful.answer(asked)
    (tmp_path / "answer.bin").write_bytes(data)
    text = base64.b64encode(data).decode()
    (tmp_path / "answer.txt").write_text(f"{text[:300]}\n{text[300:]}\n", encoding="ascii")
    one = recovering.read_file(tmp_path / "answer.bin")
    assert recovering.read_file(tmp_path / "answer.txt") == one == recovering.read_text(text)


def test_what_is_no_answer_is_told(forgetful: Forgetful, tmp_path: Path) -> None:
    asked = forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)
    (tmp_path / "letter.txt").write_text("请打开", encoding="utf-8")
    (tmp_path / "request.bin").write_bytes(asked.data)
    data = bytearray(forgetful.answer(asked))
    data[60] ^= 1
    (tmp_path / "damaged.bin").write_bytes(data)
    Image.new("RGB", (200, 200), "white").save(tmp_path / "white.png")
    for name, code in {
        "letter.txt": "recovery-not-ours",
        "request.bin": "recovery-not-ours",
        "damaged.bin": "recovery-damaged",
        "white.png": "recovery-no-code",
        "missing.bin": "file-missing",
    }.items():
        with pytest.raises(InputProblem, match=code):
            recovering.read_file(tmp_path / name)


def test_the_answer_to_an_older_request_opens_nothing(forgetful: Forgetful) -> None:
    first = forgetful.answer(forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW))
    forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)
    with pytest.raises(VaultProblem, match="answer-foreign"):
        finished(forgetful.opener.recover(forgetful.folder, NEW, Answer.decode(first)))
    forgetful.unlocked(OLD).desk.vault.lock()  # who remembers after all loses nothing by having asked


def test_another_new_password_does_not_open_the_answer(forgetful: Forgetful) -> None:
    answer = Answer.decode(forgetful.answer(forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)))
    with pytest.raises(VaultProblem, match="wrong-password"):
        finished(forgetful.opener.recover(forgetful.folder, "something else", answer))
    finished(forgetful.opener.recover(forgetful.folder, NEW, answer)).desk.vault.lock()


def test_cut_off_after_the_new_keys_the_next_unlocking_begins_the_chain(forgetful: Forgetful) -> None:
    asked = forgetful.opener.ask(forgetful.folder, forgetful.staff, NEW)
    answer = Answer.decode(forgetful.answer(asked))
    recovery.finish(forgetful.folder, NEW, answer, random=os.urandom, kdf=CHEAP)
    opened = forgetful.unlocked(NEW)
    assert opened.desk.author.chain == office.read(asked.data).chain
    opened.desk.vault.lock()
    forgetful.unlocked(NEW).desk.vault.lock()


def test_forgotten_twice_the_third_chain_goes_on_from_the_second(forgetful: Forgetful) -> None:
    opened = None
    before = forgetful.chain
    for password in (NEW, "marble kite 傍晚 eleven"):
        answer = Answer.decode(forgetful.answer(forgetful.opener.ask(forgetful.folder, forgetful.staff, password)))
        opened = finished(forgetful.opener.recover(forgetful.folder, password, answer))
        with opened.desk.vault.reading() as tx:
            body = decode_entry(kept.sealed_from(tx, opened.desk.author.chain, 0, 1)[0][0]).body or {}
        assert body[chains.CITES][0] == before
        before = opened.desk.author.chain
        assert finished(forgetful.opener.report(opened.desk.vault)).same
        opened.desk.vault.lock()
