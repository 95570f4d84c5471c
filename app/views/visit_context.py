"""What matters now, beside the form of a visit: what was said last time and promised, who is at home. Read only."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.casework.desk import Desk
from app.casework.dossiers import Glance
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.dossier_parts import portrait
from app.views.parts import standing
from app.views.parts.form import Sheet
from app.views.parts.masked import Masked
from app.views.parts.words import Chip, Elided, Flow, button, column, label, row, rule
from app.views.reveal_dialog import Hidden, Revealer

HOUSEHOLD, VISIT = BY_NAME["household"], BY_NAME["visit"]
WIDTH = 296


class VisitContext(QFrame):
    """One household, at the left of its visit; `file` opens its file."""

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self.revealer = Revealer(self, desk, background)
        self.revealer.changed.connect(self._show_hidden)
        self._household = b""
        self.phone: Masked | None = None
        self.setProperty("surface", "left")
        self.setFixedWidth(WIDTH)
        self._lines = column(gap=theme.INSIDE)
        inner = QWidget()
        inner.setLayout(self._lines)
        self.file = button(tr("打开档案"), "link")
        self.name = Elided("", "title")
        top = row(gap=theme.INSIDE)
        top.setContentsMargins(theme.BETWEEN, 12, theme.INSIDE, 0)
        top.addWidget(self.name, 1)
        top.addWidget(self.file)
        around = column(gap=0)
        around.addLayout(top)
        sheet = Sheet(inner, margin=theme.BETWEEN)
        sheet.top_margin(theme.NEAR)
        around.addWidget(sheet, 1)
        self.setLayout(around)

    def show_household(self, glance: Glance, today: str) -> None:
        """Replace what is shown."""
        self.revealer.hide()
        self._household, self.phone = glance.row.id, None
        _empty(self._lines)
        add = self._lines.addWidget
        household = glance.row
        name = household.head_name or tr("没有户主")
        self.name.setText(name)
        add(label(standing.place(household), "second", wrap=True))
        chips = QWidget()
        flow = Flow(gap=6)
        chips.setLayout(flow)
        for words, tone in standing.chips(household):
            flow.addWidget(Chip(words, tone))
        if flow.count():
            add(chips)
        add(rule())
        add(label(tr("上次走访"), "note"))
        last = glance.last_visit
        if last is None:
            add(label(tr("还没走访过"), "value"))
        else:
            day = str(last.values["visited_on"] or "")
            by = glance.people.get(last.actor or b"", "")
            add(label(tr("{day}（{ago}）{who}", day=day, ago=standing.ago(day, today), who=by), "value", wrap=True))
            told = partial(glance.seen.words, VISIT, last.id, surface=Surface.SCREEN)
            add(label(told(name="summary", value=last.values["summary"]), "second", wrap=True))
            for field in ("needs", "promises"):
                if last.values[field]:
                    add(label(tr(VISIT.field(field).label), "note"))
                    add(label(told(name=field, value=last.values[field]), "value", wrap=True))
        if household.promised_by:
            add(label(tr("答应 {day} 再来", day=household.promised_by), "strong", wrap=True))
        add(rule())
        add(label(tr("家里的人"), "note"))
        for member in glance.members:
            seen = portrait(member, glance.seen, today)
            facts = [tr("未满 14 岁") if seen.child else seen.relation]
            if seen.years is not None:
                facts.append(tr("{years} 岁", years=seen.years))
            if seen.work:
                facts.append(tr("务工 {place}", place=seen.work))
            facts += seen.health
            line = row(gap=theme.INSIDE)
            who = label(seen.name, "value")
            line.addWidget(who, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(label(tr("、").join(facts), "second", wrap=True), 1)
            person = QWidget()
            person.setLayout(line)
            add(person)
        if household.contact_phone:
            add(rule())
            add(label(tr("户联系电话"), "note"))
            number = household.contact_phone
            shown = glance.seen.show(HOUSEHOLD, household.id, "contact_phone", number, Surface.SCREEN)
            self.phone = phone = Masked(HOUSEHOLD.field("contact_phone"), shown)
            wanted = Hidden(household=household.id, kind=HOUSEHOLD, object=household.id, fields=("contact_phone",))
            phone.asked.connect(partial(self.revealer.ask, wanted, phone.eye))
            phone.lowered.connect(self.revealer.hide)
            add(phone)
            QWidget.setTabOrder(self.file, phone.eye)
        self._lines.addStretch(1)

    def _show_hidden(self) -> None:
        if self.phone is not None:
            self.phone.lift(self.revealer.shows(self._household))


def _empty(lines: QVBoxLayout) -> None:
    while (item := lines.takeAt(0)) is not None:
        old = item.widget()
        if old is not None:
            old.hide()
            old.deleteLater()
