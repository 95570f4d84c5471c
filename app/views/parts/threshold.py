"""The ground before the door: one centred card under the program's name, for unlocking and first use."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.text import tr
from app.views import theme
from app.views.parts.form import Sheet
from app.views.parts.words import column, label, row, surface

CARD = 440


class Threshold(QWidget):
    """A page outside the window's rail. Children put their content into `content`."""

    def __init__(self, *, demo: bool = False, width: int = CARD) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setWindowTitle(tr("户档"))
        self.setMinimumSize(880, 480)
        self.resize(1366, 768)
        self.brand = label(tr("户档"))
        self.brand.setObjectName("brand")
        self.demo = label(tr("演示数据"))
        self.demo.setObjectName("demo")
        if not demo:
            self.demo.hide()
        self.card: QFrame = surface("card")
        self.card.setFixedWidth(width)
        self.content = QVBoxLayout(self.card)
        self.content.setContentsMargins(32, 28, 32, 24)
        self.content.setSpacing(theme.BETWEEN)
        head = row()
        head.addWidget(self.brand)
        head.addStretch(1)
        head.addWidget(self.demo)
        headed = QWidget()
        headed.setFixedWidth(width)
        headed.setLayout(head)
        # In rows, not aligned: an aligned card would get the height of its first guess.
        middle = column(gap=12)
        middle.addStretch(2)
        for part in (headed, self.card):
            centred = row(gap=0)
            centred.addStretch(1)
            centred.addWidget(part)
            centred.addStretch(1)
            middle.addLayout(centred)
        middle.addStretch(3)
        holder = QWidget()
        holder.setLayout(middle)
        whole = column()
        whole.addWidget(Sheet(holder))
        self.setLayout(whole)
