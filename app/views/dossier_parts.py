"""The parts of a household's file: how its fields are grouped, and the sections that are lists: members, visits, the
card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QFrame, QLabel, QMenu, QWidget

from app.casework import visits
from app.casework.desk import Desk
from app.casework.dossiers import Dossier
from app.casework.revealing import Seen
from app.ledger import card as codes
from app.models.codelists import codelist
from app.models.queries.households import AttachmentRow
from app.models.queries.households import Sheet as Record
from app.models.queries.visits import VisitRow
from app.models.records.registry import BY_NAME
from app.models.rules import masking
from app.models.rules.masking import Surface, Whose
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.parts import masked, wording
from app.views.parts.masked import Masked
from app.views.parts.notices import Empty
from app.views.parts.pictures import PhotoDialog, Thumb, blurred, code_picture, thumbnail
from app.views.parts.words import Chip, Elided, Flow, Heading, button, column, label, opens, row, surface
from app.views.reveal_dialog import Hidden

VISIT, MEMBER, ATTACHMENT = BY_NAME["visit"], BY_NAME["member"], BY_NAME["attachment"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What may be seen of a member at once: the name or what is left of it, whether it is a child under 14, of whom
    nothing else is shown, and facts in words."""

    name: str
    named: bool
    child: bool
    relation: str = ""
    gender: str = ""
    years: int | None = None
    number: str = ""
    work: str = ""
    health: tuple[str, ...] = ()


def portrait(member: Record, seen: Seen, today: str) -> Portrait:
    """What may be seen of a member without a reason."""

    def word(name: str) -> str:
        shown = seen.show(MEMBER, member.id, name, member[name], Surface.SCREEN)
        return "" if shown.hidden else masked.words(MEMBER.field(name), shown)

    name = seen.show(MEMBER, member.id, "name", member["name"], Surface.SCREEN)
    said = name.text if name.hidden else str(member["name"] or "")
    if seen.whose(MEMBER, member.id) is Whose.CHILD:
        return Portrait(name=said, named=False, child=True)
    born = masking.birth_of(member.values)
    dated = born is not None and not seen.show(MEMBER, member.id, "birth_date", born, Surface.SCREEN).hidden
    number = seen.show(MEMBER, member.id, "cert_no", member["cert_no"], Surface.SCREEN)
    health = seen.show(MEMBER, member.id, "health", member["health"], Surface.SCREEN)
    codes_said = health.value if isinstance(health.value, tuple) and not health.hidden else ()
    return Portrait(
        name=said,
        named=not name.hidden,
        child=False,
        relation=word("relation"),
        gender=word("gender"),
        years=years_between(born, today) if dated and born is not None else None,
        number=number.text if number.hidden else str(number.value or ""),
        work=word("work_place"),
        health=tuple(tr(codelist("health").label_of(code)) for code in codes_said if code != "HEALTHY"),
    )


def years_between(born: str, today: str) -> int:
    """Full years from one day to another, both YYYY-MM-DD."""
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

    def show_members(self, members: Sequence[Record], seen: Seen, today: str) -> None:
        """Replace all lines."""
        for line in self.lines.values():
            line.hide()
            line.deleteLater()
        self.lines = {}
        for member in members:
            line = MemberLine(member, portrait(member, seen, today))
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

    def __init__(self, member: Record, seen: Portrait) -> None:
        super().__init__()
        self.member = member
        self.setProperty("surface", "line")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(f"{seen.name} {seen.relation}".strip())
        top = row(gap=theme.INSIDE)
        top.addWidget(label(seen.name, "strong"))
        top.addWidget(label(tr("未满 14 岁") if seen.child else seen.relation, "second"))
        if member.disputed:
            top.addWidget(Chip(tr("有争议 {count}", count=len(member.disputed)), "danger"))
        for health in seen.health:
            top.addWidget(Chip(health, "warning"))
        top.addStretch(1)
        facts = [
            seen.gender,
            tr("{years} 岁", years=seen.years) if seen.years is not None else "",
            seen.number,
            tr("务工 {place}", place=seen.work) if seen.work else "",
        ]
        if seen.child:
            facts = [tr("资料按规定遮住，打开以后可以按理由显示")]
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
    reveal_wanted = Signal(object, object)  # Hidden, the widget that was pressed
    hide_wanted = Signal()

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self._desk, self._background = desk, background
        self._masked: dict[bytes, list[Masked]] = {}
        self._seen: Seen | None = None
        self._household = b""
        self._lifted: bytes | None = None
        self._open: PhotoDialog | None = None
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
        self._masked, self._seen, self._household = {}, dossier.seen, dossier.row.id
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
        for each in self._masked.get(self._lifted or b"", ()):
            each.lift(True)  # drawn anew while it is shown
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
        lines.addWidget(self._value(visit, "summary", dossier.seen))
        for name in ("needs", "promises", "promised_by", "respondent", "changes_found", "policy_told", "satisfaction"):
            value = visit.values[name]
            if value in (None, (), ("NONE",)):
                continue
            field = VISIT.field(name)
            line = row(gap=theme.INSIDE)
            title = label(tr(field.label), "second")
            title.setFixedWidth(96)
            line.addWidget(title, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(self._value(visit, name, dossier.seen), 1)
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

    def _value(self, visit: VisitRow, name: str, seen: Seen) -> QWidget:
        shown = seen.show(VISIT, visit.id, name, visit.values[name], Surface.SCREEN)
        if not shown.hidden:
            return label(masked.words(VISIT.field(name), shown), "value", wrap=True)
        result = Masked(VISIT.field(name), shown, wrap=True)
        result.asked.connect(partial(self._ask, visit.id, result.eye))
        result.lowered.connect(self.hide_wanted)
        self._masked.setdefault(visit.id, []).append(result)
        return result

    def _ask(self, visit: bytes, at: QWidget) -> None:
        names = tuple(each.field.name for each in self._masked[visit] if each.shown.revealable)
        self.reveal_wanted.emit(Hidden(household=self._household, kind=VISIT, object=visit, fields=names), at)

    def show_hidden(self, object_id: bytes | None) -> None:
        """Show what is hidden of one visit, or one photo; None hides all again."""
        if object_id == self._lifted:
            return
        self._lifted = object_id
        for visit, hidden in self._masked.items():
            for each in hidden:
                each.lift(visit == object_id)
        if object_id in self._photos:
            photo = self._photos[object_id or b""]
            self._background.desk.run(partial(_jpeg, self._desk, photo), self._show_photo, self.failed.emit, owner=self)
        elif self._open is not None:
            self._open.close()
            self._open = None

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
                # Photos show people (GB/T 45574-2025): blurred until somebody with a reason opens one.
                thumb = Thumb(key, None if picture is None else blurred(picture), tr("走访照片，打开要选理由"))
                thumb.opened.connect(partial(self._ask_photo, thumb))
                flow.addWidget(thumb)

    def _ask_photo(self, thumb: Thumb, key: bytes) -> None:
        photo = self._photos[key]
        if photo.content_key is not None:
            wanted = Hidden(household=self._household, kind=ATTACHMENT, object=photo.id, fields=("content_key",))
            self.reveal_wanted.emit(wanted, thumb)

    def _show_photo(self, jpeg: bytes | None) -> None:
        if jpeg is not None and self._lifted is not None:
            self._open = PhotoDialog(self, jpeg, tr("走访照片"))
            self._open.finished.connect(lambda _result: self.hide_wanted.emit())
            self._open.open()


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

    def show_card(self, dossier: Dossier, *, may_bind: bool) -> None:
        """Show the current card, or that there is none."""
        card = dossier.card
        self.picture.setVisible(card is not None)
        self.number.setVisible(card is not None)
        self.bind.setVisible(card is None and not dossier.cards and may_bind)
        self.replace.setVisible(bool(dossier.cards) and may_bind)
        stock = tr("本机还有 {count} 张没有用的户码。", count=dossier.cards_left)
        self.stock.setText(stock if may_bind else tr("您的角色不能发户码。"))
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
