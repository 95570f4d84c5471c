"""上报: what waits for the county, the exchange with it, and what the county last confirmed.

The exchange runs on the courier lane; the rest of the program goes on meanwhile. A stopped or failed exchange leaves
nothing half done: what has no receipt simply waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QWidget

from app.casework import colleagues
from app.casework.desk import Desk, refresh
from app.casework.session import LAST_EXCHANGE, note_exchange
from app.errors import ChainBroken, CountyRefusal, HudangError, TransportProblem
from app.messages import sentence
from app.models.queries import history
from app.models.queries.history import ActRow
from app.progress import Progress, Steps
from app.sync.exchange import Report, is_temporary, wait_ms
from app.text import tr
from app.vault import kept
from app.vault.kept import KeptReceipt
from app.views import act_words, theme
from app.views.background import Background, Cancelled
from app.views.page import Destination, Page
from app.views.parts import wording
from app.views.parts.form import Sheet
from app.views.parts.notices import ProgressStrip
from app.views.parts.words import button, column, label, restyle, row, surface

WIDTH = 720
LISTED = 100
AT_LEAST_S = 30  # before an exchange is tried again by itself
CLOCK_TOLERANCE_MS = 2 * 60_000  # a clock that is off by less is not worth a word

Exchange = Callable[[], Steps[Report]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """What waits: acts by what they are (most first), files; what the county last confirmed, when all was last
    exchanged."""

    waiting: int
    kinds: tuple[tuple[str, int], ...]
    files: int
    receipt: KeptReceipt | None
    last: int | None

    @property
    def pending(self) -> int:
        """What the badge counts: acts, or the files that are still behind them."""
        return self.waiting or self.files

    @property
    def settled(self) -> int | None:
        """When the county last had everything, or confirmed something; None before the first time."""
        return self.last if self.last is not None or self.receipt is None else self.receipt.received_at


def read_outbox(desk: Desk) -> Outbox:
    """What waits in this vault."""
    with desk.vault.reading() as tx:
        waiting = kept.waiting(tx)
        # The newest acts come first, and those without a position before all others.
        rows = history.acts(tx, limit=min(waiting, LISTED)) if waiting else []
        files = len(kept.undelivered_files(tx))
        receipt = kept.last_receipt(tx)
        last = kept.setting(tx, LAST_EXCHANGE)
    return Outbox(waiting=waiting, kinds=_kinds(rows), files=files, receipt=receipt, last=last)


def exchange_steps(desk: Desk, exchange: Exchange) -> Steps[Report]:
    """An exchange, then what the lists show of the households it touched; notes when it was. Who was let go has no slot
    afterwards: VaultProblem("no-slot") when that is the person at the desk."""
    report = yield from exchange()
    yield from refresh(desk)
    note_exchange(desk, report.offset_ms)
    yield from colleagues.settle_people(desk.vault, desk.random)
    return report


def _kinds(rows: list[ActRow]) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for each in rows:
        if act_words.waits(each):
            name = act_words.title(each)
            counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts.items(), key=lambda item: -item[1]))


class UploadPage(Page):
    """One sentence, one button, the last receipt. `clock_told` carries the offset of this computer's clock to the
    county's in milliseconds."""

    title = "上报"
    clock_told = Signal(object)  # a 32-bit number of Qt does not hold months
    exchanged = Signal()

    def __init__(self, desk: Desk, background: Background, exchange: Exchange) -> None:
        super().__init__()
        self._desk = desk
        self._background = background
        self._exchange = exchange
        self._ticket = 0
        self._began = 0.0
        self._failures = 0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.begin)
        self.headline = label("", "headline", wrap=True)
        self.below = label("", "second", wrap=True)
        self.start = button(tr("立即上报"), "accent")
        self.start.setMinimumHeight(36)
        self.start.setMinimumWidth(136)
        self.start.clicked.connect(self.begin)
        self.accent = self.start
        self.begins_at = self.start
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(self.stop)
        self.speed = label("", "note")
        self.speed.hide()
        self.set_content(Sheet(self._content()))

    def _content(self) -> QWidget:
        head = column(gap=theme.INSIDE)
        head.addWidget(self.headline)
        head.addWidget(self.below)
        press = row()
        press.addWidget(self.start)
        press.addStretch(1)
        self.trouble = QFrame()
        self.trouble.setProperty("notice", "danger")
        self.trouble_text = label("", "strong", wrap=True)
        self.trouble_next = label("", "value", wrap=True)
        told = column(margin=12, gap=theme.NEAR)
        told.addWidget(self.trouble_text)
        told.addWidget(self.trouble_next)
        self.trouble.setLayout(told)
        self.trouble.hide()
        self.receipt = _Lines(tr("上一次回执"))
        self.brought = _Lines(tr("这一次"))
        self.brought.hide()
        lines = column(gap=theme.BETWEEN)
        lines.addLayout(head)
        lines.addLayout(press)
        lines.addWidget(self.strip)
        lines.addWidget(self.speed)
        lines.addWidget(self.trouble)
        lines.addSpacing(theme.INSIDE)
        lines.addWidget(self.brought)
        lines.addWidget(self.receipt)
        lines.addStretch(1)
        narrow = QWidget()
        narrow.setMaximumWidth(WIDTH)
        narrow.setLayout(lines)
        around = row()
        around.addWidget(narrow, 1)
        around.addStretch(1)
        around.setStretch(0, 3)
        content = QWidget()
        content.setLayout(around)
        return content

    # --- reading ---

    def arrive(self, destination: Destination) -> None:
        self._read()

    def reread(self, touched: object) -> None:
        self._read()

    def _read(self) -> None:
        self._background.desk.run(partial(read_outbox, self._desk), self._show, self.say_error, owner=self)

    def _show(self, outbox: Outbox) -> None:
        now = self._desk.clock()
        if outbox.waiting:
            self.headline.setText(tr("{count} 次操作待上报", count=outbox.waiting))
        elif outbox.files:
            self.headline.setText(tr("{count} 张照片待上报", count=outbox.files))
        elif outbox.settled is not None:
            self.headline.setText(tr("全部已上报 · {time}", time=wording.moment(outbox.settled, now)))
        else:
            self.headline.setText(tr("没有要上报的"))
        self.below.setText(self._waits(outbox))
        self.receipt.show_lines(receipt_lines(outbox, now))

    def _waits(self, outbox: Outbox) -> str:
        parts = [tr("{what} {count} 次", what=what, count=count) for what, count in outbox.kinds[:5]]
        if outbox.files:
            parts.append(tr("照片 {count} 张", count=outbox.files))
        if not parts:
            return tr("本机没有县里还不知道的内容。上报时也会把县里的新内容带回来。")
        return tr("、").join(parts) + tr("。都已存在本机，断电也不会丢。")

    # --- the exchange ---

    def begin(self) -> None:
        """Start the exchange; a second press while it runs does nothing."""
        if self._ticket:
            return
        self._began = time.monotonic()
        self._again.stop()
        self.trouble.hide()
        self.brought.hide()
        self.setFocus(Qt.FocusReason.OtherFocusReason)  # else the focus goes from the button to wherever Qt likes
        self.start.setEnabled(False)
        self.start.setText(tr("正在上报"))
        self.strip.begin(tr("正在联系县里"))
        # Marked before it is asked for: a lane that runs at once answers within `run`.
        self._ticket = -1
        ticket = self._background.courier.run(
            partial(exchange_steps, self._desk, self._exchange),
            self._finished,
            self._failed,
            owner=self,
            progress=self._step,
        )
        if self._ticket:
            self._ticket = ticket

    def stop(self) -> None:
        """取消: at the next step; what the county has confirmed until then stays confirmed."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)  # 取消 has gone out: the focus must not get lost
        if self._ticket > 0:
            self._background.courier.cancel(self._ticket)

    @property
    def running(self) -> bool:
        """Whether an exchange is under way."""
        return bool(self._ticket)

    def _step(self, progress: Progress) -> None:
        self.strip.step(progress)
        passed = time.monotonic() - self._began
        rate = progress.done / passed if passed > 1 else 0.0
        self.speed.setVisible(rate >= 1)
        self.speed.setText(tr("每秒 {rate} 次", rate=f"{rate:,.0f}"))

    def _end(self) -> None:
        self._ticket = 0
        self.start.setEnabled(True)
        self.start.setText(tr("立即上报"))
        if self.hasFocus() or self.strip.cancel.hasFocus():
            self.start.setFocus(Qt.FocusReason.OtherFocusReason)
        self.strip.finish()
        self.speed.hide()

    def _finished(self, report: Report) -> None:
        self._end()
        self._failures = 0
        self.brought.show_lines(_report_lines(report))
        self.brought.show()
        self.told.emit(tr("已上报 {time}", time=wording.moment(self._desk.clock(), self._desk.clock())))
        self.clock_told.emit(report.offset_ms)
        self.exchanged.emit()
        self._read()

    def _failed(self, error: Exception) -> None:
        self._end()
        if isinstance(error, Cancelled):
            self._failures = 0
            self._say_trouble(tr("已停下。"), tr("县里已收的不用再报，其余的还在本机，随时可以再上报。"), "warning")
        else:
            known = error if isinstance(error, HudangError) else HudangError("bug")
            self._try_again(known)
            # A line that is down is no danger: everything is kept, and it will be tried again.
            self._say_trouble(sentence(known), what_next(known), "warning" if is_temporary(known) else "danger")
        # What came before the end is here and may show: the lists have to know of it.
        self._background.desk.run(
            partial(refresh, self._desk), lambda _done: self.exchanged.emit(), self.say_error, owner=self
        )
        self._read()

    def _try_again(self, error: HudangError) -> None:
        """What the network does is tried again by itself, later and later; everything else waits for a person."""
        if is_temporary(error):
            self._failures += 1
            self._again.start(wait_ms(self._failures, self._desk.random, asked_s=AT_LEAST_S))

    def _say_trouble(self, text: str, next_step: str, tone: str) -> None:
        restyle(self.trouble, "notice", tone)
        self.trouble_text.setText(text)
        self.trouble_next.setText(next_step)
        self.trouble_next.setVisible(bool(next_step))
        self.trouble.show()


def what_next(error: HudangError) -> str:
    """What a person does after an exchange that failed so; its sentence has said what is wrong."""
    if is_temporary(error):
        return tr("其间可以继续走访。接上网想快一点，可以再按“立即上报”。")
    if isinstance(error, TransportProblem):
        return tr("没有上报的都还在本机，可以继续走访。")
    if isinstance(error, CountyRefusal):
        return tr("没有上报的都还在本机，可以继续走访。请把这句话告诉县里。")
    if isinstance(error, ChainBroken):
        return tr("没有采用县里的回答，本机的内容没有动。请马上打电话给县里。")
    return ""


def clock_words(offset_ms: int) -> str:
    """How this computer's clock stands to the county's, in words; empty when it is right enough."""
    minutes = round(abs(offset_ms) / 60_000)
    if abs(offset_ms) < CLOCK_TOLERANCE_MS:
        return ""
    text = tr("{count} 分钟", count=minutes) if minutes < 120 else tr("{count} 小时", count=round(minutes / 60))
    return tr("时钟比县里慢 {time}", time=text) if offset_ms > 0 else tr("时钟比县里快 {time}", time=text)


def receipt_lines(outbox: Outbox, now_ms: int) -> list[str]:
    """What the last receipt proves, in words."""
    receipt = outbox.receipt
    if receipt is None:
        return [tr("还没有回执。第一次上报以后，这里写着县里收到了什么。")]
    if receipt.start + receipt.count == 1:
        when = wording.moment(receipt.received_at, now_ms)
        return [tr("县里已登记您在这台电脑上的签名（{time}）。您做的事还没有上报过。", time=when)]
    # Act 0 of a chain is its beginning: what a person did is counted from 1.
    first, last = max(receipt.start, 1), receipt.start + receipt.count - 1
    place = receipt.first_position + first - receipt.start
    return [
        tr("县里已收您的第 {first}–{last} 次操作。", first=first, last=last)
        if last > first
        else tr("县里已收您的第 {first} 次操作。", first=first),
        tr(
            "编号 {first}–{last}（全县记录里的位置），回执有县里的签名，本机已核对。",
            first=f"{place:,}",
            last=f"{place + last - first:,}",
        )
        if last > first
        else tr("编号 {first}（全县记录里的位置），回执有县里的签名，本机已核对。", first=f"{place:,}"),
        tr("收到时间 {time}", time=wording.moment(receipt.received_at, now_ms)),
    ]


def _report_lines(report: Report) -> list[str]:
    lines = []
    if report.sent:
        lines.append(tr("上报了 {count} 次操作。", count=report.sent))
    if report.held:
        lines.append(tr("已交县里暂存 {count} 条，等县里核定。", count=report.held))
    if report.received:
        lines.append(tr("收到县里 {count} 条新记录。", count=report.received))
    if report.files:
        lines.append(tr("传上照片 {count} 张。", count=report.files))
    if report.unreadable:
        lines.append(tr("有 {count} 张照片的文件在本机坏了，没有传上。请告诉县里。", count=report.unreadable))
    if report.cards:
        lines.append(tr("领到户码 {count} 张。", count=report.cards))
    lines.append(
        tr("核对过，本机和县里的内容一致。") if report.same else tr("本机和县里的内容还不一致，下次上报会再核对。")
    )
    if words := clock_words(report.offset_ms):
        lines.append(tr("{words}，请在系统里校准。操作的先后不看时钟，没有影响。", words=words))
    return lines


class _Lines(QWidget):
    """A card with a heading and some sentences."""

    def __init__(self, heading: str) -> None:
        super().__init__()
        self._lines = column(margin=theme.BETWEEN, gap=6)
        self._lines.addWidget(label(heading, "section"))
        card = surface()
        card.setLayout(self._lines)
        around = column()
        around.addWidget(card)
        self.setLayout(around)
        self.sentences: list[str] = []

    def show_lines(self, sentences: list[str]) -> None:
        """Say these, one under the other."""
        if sentences == self.sentences:
            return
        self.sentences = sentences
        while self._lines.count() > 1:
            item = self._lines.takeAt(1)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for text in sentences:
            self._lines.addWidget(label(text, "value", wrap=True))
