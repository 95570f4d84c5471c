"""打印: which sheets for which households, the real pages, and a batch on its way to paper or into a file.

Left the sheet and the choice, in the middle the list with what is missing, right the pages as they will come out. A
batch goes in jobs of at most 25 sheets; after each the person says whether all came out. Looking binds no card.
Who may not print batches prints the household that is current in the list, one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QStackedLayout,
    QWidget,
)

from app.casework import printouts
from app.casework.desk import Desk
from app.errors import InputProblem
from app.models.rules.rights import Action
from app.printing.archive_sheet import Version
from app.text import tr
from app.views import batch, printer, theme
from app.views.background import Background, Cancelled
from app.views.batch import Candidate, CardState, Chosen, Offer, Which
from app.views.page import Destination, Page
from app.views.parts.form import FieldBox, Sheet
from app.views.parts.notices import Empty
from app.views.parts.preview import Preview
from app.views.parts.table import ChipText, Column, PagedModel, PagedTable, Slice
from app.views.parts.words import button, column, label, restyle, row, rule, surface
from app.views.print_run import PrintRun, Wish
from app.views.printer import PrinterChoice

LEFT_WIDTH = 208
PREVIEW_WIDTH = 452
PREVIEW_FROM = 1000  # below this width of the page list and preview take turns
MOST_COPIES = 9
_RANGE = re.compile(r"(\d{1,5})\s*(?:[-–—~至到]\s*(\d{1,5}))?")


def slice_of(candidates: tuple[Candidate, ...], offset: int, limit: int) -> Slice[Candidate]:
    """Rows for the table, from the list that was read."""
    return Slice(total=len(candidates), rows=candidates[offset : offset + limit])


def read_range(text: str, total: int) -> tuple[int, int]:
    """First and last sheet of what was typed: nothing is all, `5`, `3-20`. InputProblem("print-range")."""
    if not text.strip():
        return 1, total
    match = _RANGE.fullmatch(text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= first <= last <= total:
        raise InputProblem("print-range", first=first, last=last, total=total)
    return first, last


class PrintPage(Page):
    """`trial` is a file that stands for a printer, for a machine that has none."""

    def __init__(
        self, desk: Desk, background: Background, settings: QSettings | None = None, *, trial: Path | None = None
    ) -> None:
        super().__init__()
        self.title = tr("打印")
        self._desk, self._background, self._trial = desk, background, trial
        self._which = Which()
        self._chosen: Chosen | None = None
        self._preview_ticket = 0
        self._offered = False
        self._several = desk.rights.may_anywhere(Action.BATCH_PRINT, "household")
        self._any = desk.rights.may_anywhere(Action.PRINT, "household")
        self._any = self._any and desk.rights.may_anywhere(Action.WRITE, "printout")
        self._printers: tuple[PrinterChoice, ...] = ()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(60)
        self._rest.timeout.connect(self._draw_preview)
        self.preview = Preview()
        self.preview.asked.connect(self._draw_preview)
        model = PagedModel(background.desk, self._columns(), lambda each: each.row.id)
        model.loaded.connect(self._on_loaded)
        model.failed.connect(self.say_error)
        self.table = PagedTable(model, name="print", settings=settings)
        self.table.moved.connect(self._on_moved)
        self.begins_at = self.table
        body = row(gap=0)
        body.addWidget(self._left())
        body.addWidget(self._middle(), 1)
        body.addWidget(self._right())
        whole = column(gap=0)
        whole.addLayout(body, 1)
        whole.addWidget(self._foot())
        content = QWidget()
        content.setLayout(whole)
        self.set_content(content)
        self.accent = self.print

    # --- parts of the page ---

    def _left(self) -> QWidget:
        self.version = QComboBox()
        self.version.addItem(tr("工作用（存档）"), Version.WORK)
        self.version.addItem(tr("上墙用（贴墙）"), Version.WALL)
        self.version.setAccessibleName(tr("版本"))
        self.version.currentIndexChanged.connect(self._draw_preview)
        self.township, self.village, self.group, self.kind = (QComboBox() for _ in range(4))
        self.filters = QWidget()
        inner = column(gap=12)
        self._boxes = {}
        for name, words, box in (
            ("township", tr("乡镇"), self.township),
            ("village", tr("村"), self.village),
            ("group", tr("村民小组"), self.group),
            ("kind", tr("类别"), self.kind),
        ):
            box.setAccessibleName(words)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(6)
            box.currentIndexChanged.connect(self._on_filter)
            self._boxes[name] = FieldBox(words, box)
            inner.addWidget(self._boxes[name])
        self.filters.setLayout(inner)
        self.selection = QWidget()
        chosen = column(gap=theme.INSIDE)
        self.selected = label("", "strong", wrap=True)
        self.by_filter = button(tr("改为按条件选"))
        self.by_filter.clicked.connect(self._drop_selection)
        chosen.addWidget(self.selected)
        chosen.addWidget(self.by_filter)
        self.selection.setLayout(chosen)
        self.selection.hide()
        lines = column(gap=12)
        lines.setContentsMargins(theme.MARGIN, 14, theme.BETWEEN, theme.BETWEEN)
        lines.addWidget(label(tr("户档案页"), "section"))
        lines.addWidget(FieldBox(tr("版本"), self.version))
        lines.addSpacing(theme.NEAR)
        lines.addWidget(rule())
        lines.addWidget(label(tr("哪些户"), "section"))
        lines.addWidget(self.selection)
        lines.addWidget(self.filters)
        lines.addStretch(1)
        inside = QWidget()
        inside.setLayout(lines)
        left = Sheet(inside, margin=0)
        left.setFixedWidth(LEFT_WIDTH + theme.MARGIN)
        left.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        return left

    def _middle(self) -> QWidget:
        self.empty = Empty(tr("这里打印农户的二维码档案页。"), tr("没有这样的农户，请换个条件。"))
        self.count = label("", "section")
        self.look = button(tr("看预览"), "link")
        self.look.clicked.connect(self._turn)
        head = row()
        head.addWidget(self.count, 1)
        head.addWidget(self.look)
        self.missing = label("", "note", wrap=True)
        holder = QWidget()
        self._stack = QStackedLayout(holder)
        self._stack.addWidget(self.table)
        self._stack.addWidget(self.empty)
        lines = column(gap=theme.INSIDE)
        lines.setContentsMargins(0, 14, theme.BETWEEN, theme.INSIDE)
        lines.addLayout(head)
        lines.addWidget(holder, 1)
        lines.addWidget(self.missing)
        self.middle = QWidget()
        self.middle.setLayout(lines)
        return self.middle

    def _right(self) -> QWidget:
        lines = column(gap=0)
        lines.setContentsMargins(0, 12, theme.MARGIN, theme.INSIDE)
        self.back = button(tr("回到名单"), "link")
        self.back.clicked.connect(self._turn)
        lines.addWidget(self.back, 0, Qt.AlignmentFlag.AlignLeft)
        lines.addWidget(self.preview, 1)
        self.right = QWidget()
        self.right.setFixedWidth(PREVIEW_WIDTH + theme.MARGIN)
        self.right.setLayout(lines)
        return self.right

    def _foot(self) -> QWidget:
        self.printer = QComboBox()
        self.printer.setAccessibleName(tr("打印机"))
        self.printer.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.printer.setMinimumContentsLength(10)
        self.duplex = QCheckBox(tr("双面"))
        self.duplex.setChecked(True)
        self.copies = QSpinBox()
        self.copies.setRange(1, MOST_COPIES)
        self.copies.setSuffix(tr(" 份"))
        self.copies.lineEdit().setTextMargins(6, 0, 0, 0)
        self.copies.setAccessibleName(tr("份数"))
        self.range = QLineEdit()
        self.range.setPlaceholderText(tr("全部，或 1-25"))
        self.range.setAccessibleName(tr("范围"))
        self.range.setFixedWidth(120)
        self.save_pdf = button(tr("存为 PDF"))
        self.save_pdf.clicked.connect(self._choose_file)
        self.print = button(tr("打印") if self._several else tr("打印这一户"), "accent", icon="print")
        self.print.clicked.connect(self.begin_print)
        self.limits = label("", "note", wrap=True)
        if not self._any:
            self.limits.setText(tr("您的角色不能打印档案页，只能看。"))
        elif not self._several:
            self.limits.setText(tr("一次打印一户：在名单里选一户再打印。整批打印请乡镇工作站办理。"))
        else:
            self.limits.hide()
        if not self._several:
            self.range.hide()
        self.controls = QWidget()
        line = row(gap=12)
        line.addWidget(self.printer, 1)
        for widget in (self.duplex, self.copies, self.range):
            line.addWidget(widget)
        line.addWidget(self.limits, 2)
        line.addStretch(1)
        line.addWidget(self.save_pdf)
        line.addWidget(self.print)
        self.controls.setLayout(line)
        self.run = PrintRun(self._desk, self._background)
        self.run.began.connect(self._on_began)
        self.run.ended.connect(self._on_ended)
        self.run.failed.connect(self.say_error)
        lines = column(gap=theme.INSIDE)
        lines.setContentsMargins(theme.MARGIN, 12, theme.MARGIN, 12)
        lines.addWidget(self.run)
        lines.addWidget(self.controls)
        foot = surface("foot")
        foot.setLayout(lines)
        return foot

    @staticmethod
    def _columns() -> list[Column[Candidate]]:
        return [
            Column(name="head", title=tr("户主"), text=lambda each: each.row.head_name, width=104, strong=True),
            Column(name="group", title=tr("村民小组"), text=lambda each: each.row.villager_group, width=96),
            Column(name="missing", title=tr("户码和缺的"), text=_missing_words, width=0, chips=_missing),
        ]

    # --- choosing ---

    def arrive(self, destination: Destination) -> None:
        chosen = destination.rest or ((destination.id,) if destination.id is not None else ())
        if chosen:
            self._which = Which(chosen=chosen)
        self._show_selection()
        self._background.desk.run(partial(batch.offer, self._desk), self._offer, self.say_error, owner=self)
        self._background.desk.run(printer.from_cups, self._offer_printers, self.say_error, owner=self)
        if not self._offered and not chosen:
            self._offered = True  # once a start: who says no is not asked again and again
            work = partial(printouts.unfinished, self._desk)
            self._background.desk.run(work, self._offer_unfinished, self.say_error, owner=self)
        self._choose()

    def reread(self, touched: object) -> None:
        if not self.run.busy:
            self._choose()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= PREVIEW_FROM
        self.look.setVisible(not wide)
        self.back.setVisible(not wide)
        if wide:
            self.middle.show()
            self.right.show()
        elif self.middle.isVisibleTo(self) and self.right.isVisibleTo(self):
            self.right.hide()

    def step_back(self) -> bool:
        if self.width() < PREVIEW_FROM and self.right.isVisibleTo(self):
            self._turn()
            return True
        return False

    def _turn(self) -> None:
        """On a narrow window: the list, or the preview instead."""
        looking = self.middle.isVisibleTo(self)
        self.middle.setVisible(not looking)
        self.right.setVisible(looking)
        self.right.setMaximumWidth(16777215 if looking else PREVIEW_WIDTH + theme.MARGIN)
        (self.back if looking else self.look).setFocus(Qt.FocusReason.OtherFocusReason)
        if looking:
            self._draw_preview()

    def _offer(self, offer: Offer) -> None:
        self._fill(self.township, offer.townships)
        self._fill(self.village, offer.villages)
        self._fill(self.group, offer.groups)
        self._fill(self.kind, offer.kinds)
        self._boxes["township"].setVisible(len(offer.townships) > 1)
        self._boxes["village"].setVisible(len(offer.villages) > 1)

    def _offer_unfinished(self, left: tuple[bytes, ...]) -> None:
        if left:
            self.notice.say(
                tr("上次有 {count} 份没有打完，或者不知道打没打出来。可以重打，码不会变。", count=len(left)),
                "warning",
                action=tr("选出来"),
                do=partial(self._select, left),
            )

    def _select(self, chosen: tuple[bytes, ...]) -> None:
        self._which = Which(chosen=chosen)
        self._show_selection()
        self._choose()

    def _fill(self, box: QComboBox, choices: Sequence[tuple[object, str]]) -> None:
        before = box.currentData()
        box.blockSignals(True)
        box.clear()
        box.addItem(tr("全部"), None)
        for key, words in choices:
            box.addItem(words, key)
        box.setCurrentIndex(max(0, next((n for n in range(box.count()) if box.itemData(n) == before), 0)))
        box.blockSignals(False)

    def _offer_printers(self, cups: tuple[PrinterChoice, ...]) -> None:
        found = cups or printer.from_qt()
        if self._trial is not None:
            found = (*found, PrinterChoice(name=tr("打印到文件"), cups=False, file=self._trial))
        self._printers = found
        self.printer.clear()
        self.printer.addItems([each.name for each in found] or [tr("这台电脑没有装打印机")])
        self.printer.setEnabled(bool(found))
        self._show_buttons()

    def _on_filter(self) -> None:
        area = self.village.currentData() or self.township.currentData()
        self._which = Which(area=area, group=self.group.currentData(), kind=self.kind.currentData())
        self._choose()

    def _drop_selection(self) -> None:
        self._which = Which()
        self._show_selection()
        self._on_filter()

    def _show_selection(self) -> None:
        chosen = len(self._which.chosen)
        self.selection.setVisible(bool(chosen))
        self.filters.setVisible(not chosen)
        self.selected.setText(tr("选中的 {count} 户", count=chosen))

    def _choose(self) -> None:
        self._background.desk.run(
            partial(batch.choose, self._desk, self._which), self._on_chosen, self.say_error, owner=self
        )

    def _on_chosen(self, chosen: Chosen) -> None:
        self._chosen = chosen
        self.table.rows.show(partial(slice_of, chosen.candidates))
        sheets = len(chosen.sheets)
        self.count.setText(tr("{count} 户，可打印 {sheets} 份", count=len(chosen.candidates), sheets=sheets))
        self._say_missing(chosen)
        self._show_buttons()

    def _say_missing(self, chosen: Chosen) -> None:
        fresh, none_left = chosen.count(CardState.FRESH), chosen.count(CardState.NONE_LEFT)
        elsewhere = chosen.count(CardState.ELSEWHERE)
        unprintable = sum(bool(each.unprintable) for each in chosen.candidates)
        parts = [tr("户码还剩 {left} 张", left=chosen.cards_left)]
        if fresh:
            parts.append(tr("{count} 户打印时发新码", count=fresh))
        if none_left:
            parts.append(tr("{count} 户没有户码可发，上报一次就能从县里领", count=none_left))
        if elsewhere:
            parts.append(tr("{count} 户的户码是别处发的，本机打不了", count=elsewhere))
        if unprintable:
            parts.append(tr("{count} 户有字库里没有的字，会印成空框", count=unprintable))
        self.missing.setText(tr("；").join(parts) + tr("。"))
        restyle(self.missing, "role", "error" if none_left else "note")

    def _on_loaded(self, total: int) -> None:
        self._stack.setCurrentWidget(self.table if total else self.empty)
        if total and self.table.record() is None:
            self.table.selectRow(0)
        self._rest.start()

    def _on_moved(self, _each: object) -> None:
        self._rest.start()
        self._show_buttons()

    # --- the preview ---

    def _draw_preview(self) -> None:
        candidate = self.table.record()
        if candidate is None or not self.preview.isVisibleTo(self):
            self.preview.clear()
            return
        self._background.desk.cancel(self._preview_ticket)
        dpi = self.preview.dpi()
        version: Version = self.version.currentData()
        self._preview_ticket = self._background.desk.run(
            partial(batch.preview, self._desk, candidate, version, dpi),
            partial(self._show_preview, candidate),
            self._preview_failed,
            owner=self,
        )

    def _show_preview(self, candidate: Candidate, pages: list[bytes]) -> None:
        if self.table.record() is candidate:
            empty_code = candidate.card is not CardState.HERE
            note = tr("还没有发码：预览里的码扫不出来，打印时换成真码。") if empty_code else ""
            self.preview.show_pages(pages, note)

    def _preview_failed(self, error: Exception) -> None:
        if not isinstance(error, Cancelled):
            self.preview.clear()
            self.say_error(error)

    # --- a batch ---

    def may_leave(self) -> str:
        if not self.run.asking:
            return ""
        return tr("这一批还没有打完。离开以后，没有确认的算“不知道打没打出来”，可以重打，码不会变。")

    def begin_print(self) -> None:
        """打印 the range on the chosen printer."""
        order = self._order()
        if order and self._printers:
            choice = self._printers[max(0, self.printer.currentIndex())]
            self.run.on_paper(self._wish(order), choice)

    def _choose_file(self) -> None:
        if not self._order():
            return
        dialog = QFileDialog(self, tr("存为 PDF"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter("PDF (*.pdf)")
        dialog.setDefaultSuffix("pdf")
        dialog.selectFile(tr("户档案页.pdf"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.begin_pdf(Path(name)))
        dialog.open()

    def begin_pdf(self, path: Path) -> None:
        """存为 PDF: the range as one file at `path`."""
        order = self._order()
        if order:
            self.run.into_file(self._wish(order), path)

    def _wish(self, order: tuple[bytes, ...]) -> Wish:
        version: Version = self.version.currentData()
        return Wish(order=order, version=version, copies=self.copies.value(), duplex=self.duplex.isChecked())

    def _on_began(self) -> None:
        self.notice.hide()
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)  # the buttons go out: the focus must not get lost
        self.controls.setEnabled(False)

    def _on_ended(self, text: str, tone: str) -> None:
        self.controls.setEnabled(True)
        self._show_buttons()
        if self.run.isAncestorOf(self.focusWidget() or self) or self.focusWidget() is self.run:
            self.table.setFocus(Qt.FocusReason.OtherFocusReason)
        if text:
            self.notice.say(text, tone)
        if tone == "accent":
            self.say_saved()
        self._choose()

    def _order(self) -> tuple[bytes, ...]:
        """The households of the range; says what is wrong and returns nothing where there is none."""
        if self.run.busy or self._chosen is None or not self._any:
            return ()
        sheets = self._chosen.sheets if self._several else self._current()
        if not sheets:
            self.notice.say(tr("没有可以打印的：名单里的农户都没有户码可发。先上报一次，从县里领户码。"), "warning")
            return ()
        try:
            first, last = read_range(self.range.text() if self._several else "", len(sheets))
        except InputProblem as problem:
            self.say_error(problem)
            self.range.setFocus(Qt.FocusReason.OtherFocusReason)
            return ()
        return tuple(each.row.id for each in sheets[first - 1 : last])

    def _current(self) -> tuple[Candidate, ...]:
        candidate = self.table.record()
        return (candidate,) if candidate is not None and candidate.printable else ()

    def _show_buttons(self) -> None:
        """Without a printer the next sensible step is the file."""
        some = bool(self._chosen and (self._chosen.sheets if self._several else self._current())) and self._any
        self.print.setVisible(bool(self._printers))
        self.copies.setVisible(bool(self._printers))  # a file is written once
        self.print.setEnabled(some and bool(self._printers))
        self.save_pdf.setEnabled(some)
        restyle(self.save_pdf, "kind", "plain" if self._printers else "accent")
        self.accent = self.print if self._printers else self.save_pdf


def _missing(each: Candidate) -> list[ChipText]:
    chips: list[ChipText] = {
        CardState.HERE: [],
        CardState.FRESH: [(tr("将发新码"), "info")],
        CardState.NONE_LEFT: [(tr("没有户码可发"), "danger")],
        CardState.ELSEWHERE: [(tr("户码在别处"), "warning")],
    }[each.card]
    if each.unprintable:
        chips = [*chips, (tr("缺字 {characters}", characters="".join(each.unprintable)), "warning")]
    return chips


def _missing_words(each: Candidate) -> str:
    return tr("、").join(words for words, _ in _missing(each))
