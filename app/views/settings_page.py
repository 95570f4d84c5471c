"""设置: who works here, where everything is kept, how it looks, what the program is made of.

Nothing here changes what the log says. The look is kept in the settings file of this computer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import QSettings, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QPushButton, QWidget

from app.casework.desk import Desk
from app.casework.safekeeping import Safe
from app.models.codelists import codelist
from app.models.queries import places
from app.sync.connection import Connection
from app.text import tr
from app.vault import kept
from app.views import theme
from app.views.background import Background
from app.views.page import Destination, Page
from app.views.parts.facts import Facts, facts_card
from app.views.parts.form import Sheet
from app.views.parts.words import button, column, label, row
from app.views.safekeeping_section import SafekeepingSection

WIDTH = 760
APPEARANCE = "look/appearance"
SCALE = "look/scale"
APPEARANCES = (("system", "跟随系统"), ("light", "浅色"), ("dark", "深色"))
SCALES = (("100", "标准"), ("115", "大"), ("130", "特大"))
# Of parts that are shown to people or stand in what leaves the machine; versions follow from the locked list.
LICENCES = (
    ("户档 Hudang", "Apache License 2.0"),
    ("Noto Sans CJK、Noto Serif SC（字体）", "SIL Open Font License 1.1"),
    ("Qt、PySide6", "GNU LGPL 3"),
    ("SQLCipher", "BSD"),
    ("libsodium（PyNaCl）", "ISC、Apache License 2.0"),
    ("Typst", "Apache License 2.0"),
    ("zxing-cpp", "Apache License 2.0"),
    ("PDFium", "BSD、Apache License 2.0"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is shown of person, place and device."""

    person: str
    roles: tuple[str, ...]
    place: str
    county: str
    address: str
    device: str
    cards_left: int


def read_about(desk: Desk) -> About:
    """Read who and where from the vault."""
    with desk.vault.reading() as tx:
        connection = Connection.find(tx)
        known, people = places.areas(tx), places.staff(tx)
        roles = places.roles(tx, desk.author.staff)
        county, left = places.county_name(tx), kept.cards_left(tx)
    person = people.get(desk.author.staff)
    names = codelist("role")
    return About(
        person=person.name if person else connection.staff_name if connection else "",
        roles=tuple(tr(names.label_of(role)) for role in roles),
        place=places.place_name(known, desk.workplace) or (connection.workplace_name if connection else ""),
        county=county or (connection.county_name if connection else ""),
        address=connection.base if connection else "",
        device=(
            f"{connection.device_name} · {connection.device.hex()[:8]}" if connection else desk.vault.vault_id.hex()[:8]
        ),
        cards_left=left,
    )


class SettingsPage(Page):
    """`appearance_chosen` carries a key of `APPEARANCES`; the scale counts from the next start. `with_people`: whether
    colleagues and passwords can be gone to from here. `safe` keeps the backups; without it they are not spoken of."""

    appearance_chosen = Signal(str)
    restart_wanted = Signal()

    def __init__(
        self,
        desk: Desk,
        background: Background,
        settings: QSettings,
        *,
        version: str,
        with_people: bool = True,
        safe: Safe | None = None,
    ) -> None:
        super().__init__()
        self.title = tr("设置")
        self._desk, self._background, self._settings = desk, background, settings
        self._folder = desk.vault.folder
        self.person = Facts()
        self.people = button(tr("同事和密码"))
        self.people.clicked.connect(lambda: self.wanted.emit(Destination(key="colleagues")))
        if not with_people:
            self.people.hide()
        self.program = Facts()
        self.kept = Facts()
        self.safekeeping = SafekeepingSection(desk, background, safe) if safe is not None else None
        if self.safekeeping is not None:
            self.safekeeping.upload_wanted.connect(lambda: self.wanted.emit(Destination(key="upload")))
        self.appearance = Segments(APPEARANCES, tr("外观"))
        self.appearance.choose(str(settings.value(APPEARANCE, "system")))
        self.appearance.chosen.connect(self._on_appearance)
        self.scale = Segments(SCALES, tr("字的大小"))
        self.scale.choose(str(settings.value(SCALE, "100")))
        self.scale.chosen.connect(self._on_scale)
        self.restart = button(tr("现在重新打开"), "link")
        self.restart.clicked.connect(self.restart_wanted)
        self.later = label(tr("下次打开程序时生效。"), "note")
        self._show_later(False)
        self.open_folder = button(tr("打开文件夹"))
        self.open_folder.clicked.connect(self._open_folder)
        self.begins_at = self.appearance.buttons[str(settings.value(APPEARANCE, "system"))]
        self._version = version
        self._show_kept()
        self.set_content(Sheet(self._content()))

    def _content(self) -> QWidget:
        look = QWidget()
        grid = QGridLayout(look)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.MARGIN)
        grid.setVerticalSpacing(12)
        grid.setColumnMinimumWidth(0, Facts.NAMES)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label(tr("外观"), "second"), 0, 0)
        grid.addWidget(self.appearance, 0, 1)
        grid.addWidget(label(tr("字的大小"), "second"), 1, 0)
        sized = row(gap=12)
        sized.addWidget(self.scale)
        sized.addWidget(self.later)
        sized.addWidget(self.restart)
        sized.addStretch(1)
        grid.addLayout(sized, 1, 1)
        folder = row()
        folder.addSpacing(Facts.NAMES + theme.MARGIN)
        folder.addWidget(self.open_folder)
        folder.addStretch(1)
        licences = Facts()
        licences.show_facts([(tr(name), licence) for name, licence in LICENCES], wide=True)
        lines = column(gap=theme.BETWEEN)
        people = row()
        people.addSpacing(Facts.NAMES + theme.MARGIN)
        people.addWidget(self.people)
        people.addStretch(1)
        lines.addWidget(facts_card(tr("谁在用"), self.person, people))
        lines.addWidget(facts_card(tr("看起来怎样"), look))
        lines.addWidget(facts_card(tr("东西存在哪里"), self.kept, folder))
        if self.safekeeping is not None:
            lines.addWidget(facts_card(tr("备份与空间"), self.safekeeping))
        lines.addWidget(facts_card(tr("程序"), self.program))
        lines.addWidget(facts_card(tr("字体和许可"), licences))
        lines.addStretch(1)
        narrow = QWidget()
        narrow.setMaximumWidth(WIDTH)
        narrow.setLayout(lines)
        around = row()
        around.addWidget(narrow, 3)
        around.addStretch(1)
        content = QWidget()
        content.setLayout(around)
        return content

    def arrive(self, destination: Destination) -> None:
        self._background.desk.run(partial(read_about, self._desk), self._show, self.say_error, owner=self)
        if self.safekeeping is not None:
            self.safekeeping.reread()

    def reread(self, touched: object) -> None:
        self.arrive(Destination(key="settings"))

    def _show(self, about: About) -> None:
        self.person.show_facts(
            [
                (tr("姓名"), about.person),
                (tr("职责"), tr("、").join(about.roles) or tr("由县里授予")),
                (tr("工作处"), about.place),
                (tr("县"), about.county),
                (tr("户码"), tr("还剩 {count} 张没有用", count=about.cards_left)),
            ]
        )
        self.program.show_facts(
            [
                (tr("版本"), self._version),
                (tr("本机"), about.device),
                (tr("县里的地址"), about.address or tr("还没有登记")),
                (tr("数据"), tr("演示数据，都是编的") if self._desk.demo else tr("真实数据，内部资料，注意保密")),
            ]
        )

    def _show_kept(self) -> None:
        self.kept.show_facts(
            [
                (tr("农户资料"), tr("在这台电脑上，加密存放。只有输入密码才能打开；电脑丢了，别人也看不到。")),
                (tr("照片"), tr("同样加密，和资料在一起；上报以后县里也有。")),
                (tr("做过的事"), tr("每保存一次就写进记录，签您的名，改不了也删不掉；断电不会丢。")),
                (tr("县里"), tr("您按“立即上报”以后，县里才有。回执证明县里收到了什么。")),
                (tr("存出去的文件"), tr("PDF 和表格没有加密，用完请删掉。")),
                (tr("位置"), str(self._folder)),
            ]
        )

    def _on_appearance(self, key: str) -> None:
        self._settings.setValue(APPEARANCE, key)
        self.appearance_chosen.emit(key)

    def _on_scale(self, key: str) -> None:
        self._settings.setValue(SCALE, key)
        self._show_later(True)

    def _show_later(self, shown: bool) -> None:
        self.later.setVisible(shown)
        self.restart.setVisible(shown)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(Path(self._folder))))


class Segments(QWidget):
    """One of a few, all seen at once."""

    chosen = Signal(str)

    def __init__(self, choices: Sequence[tuple[str, str]], name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self._group = QButtonGroup(self)
        self.buttons: dict[str, QPushButton] = {}
        line = row(gap=0)
        for place, (key, words) in enumerate(choices):
            each = button(tr(words))
            each.setCheckable(True)
            each.setMinimumWidth(76)
            part = "first" if place == 0 else "last" if place == len(choices) - 1 else "middle"
            each.setProperty("segment", part)
            each.clicked.connect(partial(self.chosen.emit, key))
            self._group.addButton(each)
            self.buttons[key] = each
            line.addWidget(each)
        line.addStretch(1)
        self.setLayout(line)

    def choose(self, key: str) -> None:
        """Show what is chosen; an unknown key is the first."""
        (self.buttons.get(key) or next(iter(self.buttons.values()))).setChecked(True)
