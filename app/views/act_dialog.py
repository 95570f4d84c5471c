"""One act of the log, opened: what was and what is, value by value, and what proves it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QVBoxLayout, QWidget

from app.casework.dossiers import OpenedAct
from app.text import tr
from app.views import act_words, theme
from app.views.parts.form import Sheet
from app.views.parts.words import button, column, label, row, rule

LINES_SHOWN = 200


class ActDialog(QDialog):
    """Shows an `OpenedAct`; Esc closes."""

    def __init__(self, parent: QWidget, opened: OpenedAct) -> None:
        super().__init__(parent)
        title = act_words.title(opened.detail.row)
        self.setWindowTitle(title)
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        body = QWidget()
        lines = column(gap=12)
        lines.addWidget(label(title, "title"))
        proof = act_words.proof(opened)
        lines.addWidget(label(f"{proof[0][1]} · {proof[1][1]}", "second"))
        lines.addWidget(rule())
        self.changes = QGridLayout()
        self.changes.setHorizontalSpacing(theme.BETWEEN)
        self.changes.setVerticalSpacing(theme.INSIDE)
        lines.addLayout(self.changes)
        self._show_changes(act_words.lines_of(opened.detail, opened.names, opened.seen)[:LINES_SHOWN])
        lines.addWidget(rule())
        lines.addWidget(label(tr("凭据"), "strong"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.BETWEEN)
        grid.setVerticalSpacing(6)
        for number, (what, how) in enumerate(proof):
            grid.addWidget(label(what, "second"), number, 0, Qt.AlignmentFlag.AlignTop)
            role = "error" if opened.holds is False and number == 2 else "value"
            grid.addWidget(label(how, role, wrap=True, selectable=True), number, 1)
        grid.setColumnStretch(1, 1)
        lines.addLayout(grid)
        lines.addStretch(1)
        body.setLayout(lines)
        close = button(tr("关闭"))
        close.clicked.connect(self.accept)
        foot = row()
        foot.setContentsMargins(theme.MARGIN, 0, theme.MARGIN, 0)
        foot.addStretch(1)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, theme.BETWEEN)
        layout.setSpacing(theme.INSIDE)
        layout.addWidget(Sheet(body), 1)
        layout.addLayout(foot)
        width, height = parent.window().width(), parent.window().height()
        self.resize(min(720, width - 80), min(body.sizeHint().height() + 120, 620, height - 60))
        close.setFocus()

    def _show_changes(self, changes: list[act_words.ChangeLine]) -> None:
        before_any = any(change.before for change in changes)
        line = 0
        subject = ""
        for change in changes:
            if change.subject != subject:
                subject = change.subject
                self.changes.addWidget(label(subject, "strong"), line, 0, 1, 3)
                line += 1
            self.changes.addWidget(label(change.field, "second", wrap=True), line, 0, Qt.AlignmentFlag.AlignTop)
            if before_any:
                self.changes.addWidget(
                    label(change.before or "—", "second", wrap=True), line, 1, Qt.AlignmentFlag.AlignTop
                )
            after = f"→ {change.after or tr('（空）')}" if before_any else change.after or "—"
            self.changes.addWidget(
                label(after, "value", wrap=True), line, 2 if before_any else 1, Qt.AlignmentFlag.AlignTop
            )
            line += 1
        self.changes.setColumnMinimumWidth(0, 140)
        self.changes.setColumnStretch(2 if before_any else 1, 1)
