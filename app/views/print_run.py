"""A batch on its way: cards, layout, jobs of at most 25 sheets, the question after each, what is noted of it.

The widget is what one sees of a batch under way (how far it is, the question, the jobs); nothing when there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from app.casework.desk import Desk
from app.errors import HudangError, InputProblem
from app.printing import spooling
from app.printing.archive_sheet import Version
from app.printing.spooling import Batch, Job
from app.progress import Progress, Steps
from app.text import tr
from app.views import batch, theme
from app.views.background import Background, Cancelled
from app.views.batch import Noted, Raster, Sheets
from app.views.parts.all_out import AllOut
from app.views.parts.notices import ProgressStrip
from app.views.parts.words import column, label
from app.views.printer import PaperJob, PrinterChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to print: households in order, and how."""

    order: tuple[bytes, ...]
    version: Version
    copies: int
    duplex: bool


class PrintRun(QWidget):
    """One batch at a time. `ended` comes with what to say and its tone (empty when `failed` says it)."""

    began = Signal()
    ended = Signal(str, str)
    failed = Signal(object)

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self._desk, self._background = desk, background
        self._ticket = 0
        self._mark: object = None
        self._sheets: Sheets | None = None
        self._plan: Batch | None = None
        self._paper: PaperJob | None = None
        self._choice: PrinterChoice | None = None
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(self.stop)
        self.question = AllOut()
        self.question.all_out.connect(self._all_out)
        self.question.some_not.connect(self._some_not)
        self.question.stopped.connect(self._stop_here)
        self.jobs = label("", "note", wrap=True)
        self.jobs.hide()
        lines = column(gap=theme.INSIDE)
        for part in (self.question, self.strip, self.jobs):
            lines.addWidget(part)
        self.setLayout(lines)

    @property
    def busy(self) -> bool:
        """Whether a batch is under way or waits for an answer."""
        return bool(self._ticket) or self._plan is not None

    @property
    def asking(self) -> bool:
        """Whether a batch on paper is not finished."""
        return self._plan is not None

    def stop(self) -> None:
        """取消: at the next step."""
        self.setFocus(Qt.FocusReason.OtherFocusReason)  # 取消 has gone out: the focus must not get lost
        if self._ticket > 0:
            self._background.desk.cancel(self._ticket)

    def on_paper(self, wish: Wish, choice: PrinterChoice) -> None:
        """Print on `choice`."""
        self._prepare(wish, partial(self._on_ready, choice))

    def into_file(self, wish: Wish, path: Path) -> None:
        """Write one PDF at `path`."""
        self._prepare(replace(wish, copies=1), partial(self._write_pdf, path))

    def _prepare(self, wish: Wish, then: Callable[[Sheets], object]) -> None:
        if self.busy:
            return
        self.began.emit()
        self.strip.begin(tr("正在发码"))
        work = partial(batch.prepare, self._desk, wish.order, wish.version, copies=wish.copies, duplex=wish.duplex)
        self._go(work, then)

    def _go(self, work: Callable[[], Any], then: Callable[[Any], object]) -> None:
        """Do a part of the batch on the desk lane; its progress is shown, its failure ends the batch."""
        # Marked before it is asked for: a lane that runs at once answers within `run`.
        self._ticket = -1
        mark = self._mark = object()

        def done(result: Any) -> None:
            self._ticket = 0
            then(result)

        ticket = self._background.desk.run(work, done, self._failed, owner=self, progress=self.strip.step)
        if self._ticket == -1 and self._mark is mark:
            self._ticket = ticket

    def _end(self) -> None:
        self._ticket = 0
        self._plan = self._sheets = None
        if self._paper is not None:
            self._paper.abandon()
            self._paper = None
        self.strip.finish()
        self.question.hide()
        self.jobs.hide()

    def _failed(self, error: Exception) -> None:
        plan, sheets = self._plan, self._sheets
        self._end()
        if isinstance(error, Cancelled):
            done = plan.confirmed if plan else 0
            words = tr("已停下，打出并记下了 {count} 份。", count=done) if done else tr("已停下，一份也没有打。")
            self.ended.emit(words + tr("发过的码不会变，可以接着打。"), "info")
        else:
            self.ended.emit("", "danger")
            self.failed.emit(error)
        if plan is not None and sheets is not None and plan.asked is not None:
            self._leave_unsure(sheets, plan.asked)

    def _write_pdf(self, path: Path, sheets: Sheets) -> None:
        self.strip.begin(tr("正在排版"))
        self._go(
            partial(batch.save_pdf, self._desk, sheets, 1, sheets.total, path),
            partial(self._pdf_written, path, sheets.total),
        )

    def _pdf_written(self, path: Path, count: int, _noted: Noted) -> None:
        self._end()
        self.ended.emit(
            tr("已存为 {name}，共 {count} 份。文件没有加密，用完请删掉。", name=path.name, count=count), "accent"
        )

    def _on_ready(self, choice: PrinterChoice, sheets: Sheets) -> None:
        self._choice = choice
        self._sheets = sheets
        self._plan = spooling.plan(sheets.total)
        self._next_job()

    def _next_job(self) -> None:
        assert self._plan is not None
        assert self._sheets is not None
        self._say_jobs()
        job = self._plan.next_job
        if job is None:
            count = self._plan.confirmed
            self._end()
            self.ended.emit(tr("{count} 份都打出来了，已记下。", count=count), "accent")
            return
        self.strip.begin(tr("正在排版"))
        self._go(partial(batch.pdf, self._sheets, job.first, job.last), partial(self._send, job))

    def _send(self, job: Job, document: bytes) -> None:
        assert self._sheets is not None
        choice = self._choice
        assert choice is not None
        title = tr("户档案页 {first}-{last}", first=job.first, last=job.last)
        if choice.cups:
            send = partial(
                spooling.to_cups,
                document,
                choice.name,
                title=title,
                copies=self._sheets.copies,
                duplex=self._sheets.duplex,
            )
            self._go(send, lambda _nothing: self._ask(job))
            return
        try:
            self._paper = PaperJob(choice, title=title, copies=self._sheets.copies, duplex=self._sheets.duplex)
        except HudangError as error:
            self._failed(error)
            return
        self._paint(job, document, 0, batch.page_count(document))

    def _paint(self, job: Job, document: bytes, number: int, pages: int) -> None:
        """Page after page: computed on the lane, painted here."""
        assert self._paper is not None
        if number == pages:
            self._paper.finish()
            self._paper = None
            self._ask(job)
            return
        self.strip.step(Progress(done=number, of=pages, doing=tr("正在送往打印机")))

        def painted(page: Raster) -> None:
            assert self._paper is not None
            try:
                self._paper.paint(page)
            except HudangError as error:
                self._failed(error)
                return
            self._paint(job, document, number + 1, pages)

        self._go(partial(batch.raster, document, number), painted)

    def _ask(self, job: Job) -> None:
        assert self._plan is not None
        self._plan = self._plan.sent(job)
        self.strip.finish()
        asked = self._plan.asked
        assert asked is not None
        self.question.ask(asked, spooling.question(asked))
        self._say_jobs()

    def _all_out(self) -> None:
        assert self._plan is not None
        assert self._sheets is not None
        job = self._plan.asked
        assert job is not None
        self.question.hide()
        self._plan = self._plan.all_printed(job)
        self.strip.begin(tr("正在记下"))
        self._go(
            partial(batch.note, self._desk, self._sheets, job.first, job.last, "PAPER"),
            lambda _noted: self._next_job(),
        )

    def _some_not(self, first: int, last: int) -> None:
        assert self._plan is not None
        assert self._sheets is not None
        job = self._plan.asked
        assert job is not None
        try:
            plan = self._plan.failed(job, first, last)
        except InputProblem as problem:
            self.question.say_wrong(problem)
            return
        self.question.hide()
        self._plan = plan
        self.strip.begin(tr("正在记下"))
        self._go(partial(self._note_around, self._desk, self._sheets, job, first, last), lambda _n: self._next_job())

    @staticmethod
    def _note_around(desk: Desk, sheets: Sheets, job: Job, first: int, last: int) -> Steps[Noted]:
        """The sheets of a job around those that did not come out."""
        noted = yield from batch.note(desk, sheets, job.first, first - 1, "PAPER")
        if last < job.last:
            noted = yield from batch.note(desk, sheets, last + 1, job.last, "PAPER")
        return noted

    def _stop_here(self) -> None:
        plan, sheets = self._plan, self._sheets
        assert plan is not None
        assert sheets is not None
        job = plan.asked
        self._end()
        if job is not None:
            self._leave_unsure(sheets, job)
        self.ended.emit(
            tr("停在这里。打出并记下了 {count} 份；其余的随时可以重打，码不会变。", count=plan.confirmed), "info"
        )

    def _leave_unsure(self, sheets: Sheets, job: Job) -> None:
        self._background.desk.run(
            partial(batch.leave_unsure, self._desk, sheets, job.first, job.last),
            None,
            self.failed.emit,
            owner=self,
        )

    def _say_jobs(self) -> None:
        plan = self._plan
        if plan is None or len(plan.jobs) < 2:
            self.jobs.hide()
            return
        states = {
            spooling.State.QUEUED: tr("等待"),
            spooling.State.SENT: tr("已送出，请看打印机"),
            spooling.State.CONFIRMED: tr("已打出"),
            spooling.State.UNSURE: tr("不确定"),
        }
        words = [f"{job.first}–{job.last} {states[job.state]}" for job in plan.jobs]
        self.jobs.setText("　".join(words))
        self.jobs.show()
