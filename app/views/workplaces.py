"""换一个工作处: the workplaces of this computer on one card, and what to do when a password is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QPushButton

from app.errors import HudangError
from app.messages import sentence
from app.text import tr
from app.views import theme
from app.views.parts.threshold import CARD, Threshold
from app.views.parts.words import button, label, row


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


class ForgottenCard(Threshold):
    """忘记密码: nobody keeps it; the county can open the vault with its recovery key."""

    back = Signal()

    def __init__(self) -> None:
        super().__init__()
        heading = label(tr("忘记密码"), "title")
        heading.setMinimumHeight(32)
        self.content.addWidget(heading)
        for words in (
            tr("密码只有您自己知道，程序和县里都没有存。多试几次不会锁死，也不会丢数据，只是要等。"),
            tr("实在想不起来，请带这台电脑找县里：县里用恢复钥匙能打开这个工作处，没有上报的也在。"),
            tr("请不要删除或重装，也不要用新的登记码重新开始：那样会丢掉还没有上报的内容。"),
        ):
            text = label(words, "value", wrap=True)
            # The card is as high as its texts are at its width; a layout alone would guess one line each.
            text.setMinimumHeight(text.heightForWidth(CARD - 64))
            self.content.addWidget(text)
        self.done = button(tr("返回"), "accent")
        self.done.clicked.connect(self.back)
        foot = row()
        foot.addStretch(1)
        foot.addWidget(self.done)
        self.content.addSpacing(theme.INSIDE)
        self.content.addLayout(foot)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.done.setFocus()
