"""Everything that is done with the program in a year, with marked people, in a process that may be killed anywhere.

Argument: a folder. In it `office` (a copy of a founded county with its password), `me` (this person's folders: home,
temporary files, caches, settings), `chosen` (files that people chose to have). Tells the name of each part of the work
as it begins. Clipboard and windows are real, on a screen that nobody sees.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import xlsxwriter
from PIL import Image
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import config
from app.casework import cards, dossiers, files, logbook, revealing, visits
from app.casework.desk import Desk, day_of, refresh
from app.casework.files import NewFile
from app.casework.logbook import Wanted
from app.casework.opening import Opened, Opener
from app.main import Program
from app.models.fields import Value
from app.models.queries import households
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.printing import spooling
from app.printing.archive_sheet import Version
from app.progress import Progress
from app.vault import backups, recovery
from app.vault.attempts import Attempts
from app.vault.slotfile import KdfParameters
from app.vault.vault import Vault
from app.views import batch
from app.views.background import Background
from app.views.batch import Which
from app.views.page import Destination
from app.views.parts import masked
from app.views.printer import PaperJob, PrinterChoice
from app.views.unlock import UnlockCard
from app.workbooks.checking import read_register
from app.workbooks.corrections import write_corrections
from county import administration, archive, demo, imports
from county.administration import Areas, County
from county.enrolment import invite
from tests.county.laptop import serving
from tests.workbooks.conftest import HEADINGS, number_of, person

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
END = "end"
PATIENCE_S = 300.0  # a machine may be busy
# A queue: what comes is paper, how it was called is what a spooler keeps of it.
LP = """
import sys
open(sys.argv[1], "wb").write(sys.stdin.buffer.read())
open(sys.argv[2], "w").write(repr(sys.argv))
"""
PLACES = ("today", "households", "scan", "print", "upload", "log", "settings")
HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
Result = TypeVar("Result")

PASSWORD = "Kiefer-Zaunkoenig-58-Morgenrot"
NEW_PASSWORD = "Eisvogel-Haselnuss-93-Abendstern"

WOMEN = (1, 4)
MARKERS: dict[str, str] = {
    "password": PASSWORD,
    "new password": NEW_PASSWORD,
    "head": "𬱖龘龘",
    "wife": "㛃䶮䶮",
    "child": "鱻麤靐",
    "new head": "㴔骉猋",
    "new wife": "犇羴毳",
    "refused": "贔屭囍",
    "respondent": "掱孨刕",
    **{f"identity {n}": number_of(7000 + n, man=n not in WOMEN) for n in range(6)},
    "identity in words": "990101198503120010",
    **{f"phone {n}": f"1007771{2340 + n}" for n in range(6)},
    "account": "6200001122334455667",
    "new account": "6200009988776655443",
    "bank": "坡脚信用社老街分理处",
    "address": "坡头老槐树下第三间",
    "new address": "晒谷坪西头石板路末户",
    "remark": "祖传银锁在柜子里",
    "illness": "尿毒症每周透析三回",
    "member remark": "精神分裂症服药二十年",
    "edited remark": "儿媳离家两年没有音信",
    "summary": "老人夜里咳血三日未就医",
    "needs": "想把欠账八万三千元缓一缓",
    "promise": "答应帮他找人写减免申请",
    "draft": "草稿里说的是离婚官司",
    "draft needs": "想给聋哑女儿办残疾证",
    "photo": "照片说明里写着艾滋病",
    "searched": "韦龘找不到的人名",
    "reveal": "核对低保被冒领一事",
    "copied": "复制出去的身份信息串",
    "typed": "窗口里正打着的半句话",
    "group": "老鸦冲岩脚组",
}


@dataclass(slots=True)
class Year:
    """The county, the laptop, and where things lie."""

    folder: Path
    county: County
    password: str
    stack: ExitStack
    opened: Opened | None = None
    base: str = ""

    @property
    def chosen(self) -> Path:
        """Where people save what they chose to save."""
        return self.folder / "chosen"

    @property
    def home(self) -> Path:
        """The program's folder."""
        return config.home(os.environ)

    @property
    def workplace(self) -> Path:
        """The vault."""
        return config.new_workplace(self.home, b"\7" * 16)

    @property
    def opener(self) -> Opener:
        """As the program has it."""
        return Opener(build=1, clock=now_ms, random=os.urandom, attempts=Attempts(home=self.home), kdf=CHEAP)

    @property
    def desk(self) -> Desk:
        """Where it is worked."""
        assert self.opened is not None
        return self.opened.desk


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def finished(steps: Generator[Progress, None, Result]) -> Result:
    """The result of long work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def main() -> int:
    folder = Path(sys.argv[1])
    photograph(folder / "chosen" / "camera.jpg")  # before the logs begin: Pillow tells what it writes
    logging.basicConfig(filename=folder / "me" / "everything.log", level=logging.DEBUG)
    office = folder / "office"
    county = administration.open_county(office / "county", office / "keys", now_ms, os.urandom)
    with ExitStack() as stack:
        stack.callback(county.close)
        year = Year(folder, county, (folder / "password").read_text(encoding="utf-8"), stack)
        for stage, deed in DEEDS.items():
            tell(stage)
            deed(year)
        tell(END)
    return 0


def photograph(path: Path) -> None:
    """A camera's picture that says too much."""
    said = Image.Exif()
    said[0x010E] = MARKERS["photo"]
    Image.effect_noise((900, 700), 40).convert("RGB").save(path, exif=said)


def tell(word: str) -> None:
    """To the harness."""
    os.write(1, word.encode() + b"\n")


# --- the parts of the work ------------------------------------------------------------------------------------


def import_people(year: Year) -> None:
    """The county imports a register; rows that do not do go into a list of corrections."""
    m = MARKERS
    rows = [
        person(1, 0, 姓名=m["head"], 证件号码=m["identity 0"], 联系电话=m["phone 0"], 备注=m["remark"]),
        person(1, 1, 姓名=m["wife"], 证件号码=m["identity 1"], 性别="女", 与户主关系="配偶", 备注=m["member remark"]),
        person(1, 2, 姓名=m["child"], 证件号码=m["identity 2"]),
        person(2, 0, 姓名=m["refused"], 证件号码=m["identity in words"][:-1] + "9", 联系电话=m["phone 1"]),
    ]
    path = year.chosen / "register.xlsx"
    with xlsxwriter.Workbook(path, {"in_memory": True}) as book:
        sheet = book.add_worksheet("户信息")
        sheet.write_string(0, 0, "演示数据")
        sheet.write_row(2, 0, HEADINGS)
        for line, row in enumerate(rows, 3):
            sheet.write_row(line, 0, [row.get(heading, "") for heading in HEADINGS])
    register = read_register(path, True, time.strftime("%Y-%m-%d"))
    by = administration.sign_in(year.county, demo.ADMINISTRATOR, year.password)
    finished(imports.import_register(year.county, by, register))
    (year.chosen / "corrections.xlsx").write_bytes(write_corrections(register))


def enrol(year: Year) -> None:
    """A laptop gets its vault."""
    year.base = year.stack.enter_context(serving(year.county))
    with year.county.log.reading() as tx:
        staff = administration.staff_called(tx, demo.STAFF[0].name)
        place = Areas(tx).at(demo.STAFF[0].place).id
    code = invite(year.county, staff, place, year.base, plain=True)
    year.workplace.parent.mkdir(parents=True, exist_ok=True)
    year.opened = finished(year.opener.enrol(year.opener.look(code.text()), PASSWORD, year.workplace, "笔记本"))
    year.stack.callback(year.desk.vault.lock)


def open_files(year: Year) -> None:
    """A household that was in no register."""
    m, desk = MARKERS, year.desk
    with desk.vault.reading() as tx:
        some = households.page(tx, Filter(), limit=1)[0]
        sheet = households.sheet(tx, HOUSEHOLD, some.id)
    assert sheet is not None
    household, head = desk.new_id(), desk.new_id()
    values: dict[str, Value] = {
        "village": sheet["village"],
        "grid": desk.workplace,
        "household_type": "ORDINARY",
        "villager_group": m["group"],
        "address_detail": m["address"],
        "contact_phone": m["phone 2"],
        "bank_name": m["bank"],
        "bank_account": m["account"],
        "remarks": m["illness"],
    }
    his: dict[str, Value] = {"name": m["new head"], "gender": "1", "cert_no": m["identity 3"]}
    his |= {"phone": m["phone 3"]}
    files.open_file(desk, NewFile(household=household, head=head, household_values=values, head_values=his))
    hers: dict[str, Value] = {"name": m["new wife"], "gender": "2", "relation": "10", "cert_no": m["identity 4"]}
    files.add_member(desk, household, desk.new_id(), hers)
    cards.bind(desk, household)
    finished(refresh(desk))


def mine(year: Year) -> bytes:
    """The household that was opened."""
    with year.desk.vault.reading() as tx:
        (found,) = households.page(tx, Filter(typed=MARKERS["new head"]))
    return found.id


def edit(year: Year) -> None:
    """Values are put right."""
    m, desk, household = MARKERS, year.desk, mine(year)
    with desk.vault.reading() as tx:
        sheet = households.sheet(tx, HOUSEHOLD, household)
    assert sheet is not None
    values: dict[str, Value] = {"address_detail": m["new address"], "bank_account": m["new account"]}
    files.edit(desk, household, sheet, {**values, "remarks": m["edited remark"], "contact_phone": m["phone 4"]})
    finished(refresh(desk))


def visit(year: Year) -> None:
    """A visit with a photo that says too much, and one that stays a draft."""
    m, desk, household = MARKERS, year.desk, mine(year)
    picture = year.chosen / "camera.jpg"
    draft = visits.begin(desk, household)
    told = m["summary"] + "，已联系村医，约好明天陪同去镇卫生院。"
    values = {**draft.values, "summary": told, "needs": m["needs"], "respondent": m["respondent"]}
    values |= {"promises": m["promise"], "promised_by": day_of(now_ms() + 3 * 86_400_000), "respondent_relation": "02"}
    values |= {"presence_proof": ("PHOTO",), "changes_found": ("NONE",), "satisfaction": "5"}
    draft = replace(draft, values=values, photos=(visits.take_photo(desk, picture),))
    visits.keep_draft(desk, draft)
    visits.record(desk, draft)
    other = visits.begin(desk, household)
    half = {**other.values, "summary": m["draft"], "needs": m["draft needs"]}
    visits.keep_draft(desk, replace(other, values=half, photos=(visits.take_photo(desk, picture),)))
    finished(refresh(desk))


def read(year: Year) -> None:
    """Searching, reading, looking behind a mask."""
    m, desk, household = MARKERS, year.desk, mine(year)
    with desk.vault.reading() as tx:
        for typed in (m["searched"], m["new wife"], m["phone 4"], m["identity 3"]):
            households.page(tx, Filter(typed=typed))
        people = households.members(tx, household)
    assert dossiers.read(desk, household) is not None
    assert logbook.read(desk, Wanted(household=household), 0, 50).total > 2
    revealing.reveal(desk, household, MEMBER, people[0].id, ["cert_no"], revealing.OTHER, m["reveal"])


def print_sheets(year: Year) -> None:
    """To a file, to a queue of CUPS, to a printer of Qt."""
    desk, household = year.desk, mine(year)
    (candidate,) = finished(batch.choose(desk, Which(chosen=(household,)))).sheets
    assert batch.preview(desk, candidate, Version.WORK, 60)
    sheets = finished(batch.prepare(desk, [household], Version.WORK))
    finished(batch.save_pdf(desk, sheets, 1, 1, year.chosen / "sheet.pdf"))
    document = finished(batch.pdf(sheets, 1, 1))
    queue = (sys.executable, "-c", LP, str(year.chosen / "paper.pdf"), str(year.folder / "me" / "spooler"))
    spooling.to_cups(document, "office", title="户档 1/1", command=queue)
    application()
    choice = PrinterChoice(name="", cups=False, file=year.chosen / "qt.pdf")
    job = PaperJob(choice, title="户档 1/1", copies=1, duplex=False)
    for number in range(batch.page_count(document)):
        job.paint(batch.raster(document, number))
    job.finish()
    finished(batch.note(desk, sheets, 1, 1, "PAPER"))


def report(year: Year) -> None:
    """To the county."""
    told = finished(year.opener.report(year.desk.vault))
    assert told.same


def read_county(year: Year) -> None:
    """What the county does with it."""
    finished(archive.export_log(year.county, year.chosen / "log.hudang"))
    assert finished(archive.verify_log(year.county)).fault is None


def back_up(year: Year) -> None:
    """On schedule, and a forgotten password asked for."""
    desk = year.desk
    finished(backups.make(desk.vault, config.backups(year.home), now_ms=now_ms()))
    asked = recovery.begin(year.workplace, desk.vault.staff, NEW_PASSWORD, random=os.urandom, kdf=CHEAP)
    (year.home / "request").write_bytes(asked.encode())


def windows(year: Year) -> None:
    """Every page is looked at, something is copied and half typed, then the program is locked."""
    household = mine(year)
    year.desk.vault.lock()
    restarted: list[bool] = []
    program = Program(
        application(), year.home, Background.with_threads(), restart=lambda: restarted.append(True), kdf=CHEAP
    )
    program.start()
    card = program.door.card
    assert isinstance(card, UnlockCard)
    if not card.chosen():
        card.person.show_value(Vault.people(year.workplace)[0].staff.hex())
    QTest.keyClicks(card.password, PASSWORD)
    card.submit()
    until(program, lambda: program.window is not None)
    window = program.window
    assert window is not None
    for key in PLACES:
        window.go(Destination(key=key))
        until(program, lambda: not program.background.desk.busy)
    for key in ("dossier", "visit"):
        window.go(Destination(key=key, id=household))
        until(program, lambda: not program.background.desk.busy)
    copied = MARKERS["copied"] + MARKERS["identity 5"]
    masked.copy_briefly(copied)
    assert program.application.clipboard().text() == copied
    masked.forget_copied(copied)  # what its timer does ten seconds later
    assert not program.application.clipboard().text()
    program.lock()
    until(program, lambda: bool(restarted))


def application() -> QApplication:
    """The one there is."""
    found = QApplication.instance()
    return found if isinstance(found, QApplication) else QApplication(sys.argv[:1])


def until(program: Program, holds: Callable[[], bool]) -> None:
    """Let the program run until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        program.application.processEvents()
        time.sleep(0.005)


DEEDS: dict[str, Callable[[Year], None]] = {
    "import": import_people,
    "enrol": enrol,
    "open": open_files,
    "edit": edit,
    "visit": visit,
    "read": read,
    "print": print_sheets,
    "report": report,
    "county": read_county,
    "backup": back_up,
    "window": windows,
}


if __name__ == "__main__":
    sys.exit(main())
