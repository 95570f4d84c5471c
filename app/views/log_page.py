"""记录: the log as acts, newest first, each with its old and new values and its proof; 核验 checks all of it.

The list is read slice by slice. Checking runs on the desk lane, changes nothing, can be stopped, and ends in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLayout, QStackedLayout, QWidget

from app.casework import audit, dossiers, logbook
from app.casework.audit import Findings
from app.casework.desk import Desk
from app.casework.dossiers import OpenedAct
from app.casework.logbook import Choices, Line, Wanted
from app.errors import HudangError
from app.messages import sentence
from app.models.fields import Type, plain
from app.text import tr
from app.vault.kept import KeptReceipt
from app.views import act_words, theme
from app.views.act_dialog import ActDialog
from app.views.background import Background, Cancelled
from app.views.page import Destination, Page
from app.views.parts import wording
from app.views.parts.editors import ChoiceEditor, LineEditor
from app.views.parts.form import Sheet
from app.views.parts.notices import Empty, ProgressStrip
from app.views.parts.table import Column, PagedModel, PagedTable, Slice
from app.views.parts.words import Elided, button, column, label, row, rule, surface

DETAIL_WIDTH = 336
DETAIL_FROM = 1000  # below this width of the page the list takes all of it
DAY = plain(Type.DATE, 1, "day", "日期")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the side shows: an act, and the receipt that covers it."""

    act: OpenedAct
    receipt: KeptReceipt | None


def open_line(desk: Desk, entry: bytes) -> Opened | None:
    """Read one act for the side."""
    act = dossiers.open_act(desk, entry)
    if act is None:
        return None
    found = act.detail.row
    return Opened(act=act, receipt=logbook.receipt_of(desk, found.chain, found.seq))


def read_slice(desk: Desk, wanted: Wanted, offset: int, limit: int) -> Slice[Line]:
    """Read lines for the table."""
    part = logbook.read(desk, wanted, offset, limit)
    return Slice(total=part.total, rows=part.lines)


class LogPage(Page):
    """The list left, the opened act right. Arrives at a household with its id, else at everything."""

    def __init__(self, desk: Desk, background: Background, settings: QSettings | None = None) -> None:
        super().__init__()
        self.title = tr("记录")
        self._desk, self._background = desk, background
        self._wanted = Wanted()
        self._check = 0
        self._asked = b""
        self.person = ChoiceEditor([], name=tr("谁"))
        self.person.line.setPlaceholderText(tr("所有人"))
        self.person.setFixedWidth(152)
        self.day = LineEditor(DAY)
        self.day.line.setPlaceholderText(tr("哪一天"))
        self.day.setFixedWidth(152)
        self.household = ChoiceEditor([], name=tr("哪一户"))
        self.household.line.setPlaceholderText(tr("所有农户"))
        self.household.setFixedWidth(200)
        for editor in (self.person, self.day, self.household):
            editor.changed.connect(self._on_filter)
            editor.left.connect(self._on_filter)
        self.everything = button(tr("全部"), "quiet")
        self.everything.clicked.connect(self._clear)
        self.verify = button(tr("核验"), "accent", tip=tr("核对全部签名、回执和资料"))
        self.verify.clicked.connect(self.begin_check)
        self.accent = self.verify
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(self._stop_check)
        model = PagedModel(background.desk, self._columns(), lambda line: line.detail.row.id)
        model.loaded.connect(self._on_loaded)
        model.failed.connect(self.say_error)
        self.table = PagedTable(model, name="log", settings=settings)
        self.table.moved.connect(self._on_moved)
        self.table.opened.connect(self._on_opened)
        self.begins_at = self.table
        self.empty = Empty(tr("这里是做过的每一件事，谁也改不了。"), tr("还没有这样的记录。"))
        holder = QWidget()
        self._list = QStackedLayout(holder)
        self._list.addWidget(self.table)
        self._list.addWidget(self.empty)
        self.count = label("", "note")
        self.detail = _Detail()
        top = row(gap=theme.INSIDE)
        for widget in (self.person, self.day, self.household, self.everything):
            top.addWidget(widget)
        top.addStretch(1)
        top.addWidget(self.verify)
        left = column(gap=theme.INSIDE)
        left.addLayout(top)
        left.addWidget(self.strip)
        left.addWidget(holder, 1)
        left.addWidget(self.count)
        content = QWidget()
        whole = row(gap=theme.BETWEEN)
        whole.setContentsMargins(theme.MARGIN, theme.BETWEEN, theme.MARGIN, theme.INSIDE)
        whole.addLayout(left, 1)
        whole.addWidget(self.detail)
        content.setLayout(whole)
        self.set_content(content)

    def _columns(self) -> list[Column[Line]]:
        clock = self._desk.clock
        return [
            Column(
                name="when",
                title=tr("时间"),
                text=lambda line: wording.moment(line.detail.row.wall, clock()),
                width=112,
                quiet=True,
            ),
            Column(name="who", title=tr("谁"), text=lambda line: line.person or tr("县里"), width=88),
            Column(name="household", title=tr("哪一户"), text=_household, width=104, strong=True),
            Column(name="what", title=tr("做了什么"), text=_what, width=0),
            Column(
                name="state",
                title=tr("上报"),
                text=_state,
                width=96,
                chips=lambda line: [(_state(line), "warning" if act_words.waits(line.detail.row) else "plain")],
            ),
        ]

    # --- reading ---

    def arrive(self, destination: Destination) -> None:
        self._background.desk.run(partial(logbook.choices, self._desk), self._offer, self.say_error, owner=self)
        if destination.id is not None:
            self._wanted = Wanted(household=destination.id)
        self._read()

    def reread(self, touched: object) -> None:
        self._read()

    def start_search(self) -> None:
        self.household.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.detail.setVisible(self.width() >= DETAIL_FROM)

    def _offer(self, choices: Choices) -> None:
        self.person.offer(choices.people)
        self.household.offer(choices.households)
        self.person.show_value(self._wanted.actor)
        self.household.show_value(self._wanted.household)

    def _on_filter(self) -> None:
        try:
            actor, household, day = self.person.key(), self.household.key(), self.day.value()
        except HudangError:
            return  # still being typed
        wanted = Wanted(
            actor=actor if isinstance(actor, bytes) else None,
            household=household if isinstance(household, bytes) else None,
            day=day if isinstance(day, str) else None,
        )
        if wanted != self._wanted:
            self._wanted = wanted
            self._read()

    def _clear(self) -> None:
        for editor in (self.person, self.day, self.household):
            editor.show_value(None)
        self._on_filter()

    def _read(self) -> None:
        self.everything.setVisible(self._wanted != Wanted())
        self.table.rows.show(partial(read_slice, self._desk, self._wanted))

    def _on_loaded(self, total: int) -> None:
        self._list.setCurrentWidget(self.table if total else self.empty)
        self.count.setText(tr("{count} 条记录，新的在上面", count=f"{total:,}"))
        if total and self.table.record() is None:
            self.table.selectRow(0)

    def _on_moved(self, line: Line | None) -> None:
        if line is None:
            self._asked = b""
            self.detail.clear()
            return
        self._asked = line.detail.row.id
        self._background.desk.run(partial(open_line, self._desk, self._asked), self._show, self.say_error, owner=self)

    def _show(self, opened: Opened | None) -> None:
        if opened is not None and opened.act.detail.row.id == self._asked:
            self.detail.show_act(opened, self._desk.clock())

    def _on_opened(self, line: Line) -> None:
        """Enter on a line: the whole act on a card of its own."""
        self._background.desk.run(
            partial(dossiers.open_act, self._desk, line.detail.row.id), self._open, self.say_error, owner=self
        )

    def _open(self, act: OpenedAct | None) -> None:
        if act is not None:
            ActDialog(self, act).open()

    # --- checking ---

    def begin_check(self) -> None:
        """核验; a second press while it runs does nothing."""
        if self._check:
            return
        self.notice.hide()
        if self.verify.hasFocus():
            self.table.setFocus(Qt.FocusReason.OtherFocusReason)
        self.verify.setEnabled(False)
        self.strip.begin(tr("正在核验"))
        self._check = -1
        ticket = self._background.desk.run(
            partial(audit.check, self._desk),
            self._on_checked,
            self._on_check_failed,
            owner=self,
            progress=self.strip.step,
        )
        if self._check:
            self._check = ticket

    def _stop_check(self) -> None:
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)  # 取消 has gone out: the focus must not get lost
        if self._check > 0:
            self._background.desk.cancel(self._check)

    def _end_check(self) -> None:
        self._check = 0
        self.strip.finish()
        self.verify.setEnabled(True)

    def _on_checked(self, findings: Findings) -> None:
        self._end_check()
        self.notice.say(verdict(findings), "accent")

    def _on_check_failed(self, error: Exception) -> None:
        self._end_check()
        if isinstance(error, Cancelled):
            self.notice.say(tr("核验停下了，什么也没有改动。"), "info")
            return
        known = error if isinstance(error, HudangError) else HudangError("bug")
        self.notice.say(tr("核验没有通过：{why}", why=sentence(known)), "danger")


def verdict(findings: Findings) -> str:
    """What a check that went well proved, and what it could not, in words."""
    said = [
        tr("核验通过。"),
        tr("{count} 条记录的签名和内容都对；", count=f"{findings.entries:,}"),
        tr("本机写的 {count} 条一条接一条，没有缺也没有换；", count=f"{findings.own:,}"),
    ]
    if findings.receipts:
        said.append(tr("县里的 {count} 张回执都对得上；", count=f"{findings.receipts:,}"))
    said.append(tr("照记录重新整理一遍，和现在的资料一模一样。"))
    waiting = findings.own - findings.confirmed
    if waiting:
        said.append(tr("还有 {count} 次操作没有上报，县里还不能作证。", count=f"{waiting:,}"))
    return "".join(said)


def _household(line: Line) -> str:
    return tr("、").join(line.heads)


def _what(line: Line) -> str:
    gist = act_words.shorten(act_words.gist(line.detail, line.seen), 80)
    title = act_words.title(line.detail.row)
    return f"{title} · {gist}" if gist else title


def _state(line: Line) -> str:
    return act_words.standing(line.detail.row)


class _Detail(QWidget):
    """One act: what was, what is, what proves it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(DETAIL_WIDTH)
        self.heading = Elided(role="section")
        self.values = QWidget()
        self._values = column(gap=12)
        self.values.setLayout(self._values)
        self.proof = QWidget()
        self._proof = QGridLayout(self.proof)
        self._proof.setContentsMargins(0, 0, 0, 0)
        self._proof.setHorizontalSpacing(12)
        self._proof.setVerticalSpacing(6)
        self._proof.setColumnStretch(1, 1)
        inner = column(gap=12)
        inner.addWidget(self.heading)
        inner.addWidget(self.values)
        inner.addWidget(rule())
        inner.addWidget(label(tr("凭什么相信"), "section"))
        inner.addWidget(self.proof)
        inner.addStretch(1)
        self.body = QWidget()
        self.body.setLayout(inner)
        card = surface()
        around = column()
        around.addWidget(Sheet(self.body, margin=theme.BETWEEN))
        card.setLayout(around)
        whole = column()
        whole.addWidget(card)
        self.setLayout(whole)
        self.clear()

    def clear(self) -> None:
        """Nothing is chosen."""
        self.body.hide()

    def show_act(self, opened: Opened, now_ms: int) -> None:
        """Show an act."""
        act = opened.act
        self.heading.setText(act_words.title(act.detail.row))
        _empty(self._values)
        lines = act_words.lines_of(act.detail, act.names, act.seen)
        subject = ""
        for line in lines:
            if line.subject != subject:
                subject = line.subject
                self._values.addWidget(label(subject, "strong", wrap=True))
            self._values.addWidget(_change(line))
        if not lines:
            self._values.addWidget(label(tr("这条记录没有改动资料。"), "second", wrap=True))
        self._show_proof([*act_words.proof(act), *_receipt(opened.receipt, now_ms)], act)
        self.body.show()

    def _show_proof(self, lines: Sequence[tuple[str, str]], act: OpenedAct) -> None:
        _empty(self._proof)
        signature = act.detail.signature.hex()
        spaced = " ".join(signature[at : at + 8] for at in range(0, len(signature), 8))
        for number, (name, words) in enumerate([*lines, (tr("签名原文"), spaced)]):
            self._proof.addWidget(label(name, "second"), number, 0, Qt.AlignmentFlag.AlignTop)
            self._proof.addWidget(label(words, "note" if words is spaced else "value", wrap=True), number, 1)


def _receipt(receipt: KeptReceipt | None, now_ms: int) -> list[tuple[str, str]]:
    if receipt is None:
        return []
    when = wording.moment(receipt.received_at, now_ms)
    return [(tr("回执"), tr("{time} 收到，有县里的签名，已核对", time=when))]


def _change(line: act_words.ChangeLine) -> QWidget:
    lines = column(gap=2)
    if line.field:
        lines.addWidget(label(line.field, "note", wrap=True))
    if line.before:
        lines.addWidget(label(tr("原来 {value}", value=line.before), "second", wrap=True))
    shown = line.after or tr("空")
    lines.addWidget(label(tr("现在 {value}", value=shown) if line.before else shown, "value", wrap=True))
    result = QWidget()
    result.setLayout(lines)
    return result


def _empty(layout: QLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
