"""同事和密码: who can open this vault, letting a colleague in or go, one's own password, new keys.

Every act here that changes who can open the vault asks for the password again and says afterwards what became of it. A
joining that was cut off stands in the list as such and is gone on with by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.casework import colleagues, scanning
from app.casework.colleagues import Colleague, Confirmed, Known
from app.casework.desk import Desk, day_of
from app.errors import HudangError, InputProblem
from app.messages import sentence
from app.models.codelists import codelist
from app.models.rules import passwords
from app.progress import Progress
from app.sync.enrolment import Invited
from app.sync.journal import Touched
from app.text import tr
from app.vault.attempts import Attempts
from app.vault.slots import KdfParameters
from app.views import theme
from app.views.background import Background, Cancelled
from app.views.page import Destination, Page
from app.views.parts.confirm_password import ConfirmPassword
from app.views.parts.form import FieldBox, Sheet
from app.views.parts.notices import ProgressStrip
from app.views.parts.password import ChangePassword, NewPassword
from app.views.parts.words import Chip, button, column, label, restyle, row, rule, surface

WIDTH = 760
PICTURES = (".jpg", ".jpeg", ".png")
LONGEST_CODE_FILE = 64 * 1024  # bytes; an enrolment code is some hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the page shows: the people, what passwords are judged by, since when mine is in use, the days it has left
    (None: for good)."""

    people: tuple[Colleague, ...]
    known: Known
    since: str
    days_left: int | None


def read_keys(desk: Desk) -> Keys:
    """Who can open this vault, and my password's age."""
    known = colleagues.known(desk)
    with desk.vault.transaction() as tx:
        since = day_of(colleagues.password_since(tx, desk.author.staff, desk.clock()))
    return Keys(
        people=colleagues.read(desk),
        known=known,
        since=since,
        days_left=passwords.due(since, known.policy, desk.today()),
    )


class ColleaguesPage(Page):
    """`password_changed`: mine, just now."""

    password_changed = Signal()

    def __init__(
        self, desk: Desk, background: Background, attempts: Attempts, *, kdf: KdfParameters | None = None
    ) -> None:
        super().__init__()
        self.title = tr("同事和密码")
        self._desk, self._background, self._attempts, self._kdf = desk, background, attempts, kdf
        self._keys: Keys | None = None
        self.listed = column(gap=0)
        self.add = button(tr("添加同事"), "accent")
        self.add.clicked.connect(self._add)
        self.accent = self.add
        self.begins_at = self.add
        self.change = button(tr("换密码"))
        self.change.clicked.connect(self.change_password)
        self.since = label("", "second", wrap=True)
        self.renew = button(tr("换钥匙"))
        self.renew.clicked.connect(self._renew)
        self.strip = ProgressStrip()
        self.strip.cancel.hide()
        self.set_content(Sheet(self._content()))

    def _content(self) -> QWidget:
        head = row()
        head.addWidget(label(tr("能打开这里的人"), "section"))
        head.addStretch(1)
        head.addWidget(self.add)
        people = column(margin=theme.BETWEEN, gap=12)
        people.addLayout(head)
        hint = tr("同一个工作处的同事共用这台电脑上的资料，各有各的密码，谁做的事签谁的名。")
        people.addWidget(label(hint, "second", wrap=True))
        people.addLayout(self.listed)
        mine = row(gap=theme.BETWEEN)
        mine.addWidget(self.since, 1)
        mine.addWidget(self.change, 0, Qt.AlignmentFlag.AlignTop)
        leaked = row(gap=theme.BETWEEN)
        words = tr(
            "怀疑有人偷看过密码，或者电脑离开过您的手？先换自己的密码，再换钥匙：资料会用新钥匙重新加密，"
            "以前抄走的钥匙和文件打不开新写的内容。"
        )
        leaked.addWidget(label(words, "second", wrap=True), 1)
        leaked.addWidget(self.renew, 0, Qt.AlignmentFlag.AlignTop)
        lines = column(gap=theme.BETWEEN)
        back = row()
        self.back = button(tr("设置"), "quiet", icon="back")
        self.back.clicked.connect(lambda: self.wanted.emit(Destination(key="settings")))
        back.addWidget(self.back)
        back.addWidget(label(self.title, "title"))
        back.addStretch(1)
        lines.addLayout(back)
        lines.addWidget(self.strip)
        lines.addWidget(_card(people))
        lines.addWidget(_card(_titled(tr("我的密码"), mine)))
        lines.addWidget(_card(_titled(tr("钥匙可能泄露"), leaked)))
        lines.addStretch(1)
        narrow = QWidget()
        narrow.setMaximumWidth(WIDTH)
        narrow.setLayout(lines)
        around = row()
        around.addWidget(narrow, 3)
        around.addStretch(1)
        content = QWidget()
        content.setLayout(around)
        return content

    # --- reading ---

    def arrive(self, destination: Destination) -> None:
        self._read()
        if b"password" in destination.rest:
            self.change_password()

    def reread(self, touched: object) -> None:
        self._read()

    def step_back(self) -> bool:
        self.wanted.emit(Destination(key="settings"))
        return True

    def _read(self) -> None:
        self._background.desk.run(partial(read_keys, self._desk), self._show, self.say_error, owner=self)

    def _show(self, keys: Keys) -> None:
        self._keys = keys
        self.removers: list[QPushButton] = []
        while (item := self.listed.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for number, person in enumerate(keys.people):
            if number:
                self.listed.addWidget(rule())
            self.listed.addWidget(self._line(person))
        # What was made last would be reached by Tab last.
        before: QWidget = self.add
        for each in (*self.removers, self.change):
            QWidget.setTabOrder(before, each)
            before = each
        words = tr("{day} 起用到现在。换密码只换您自己的，资料和同事都不受影响。", day=keys.since)
        if keys.days_left is not None:
            words += due_words(keys.days_left)
        self.since.setText(words)

    def _line(self, person: Colleague) -> QWidget:
        names = codelist("role")
        line = row(gap=12)
        line.setContentsMargins(0, theme.INSIDE, 0, theme.INSIDE)
        told = column(gap=2)
        told.addWidget(label(person.name, "strong"))
        roles = tr("、").join(tr(names.label_of(role)) for role in person.roles)
        told.addWidget(label(roles or tr("由县里授予"), "note"))
        line.addLayout(told)
        if person.me:
            line.addWidget(Chip(tr("您"), "accent"))
        if person.joining:
            line.addWidget(Chip(tr("还没有登记到县里"), "warning"))
        line.addStretch(1)
        if not person.me:
            remove = button(tr("移出"))
            remove.setAccessibleName(tr("移出{name}", name=person.name))
            remove.clicked.connect(partial(self._remove, person))
            line.addWidget(remove)
            self.removers.append(remove)
        holder = QWidget()
        holder.setLayout(line)
        return holder

    # --- what the person does ---

    def _add(self) -> None:
        if self._keys is None:
            return
        dialog = ConfirmPassword(
            self,
            self._desk,
            self._background.desk,
            self._attempts,
            title=tr("添加同事"),
            text=tr("同事要在场，带着县里发给他的登记码，自己输自己的密码。"),
            verb=tr("下一步"),
        )
        dialog.confirmed.connect(self._ask_code)
        dialog.open()

    def _ask_code(self, proof: Confirmed, _reason: str) -> None:
        assert self._keys is not None
        dialog = AddColleague(self, self._desk, self._background, self._keys.known)
        dialog.chosen.connect(partial(self._let_in, proof, dialog))
        dialog.open()

    def _let_in(self, proof: Confirmed, dialog: AddColleague, invited: Invited, password: str) -> None:
        work = partial(
            colleagues.add,
            self._desk,
            proof,
            invited,
            password,
            attempts=self._attempts,
            kdf=self._kdf,
        )
        self._background.courier.run(
            work, partial(self._on_in, dialog), dialog.say_failed, owner=dialog, progress=dialog.step
        )

    def _on_in(self, dialog: AddColleague, _touched: Touched) -> None:
        dialog.accept()
        self.notice.say(tr("{name}可以用自己的密码打开这里了。", name=dialog.name.text()), "accent")
        self._read()

    def _remove(self, person: Colleague, _checked: bool = False) -> None:
        dialog = ConfirmPassword(
            self,
            self._desk,
            self._background.desk,
            self._attempts,
            title=tr("移出{name}？", name=person.name),
            text=tr(
                "移出以后，{name}的密码打不开这里，资料用新钥匙重新加密。他写过的都留着，没有上报的照样会上报。"
                "如果他可能留有这台电脑的副本，请县里停用这台电脑，再重新登记。",
                name=person.name,
            ),
            verb=tr("移出"),
            reason=tr("原因"),
            dangerous=True,
        )
        dialog.confirmed.connect(partial(self._go, tr("已移出{name}。", name=person.name), person.staff))
        dialog.open()

    def _renew(self) -> None:
        dialog = ConfirmPassword(
            self,
            self._desk,
            self._background.desk,
            self._attempts,
            title=tr("换钥匙？"),
            text=tr("资料会用新钥匙重新加密，要一点时间，大家的密码不变。您的密码可能有人知道的话，请先换密码。"),
            verb=tr("换钥匙"),
            reason=tr("原因"),
        )
        dialog.confirmed.connect(partial(self._go, tr("钥匙换好了。"), None))
        dialog.open()

    def _go(self, done: str, staff: bytes | None, proof: Confirmed, reason: str) -> None:
        """Take a person out, or only renew the keys."""
        if staff is None:
            work = partial(colleagues.renew_keys, self._desk, proof, reason)
        else:
            work = partial(colleagues.remove, self._desk, proof, staff, reason)
        self.strip.begin(tr("正在准备新钥匙"), stoppable=False)
        self._set_busy(True)
        self._background.desk.run(
            work, partial(self._on_done, done), self._on_failed, owner=self, progress=self.strip.step
        )

    def _on_done(self, done: str, _touched: Touched) -> None:
        self._set_busy(False)
        self.notice.say(done, "accent")
        self._read()

    def _on_failed(self, error: Exception) -> None:
        self._set_busy(False)
        self.say_error(error)
        self._read()

    def _set_busy(self, busy: bool) -> None:
        if not busy:
            self.strip.finish()
        for each in (self.add, self.renew, self.change):
            each.setEnabled(not busy)

    def change_password(self) -> None:
        """换密码: one's own."""
        if self._keys is None:
            return
        dialog = ChangeDialog(self, self._desk, self._background, self._attempts, self._keys.known, self._kdf)
        dialog.changed.connect(self._on_changed)
        dialog.open()

    def _on_changed(self) -> None:
        self.notice.say(tr("密码换好了，下次打开用新密码。"), "accent")
        self.password_changed.emit()
        self._read()


class ChangeDialog(QDialog):
    """The password in use, a new one twice."""

    changed = Signal()

    def __init__(
        self,
        parent: QWidget,
        desk: Desk,
        background: Background,
        attempts: Attempts,
        known: Known,
        kdf: KdfParameters | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("换密码"))
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._background, self._attempts, self._kdf = desk, background, attempts, kdf
        self.form = ChangePassword(known.judge, partial(passwords.suggest, desk.random, known.policy))
        self.form.wanted.connect(self._change)
        back = button(tr("返回"))
        back.clicked.connect(self.reject)
        self.form.foot.insertWidget(1, back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        layout.setSpacing(12)
        layout.addWidget(label(tr("换密码"), "section"))
        layout.addWidget(self.form)
        self.setFixedWidth(480)
        self.form.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.form.submit()
            return
        super().keyPressEvent(event)

    def _change(self, old: str, new: str) -> None:
        work = partial(colleagues.change_password, self._desk, old, new, attempts=self._attempts, kdf=self._kdf)
        self._background.desk.run(work, self._on_changed, self._on_refused, owner=self)

    def _on_changed(self, _done: None) -> None:
        self.accept()
        self.changed.emit()

    def _on_refused(self, error: Exception) -> None:
        self.form.say(error if isinstance(error, HudangError) else HudangError("bug"))


class AddColleague(QDialog):
    """The colleague's code, whose it is, their password. `chosen(invited, password)`; then `step` … and the end."""

    chosen = Signal(object, str)

    def __init__(self, parent: QWidget, desk: Desk, background: Background, known: Known) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("添加同事"))
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._background, self._known = desk, background, known
        self._invited: Invited | None = None
        self.heading = label(tr("添加同事"), "section")
        self.steps = (self._code_step(), self._password_step(), self._waiting_step())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        layout.setSpacing(12)
        layout.addWidget(self.heading)
        for part in self.steps:
            layout.addWidget(part)
        self.setFixedWidth(480)
        self._show(0)

    def _code_step(self) -> QWidget:
        self.code = QPlainTextEdit()
        self.code.setTabChangesFocus(True)
        self.code.setFixedHeight(104)
        self.code.setAccessibleName(tr("同事的登记码"))
        self.code_box = FieldBox(tr("同事的登记码"), self.code, note=tr("县里发给他的一段文字、文件或二维码照片。"))
        self.code.textChanged.connect(lambda: self.code_box.show_error(""))
        self.read = button(tr("从文件读取"))
        self.read.clicked.connect(self._choose)
        self.next = button(tr("下一步"), "accent")
        self.next.clicked.connect(self._look)
        return _part(self.code_box, foot=(self._back(), self.read, self.next))

    def _password_step(self) -> QWidget:
        self.name = label("", "headline")
        self.where = label("", "second", wrap=True)
        self.hand_over = label("", "value", wrap=True)
        self.password = NewPassword(self._judge, partial(passwords.suggest, self._desk.random, self._known.policy))
        self.enter = button(tr("加入"), "accent")
        self.enter.clicked.connect(self._enter)
        return _part(self.name, self.where, self.hand_over, self.password, foot=(self._back(), self.enter))

    def _waiting_step(self) -> QWidget:
        self.strip = ProgressStrip()
        self.strip.cancel.hide()
        self.told = label("", "value", wrap=True)
        self.again = button(tr("再试一次"), "accent")
        self.again.clicked.connect(lambda: self._show(1))
        return _part(self.told, self.strip, foot=(self._back(), self.again))

    # --- what it is told ---

    def step(self, progress: Progress) -> None:
        """How far the joining is."""
        self.strip.step(progress)

    def say_failed(self, error: Exception) -> None:
        """It stopped; what was done stays, and the same code and password go on."""
        self.strip.finish()
        restyle(self.told, "role", "error")
        stopped = InputProblem("stopped") if isinstance(error, Cancelled) else HudangError("bug")
        self.told.setText(sentence(error if isinstance(error, HudangError) else stopped))
        self.again.show()
        self.again.setFocus()

    # --- what the people do ---

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            (self._look, self._enter, self.again.click)[self._at]()
            return
        super().keyPressEvent(event)

    def _judge(self, password: str) -> InputProblem | None:
        return self._known.judge(password)

    def _look(self) -> None:
        code = "".join(self.code.toPlainText().split())
        if not code:
            self.code_box.show_error(tr("请粘贴登记码，或者从文件读取。"))
            self.code.setFocus()
            return
        self._wait(True)
        work = partial(colleagues.look, self._desk, code)
        self._background.courier.run(work, self._on_found, self._on_wrong_code, owner=self)

    def _on_found(self, invited: Invited) -> None:
        self._wait(False)
        self._invited = invited
        found = invited.invitation
        self.name.setText(found.staff_name)
        self.where.setText(f"{found.workplace_name} · {found.county_name}")
        self.hand_over.setText(tr("请{name}自己来输密码，别人不要看。", name=found.staff_name))
        self._show(1)
        self.password.setFocus()

    def _on_wrong_code(self, error: Exception) -> None:
        self._wait(False)
        self.code_box.show_error(sentence(error if isinstance(error, HudangError) else HudangError("bug")))
        self.code.setFocus()

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, tr("登记码文件"))
        if name:
            self.read_file(name)

    def read_file(self, name: str) -> None:
        """The code from a text file, or from the picture of a code."""
        self._background.desk.run(partial(read_code, Path(name)), self._on_code, self._on_wrong_code, owner=self)

    def _on_code(self, code: str) -> None:
        self.code.setPlainText(code)
        self.next.setFocus()

    def _enter(self) -> None:
        password = self.password.take()
        if password is not None and self._invited is not None:
            self._show(2)
            self.strip.begin(tr("正在准备"), stoppable=False)
            self.chosen.emit(self._invited, password)

    def _show(self, step: int) -> None:
        self._at = step
        for number, part in enumerate(self.steps):
            part.setVisible(number == step)
        if step == 2:
            restyle(self.told, "role", "value")
            self.told.setText(tr("正在添加，要联系一次县里。"))
            self.again.hide()
        self.adjustSize()

    def _wait(self, waiting: bool) -> None:
        self.next.setEnabled(not waiting)
        self.next.setText(tr("正在核对") if waiting else tr("下一步"))
        self.code.setReadOnly(waiting)

    def _back(self) -> QWidget:
        back = button(tr("返回"), "quiet")
        back.clicked.connect(self.reject)
        return back


def read_code(path: Path) -> str:
    """An enrolment code from a file or a picture of it. InputProblem("enrolment-code") and of files and pictures."""
    if path.suffix.lower() in PICTURES:
        found = scanning.read_image(path)
        return next(iter(found), "")
    try:
        if path.stat().st_size > LONGEST_CODE_FILE:
            raise InputProblem("enrolment-code")
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        raise InputProblem("file-unreadable") from None
    except ValueError:
        raise InputProblem("enrolment-code") from None


def due_words(days: int) -> str:
    """When the password has to be changed."""
    return tr("还有 {days} 天要换。", days=days) if days > 0 else tr("该换了。")


def _part(*parts: QWidget, foot: tuple[QWidget, ...]) -> QWidget:
    """One step: its parts, then its buttons, the accent one last."""
    lines = column(gap=theme.BETWEEN)
    for part in parts:
        lines.addWidget(part)
    line = row()
    for each in foot[:-1]:
        line.addWidget(each)
    line.addStretch(1)
    line.addWidget(foot[-1])
    lines.addLayout(line)
    holder = QWidget()
    holder.setLayout(lines)
    return holder


def _titled(heading: str, content: QHBoxLayout) -> QVBoxLayout:
    lines = column(margin=theme.BETWEEN, gap=12)
    lines.addWidget(label(heading, "section"))
    lines.addLayout(content)
    return lines


def _card(content: QVBoxLayout) -> QWidget:
    card = surface()
    card.setLayout(content)
    return card
