"""The shell, the door and the pieces, as they look and as the keyboard finds them."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QDate, QEvent, Qt
from PySide6.QtGui import QInputMethodEvent, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QCalendarWidget, QHBoxLayout, QSplitter, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.errors import InputProblem, VaultProblem
from app.models.records.fieldwork import VISIT
from app.models.records.households import HOUSEHOLD
from app.progress import Progress
from app.views import theme
from app.views.background import Background
from app.views.enrol import EnrolCard, Invitation
from app.views.main_window import MainWindow, Place
from app.views.page import Destination, Page
from app.views.parts.editors import ChoiceEditor, LineEditor
from app.views.parts.form import RecordForm, Sheet
from app.views.parts.notices import Empty, ProgressStrip, Question
from app.views.parts.password import PasswordBox
from app.views.parts.search import SearchField
from app.views.parts.table import Column, PagedModel, PagedTable, Slice
from app.views.parts.timeline import Happening, Timeline
from app.views.parts.words import Chip, Flow, Heading, button, column, row, surface
from app.views.unlock import Colleague, UnlockCard
from tests.views.looking import jumps, photograph, settle, tab_stops

Household = tuple[str, str, str, int]
CHIPS = {
    "监测": [("突发严重困难", "danger"), ("独居老人", "plain")],
    "脱贫": [("脱贫不稳定", "warning")],
    "边缘": [("边缘易致贫", "info"), ("低保", "plain")],
    "一般": [("风险已消除", "accent")],
}
COLUMNS: list[Column[Household]] = [
    Column(name="head", title="户主", text=lambda row: row[0], width=110, strong=True, order="head"),
    Column(name="group", title="村民小组", text=lambda row: row[1], width=110, order="group"),
    Column(name="kind", title="类别", text=lambda row: "", width=0, chips=lambda row: CHIPS[row[2]]),
    Column(name="count", title="人口", text=lambda row: str(row[3]), width=72, right=True, order="count"),
    Column(name="visit", title="上次走访", text=lambda row: "2026-11-02", width=120, quiet=True),
]


def read_households(offset: int, limit: int) -> Slice[Household]:
    names = ["韦测一", "覃试二", "蒙样三", "陆例四", "𬱖测五", "欧阳示六"]
    kinds = list(CHIPS)
    rows = [
        (names[number % 6], f"第{number % 7 + 1}组", kinds[number % 4], number % 9 + 1)
        for number in range(offset, min(1000, offset + limit))
    ]
    return Slice(total=1000, rows=rows)


class ListPage(Page):
    """A list with search, filters and a peek, for the pictures of the pieces."""

    def __init__(self, background: Background) -> None:
        super().__init__()
        self.search = SearchField("姓名、拼音首字母、证件尾号、组，或扫户码")
        model = PagedModel(background.desk, COLUMNS, lambda record: record)
        self.table = PagedTable(model, name="test")
        self.table.typed.connect(self.search.begin)
        model.show(read_households)
        self.begins_at = self.table
        self.table.selectRow(1)
        filters = row()
        for text in ("监测对象", "脱贫户", "30 天没走访", "有争议"):
            chip = button(text, "filter")
            chip.setCheckable(True)
            filters.addWidget(chip)
        filters.addStretch(1)
        peek = surface()
        peek.setFixedWidth(280)
        lines = column(margin=16, gap=12)
        lines.addWidget(Heading("韦测一", "第二组", role="title"))
        chips = Flow()
        for text, tone in (("突发严重困难", "danger"), ("低保", "plain"), ("独居老人", "plain")):
            chips.addWidget(Chip(text, tone))
        lines.addLayout(chips)
        timeline = Timeline()
        timeline.show_happenings(
            [
                Happening(
                    key=b"1",
                    when="10:58",
                    who="韦测一",
                    what="记录走访",
                    detail="纪要：老人身体稳定，屋顶已补好。",
                ),
                Happening(key=b"2", when="11-02 09:12", who="覃试二", what="改联系电话", settled=True),
            ]
        )
        lines.addWidget(timeline, 1)
        self.accent = button("记走访", "accent")
        lines.addWidget(self.accent)
        inner = QWidget()
        inner.setLayout(lines)
        around = column()
        around.addWidget(Sheet(inner, margin=0))
        peek.setLayout(around)
        body = QSplitter()
        body.addWidget(self.table)
        body.addWidget(peek)
        content = QWidget()
        whole = QVBoxLayout(content)
        whole.setContentsMargins(24, 16, 24, 16)
        whole.addWidget(self.search)
        whole.addLayout(filters)
        whole.addWidget(body, 1)
        self.set_content(content)

    def start_search(self) -> None:
        self.search.start_search()


class FormPage(Page):
    """A form from a record's declaration."""

    def __init__(self, fields: tuple[str, ...] | None = None) -> None:
        super().__init__()
        kind = VISIT if fields is None else HOUSEHOLD
        declared = kind.fields if fields is None else [kind.field(name) for name in fields]
        self.form = RecordForm(declared, links={"household": [(b"a" * 16, "韦测一")]})
        self.lost = ""
        self.set_content(Sheet(self.form))

    def may_leave(self) -> str:
        return self.lost


class EmptyPage(Page):
    """Nothing here yet."""

    def __init__(self) -> None:
        super().__init__()
        holder = QWidget()
        layout = QHBoxLayout(holder)
        layout.addWidget(
            Empty("这里是今天要走的户。", "还没有收到您负责的农户。先上报一次，县里会发下来。", "立即上报")
        )
        self.set_content(holder)


@pytest.fixture
def window(qtbot: QtBot, at_once: Background) -> MainWindow:
    places = [
        Place(key="today", title="今日", icon="today", page=EmptyPage()),
        Place(key="households", title="农户", icon="households", page=ListPage(at_once)),
        Place(key="scan", title="扫码", icon="scan", page=FormPage(), hint="F2"),
        Place(key="print", title="打印", icon="print", page=FormPage()),
        Place(key="upload", title="上报", icon="upload", page=EmptyPage()),
        Place(key="log", title="记录", icon="log", page=EmptyPage()),
        Place(key="settings", title="设置", icon="settings", page=EmptyPage()),
        Place(
            key="dossier",
            title="户档",
            icon="households",
            page=FormPage(("villager_group", "household_type", "house_dangerous", "income_wage", "tags", "remarks")),
            in_rail=False,
        ),
    ]
    window = MainWindow(places, at_once, demo=True)
    window.show_place("云台镇 上坝村 第三网格")
    window.show_person("韦测一")
    window.show_pending(3)
    window.show_synced("10:58")
    window.say("已保存，待上报")
    window.warn("clock", "时钟比县里慢 12 分钟")
    qtbot.addWidget(window)
    window.start()
    return window


def test_pictures_of_the_shell(window: MainWindow) -> None:
    photograph(window, "shell-empty")
    window.go(Destination(key="households"))
    window.page.notice.say("有 2 处两个人改得不一样，请选一个。", "warning", action="去看看")
    photograph(window, "shell-list")
    assert jumps(window) == []
    window.go(Destination(key="dossier"))
    page = window.page
    assert isinstance(page, FormPage)
    page.form.show_values(
        {"villager_group": "第二组", "house_dangerous": 0, "income_wage": 1234550, "tags": ("DIBAO",)}
    )
    page.form.editors["income_wage"].line.setText("一万")  # type: ignore[attr-defined]
    assert not page.form.check()
    photograph(window, "shell-form")
    assert jumps(window) == []
    window.go(Destination(key="scan"))
    photograph(window, "shell-visit-fields")


def test_pictures_in_the_dark(window: MainWindow, dressed: QApplication) -> None:
    theme.dress(dressed, theme.DARK)
    try:
        window.go(Destination(key="households"))
        photograph(window, "dark-list")
        window.go(Destination(key="dossier"))
        photograph(window, "dark-form")
    finally:
        theme.dress(dressed, theme.LIGHT)


def test_pictures_of_what_opens_below_a_field(window: MainWindow, qtbot: QtBot) -> None:
    window.go(Destination(key="scan"))
    window.show()
    page = window.page
    assert isinstance(page, FormPage)
    day = page.form.editors["visited_on"]
    assert isinstance(day, LineEditor)
    day.show_value("2026-11-21")
    day.open_calendar()
    settle(window)
    calendar = QApplication.activePopupWidget()
    assert isinstance(calendar, QCalendarWidget)
    calendar.grab().save("build/screens/calendar.png")
    calendar.clicked.emit(QDate(2026, 11, 3))
    assert day.value() == "2026-11-03"
    kind = page.form.editors["visit_kind"]
    assert isinstance(kind, ChoiceEditor)
    kind.box.showPopup()
    settle(window)
    kind.box.view().window().grab().save("build/screens/choices.png")
    kind.box.hidePopup()


def test_the_curtain_hides_everything(window: MainWindow) -> None:
    window.show()
    window.draw_curtain("正在做完上报，做完就锁定。")
    settle(window)
    assert not window.page.isVisible()
    window.draw_curtain("")
    settle(window)
    assert window.page.isVisible()


def test_picture_of_a_question_and_of_the_keys(window: MainWindow, qtbot: QtBot) -> None:
    photograph(window, "shell-empty")
    question = Question(
        window,
        "把这一户并入韦测一户？",
        "两户的成员和走访会合在一起。以前的记录都在。",
        "并入",
        reason="原因",
    )
    question.show()
    settle(question)
    QTest.mouseClick(question.verb, Qt.MouseButton.LeftButton)
    assert question.reason_box.error
    settle(question)
    question.grab().save("build/screens/question.png")
    question.reject()
    window.help()
    settle(window)


def test_picture_of_progress(dressed: QApplication, qtbot: QtBot) -> None:
    strip = ProgressStrip()
    qtbot.addWidget(strip)
    strip.begin("正在上报")
    assert not strip.isVisible()
    strip.step(Progress(done=120, of=4000))
    qtbot.waitUntil(strip.isVisible)
    strip.resize(600, 48)
    settle(strip)
    strip.grab().save("build/screens/progress.png")
    with qtbot.waitSignal(strip.cancelled):
        QTest.mouseClick(strip.cancel, Qt.MouseButton.LeftButton)
    strip.finish()
    assert not strip.isVisible()


def test_pictures_of_the_door(dressed: QApplication, qtbot: QtBot) -> None:
    card = UnlockCard(
        "云台镇 上坝村 第三网格",
        [Colleague(key="a", name="韦测一"), Colleague(key="b", name="覃试二")],
        demo=True,
    )
    qtbot.addWidget(card)
    photograph(card, "unlock")
    assert jumps(card) == []
    asked: list[tuple[str, str]] = []
    card.unlock_wanted.connect(lambda key, password: asked.append((key, password)))
    card.submit()
    assert card.person_box.error
    card.person.show_value("b")
    QTest.keyClicks(card.password, "correct horse")
    QTest.keyClick(card.password, Qt.Key.Key_Return)
    assert asked == [("b", "correct horse")]
    assert card.password.text() == ""
    card.say_wrong(VaultProblem("wrong-password", seconds=90))
    assert not card.unlock.isEnabled()
    assert card.unlock.text() == "请等 1 分 30 秒"
    assert card.password_box.error
    photograph(card, "unlock-wrong")


@pytest.mark.parametrize(("typed", "hint", "picture"), [("Q", "大写锁定", "caps"), ("密", "输入法", "input-method")])
def test_the_door_says_what_the_keyboard_does(
    dressed: QApplication, qtbot: QtBot, typed: str, hint: str, picture: str
) -> None:
    card = UnlockCard("云台镇 上坝村 第三网格", [Colleague(key="a", name="韦测一")], demo=True)
    qtbot.addWidget(card)
    card.show()
    line = card.password
    line.setFocus()
    press = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_unknown, Qt.KeyboardModifier.NoModifier, typed)
    QApplication.sendEvent(line, press)
    assert hint in card.password_box.below.text()
    assert not card.password_box.error
    assert line.text() == typed  # a hint takes nothing away
    photograph(card, f"unlock-{picture}")
    QTest.keyClicks(line, "q")
    assert hint not in card.password_box.below.text()


def test_what_an_input_method_composes_is_noticed(dressed: QApplication, qtbot: QtBot) -> None:
    box = PasswordBox("密码")
    qtbot.addWidget(box)
    box.show()
    QApplication.sendEvent(box.line, QInputMethodEvent("mima", []))
    assert "输入法" in box.hint
    done = QInputMethodEvent()
    done.setCommitString("密码")
    QApplication.sendEvent(box.line, done)
    assert "输入法" in box.hint
    assert box.line.text() == "密码"


def test_a_wait_counts_down_to_an_open_door(dressed: QApplication, qtbot: QtBot) -> None:
    card = UnlockCard("云台镇", [Colleague(key="a", name="韦测一")])
    qtbot.addWidget(card)
    with qtbot.waitSignal(card.person_chosen) as asked:
        card.show()
    assert asked.args == ["a"]
    card.say_wait(1)
    assert not card.unlock.isEnabled()
    qtbot.waitUntil(card.unlock.isEnabled, timeout=5_000)
    assert card.unlock.text() == "解锁"


def test_pictures_of_first_use(dressed: QApplication, qtbot: QtBot) -> None:
    def judge(password: str) -> InputProblem | None:
        short = InputProblem("password-short", needed=12, length=len(password))
        return None if len(password) >= 12 else short

    phrase = "songshu-shuijing-haitang-zhuyi"
    card = EnrolCard(judge, lambda: phrase)
    qtbot.addWidget(card)
    photograph(card, "enrol-code")
    assert jumps(card) == []
    with qtbot.waitSignal(card.code_given) as given:
        card.code.setPlainText(" HD1-abc\n def ")
        QTest.mouseClick(card.next, Qt.MouseButton.LeftButton)
    assert given.args == ["HD1-abcdef"]
    card.show_invitation(Invitation(name="韦测一", workplace="云台镇 上坝村 第三网格", county="演示县", demo=True))
    QTest.keyClicks(card.first, "short")
    QTest.mouseClick(card.enrol, Qt.MouseButton.LeftButton)
    assert card.password.first.error
    photograph(card, "enrol-password")
    QTest.mouseClick(card.password.suggest, Qt.MouseButton.LeftButton)
    assert card.first.text() == phrase
    assert card.second.text() == ""
    QTest.keyClicks(card.second, phrase[:9])
    photograph(card, "enrol-suggested")
    card.first.clear()
    card.second.clear()
    QTest.keyClicks(card.first, "short but long enough")
    assert not card.password.offered.isVisible()
    photograph(card, "enrol-password-fine")
    QTest.keyClicks(card.second, "short but long enough")
    with qtbot.waitSignal(card.enrol_wanted) as wanted:
        QTest.mouseClick(card.enrol, Qt.MouseButton.LeftButton)
    assert wanted.args == ["short but long enough"]
    assert card.first.text() == card.second.text() == ""
    card.step(Progress(done=12, of=45, doing="正在领取农户"))
    qtbot.waitUntil(card.strip.isVisible)
    photograph(card, "enrol-download")
    card.say_failed(VaultProblem("disk-full"))
    photograph(card, "enrol-failed")


def test_keys_go_where_the_window_says(window: MainWindow, qtbot: QtBot) -> None:
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.AltModifier)
    assert isinstance(window.page, ListPage)
    QTest.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert window.page.search.hasFocus()
    window.page.table.setFocus()
    QTest.keyClicks(window.page.table, "q")
    assert window.page.search.text() == "q"
    QTest.keyClick(window, Qt.Key.Key_F2)
    page = window.page
    assert isinstance(page, FormPage)
    page.lost = "走访还没有提交。草稿已存。"
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.page is page
    question = window.findChild(Question)
    assert question is not None
    QTest.mouseClick(question.verb, Qt.MouseButton.LeftButton)
    assert isinstance(window.page, ListPage)


def test_every_control_can_be_reached_by_tab(window: MainWindow) -> None:
    window.show()
    window.go(Destination(key="households"))
    settle(window)
    page = window.page
    assert isinstance(page, ListPage)
    stops = tab_stops(window)
    assert page.search in stops
    assert page.table in stops
    assert page.accent in stops
    assert window.rail["today"] in stops
