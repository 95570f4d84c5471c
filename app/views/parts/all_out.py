"""都打出来了吗？ after each job, with its three answers."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QSpinBox, QWidget

from app.errors import InputProblem
from app.messages import sentence
from app.printing.spooling import Job
from app.text import tr
from app.views import theme
from app.views.parts.words import button, column, label, restyle, row


class AllOut(QWidget):
    """都打出来了吗？ with its three answers; the second asks from which sheet to which."""

    all_out = Signal()
    some_not = Signal(int, int)
    stopped = Signal()

    def __init__(self) -> None:
        super().__init__()
        frame = QFrame()
        frame.setProperty("notice", "info")
        self.text = label("", "strong", wrap=True)
        self.yes = button(tr("都打出来了"), "accent")
        self.no = button(tr("有没打出来的"))
        self.end = button(tr("停在这里"), "quiet")
        self.yes.clicked.connect(self.all_out)
        self.no.clicked.connect(self._ask_which)
        self.end.clicked.connect(self.stopped)
        line = row()
        line.addWidget(self.text, 1)
        for widget in (self.end, self.no, self.yes):
            line.addWidget(widget)
        self.first, self.last = QSpinBox(), QSpinBox()
        for box in (self.first, self.last):
            box.lineEdit().setTextMargins(6, 0, 0, 0)
        self.first.setAccessibleName(tr("从第几份"))
        self.last.setAccessibleName(tr("到第几份"))
        self.again = button(tr("重打这些"), "accent")
        self.again.clicked.connect(lambda: self.some_not.emit(self.first.value(), self.last.value()))
        self.wrong = label("", "error")
        self.which = QWidget()
        range_line = row()
        range_line.addWidget(label(tr("没打出来的是第")))
        range_line.addWidget(self.first)
        range_line.addWidget(label(tr("份到第")))
        range_line.addWidget(self.last)
        range_line.addWidget(label(tr("份")))
        range_line.addWidget(self.wrong, 1)
        range_line.addWidget(self.again)
        self.which.setLayout(range_line)
        inner = column(margin=12, gap=theme.INSIDE)
        inner.addLayout(line)
        inner.addWidget(self.which)
        frame.setLayout(inner)
        around = column()
        around.addWidget(frame)
        self.setLayout(around)
        self.hide()

    def ask(self, job: Job, text: str) -> None:
        """Ask about a job."""
        self.text.setText(text)
        for box in (self.first, self.last):
            box.setRange(job.first, job.last)
        self.first.setValue(job.first)
        self.last.setValue(job.last)
        self.which.hide()
        self.no.show()
        restyle(self.yes, "kind", "accent")
        self.wrong.clear()
        self.show()
        self.yes.setFocus(Qt.FocusReason.OtherFocusReason)

    def say_wrong(self, error: InputProblem) -> None:
        """The range cannot be."""
        self.wrong.setText(sentence(error))

    def _ask_which(self) -> None:
        self.which.show()
        self.no.hide()
        restyle(self.yes, "kind", "plain")  # one accent button: the next sensible step
        self.first.setFocus(Qt.FocusReason.OtherFocusReason)
