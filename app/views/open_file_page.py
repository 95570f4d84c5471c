"""建档: a household's file is opened with its head; the other members are added in the file.

The ids are made when the form is opened, so that pressing 建档 twice opens one file. From an identity number the
gender and the birth date are filled in where they are empty. What was begun is kept when the page goes, also by
locking, and stands here again.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.casework import drafts, files
from app.casework.desk import Desk, Written, write
from app.casework.drafts import FormDraft
from app.casework.files import NewFile
from app.errors import InputProblem
from app.models.fields import Value
from app.models.queries import places
from app.models.queries.places import Area
from app.models.records.registry import BY_NAME
from app.models.rules import identity
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.page import Destination, Page
from app.views.parts.editors import ChoiceEditor
from app.views.parts.form import Sheet
from app.views.parts.sheet_view import GroupedForm
from app.views.parts.words import Heading, button, column, label, row, surface

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
OF_HOUSEHOLD = ("village", "grid", "villager_group", "natural_village", "address_detail", "household_type")
ALSO_OF_HOUSEHOLD = ("contact_phone",)
FORM = "open_file"
OF_HEAD = ("name", "gender", "cert_type", "cert_no", "birth_date", "ethnicity", "health")


class OpenFilePage(Page):
    """A new file."""

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self.title = tr("建档")
        self._desk, self._background = desk, background
        self._new: tuple[bytes, bytes] | None = None
        self._begun = False  # what stands here came from a draft
        self._changed = False  # since it was kept
        self._built = False

    def _build(self) -> None:
        """Make the form when it is first asked for: most days nobody opens a file."""
        self._built = True
        names = (*OF_HOUSEHOLD, *ALSO_OF_HOUSEHOLD)
        self.household = GroupedForm(
            [(tr("这一户"), [HOUSEHOLD.field(name) for name in names])], links={}, today=self._desk.today()
        )
        self.head = GroupedForm([(tr("户主"), [MEMBER.field(name) for name in OF_HEAD])], today=self._desk.today())
        self.head.form_of("cert_no").editors["cert_no"].left.connect(self._fill_from_number)
        self.submit = button(tr("建档"), "accent", tip="Ctrl+S")
        self.submit.setMinimumWidth(112)
        self.submit.clicked.connect(self.save)
        self.accent = self.submit
        body = QWidget()
        lines = column(gap=theme.BETWEEN)
        lines.addWidget(Heading(tr("建档"), tr("先建这一户和户主，别的成员建好以后再添加"), role="title"))
        lines.addWidget(self.household)
        lines.addWidget(self.head)
        lines.addStretch(1)
        body.setLayout(lines)
        foot = surface("foot")
        line = row()
        line.setContentsMargins(theme.MARGIN, theme.INSIDE, theme.MARGIN, theme.INSIDE)
        self.told_draft = label(tr("接着上次没建完的填。"), "ok-note")
        self.told_draft.hide()
        self.clear = button(tr("清空重填"), "quiet")
        self.clear.clicked.connect(self._clear)
        self.clear.hide()
        for form in (self.household, self.head):
            form.changed.connect(self._on_changed)
        line.addWidget(label(tr("建好后存在本机，下次上报时送到县里。"), "note"))
        line.addWidget(self.told_draft)
        line.addStretch(1)
        line.addWidget(self.clear)
        line.addWidget(self.submit)
        foot.setLayout(line)
        content = QWidget()
        whole = QVBoxLayout(content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(Sheet(body), 1)
        whole.addWidget(foot)
        self.set_content(content)
        self.begins_at = self.household.form_of("villager_group").editors["villager_group"]

    def arrive(self, destination: Destination) -> None:
        if not self._built:
            self._build()
        if self._touched():
            return
        self._new = (self._desk.new_id(), self._desk.new_id())
        self._background.desk.run(partial(_prepare, self._desk), self._show, self.say_error, owner=self)

    def hideEvent(self, event: QHideEvent) -> None:
        """Whatever the reason for leaving, what was written is kept."""
        super().hideEvent(event)
        if self._new is not None and self._changed:
            self._changed = False
            values = {HOUSEHOLD.number: _readable(self.household), MEMBER.number: _readable(self.head)}
            draft = FormDraft(id=self._new[0], root=self._desk.author.staff, ids=self._new, values=values)
            self._background.desk.run(partial(drafts.keep, self._desk, FORM, draft), owner=self)

    def _on_changed(self, _name: str) -> None:
        self._changed = True

    def _touched(self) -> bool:
        return self._new is not None and (self._begun or self.household.touched() or self.head.touched())

    def _clear(self) -> None:
        """清空: begin with an empty form, and forget what was kept."""
        if self._new is not None:
            self._background.desk.run(partial(drafts.drop, self._desk, self._new[0]), owner=self)
        self._new, self._begun, self._changed = None, False, False
        self.household.show_values({})
        self.head.show_values({})
        self.arrive(Destination(key="open_file"))

    def save(self) -> None:
        """建档: check both forms, then open the file."""
        if self._new is None or not self.submit.isEnabled():
            return
        demo, today = self._desk.demo, self._desk.today()
        wrong = self.household.problems(HOUSEHOLD, {}, demo=demo, today=today)
        fine = self.household.check(wrong)
        wrong = self.head.problems(MEMBER, self._of_head(), demo=demo, today=today)
        if not (fine and self.head.check(wrong)):
            return
        household, head = self._new
        new = NewFile(
            household=household,
            head=head,
            household_values=self.household.values(),
            head_values=self.head.values(),
        )
        self.submit.setEnabled(False)
        self._background.desk.run(
            partial(write, self._desk, partial(files.open_file, self._desk, new)),
            partial(self._on_written, household),
            self._on_refused,
            owner=self,
        )

    def _of_head(self) -> dict[str, Value]:
        return {"household": self._new[0] if self._new else None, "relation": files.HEAD}

    def _show(self, prepared: tuple[dict[bytes, Area], FormDraft | None]) -> None:
        areas, draft = prepared
        villages = [(area.id, area.name) for area in areas.values() if area.level == "VILLAGE"]
        grids = [(area.id, places.place_name(areas, area.id)) for area in areas.values() if area.level == "GRID"]
        for name, choices in (("village", villages), ("grid", grids)):
            editor = self.household.form_of(name).editors[name]
            assert isinstance(editor, ChoiceEditor)
            editor.offer(choices)
        mine = {area.level: area.id for area in places.path(areas, self._desk.workplace)}
        village = mine.get("VILLAGE") or (villages[0][0] if len(villages) == 1 else None)
        self.household.show_values({"village": village, "grid": mine.get("GRID"), "household_type": "ORDINARY"})
        self.head.show_values({"cert_type": "111"})
        if draft is not None and len(draft.ids) == 2:
            self._new, self._begun = (draft.ids[0], draft.ids[1]), True
            self.household.show_values(draft.values.get(HOUSEHOLD.number, {}))
            self.head.show_values(draft.values.get(MEMBER.number, {}))
        self.told_draft.setVisible(self._begun)
        self.clear.setVisible(self._begun)

    def _fill_from_number(self) -> None:
        editors = self.head.forms[0].editors
        try:
            number, kind = editors["cert_no"].value(), editors["cert_type"].value()
        except InputProblem:
            return
        kind = kind if isinstance(kind, str) else None
        if not isinstance(number, str) or not identity.bears_identity(kind):
            return
        if identity.certificate_fault(kind, number, demo=self._desk.demo, today=self._desk.today()):
            return
        for name, value in (("gender", identity.gender_of(number)), ("birth_date", identity.birth_date_of(number))):
            try:
                empty = editors[name].value() is None
            except InputProblem:
                continue
            if empty:
                editors[name].show_value(value)

    def _on_written(self, household: bytes, _written: Written) -> None:
        self.submit.setEnabled(True)
        self._background.desk.run(partial(drafts.drop, self._desk, household), owner=self)
        self._new, self._begun, self._changed = None, False, False
        self.household.show_values({})
        self.head.show_values({})
        self.say_saved()
        self.wanted.emit(Destination(key="dossier", id=household, rest=(b"members",)))

    def _on_refused(self, error: Exception) -> None:
        self.submit.setEnabled(True)
        self.say_error(error)
        self.submit.setFocus(Qt.FocusReason.OtherFocusReason)


def _prepare(desk: Desk) -> tuple[dict[bytes, Area], FormDraft | None]:
    """The places to choose from, and what was begun and not finished."""
    with desk.vault.reading() as tx:
        areas = places.areas(tx)
    return areas, drafts.find(desk, FORM, desk.author.staff)


def _readable(form: GroupedForm) -> dict[str, Value]:
    """What stands in the editors that can be read."""
    found: dict[str, Value] = {}
    for part in form.forms:
        for name, editor in part.editors.items():
            with suppress(InputProblem):
                found[name] = editor.value()
    return found
