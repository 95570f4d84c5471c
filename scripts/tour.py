"""`make tour`: the main job without hands, through the real windows, against a real county on this machine.

By keyboard alone, with wrong input on the way: a wrong code, a short and a wrong password, a bad telephone, a date that
does not exist, a file that is no photo, a cancelled upload, an unreachable county. What it leaves in `build/tour`: a
numbered picture of every page, the printed PDF, the correction workbook of the import, the exported log, the verifier's
words, and `tour.txt` with what was checked. It ends with exit code 1 when anything is not as it should be.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import pypdfium2
import zxingcpp
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.ledger import verify
from app.main import Program
from app.models.queries import households
from app.models.queries.households import Filter, HouseholdRow
from app.models.rules.pinyin import initials
from app.models.store import refold, state_hash
from app.vault import kept
from app.vault.vault import Vault
from app.views import theme
from app.views.background import Background
from app.views.print_page import PrintPage
from app.views.scan_page import ScanPage
from app.views.visit_page import VisitPage
from county.__main__ import main as county_program
from county.demo import REGISTER
from county.desk import PASSWORD
from scripts import demo
from scripts.hands import Hands, Stuck
from tests.acts import tables
from tests.sweep import plain_databases, sweep

FOLDER: Final = demo.ROOT / "build" / "tour"
PICTURES: Final = FOLDER / "screens"
ALT, NONE = Qt.KeyboardModifier.AltModifier, Qt.KeyboardModifier.NoModifier
MARKERS: Final = {
    "remark": "祖传银锁放在老樟木箱里",
    "phone": "10098765432",
    "summary": "老人说夜里咳嗽三天没有去看",
    "promise": "下周三带村医上门量血压",
    "needs": "想把八千三百元药费缓一缓",
    "respondent": "隔壁韦试九",
    "draft": "草稿里写了一半的家长里短",
    "address": "坡头老槐树下第三间瓦房",
    "password": demo.PASSWORD,
    "wrong password": "不是这个密码也够长了吧",
}


class Tour:
    """One tour: the running county, the program, the hands, and what was checked."""

    def __init__(self, county: demo.DemoCounty, work: Path) -> None:
        self.county = county
        self.home = work / "home"
        found = QApplication.instance() or QApplication(["hudang"])
        assert isinstance(found, QApplication)
        self.application = found
        theme.dress(found, theme.LIGHT)
        self.hands = Hands(found, PICTURES)
        self.checked: list[str] = []
        self.chosen: list[Path] = []
        self.program = self._begin()

    def _begin(self) -> Program:
        program = Program(self.application, self.home, Background.with_threads(), restart=self._again)
        self._restarted = False
        program.start()
        self.hands.settle(0.2)
        return program

    def _again(self) -> None:
        self._restarted = True

    def passed(self, words: str) -> None:
        """Note something that was checked and holds."""
        self.checked.append(words)
        print(f"✓ {words}", flush=True)

    def check(self, holds: object, words: str) -> None:
        """`passed`, or Stuck."""
        if not holds:
            raise Stuck(f"does not hold: {words}")
        self.passed(words)

    # --- the door ---

    def enrol(self) -> None:
        """首次使用, with a wrong code and a short password on the way."""
        hands = self.hands
        hands.type("HUDANG1-不是登记码")
        hands.choose("下一步")
        hands.expect("登记码不对")
        hands.picture("enrol-wrong-code")
        hands.tab_to("登记码")
        hands.type(self.county.codes[demo.PERSON], replace=True)
        hands.choose("下一步")
        hands.expect("这是您吗")
        hands.picture("enrol-who")
        hands.tab_to("设一个密码")
        hands.type("短")
        hands.choose("就是我")
        hands.expect("至少 12 个字")
        hands.picture("enrol-short-password")
        for name in ("设一个密码", "再输一遍"):
            hands.tab_to(name)
            hands.type(demo.PASSWORD, replace=True)
        hands.enter()
        hands.until(lambda: self.program.window is not None, "the window never came")
        self.passed("登记：错码、短密码各有一句话；领到本人的农户")

    def lock_and_unlock(self) -> None:
        """锁定, a wrong password, the right one."""
        hands = self.hands
        hands.ctrl("l")
        hands.until(lambda: self._restarted, "locking did not end the program")
        assert self.program.window is not None
        self.program.window.hide()
        self.program = self._begin()
        hands.picture("unlock")
        hands.tab_to("密码")
        hands.type(MARKERS["wrong password"])
        hands.enter()
        hands.expect("密码不对")
        hands.picture("unlock-wrong-password")
        hands.tab_to("密码")
        hands.type(demo.PASSWORD)
        hands.enter()
        hands.until(lambda: self.program.window is not None, "the window never came back")
        self.passed("锁定后密码错一次有话说，对了接着用")

    # --- the work ---

    def rows(self, typed: str = "") -> list[HouseholdRow]:
        """Households that a search finds."""
        assert self.program.opened is not None
        read = partial(_rows, self.program.opened.desk.vault, typed)
        return self._on_lane(read)

    def _on_lane(self, work: Callable[[], list[HouseholdRow]]) -> list[HouseholdRow]:
        box: list[list[HouseholdRow]] = []
        self.program.background.desk.run(work, box.append, owner=self.program)
        self.hands.until(lambda: box, "the desk lane gave no answer")
        return box[0]

    def go(self, page: int) -> None:
        """Alt and the number of a line of the rail."""
        self.hands.press(Qt.Key(Qt.Key.Key_0 + page), ALT)
        self.hands.settle(0.4)

    def place(self, key: str) -> None:
        """Go to a page by its key's Alt number."""
        assert self.program.window is not None
        self.go(list(self.program.window.rail).index(key) + 1)

    def find_and_open(self) -> HouseholdRow:
        """今日, then 农户: by pinyin initials, by a member, by the tail of a number; open the file."""
        hands = self.hands
        hands.settle(0.5)
        hands.picture("today")
        self.place("households")
        hands.picture("households")
        target = next(row for row in self.rows() if row.size >= 3 and len(row.head_name) >= 2)
        member = target.member_names.split("、")[1]
        for typed, what in ((initials(target.head_name)[0], "拼音首字母"), (member, "成员姓名")):
            hands.ctrl("f")
            hands.type(typed, replace=True)
            hands.until(lambda: hands.says(target.head_name), f"search by {what} found nobody")
        hands.settle(0.5)
        hands.picture("households-found")
        self.passed("搜索：拼音首字母、任一成员")
        hands.ctrl("f")
        hands.type(target.household_no or "", replace=True)
        hands.settle(0.6)
        hands.enter()
        hands.until(lambda: self._at("dossier"), "Enter did not open the file")
        hands.settle(0.6)
        hands.picture("dossier")
        return target

    def _at(self, key: str) -> bool:
        window = self.program.window
        return window is not None and window.page is window.places[key].page

    def correct(self) -> None:
        """修改 the household: a telephone that cannot be, then a good one and a remark."""
        hands = self.hands
        hands.choose("显示遮住的")
        reasons = self.application.activePopupWidget()
        assert reasons is not None
        hands.picture("reveal-reasons")
        QTest.keyClick(reasons, Qt.Key.Key_Return)
        hands.expect("遮上")
        hands.settle(0.5)
        hands.picture("dossier-revealed")
        self.passed("遮住的内容：选了理由才显示，记了一次操作")
        hands.choose("修改")
        hands.tab_to("详细地址")
        hands.type(MARKERS["address"], replace=True)
        hands.tab_to("户联系电话")
        hands.type("12345", replace=True)
        hands.ctrl("s")
        hands.expect("电话应是")
        hands.picture("dossier-bad-phone")
        hands.tab_to("户联系电话")
        hands.type(MARKERS["phone"], replace=True)
        hands.tab_to("备注")
        hands.type(MARKERS["remark"], replace=True)
        hands.ctrl("s")
        hands.until(lambda: not hands.says("电话应是") and hands.says("修改"), "the correction was not saved")
        hands.settle(0.5)
        hands.picture("dossier-corrected")
        self.passed("更正：错电话留在原处并说明，改好后已保存")

    def visit(self) -> None:
        """走访: a draft that survives, a date that does not exist, a file that is no photo, a photo, 提交."""
        hands = self.hands
        hands.choose("记走访")
        hands.until(lambda: self._at("visit"), "the visit page did not open")
        hands.settle(0.5)
        assert self.program.window is not None
        page = self.program.window.page
        assert isinstance(page, VisitPage)
        hands.tab_to("受访人")
        hands.type(MARKERS["respondent"])
        hands.tab_to("工作纪要")
        hands.type(MARKERS["draft"])
        hands.press(Qt.Key.Key_Escape)
        hands.until(lambda: not self._at("visit"), "Esc did not leave the visit")
        hands.settle(0.5)
        hands.choose("记走访")
        hands.until(lambda: hands.says("草稿"), "the draft did not come back")
        hands.settle(0.5)
        self.passed("走访草稿离开后还在")
        hands.tab_to("走访日期")
        hands.type("2026-13-45", replace=True)
        hands.tab_to("工作纪要")
        hands.type(MARKERS["summary"] + "，已电话联系村医，屋里取暖安全，饮水正常，孩子上学没有缺课。", replace=True)
        hands.ctrl("s")
        hands.settle(0.5)
        hands.picture("visit-bad-date")
        self.check(self._at("visit"), "错日期不放行，写的都在")
        hands.tab_to("走访日期")
        hands.type(time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600)), replace=True)
        hands.tab_to("困难诉求")
        hands.type(MARKERS["needs"], replace=True)
        hands.tab_to("答应办的事")
        hands.type(MARKERS["promise"], replace=True)
        wrong, photo = FOLDER / "input" / "not-a-photo.jpg", FOLDER / "input" / "photo.jpg"
        page.take_photos([wrong])
        hands.expect("不是照片")
        hands.picture("visit-not-a-photo")
        page.take_photos([photo])
        hands.until(lambda: len(page.photos.thumbs) == 1, "the photo did not come in")
        hands.picture("visit")
        hands.ctrl("s")
        hands.until(lambda: not self._at("visit"), "the visit was not saved")
        hands.settle(0.6)
        hands.picture("dossier-after-visit")
        self.passed("走访已保存：纪要、诉求、照片一次操作")

    def print_sheets(self, target: HouseholdRow) -> None:
        """打印: the sheets of one group as PDF; the codes are read back from the page."""
        hands = self.hands
        self.place("print")
        hands.settle(1.5)
        hands.picture("print")
        assert self.program.window is not None
        page = self.program.window.page
        assert isinstance(page, PrintPage)
        hands.tab_to("村民小组")
        hands.type(target.villager_group)
        hands.settle(1.5)
        hands.picture("print-group")
        path = FOLDER / "archive-sheets.pdf"
        page.begin_pdf(path)
        self.chosen.append(path)
        hands.until(path.exists, "the PDF was not written")
        hands.until(lambda: not self.program.background.desk.busy, "printing did not end")
        hands.picture("print-done")
        pdf = pypdfium2.PdfDocument(path.read_bytes())
        codes: set[str] = set()
        for number in range(len(pdf)):
            picture = pdf[number].render(scale=300 / 72).to_pil().convert("L")
            found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
            if found and not codes:
                picture.save(FOLDER / "input" / "card.png")
                picture.resize((827, 1169)).save(PICTURES / "sheet.png")
            codes |= {code.text for code in found}
        pdf.close()
        printed = [row for row in self.rows() if row.card_no]
        self.check(len(codes) == len(printed) > 0, f"档案页 {len(printed)} 户，二维码从 300 dpi 页面全部读回")

    def scan(self) -> None:
        """扫码: a foreign code, then a card from an image file and by a keyboard wedge."""
        hands = self.hands
        hands.press(Qt.Key.Key_F2)
        hands.settle(0.4)
        hands.picture("scan")
        assert self.program.window is not None
        page = self.program.window.page
        assert isinstance(page, ScanPage)
        page.look_at(FOLDER / "input" / "card.png")
        hands.until(lambda: self._at("dossier") or hands.says("户码有效"), "the card from the picture said nothing")
        hands.settle(0.5)
        hands.picture("scan-card")
        self.passed("扫码：从图片认出户码并打开档案")

    # --- the county ---

    def upload(self) -> None:
        """上报: cancelled, then the county stopped, then through."""
        hands = self.hands
        self.place("upload")
        hands.settle(0.5)
        hands.picture("upload-waiting")
        waiting = self._waiting()
        self.check(waiting > 3, f"{waiting} 次操作待上报")
        # A county that does not answer for a while: quick as it is, nobody could press anything in between.
        self.county.process.send_signal(signal.SIGSTOP)
        hands.choose("立即上报")
        hands.expect("取消")
        hands.choose("取消")
        self.county.process.send_signal(signal.SIGCONT)
        hands.until(lambda: not self.program.background.courier.busy, "cancelling did not end the exchange")
        hands.picture("upload-cancelled")
        self.check(self._waiting() == waiting, f"上报取消了，{waiting} 次操作都还在")
        self.county.stop()
        hands.choose("立即上报")
        hands.until(lambda: not self.program.background.courier.busy, "the exchange did not end", 90)
        hands.settle(0.5)
        hands.picture("upload-unreachable")
        self.check(self._waiting() == waiting, "县里不通：一样不少，话说得明白")
        self.county = demo.start_county(self.county.folder)
        hands.choose("立即上报", "再试")
        hands.until(lambda: not self.program.background.courier.busy, "the exchange did not end", 90)
        hands.until(lambda: self._waiting() == 0, "something still waits")
        hands.settle(0.5)
        hands.picture("upload-done")
        self.passed("已全部上报，回执已核对")

    def _waiting(self) -> int:
        assert self.program.opened is not None
        box: list[int] = []
        self.program.background.desk.run(
            partial(_waiting, self.program.opened.desk.vault), box.append, owner=self.program
        )
        self.hands.until(lambda: box, "the desk lane gave no answer")
        return box[0]

    def log(self) -> None:
        """记录: the acts, one opened, 核验."""
        hands = self.hands
        self.place("log")
        hands.settle(0.6)
        hands.picture("log")
        hands.enter()
        hands.settle(0.6)
        hands.picture("log-act")
        hands.press(Qt.Key.Key_Escape)
        hands.settle(0.3)
        hands.choose("核验")
        hands.until(lambda: not self.program.background.desk.busy, "checking did not end", 120)
        hands.settle(0.5)
        hands.picture("log-verified")
        self.place("settings")
        hands.settle(0.5)
        hands.picture("settings")
        self.passed("记录核验：签名、回执、资料都属实")

    def tables_are_the_fold(self) -> None:
        """On the laptop: the derived tables are what the log folds to."""
        assert self.program.opened is not None
        box: list[bool] = []
        self.program.background.desk.run(
            partial(_refolds, self.program.opened.desk.vault), box.append, owner=self.program
        )
        self.hands.until(lambda: box, "folding gave no answer", 120)
        self.check(box[0], "手提电脑：fold(log) == tables")

    def prove(self, work: Path) -> None:
        """The county's own check, the export, the independent verifier, and one flipped byte."""
        self.program.end()
        self.county.stop()
        data = ["--data", str(self.county.folder / "county"), "--keys", str(self.county.folder / "keys")]
        code, words = _say(county_program, ["verify-log", *data])
        self.check(code == 0, "县里：verify-log 属实，fold(log) == tables")
        exported, key = FOLDER / "log.hudang", self.county.folder / "county" / "county.pub"
        code, _ = _say(county_program, ["export-log", *data, str(exported)])
        self.check(code == 0, "日志已导出")
        code, words = _say(verify.main, [str(exported), str(key)])
        (FOLDER / "verify.txt").write_text(words, encoding="utf-8")
        self.check(code == 0, "hudang-verify：属实")
        damaged = bytearray(exported.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        broken = FOLDER / "input" / "log-damaged.hudang"
        broken.write_bytes(damaged)
        code, words = _say(verify.main, [str(broken), str(key)])
        (FOLDER / "verify-damaged.txt").write_text(words, encoding="utf-8")
        self.check(code == 1, "翻转一个字节：hudang-verify 说得出在哪里")
        corrections = FOLDER / "corrections.xlsx"
        os.environ[PASSWORD] = json.loads((self.county.folder / "demo.json").read_text(encoding="utf-8"))["password"]
        code, words = _say(county_program, ["import", str(REGISTER), "--corrections", str(corrections), *data])
        del os.environ[PASSWORD]
        (FOLDER / "import.txt").write_text(words, encoding="utf-8")
        self.check(code == 0 and "新增 0 户" in words, f"同一台账再导一次：{words.splitlines()[0]}")
        found = sweep([work], MARKERS.values(), chosen=self.chosen)
        self.check(not found, f"{len(MARKERS)} 个标记值在数据、临时、缓存、日志里都找不到")
        self.check(not plain_databases([work]), "标准 sqlite3 读不出任何文件")

    def take(self, work: Path) -> None:
        """All of it."""
        self.enrol()
        self.lock_and_unlock()
        target = self.find_and_open()
        self.correct()
        self.visit()
        self.print_sheets(target)
        self.scan()
        self.upload()
        self.log()
        self.tables_are_the_fold()
        self.prove(work)


# --- on the lanes ---


def _rows(vault: Vault, typed: str) -> list[HouseholdRow]:
    with vault.reading() as tx:
        return households.page(tx, Filter(typed=typed))


def _waiting(vault: Vault) -> int:
    with vault.reading() as tx:
        return kept.waiting(tx)


def _refolds(vault: Vault) -> bool:
    with vault.transaction() as tx:
        before, digest = tables(tx), state_hash(tx)
        for _ in refold(tx):
            pass
        return tables(tx) == before and state_hash(tx) == digest


# --- around the tour ---


def _say(program: Callable[[list[str]], int | None], arguments: list[str]) -> tuple[int, str]:
    """Exit code and words of a program."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = program(arguments) or 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return code, out.getvalue()


@contextmanager
def private_folders(work: Path) -> Iterator[None]:
    """Temporary, cache and settings folders inside `work`, so that they can be swept."""
    names = {"TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "share"}
    before = {name: os.environ.get(name) for name in names}
    for name, folder in names.items():
        (work / folder).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(work / folder)
    tempfile.tempdir = None
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        tempfile.tempdir = None


def lay_out_input(folder: Path) -> None:
    """The files a person would bring: a photo, and something that is none."""
    folder.mkdir(parents=True)
    picture = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    picture.paste((90, 140, 100), (200, 500, 1400, 1200))
    picture.paste((180, 90, 70), (500, 350, 1000, 900))
    picture.save(folder / "photo.jpg")
    (folder / "not-a-photo.jpg").write_text("<html>not a photo</html>", encoding="utf-8")


def main() -> int:
    """Take the tour; 0 when everything held."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    lay_out_input(FOLDER / "input")
    work = FOLDER / "work"
    began = time.monotonic()
    with private_folders(work):
        tour = Tour(demo.start_county(work / "county"), work)
        try:
            tour.take(work)
        except Stuck as reason:
            print(f"✗ {reason}", flush=True)
            tour.program.end()
            tour.county.stop()
            return 1
    seconds = time.monotonic() - began
    lines = [*tour.checked, f"{len(tour.hands.taken)} 张图片，{seconds:.0f} 秒"]
    (FOLDER / "tour.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"全程走完：{FOLDER.relative_to(demo.ROOT)}  The tour ended well: see build/tour", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
