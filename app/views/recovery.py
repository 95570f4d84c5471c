"""忘记密码: choose a new password, show the county a request, take its answer, and open.

Three steps on one card; between the second and the third may lie days and a restart. Nothing personal stands in
request or answer; the four words are read out over the telephone, and whoever answers at the county knows the voice.

Pure: it asks by signals and is told the answers.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QWidget

from app.casework.recovering import Answered, Asked
from app.errors import HudangError, InputProblem
from app.messages import sentence
from app.text import tr
from app.views import theme
from app.views.parts.password import Judge, NewPassword, PasswordBox, Suggest
from app.views.parts.pictures import code_picture
from app.views.parts.threshold import Threshold
from app.views.parts.words import button, column, label, row, surface

WIDE = 640
QR_SIDE = 220
FILE = "hudang-request.bin"


class RecoveryCard(Threshold):
    """`asked(password)` → `show_request`; `saved(path)` → `say`; `given(path)` → `show_answer` or `say`;
    `finished(password)` → the window, or `say`. `begun_anew` throws the request away, `back` goes to the door."""

    asked = Signal(str)
    saved = Signal(str)
    given = Signal(str)
    finished = Signal(str)
    begun_anew = Signal()
    back = Signal()

    def __init__(self, name: str, judge: Judge, suggest: Suggest) -> None:
        super().__init__(width=WIDE)
        self.setAcceptDrops(True)
        self._judge, self._suggest = judge, suggest
        self.heading = label(tr("忘记密码"), "title")
        self.person = label(name, "second")
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.steps = (self._password_step(), self._request_step(), self._answer_step())
        self.content.addWidget(self.heading)
        self.content.addWidget(self.person)
        for part in self.steps:
            self.content.addWidget(part)
        self.content.addWidget(self.trouble)
        self._show(0)

    # --- what it is told ---

    def show_request(self, asked: Asked) -> None:
        """The request is made, or was made before: show it."""
        self._wait(self.ask, False, tr("下一步"))
        self.code.setPixmap(code_picture(asked.text, QR_SIDE))
        _show_words(self.request_words, asked.words)
        self._show(1)
        self.load.setFocus()

    def show_answer(self, answered: Answered) -> None:
        """The answer was read: compare its words, then open with the new password."""
        self._wait(self.load, False, tr("读取县里的答复"))
        _show_words(self.answer_words, answered.words)
        self._show(2)
        self.password.line.setFocus()

    def step(self, text: str) -> None:
        """How far the opening is."""
        self.open.setText(text)

    def say(self, error: HudangError | None) -> None:
        """Something did not work; what was done stays."""
        self._wait(self.ask, False, tr("下一步"))
        self._wait(self.load, False, tr("读取县里的答复"))
        self._wait(self.open, False, tr("一样，打开"))
        self.password.line.setEnabled(True)
        wrong = error is not None and error.code in ("wrong-password", "too-soon")
        if wrong and error is not None and self._at == 2:
            self.password.show_error(sentence(error))
            self.password.line.setFocus()
            return
        self.trouble.setText(sentence(error) if error is not None else "")
        self.trouble.setVisible(error is not None)

    def say_saved(self, path: str) -> None:
        """The request lies in this file."""
        self.save_note.setText(tr("已存到 {path}。发给县里以后可以删掉。", path=path))

    # --- steps ---

    def _password_step(self) -> QWidget:
        explanation = label(
            tr(
                "密码只有您自己知道，谁也查不到。县里可以用恢复钥匙帮您打开这台电脑上的资料，没有上报的也都在。"
                "先设一个新密码，再打电话给县里。"
            ),
            "value",
            wrap=True,
        )
        self.new = NewPassword(self._judge, self._suggest, name=tr("新密码"))
        self.ask = button(tr("下一步"), "accent")
        self.ask.clicked.connect(self._ask)
        home = button(tr("返回"), "quiet")
        home.clicked.connect(self.back)
        return _step(explanation, self.new, foot=_foot(home, self.ask))

    def _request_step(self) -> QWidget:
        self.code = QLabel()
        self.code.setFixedSize(QR_SIDE, QR_SIDE)
        self.code.setAccessibleName(tr("恢复请求的二维码"))
        words, self.request_words = _words()
        beside = column(gap=12)
        for number, text in enumerate(
            (
                tr("打电话给县里，说清您是谁、在哪个村。"),
                tr("用手机拍下左边的码发给县里，或者存成文件送去。"),
                tr("把下面四个词念给县里听，要一样。"),
            ),
            start=1,
        ):
            line = row(gap=theme.INSIDE)
            line.addWidget(label(str(number), "strong"), 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(label(text, "value", wrap=True), 1)
            beside.addLayout(line)
        beside.addWidget(words)
        beside.addStretch(1)
        both = row(gap=theme.MARGIN)
        both.addWidget(self.code, 0, Qt.AlignmentFlag.AlignTop)
        both.addLayout(beside, 1)
        shown = QWidget()
        shown.setLayout(both)
        self.save_note = label(
            tr("可以先关掉程序。县里的答复来了，再从“忘记密码”进来，把答复的文件或照片拖到这里。"), "second", wrap=True
        )
        self.save = button(tr("存成文件"))
        self.save.clicked.connect(self._choose_place)
        self.load = button(tr("读取县里的答复"), "accent")
        self.load.clicked.connect(self._choose_answer)
        anew = button(tr("重新设密码"), "quiet")
        anew.clicked.connect(self._begin_anew)
        home = button(tr("返回"), "quiet")
        home.clicked.connect(self.back)
        return _step(shown, self.save_note, foot=_foot(home, anew, self.save, self.load))

    def _answer_step(self) -> QWidget:
        words, self.answer_words = _words()
        compare = label(
            tr("请县里念出四个词，和这里的一样才继续。不一样就不要打开，马上告诉县里。"), "value", wrap=True
        )
        self.password = PasswordBox(tr("刚才设的新密码"), required=True)
        self.open = button(tr("一样，打开"), "accent")
        self.open.clicked.connect(self._finish)
        home = button(tr("不一样，返回"), "quiet")
        home.clicked.connect(lambda: self._show(1))
        return _step(compare, words, self.password, foot=_foot(home, self.open))

    # --- what the person does ---

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if self._at == 0:
            self.new.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            chosen = (self.ask, self.load, self.open)[self._at]
            if chosen.isEnabled():
                chosen.click()
            return
        if event.key() == Qt.Key.Key_Escape:
            self.back.emit()
            return
        super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and self._at == 1:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.read(paths[0])

    def read(self, path: str) -> None:
        """Read the county's answer from this file or picture."""
        self.trouble.hide()
        self._wait(self.load, True, tr("正在读取"))
        self.given.emit(path)

    def _ask(self) -> None:
        password = self.new.take()
        if password is not None:
            self.trouble.hide()
            self._wait(self.ask, True, tr("正在准备"))
            self.asked.emit(password)

    def _finish(self) -> None:
        if not self.password.line.text():
            self.password.show_error(sentence(InputProblem("password-empty")))
            self.password.line.setFocus()
            return
        self.trouble.hide()
        self._wait(self.open, True, tr("正在打开"))
        self.password.line.setEnabled(False)
        self.finished.emit(self.password.line.take())

    def _begin_anew(self) -> None:
        self._show(0)
        self.begun_anew.emit()

    def _choose_place(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, tr("存成文件"), FILE)
        if name:
            self.saved.emit(name)

    def _choose_answer(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, tr("县里的答复"))
        if name:
            self.read(name)

    def _show(self, step: int) -> None:
        self._at = step
        self.trouble.hide()
        for number, part in enumerate(self.steps):
            part.setVisible(number == step)
        self.heading.setText((tr("忘记密码"), tr("请县里打开"), tr("县里答复了"))[step])
        if step == 0:
            self.new.setFocus()

    @staticmethod
    def _wait(chosen: QPushButton, waiting: bool, text: str) -> None:
        chosen.setEnabled(not waiting)
        chosen.setText(text)


def write_request(asked: Asked, path: Path) -> None:
    """Save the request where the person said. InputProblem("file-not-written")."""
    try:
        path.write_bytes(asked.data)
    except OSError:
        raise InputProblem("file-not-written") from None


def _words() -> tuple[QWidget, tuple[QLabel, ...]]:
    """Four words in a row, large enough to be read out."""
    labels = tuple(label("", "section") for _ in range(4))
    line = row(margin=12, gap=theme.BETWEEN)
    for each in labels:
        each.setAlignment(Qt.AlignmentFlag.AlignCenter)
        line.addWidget(each, 1)
    holder = surface("inset")
    holder.setLayout(line)
    return holder, labels


def _show_words(labels: tuple[QLabel, ...], words: tuple[str, str, str, str]) -> None:
    for each, word in zip(labels, words, strict=True):
        each.setText(word)


def _foot(*buttons: QWidget) -> QHBoxLayout:
    """The quiet ones left, the accent one right."""
    foot = row()
    for each in buttons[:-1]:
        foot.addWidget(each)
    foot.addStretch(1)
    foot.addWidget(buttons[-1])
    return foot


def _step(*parts: QWidget, foot: QHBoxLayout) -> QWidget:
    step = QWidget()
    lines = column(gap=theme.BETWEEN)
    for part in parts:
        lines.addWidget(part)
    lines.addLayout(foot)
    step.setLayout(lines)
    return step
