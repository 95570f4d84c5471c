"""扫码: a card by scanner gun, from a picture, or its number typed; the verdict in words, and the household opened.

A scanner gun types; `ScanListener` tells it from a person on every page and hands the text to the page that is
shown, else to this one. A signed, current card of a household that lies here opens its file at once; anything else
is said in words first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QWindow
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QLineEdit,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from app.casework import cards, scanning
from app.casework.desk import Desk
from app.casework.scanning import KeyboardWedge, Place, Standing, Verdict
from app.errors import HudangError, InputProblem
from app.ledger import card as codes
from app.messages import sentence
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.main_window import MainWindow
from app.views.page import Destination, Page
from app.views.parts.form import FieldBox, Sheet
from app.views.parts.notices import ProgressStrip
from app.views.parts.words import button, column, label, restyle, row, rule, surface

CARD_WIDTH = 560


class ScanPage(Page):
    """Waits for a card, says what it is."""

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self.title = tr("扫码")
        self._desk, self._background = desk, background
        self._found: Verdict | None = None
        self.setAcceptDrops(True)
        self.number = QLineEdit()
        self.number.setMaxLength(60)
        self.number.setPlaceholderText(tr("码下面的号码，如 7K3M-XXXX-XXXX-XXXX-X"))
        self.number_box = FieldBox(tr("户码号"), self.number)
        self.number.textEdited.connect(lambda: self.number_box.show_error(""))
        self.look_up = button(tr("查找"))
        self.look_up.clicked.connect(self._find)
        self.picture = button(tr("选图片"), icon="photo")
        self.picture.clicked.connect(self._choose)
        self.waiting = ProgressStrip()
        self.verdict = surface("verdict")
        self.heading = label("", "section", wrap=True)
        self.advice = label("", "value", wrap=True)
        self.facts = label("", "second", wrap=True, selectable=True)
        self.open = button(tr("打开档案"), "accent", tip="Enter")
        self.open.clicked.connect(self._open)
        self.accent = self.open
        self.choices = column(gap=theme.INSIDE)
        told = column(margin=theme.BETWEEN, gap=theme.INSIDE)
        told.addWidget(self.heading)
        told.addWidget(self.advice)
        told.addWidget(self.facts)
        told.addLayout(self.choices)
        opening = row()
        opening.addWidget(self.open)
        opening.addStretch(1)
        told.addLayout(opening)
        self.verdict.setLayout(told)
        self.verdict.hide()
        card = surface()
        card.setFixedWidth(CARD_WIDTH)
        lines = column(margin=theme.MARGIN, gap=theme.BETWEEN)
        lines.addWidget(label(tr("扫户码"), "title"))
        hint = tr("用扫码枪扫门牌或档案页上的户码，就会打开这户的档案。在哪一页扫都行。")
        lines.addWidget(label(hint, "second", wrap=True))
        lines.addWidget(rule())
        typed = row(gap=theme.INSIDE)
        typed.addWidget(self.number_box, 1)
        typed.addWidget(self.look_up, 0, Qt.AlignmentFlag.AlignBottom)
        lines.addWidget(label(tr("没有扫码枪"), "strong"))
        lines.addLayout(typed)
        from_picture = row(gap=12)
        from_picture.addWidget(self.picture)
        from_picture.addWidget(label(tr("或把手机拍的户码图片拖到这里"), "second"))
        from_picture.addStretch(1)
        lines.addLayout(from_picture)
        lines.addWidget(self.waiting)
        lines.addWidget(self.verdict)
        card.setLayout(lines)
        content = QWidget()
        whole = QVBoxLayout(content)
        whole.setContentsMargins(0, 0, 0, 0)
        # In a row, not aligned: an aligned widget would get the height of its first guess.
        middle = row(gap=0)
        middle.addStretch(1)
        middle.addWidget(card)
        middle.addStretch(1)
        whole.addLayout(middle)
        whole.addStretch(1)
        self.set_content(Sheet(content))
        self.begins_at = self.number

    def arrive(self, destination: Destination) -> None:
        self.clear()
        if destination.rest:
            text = destination.rest[0].decode()
            self.judge(text, typed=is_number(text))

    def clear(self) -> None:
        """Be ready for another card."""
        self._found = None
        self.verdict.hide()
        self.number.clear()
        self.number_box.show_error("")

    def take_scan(self, text: str) -> bool:
        self.judge(text)
        return True

    def step_back(self) -> bool:
        if self.verdict.isVisible() or self.number.text():
            self.clear()
            self.number.setFocus()
            return True
        return False

    def advance(self) -> None:
        """Enter in the field looks the number up; behind a verdict it opens the file."""
        if self.number.hasFocus() and self.number.text().strip():
            self._find()
        else:
            super().advance()

    def judge(self, text: str, *, typed: bool = False) -> None:
        """Say what a scanned text or a typed number means here."""
        self._background.desk.run(
            partial(cards.judge, self._desk, text, typed=typed), self._show_one, self._on_error, owner=self
        )

    def listen_in(self, window: MainWindow) -> ScanListener:
        """Hear scanner guns on every page of `window`; the page that is shown may have a use for a scan."""

        def take(text: str) -> None:
            if not window.page.take_scan(text):
                window.go(Destination(key="scan", rest=(text.encode(),)))

        return ScanListener(window, take)

    # --- the ways in ---

    def _find(self) -> None:
        text = self.number.text().strip()
        if text:
            self.judge(text, typed=True)

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, tr("选图片"), "", tr("图片") + " (*.jpg *.jpeg *.png *.JPG *.JPEG *.PNG)"
        )
        if name:
            self.look_at(Path(name))

    def look_at(self, path: Path) -> None:
        """Find the cards in a picture."""
        self.waiting.begin(tr("正在找码"), stoppable=False)
        self._background.desk.run(
            partial(look_at_picture, self._desk, path), self._show_found, self._on_error, owner=self
        )

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.look_at(paths[0])

    # --- the verdict ---

    def _show_one(self, found: Verdict) -> None:
        if found.opens and found.standing is Standing.CURRENT and not found.typed:
            self.told.emit(scanning.words(found)[0])
            self.wanted.emit(Destination(key="dossier", id=found.household))
            return
        self._show(found)

    def _show_found(self, found: Sequence[Verdict]) -> None:
        self.waiting.finish()
        if len(found) == 1:
            self._show_one(found[0])
            return
        self._say(tr("图片里没有找到码"), tr("请放平、拍清楚再试，或者输入码下面的户码号。"), "warning")
        if found:
            self._say(tr("图片里有 {count} 张户码", count=len(found)), tr("请选一张。"), "info")
            for verdict in found:
                number = codes.printed(verdict.number) if verdict.number else scanning.words(verdict)[0]
                choice = button(number)
                choice.clicked.connect(partial(self._show, verdict))
                self.choices.addWidget(choice)

    def _show(self, found: Verdict, _checked: bool = False) -> None:
        title, advice = scanning.words(found)
        fine = found.standing is Standing.CURRENT and found.place is not Place.CONTESTED
        bad = found.standing in (Standing.REVOKED, Standing.FORGED) or found.place is Place.CONTESTED
        self._say(title, advice, "accent" if fine else "danger" if bad else "warning")
        self._found = found
        facts = []
        if found.number:
            facts.append(tr("户码号 {number}", number=codes.printed(found.number)))
        if found.signed_on:
            facts.append(tr("签发日期 {day}", day=found.signed_on))
        self.facts.setText(" · ".join(facts))
        self.facts.setVisible(bool(facts))
        self.open.setVisible(found.opens)
        if found.opens:
            self.open.setFocus(Qt.FocusReason.OtherFocusReason)

    def _say(self, title: str, advice: str, tone: str) -> None:
        self._found = None
        if self.open.hasFocus():
            # A button that goes away would hand the keyboard to whatever comes next.
            self.number.setFocus(Qt.FocusReason.OtherFocusReason)
        while (item := self.choices.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        restyle(self.verdict, "notice", tone)
        self.heading.setText(title)
        self.advice.setText(advice)
        self.facts.hide()
        self.open.hide()
        self.verdict.show()

    def _on_error(self, error: Exception) -> None:
        self.waiting.finish()
        if isinstance(error, HudangError) and error.code.startswith("card-typed"):
            self.number_box.show_error(sentence(error))
            self.number.setFocus()
            return
        self.say_error(error)

    def _open(self) -> None:
        if self._found is not None and self._found.opens:
            self.wanted.emit(Destination(key="dossier", id=self._found.household))


def is_number(text: str) -> bool:
    """Whether `text` is a whole card number as people type it, with its check character."""
    try:
        codes.typed_number(text)
    except InputProblem:
        return False
    return True


def is_card(text: str) -> bool:
    """Whether `text` is what a scanner reads from a card of some county, or a whole card number."""
    if is_number(text):
        return True
    try:
        codes.parse_payload(text.rpartition("#")[2])
    except InputProblem:
        return False
    return True


def look_at_picture(desk: Desk, path: Path) -> tuple[Verdict, ...]:
    """What the codes in a picture mean: our cards when there are any, else the first code. Runs on the lane."""
    texts = scanning.read_image(path)
    with desk.vault.reading() as tx:
        trust = cards.trust(tx)
    ours = scanning.cards_among(texts, trust, desk.today())
    return tuple(cards.judge(desk, text) for text in ours or texts[:1])


class ScanListener(QObject):
    """Hears what a scanner gun types into a window, before the page does."""

    def __init__(
        self,
        window: MainWindow,
        take: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(window)
        self._window, self._take, self._clock = window, take, clock
        self._wedge = KeyboardWedge()
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(4 * KeyboardWedge.GAP_MS)
        self._pause.timeout.connect(self._on_pause)
        application = QApplication.instance()
        assert application is not None
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(watched, QWindow):
            return False
        if watched is not self._window.windowHandle() or not isinstance(event, QKeyEvent) or event.isAutoRepeat():
            return False
        text = event.text()
        if len(text) != 1 or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        pressed = self._wedge.feed(text, self._now())
        if pressed.leaked:
            _take_back(pressed.leaked)
        if pressed.text is not None:
            self._pause.stop()
            self._take(pressed.text)
        elif pressed.hold:
            self._pause.start()
        return pressed.hold

    def _now(self) -> int:
        return round(self._clock() * 1000)

    def _on_pause(self) -> None:
        text = self._wedge.pause(self._now()).text
        if text is not None:
            self._take(text)


def _take_back(count: int) -> None:
    """Remove the characters that had reached the focused field before the scan was recognised."""
    field = QApplication.focusWidget()
    if isinstance(field, QLineEdit):
        for _ in range(count):
            field.backspace()
    elif isinstance(field, QPlainTextEdit):
        cursor = field.textCursor()
        for _ in range(count):
            cursor.deletePreviousChar()
