"""换一个工作处: the workplaces of this computer on one card."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QPushButton

from app.errors import HudangError
from app.messages import sentence
from app.text import tr
from app.views.parts.threshold import Threshold
from app.views.parts.words import button, label


class WorkplacesCard(Threshold):
    """`chosen` carries the key of a workplace, `first_use` asks for another one."""

    chosen = Signal(str)
    first_use = Signal()

    def __init__(self, workplaces: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        self.content.addWidget(label(tr("在哪里工作？"), "title"))
        for key, name in workplaces:
            choice = button(name)
            choice.setMinimumHeight(40)
            choice.clicked.connect(lambda _checked=False, key=key: self.chosen.emit(key))
            self.buttons[key] = choice
            self.content.addWidget(choice)
        self.add = button(tr("首次使用：用登记码添加一个"), "quiet")
        self.add.clicked.connect(self.first_use)
        self.trouble = label("", "error", wrap=True)
        self.trouble.hide()
        self.content.addWidget(self.trouble)
        self.content.addWidget(self.add)

    def say(self, error: HudangError) -> None:
        """A workplace could not be opened."""
        self.trouble.setText(sentence(error))
        self.trouble.show()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        next(iter(self.buttons.values()), self.add).setFocus()
