"""The parts of a household's file: how its fields are grouped, and the sections that are lists: members, visits, the
card."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QWidget

from app.casework import visits
from app.casework.desk import Desk
from app.casework.dossiers import Dossier
from app.ledger import card as codes
from app.models.codelists import codelist
from app.models.queries.households import AttachmentRow
from app.models.queries.households import Sheet as Record
from app.models.queries.visits import VisitRow
from app.models.records.registry import BY_NAME
from app.models.rules import identity, masking
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.parts import wording
from app.views.parts.notices import Empty
from app.views.parts.pictures import PhotoDialog, Thumb, code_picture, thumbnail
from app.views.parts.words import Chip, Elided, Flow, Heading, button, column, label, opens, row, surface

VISIT = BY_NAME["visit"]

HOUSEHOLD_GROUPS = (
    ("位置", ("village", "grid", "villager_group", "natural_village", "address_detail", "household_no")),
    (
        "类型和监测",
        ("household_type", "member_count", "monitor_category", "identified_month", "risk_1", "risk_2", "tags"),
    ),
    ("联系", ("contact_phone", "contact_status")),
    ("住房和饮水", ("house_dangerous", "water_safe", "is_relocated")),
    (
        "收入和土地",
        (
            "income_per_head",
            "income_wage",
            "income_business",
            "income_property",
            "income_transfer",
            "area_cultivated",
        ),
    ),
    ("银行账户", ("bank_name", "bank_account")),
    ("备注", ("remarks",)),
)
MEMBER_GROUPS = (
    (
        "身份",
        (
            "name",
            "relation",
            "gender",
            "birth_date",
            "cert_type",
            "cert_no",
            "ethnicity",
            "political_status",
            "phone",
            "person_no",
        ),
    ),
    ("健康和上学", ("education", "school_status", "health")),
    ("劳动和务工", ("labour_skill", "work_place", "work_months")),
    ("保障", ("medical_insurance", "illness_insurance", "pension_insurance", "dibao", "risk_removed")),
    ("备注", ("remarks",)),
)


def years_of(member: Record, today: str) -> int | None:
    """Age of a member in full years, None when neither the birth date nor the certificate tells it."""
    born, number = member["birth_date"], member["cert_no"]
    if not isinstance(born, str) and isinstance(number, str):
        kind = member["cert_type"]
        fault = identity.certificate_fault(kind if isinstance(kind, str) else None, number, demo=True, today=today)
        if fault is None and identity.bears_identity(kind if isinstance(kind, str) else None):
            born = identity.birth_date_of(number)
    if not isinstance(born, str):
        return None
    return int(today[:4]) - int(born[:4]) - (today[5:] < born[5:])


class MemberList(QWidget):
    """The members, one line each; `opened` carries the member's id."""

    opened = Signal(bytes)

    def __init__(self) -> None:
        super().__init__()
        self.add = button(tr("添加成员"), icon="person")
        self.heading = Heading(tr("家庭成员"))
        self.heading.add(self.add)
        self.lines: dict[bytes, MemberLine] = {}
        self._holder = column(gap=theme.INSIDE)
        layout = column(gap=12)
        layout.addWidget(self.heading)
        layout.addLayout(self._holder)
        layout.addStretch(1)
        self.setLayout(layout)

    def show_members(self, members: Sequence[Record], today: str) -> None:
        """Replace all lines."""
        for line in self.lines.values():
            line.hide()
            line.deleteLater()
        self.lines = {}
        for member in members:
            line = MemberLine(member, years_of(member, today))
            line.opened.connect(self.opened)
            self.lines[member.id] = line
            self._holder.addWidget(line)
        self.heading.remark.setText(tr("{count} 人", count=len(members)))

    def focus(self, member: bytes | None) -> None:
        """Put the keyboard on a member's line."""
        line = self.lines.get(member or b"")
        (line or self.add).setFocus(Qt.FocusReason.OtherFocusReason)


class MemberLine(QFrame):
    """One member; opens on click, Enter or the space bar."""

    opened = Signal(bytes)

    def __init__(self, member: Record, years: int | None) -> None:
        super().__init__()
        self.member = member
        self.setProperty("surface", "line")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        name = str(member["name"] or "")
        relation = tr(codelist("relation").label_of(str(member["relation"] or "")))
        gender = tr(codelist("gender").label_of(str(member["gender"] or "")))
        self.setAccessibleName(f"{name} {relation}")
        top = row(gap=theme.INSIDE)
        who = label(name, "strong")
        top.addWidget(who)
        top.addWidget(label(relation, "second"))
        if member.disputed:
            top.addWidget(Chip(tr("有争议 {count}", count=len(member.disputed)), "danger"))
        health = member["health"]
        for code in health if isinstance(health, tuple) else ():
            if code != "HEALTHY":
                top.addWidget(Chip(tr(codelist("health").label_of(code)), "warning"))
        top.addStretch(1)
        facts = [gender if member["gender"] else "", tr("{years} 岁", years=years) if years is not None else ""]
        if isinstance(member["cert_no"], str):
            facts.append(masking.mask_identity(member["cert_no"]))
        place = member["work_place"]
        if isinstance(place, str):
            facts.append(tr("务工 {place}", place=tr(codelist("work_place").label_of(place))))
        inner = column(gap=2)
        inner.setContentsMargins(12, 8, 12, 8)
        inner.addLayout(top)
        inner.addWidget(Elided(" · ".join(fact for fact in facts if fact), "second"))
        self.setLayout(inner)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.opened.emit(self.member.id)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.opened.emit(self.member.id)
            return
        if event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.focusNextPrevChild(event.key() == Qt.Key.Key_Down)
            return
        super().keyPressEvent(event)


class VisitList(QWidget):
    """The visits, newest first, with their photos. Photos are read when the visits are shown."""

    failed = Signal(object)

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self._desk, self._background = desk, background
        self.heading = Heading(tr("走访"))
        self._cards: list[QWidget] = []
        self._photos: dict[bytes, AttachmentRow] = {}
        self._rows: dict[bytes, Flow] = {}
        self._holder = column(gap=12)
        self.empty = Empty(tr("这里是走访记录。"), tr("还没有走访过这户。点上面的“记走访”开始。"))
        layout = column(gap=12)
        layout.addWidget(self.heading)
        layout.addWidget(self.empty)
        layout.addLayout(self._holder)
        layout.addStretch(1)
        self.setLayout(layout)

    def show_visits(self, dossier: Dossier, now_ms: int) -> None:
        """Replace all visits."""
        for card in self._cards:
            card.hide()
            card.deleteLater()
        self._cards, self._rows = [], {}
        self._photos = {photo.id: photo for photo in dossier.photos}
        self.empty.setVisible(not dossier.visits)
        self.heading.remark.setText(tr("{count} 次", count=len(dossier.visits)) if dossier.visits else "")
        for visit in dossier.visits:
            card = self._card(visit, dossier, now_ms)
            self._cards.append(card)
            self._holder.addWidget(card)
        if self.isVisible():
            self._read_photos()

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self._read_photos()

    def _card(self, visit: VisitRow, dossier: Dossier, now_ms: int) -> QWidget:
        card = surface()
        lines = column(margin=theme.BETWEEN, gap=6)
        kind = wording.shown(VISIT.field("visit_kind"), visit.values["visit_kind"])
        head = row(gap=theme.INSIDE)
        head.addWidget(label(str(visit.values["visited_on"] or ""), "strong"))
        head.addWidget(label(kind, "second"))
        head.addStretch(1)
        waits = visit.position is None
        head.addWidget(Chip(tr("待上报") if waits else tr("已上报"), "warning" if waits else "accent"))
        lines.addLayout(head)
        lines.addWidget(label(str(visit.values["summary"] or ""), "value", wrap=True, selectable=False))
        for name in ("needs", "promises", "promised_by", "respondent", "changes_found", "policy_told", "satisfaction"):
            value = visit.values[name]
            if value in (None, (), ("NONE",)):
                continue
            field = VISIT.field(name)
            line = row(gap=theme.INSIDE)
            title = label(tr(field.label), "second")
            title.setFixedWidth(96)
            line.addWidget(title, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(label(wording.shown(field, value), "value", wrap=True), 1)
            lines.addLayout(line)
        if any(photo.visit == visit.id for photo in dossier.photos):
            holder = QWidget()
            flow = Flow(gap=theme.INSIDE, line_gap=theme.INSIDE)
            holder.setLayout(flow)
            self._rows[visit.id] = flow
            lines.addWidget(holder)
        by = dossier.names.get(visit.actor or b"", "")
        lines.addWidget(label(f"{by} · {wording.moment(visit.recorded_at, now_ms)}", "note"))
        card.setLayout(lines)
        return card

    def _read_photos(self) -> None:
        shown = [photo for photo in self._photos.values() if photo.visit in self._rows]
        if shown and all(flow.count() == 0 for flow in self._rows.values()):
            self._background.desk.run(
                partial(_thumbnails, self._desk, tuple(shown)), self._show_photos, self.failed.emit, owner=self
            )

    def _show_photos(self, pictures: dict[bytes, QImage | None]) -> None:
        for key, picture in pictures.items():
            photo = self._photos.get(key)
            flow = self._rows.get(photo.visit or b"") if photo is not None else None
            if flow is not None:
                thumb = Thumb(key, picture, tr("走访照片"))
                thumb.opened.connect(self._open_photo)
                flow.addWidget(thumb)

    def _open_photo(self, key: bytes) -> None:
        photo = self._photos[key]
        self._background.desk.run(partial(_jpeg, self._desk, photo), self._show_photo, self.failed.emit, owner=self)

    def _show_photo(self, jpeg: bytes | None) -> None:
        if jpeg is not None:
            PhotoDialog(self, jpeg, tr("走访照片")).open()


class CardSection(QWidget):
    """The household's card: its code and number, binding the first one, replacing a lost one."""

    bind_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.heading = Heading(tr("户码"))
        self.picture = QLabel()
        self.number = label("", "section", selectable=True)
        self.words = label("", "second", wrap=True)
        self.stock = label("", "note", wrap=True)
        self.bind = button(tr("绑定户码"), icon="scan")
        self.bind.clicked.connect(lambda: self.bind_wanted.emit("FIRST"))
        self.replace = button(tr("换发户码"))
        menu = QMenu(self.replace)
        for code in codelist("card_reason").codes:
            if code.code != "FIRST":
                menu.addAction(tr(code.label)).triggered.connect(partial(self._replace, code.code))
        opens(self.replace, menu)
        right = column(gap=theme.INSIDE)
        right.addWidget(self.number)
        right.addWidget(self.words)
        right.addSpacing(theme.INSIDE)
        buttons = row()
        buttons.addWidget(self.bind)
        buttons.addWidget(self.replace)
        buttons.addStretch(1)
        right.addLayout(buttons)
        right.addWidget(self.stock)
        right.addStretch(1)
        card = surface()
        line = row(margin=theme.BETWEEN, gap=theme.MARGIN)
        line.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(right, 1)
        card.setLayout(line)
        layout = column(gap=12)
        layout.addWidget(self.heading)
        layout.addWidget(card)
        layout.addStretch(1)
        self.setLayout(layout)

    def show_card(self, dossier: Dossier) -> None:
        """Show the current card, or that there is none."""
        card = dossier.card
        self.picture.setVisible(card is not None)
        self.number.setVisible(card is not None)
        self.bind.setVisible(card is None and not dossier.cards)
        self.replace.setVisible(bool(dossier.cards))
        self.stock.setText(tr("本机还有 {count} 张没有用的户码。", count=dossier.cards_left))
        if card is not None:
            self.picture.setPixmap(code_picture(card.payload, 168))
            self.number.setText(codes.printed(card.card_no))
            older = len(dossier.cards) - 1
            self.words.setText(
                tr("贴在门牌上，扫一下就打开这户的档案。码里没有姓名和证件。")
                + (tr("以前换下过 {count} 张旧码。", count=older) if older else "")
            )
        elif dossier.cards:
            self.words.setText(tr("这户的户码不是本机发的，本机不能打印它。补发请点“换发户码”。"))
        else:
            self.words.setText(tr("这户还没有户码。绑定以后就能打印、贴在门牌上。"))

    def _replace(self, reason: str, _checked: bool = False) -> None:
        self.bind_wanted.emit(reason)


def _jpeg(desk: Desk, photo: AttachmentRow) -> bytes | None:
    if photo.content_key is None or photo.digest is None:
        return None
    return visits.photo(desk, photo.upload_key, photo.content_key, photo.digest)


def _thumbnails(desk: Desk, photos: Sequence[AttachmentRow]) -> dict[bytes, QImage | None]:
    found: dict[bytes, QImage | None] = {}
    for photo in photos:
        jpeg = _jpeg(desk, photo)
        found[photo.id] = None if jpeg is None else thumbnail(jpeg)
    return found


def section_mark(state: str) -> QPixmap:
    """The state of a section by shape and colour: full, hollow, a square on its corner."""
    palette = theme.active()
    picture = QPixmap(36, 36)
    picture.setDevicePixelRatio(3.0)
    picture.fill(Qt.GlobalColor.transparent)
    if not state:
        return picture
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    colour = QColor({"complete": palette.accent, "missing": palette.warning, "fault": palette.danger}[state])
    painter.setPen(QPen(colour, 1.6))
    if state != "missing":
        painter.setBrush(colour)
    if state == "fault":
        painter.drawPolygon([QPointF(6, 1), QPointF(11, 6), QPointF(6, 11), QPointF(1, 6)])
    else:
        painter.drawEllipse(QPointF(6, 6), 4, 4)
    painter.end()
    return picture
