"""Passwords being typed: hidden until asked for, with hints about the keyboard, gone from the field after use.

A hint is no error: Caps Lock or an input method may be what the person wants, any character is taken. A new password is
judged while it is typed, in a quiet line that says what is still missing; an error is only what was tried.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QFocusEvent, QInputMethodEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

from app.errors import HudangError
from app.messages import sentence
from app.models.rules import passwords
from app.text import tr
from app.views import theme
from app.views.parts.form import FieldBox
from app.views.parts.words import button, column, label, restyle, row, surface

Judge = Callable[[str], HudangError | None]  # what is wrong with a new password
Suggest = Callable[[], str]


class PasswordLine(QLineEdit):
    """`hinted` says what the keyboard seems to do that nobody sees in a hidden field; empty when nothing. Told from the
    letters that arrive, so it holds on every system."""

    hinted = Signal(str)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setEchoMode(QLineEdit.EchoMode.Password)
        self.setMaxLength(1024)
        self.setInputMethodHints(
            Qt.InputMethodHint.ImhHiddenText
            | Qt.InputMethodHint.ImhNoPredictiveText
            | Qt.InputMethodHint.ImhSensitiveData
        )
        self._eye = QAction(theme.icon("eye"), tr("显示密码"), self)
        self._eye.setCheckable(True)
        self._eye.toggled.connect(self._on_shown)
        self.addAction(self._eye, QLineEdit.ActionPosition.TrailingPosition)

    def take(self) -> str:
        """What was typed; the field is empty afterwards."""
        typed = self.text()
        self.clear()
        self._eye.setChecked(False)
        return typed

    def show_typed(self, shown: bool) -> None:
        """Show what is typed, or hide it again."""
        self._eye.setChecked(shown)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        text = event.text()
        if len(text) == 1 and text.isascii() and text.isalpha():
            shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.hinted.emit(tr("大写锁定开着。") if text.isupper() != shifted else "")
        elif text and text.isprintable() and not text.isascii():
            self.hinted.emit(tr("输入法开着：打进去的可能是汉字或全角字符。"))
        elif event.key() == Qt.Key.Key_CapsLock:
            self.hinted.emit("")
        super().keyPressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        typed = event.preeditString() + event.commitString()
        if event.preeditString() or not typed.isascii():
            self.hinted.emit(tr("输入法开着：打进去的可能是汉字或全角字符。"))
        super().inputMethodEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.hinted.emit("")

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(320, theme.FIELD_HEIGHT))

    def _on_shown(self, shown: bool) -> None:
        self.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)
        self._eye.setIcon(theme.icon("eye-off" if shown else "eye"))
        self._eye.setText(tr("隐藏密码") if shown else tr("显示密码"))


class PasswordBox(FieldBox):
    """A password line with its label; below it the error, else the hint of the keyboard, else a quiet remark."""

    def __init__(self, name: str, *, required: bool = False, note: str = "") -> None:
        self.line = PasswordLine(name)
        super().__init__(name, self.line, required=required, note=note)
        self._remark, self._good = "", False
        self.hint = ""
        self.line.hinted.connect(self._on_hint)
        self.line.textEdited.connect(self._on_edited)

    def remark(self, text: str, *, good: bool = False) -> None:
        """A quiet word about what stands in the line; `good` when all is well."""
        self._remark, self._good = text, good
        self._draw()

    def show_error(self, text: str) -> None:
        super().show_error(text)
        if not text:
            self._draw()

    def _on_edited(self) -> None:
        if self.error:
            self.show_error("")

    def _on_hint(self, text: str) -> None:
        self.hint = text
        self._draw()

    def _draw(self) -> None:
        if self.error and not self.hint:
            return
        text = self.hint or self._remark or self._note
        self.below.setText(text)
        self.below.setVisible(bool(text))
        role = "hint" if self.hint else "ok-note" if self._remark and self._good else "note"
        restyle(self.below, "role", role)
        restyle(self.line, "faulty", False)


class NewPassword(QWidget):
    """A new password, typed twice, or a suggested one that is typed once more.

    `judge` says what is wrong with one, `suggest` makes one; `take` hands it over.
    """

    def __init__(self, judge: Judge, suggest: Suggest, *, name: str = "", note: str = "") -> None:
        super().__init__()
        self.judge = judge
        self._suggest = suggest
        self.first = PasswordBox(name or tr("设一个密码"), required=True, note=note)
        self.second = PasswordBox(tr("再输一遍"), required=True)
        self.suggest = button(tr("想不出来？建议一个"), "link")
        self.suggest.clicked.connect(self.offer)
        self.phrase = label("", "section")
        self.phrase.setAccessibleName(tr("建议的密码"))
        self.meaning = label("", "second")
        advice = label(tr("念几遍记住，或者抄下来锁好。下面请照着再输一遍，短横也要输。"), "note", wrap=True)
        self.offered = surface("inset")
        inner = column(margin=12, gap=theme.NEAR)
        inner.addWidget(self.phrase)
        inner.addWidget(self.meaning)
        inner.addWidget(advice)
        self.offered.setLayout(inner)
        self.offered.hide()
        wish = row()
        wish.addWidget(self.suggest)
        wish.addStretch(1)
        lines = column(gap=12)
        lines.addWidget(self.first)
        lines.addLayout(wish)
        lines.addWidget(self.offered)
        lines.addWidget(self.second)
        self.setLayout(lines)
        self.first.line.textChanged.connect(self._on_first)
        self.second.line.textChanged.connect(self._on_second)
        self.setFocusProxy(self.first)

    def offer(self) -> None:
        """Put a generated password into the first line and show it; it has to be typed again below."""
        phrase = self._suggest()
        self.first.line.setText(phrase)
        self.first.show_error("")
        self.phrase.setText(phrase)
        self.meaning.setText(passwords.meaning(phrase))
        self.offered.show()
        self.second.line.clear()
        self.second.line.setFocus(Qt.FocusReason.OtherFocusReason)

    def take(self) -> str | None:
        """The password, and both lines empty; None when something is wrong with it, which then stands below."""
        typed = self.first.line.text()
        problem = self.judge(typed)
        self.first.show_error(sentence(problem) if problem is not None else "")
        if problem is not None:
            self.first.line.setFocus()
            return None
        if typed != self.second.line.text():
            self.second.show_error(tr("两遍不一样，请再输一遍。"))
            self.second.line.setFocus()
            return None
        self.clear()
        return typed

    def clear(self) -> None:
        """Forget what was typed and offered."""
        for box in (self.first, self.second):
            box.line.take()
            box.show_error("")
        self.phrase.clear()
        self.meaning.clear()
        self.offered.hide()

    def _on_first(self, typed: str) -> None:
        if self.offered.isVisible() and typed != self.phrase.text():
            self.offered.hide()
        problem = self.judge(typed) if typed else None
        if not typed:
            self.first.remark("")
        elif problem is not None:
            self.first.remark(sentence(problem))
        else:
            self.first.remark(tr("这个密码可以用。"), good=True)
        self._on_second(self.second.line.text())

    def _on_second(self, typed: str) -> None:
        first = self.first.line.text()
        if typed and typed == first:
            self.second.remark(tr("两遍一样。"), good=True)
        elif typed and not first.startswith(typed):
            self.second.remark(tr("和上面的不一样。"))
        else:
            self.second.remark("")


class ChangePassword(QWidget):
    """The password in use and a new one, twice. `wanted(old, new)`; then `say` what was wrong, or nothing more."""

    wanted = Signal(str, str)

    def __init__(self, judge: Judge, suggest: Suggest, *, verb: str = "") -> None:
        super().__init__()
        self._name = verb or tr("换密码")
        self.old = PasswordBox(tr("现在的密码"), required=True)
        self.new = NewPassword(judge, suggest, name=tr("新密码"))
        self.verb = button(self._name, "accent")
        self.verb.clicked.connect(self.submit)
        self.foot = row()
        self.foot.addStretch(1)
        self.foot.addWidget(self.verb)
        lines = column(gap=theme.BETWEEN)
        lines.addWidget(self.old)
        lines.addWidget(self.new)
        lines.addLayout(self.foot)
        self.setLayout(lines)
        self.setFocusProxy(self.old)

    def submit(self) -> None:
        """Ask for it with what stands here."""
        if not self.verb.isEnabled():
            return
        if not self.old.line.text():
            self.old.show_error(tr("请输入密码。"))
            self.old.line.setFocus()
            return
        new = self.new.take()
        if new is not None:
            self._wait(True)
            self.wanted.emit(self.old.line.take(), new)

    def say(self, error: HudangError) -> None:
        """Why the password stayed as it was, beside the field that it is about."""
        self._wait(False)
        about_old = error.code in ("wrong-password", "too-soon")
        box = self.old if about_old else self.new.first
        box.show_error(sentence(error))
        box.line.setFocus()

    def _wait(self, waiting: bool) -> None:
        self.verb.setEnabled(not waiting)
        self.verb.setText(tr("正在换") if waiting else self._name)
