"""导出…: which list, what for, and where to. The masked list goes straight into a file; the full one asks for a second
person and for the password, and is written for the county alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QDialog, QFileDialog, QLineEdit, QRadioButton, QVBoxLayout, QWidget

from app.casework import exporting
from app.casework.colleagues import Confirmed
from app.casework.countersigning import FULL_EXPORT, NewProposal
from app.casework.desk import Desk
from app.casework.exporting import Content, Exported
from app.errors import HudangError
from app.messages import sentence
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.models.rules.rights import Action
from app.progress import Steps
from app.text import tr
from app.vault.attempts import Attempts
from app.views import theme
from app.views.background import Background, Cancelled
from app.views.countersign_dialog import AGREED, Countersign
from app.views.parts.confirm_password import ConfirmPassword
from app.views.parts.form import FieldBox
from app.views.parts.notices import ProgressStrip
from app.views.parts.words import button, column, label, row

PURPOSE_LIMIT = BY_NAME["export"].field("purpose").limit or 100


class ExportDialog(QDialog):
    """Exports the households that `wanted` lists. `exported` carries what to say."""

    exported = Signal(str)

    def __init__(
        self,
        parent: QWidget,
        desk: Desk,
        background: Background,
        attempts: Attempts | None,
        wanted: Filter,
        count: int,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("导出"))
        self.setModal(True)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._desk, self._background, self._attempts, self._wanted = desk, background, attempts, wanted
        self._ticket = 0
        full = attempts is not None and desk.rights.may_anywhere(Action.FULL_EXPORT, "household")
        self.masked = QRadioButton(tr("遮住的名单（Excel 工作簿）"))
        self.full = QRadioButton(tr("完整名单（加密，只有县里能打开）"))
        group = QButtonGroup(self)
        for choice in (self.masked, self.full):
            group.addButton(choice)
            choice.toggled.connect(self._explain)
        self.note = label("", "note", wrap=True)
        self.purpose = QLineEdit()
        self.purpose.setMaxLength(PURPOSE_LIMIT)
        self.purpose.setPlaceholderText(tr("如：村两委月度核对"))
        self.purpose_box = FieldBox(tr("做什么用"), self.purpose, required=True)
        self.purpose.textEdited.connect(lambda: self.purpose_box.show_error(""))
        self.strip = ProgressStrip()
        self.strip.cancelled.connect(self._stop)
        self.go = button(tr("导出"), "accent")
        self.go.clicked.connect(self.submit)
        self.back = button(tr("返回"))
        self.back.clicked.connect(self.reject)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.back)
        foot.addWidget(self.go)
        lines = column(gap=12)
        lines.setContentsMargins(theme.MARGIN, theme.MARGIN, theme.MARGIN, 20)
        lines.addWidget(label(tr("导出名单里的 {count} 户", count=count), "section"))
        lines.addWidget(self.masked)
        lines.addWidget(self.full)
        if not full:
            self.full.hide()
        lines.addWidget(self.note)
        lines.addWidget(self.purpose_box)
        lines.addWidget(self.strip)
        lines.addSpacing(theme.INSIDE)
        lines.addLayout(foot)
        around = QVBoxLayout(self)
        around.setContentsMargins(0, 0, 0, 0)
        around.addLayout(lines)
        self.setFixedWidth(500)
        self.masked.setChecked(True)
        self.purpose.setFocus()

    def _explain(self, _checked: bool = False) -> None:
        if self.full.isChecked():
            words = tr("全部内容，不遮。要第二个人会签，再输一次您的密码；文件交给县里，别处打不开。")
        else:
            words = tr("证件和电话只留首尾，成员只留姓，收入写成范围；不含健康、账户、住址和未满 14 岁的成员。")
        self.note.setText(words + tr("谁、什么时候、为什么导出，会记下来。"))

    def submit(self) -> None:
        """导出: ask what is still to be asked for."""
        if self._ticket:
            return
        if not self.purpose.text().strip():
            self._say(tr("请写明用途。"))
            self.purpose.setFocus()
            return
        if self.full.isChecked():
            work = partial(exporting.gather, self._desk, self._wanted, Surface.FULL)
            self._run(work, self._propose)
        else:
            self._choose_file(tr("农户名单.xlsx"), "xlsx", self.write_masked)

    def write_masked(self, path: Path) -> None:
        """The masked list goes to `path`."""
        work = partial(exporting.masked_list, self._desk, self._wanted, self.purpose.text().strip(), path)
        self._run(work, partial(self._done, path))

    # --- the full list ---

    def _propose(self, content: Content) -> None:
        def make(reason: str) -> NewProposal:
            return NewProposal(
                id=self._desk.new_id(),
                matter=FULL_EXPORT,
                reason=reason,
                count=content.households,
                digest=content.digest,
            )

        dialog = Countersign(
            self,
            self._desk,
            self._background,
            self._attempts,
            title=tr("完整导出 {count} 户", count=content.households),
            text=tr("包括证件、电话、账户和健康。文件加密给县里，别的地方打不开。"),
            make=make,
        )
        dialog.decided.connect(self._on_decided)
        dialog.open()

    def _on_decided(self, proposal: bytes, outcome: str) -> None:
        if outcome != AGREED:
            self._say(tr("会签的人不同意，没有导出。"))
            return
        assert self._attempts is not None
        dialog = ConfirmPassword(
            self,
            self._desk,
            self._background.desk,
            self._attempts,
            title=tr("完整导出"),
            text=tr("会签的人已同意。请再输一次您自己的密码，然后选文件放在哪里。"),
            verb=tr("导出"),
        )
        dialog.confirmed.connect(partial(self._on_confirmed, bytes(proposal)))
        dialog.open()

    def _on_confirmed(self, proposal: bytes, confirmed: Confirmed, _reason: str) -> None:
        self._choose_file(tr("农户名单（交县里）.age"), "age", partial(self.write_full, proposal, confirmed))

    def write_full(self, proposal: bytes, confirmed: Confirmed, path: Path) -> None:
        """The full list goes to `path`, sealed."""
        purpose = self.purpose.text().strip()
        work = partial(exporting.full_list, self._desk, confirmed, self._wanted, proposal, purpose, path)
        self._run(work, partial(self._done, path))

    # --- running ---

    def _choose_file(self, name: str, suffix: str, then: Callable[[Path], None]) -> None:
        dialog = QFileDialog(self, tr("导出到"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(f"*.{suffix}")
        dialog.setDefaultSuffix(suffix)
        dialog.selectFile(name)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda chosen: then(Path(chosen)))
        dialog.open()

    def _run(self, work: Callable[[], Steps[Any]], then: Callable[[Any], None]) -> None:
        self.go.setEnabled(False)
        self.strip.begin(tr("正在整理"))
        self._ticket = -1

        def done(result: Any) -> None:
            self._end()
            then(result)

        ticket = self._background.desk.run(work, done, self._failed, owner=self, progress=self.strip.step)
        if self._ticket == -1:
            self._ticket = ticket

    def _end(self) -> None:
        self._ticket = 0
        self.strip.finish()
        self.go.setEnabled(True)

    def _stop(self) -> None:
        if self._ticket > 0:
            self._background.desk.cancel(self._ticket)

    def _failed(self, error: Exception) -> None:
        self._end()
        if isinstance(error, Cancelled):
            self._say(tr("已停下，什么也没有导出。"))
        else:
            self._say(sentence(error if isinstance(error, HudangError) else HudangError("bug")))

    def _say(self, words: str) -> None:
        self.purpose_box.show_error(words)
        self.adjustSize()

    def _done(self, path: Path, made: Exported) -> None:
        self.accept()
        self.exported.emit(tr("已导出 {count} 户到 {name}，记下了。", count=made.households, name=path.name))
