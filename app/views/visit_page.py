"""走访: at the left what matters now, at the right the form in the order people talk, at the foot what is there.

The draft is the state of the form. It is kept 5 seconds after the last key and on leaving, only when something
changed; it survives a crash and is found again on 今日 and here. Saving twice saves once: the draft has the id of
the visit. Photos are decoded and made small on the lane and lie encrypted in the vault before they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QHideEvent, QImage, QResizeEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.casework import cards, dossiers, scanning, visits
from app.casework.desk import Desk, Written, write
from app.casework.dossiers import Glance
from app.casework.scanning import Standing, Verdict
from app.casework.visits import MOST_PHOTOS, PhotoDraft, VisitDraft
from app.errors import HudangError, InputProblem
from app.messages import sentence
from app.models.codelists import codelist
from app.models.fields import Value
from app.models.records.registry import BY_NAME
from app.models.rules import forms
from app.models.rules.rights import Action
from app.text import tr
from app.views import theme
from app.views.background import Background
from app.views.dossier_parts import portrait
from app.views.page import Destination, Page
from app.views.parts import standing, wording
from app.views.parts.form import Sheet
from app.views.parts.notices import ProgressStrip, Question
from app.views.parts.photo_strip import PhotoStrip
from app.views.parts.pictures import PhotoDialog, thumbnail
from app.views.parts.sheet_view import GroupedForm, group_fields
from app.views.parts.words import Chip, Elided, Flow, button, column, label, row, surface
from app.views.visit_context import VisitContext

HOUSEHOLD, VISIT = BY_NAME["household"], BY_NAME["visit"]
KEEP_AFTER = 5000  # milliseconds without a key until the draft is kept
CONTEXT_FROM = 1000  # width of the page from which what matters now stands at the side

GROUPS = (
    ("到户", ("visited_on", "visit_kind", "place_kind", "presence_proof")),
    ("受访人", ("respondent", "respondent_relation")),
    ("", ("changes_found",)),
    ("", ("summary",)),
    ("诉求和承诺", ("needs", "promises", "promised_by")),
    ("宣讲和满意度", ("policy_told", "satisfaction")),
)
# A change that was found -> the section of the file where it is entered.
WHERE_TO_CHANGE = {
    "PEOPLE": "members",
    "JOB": "members",
    "SCHOOL": "members",
    "ILLNESS": "members",
    "DISABILITY": "members",
    "INCOME": "household",
    "HOUSE": "household",
    "WATER": "household",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What the page shows first: the household, the draft to go on with, its photos small."""

    glance: Glance
    draft: VisitDraft
    resumed: bool
    pictures: Mapping[bytes, QImage]


class VisitPage(Page):
    """Recording one visit."""

    def __init__(self, desk: Desk, background: Background) -> None:
        super().__init__()
        self.title = tr("走访")
        self._desk, self._background = desk, background
        self.household: bytes | None = None
        self.draft: VisitDraft | None = None
        self._changed = False
        self._keeping = False
        self._may_write = True
        self._pictures: dict[bytes, QImage] = {}
        self._tickets: list[int] = []
        self._built = False

    def _build(self) -> None:
        """Make the form when it is first asked for, so that the window stands sooner."""
        self._built = True
        groups = group_fields(VISIT, GROUPS, without=("household", "started_at", "ended_at"))
        self.form = GroupedForm(groups, today=self._desk.today())
        self.form.changed.connect(self._on_changed)
        self.changes = QWidget()
        self._change_lines = Flow(gap=theme.INSIDE)
        self.changes.setLayout(self._change_lines)
        self.changes.hide()
        self.form.add_below("changes_found", self.changes)
        self.people = QWidget()
        self._people_line = Flow(gap=theme.INSIDE, line_gap=theme.INSIDE)
        self.people.setLayout(self._people_line)
        self.form.add_below("respondent", self.people)
        self.photos = PhotoStrip()
        self.photos.files_chosen.connect(self.take_photos)
        self.photos.opened.connect(self._open_photo)
        self.photos.removed.connect(self._remove_photo)
        self.waiting = ProgressStrip()
        self.waiting.cancelled.connect(self._stop_waiting)
        self.context = VisitContext(self._desk, self._background)
        self.context.revealer.failed.connect(self.say_error)
        self.context.file.clicked.connect(lambda: self._go("dossier"))
        right = QWidget()
        lines = column(gap=theme.BETWEEN)
        self.head = Elided("", "title")
        self.head_chips = Flow(gap=6)
        chips = QWidget()
        chips.setLayout(self.head_chips)
        self.head_line = surface("band")
        head = row(gap=12)
        head.setContentsMargins(theme.BETWEEN, theme.INSIDE, theme.BETWEEN, theme.INSIDE)
        head.addWidget(self.head, 1)
        head.addWidget(chips, 0, Qt.AlignmentFlag.AlignVCenter)
        self.head_line.setLayout(head)
        lines.addWidget(self.form)
        lines.addWidget(self.photos)
        right.setLayout(lines)
        content = QWidget()
        whole = QVBoxLayout(content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        body = row(gap=0)
        body.addWidget(self.context)
        body.addWidget(Sheet(right, margin=theme.BETWEEN), 1)
        whole.addWidget(self.head_line)
        whole.addLayout(body, 1)
        whole.addWidget(self._foot())
        self.set_content(content)
        self.begins_at = self.form.form_of("visited_on").editors["visited_on"]
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(KEEP_AFTER)
        self._rest.timeout.connect(self.keep)
        self._arrange()

    def _foot(self) -> QWidget:
        foot = surface("foot")
        self.ticks: dict[str, Chip] = {}
        line = row(gap=theme.INSIDE)
        line.setContentsMargins(theme.MARGIN, theme.INSIDE, theme.MARGIN, theme.INSIDE)
        for name in ("place_kind", "summary", "photos"):
            chip = Chip("")
            self.ticks[name] = chip
            line.addWidget(chip)
        self.state = label("", "note")
        line.addWidget(self.state)
        line.addWidget(self.waiting, 1)
        line.addStretch(1)
        self.discard = button(tr("扔掉草稿"), "quiet")
        self.discard.clicked.connect(self._ask_to_discard)
        self.submit = button(tr("提交"), "accent", tip="Ctrl+S")
        self.submit.setMinimumWidth(112)
        self.submit.clicked.connect(self.save)
        self.accent = self.submit
        line.addWidget(self.discard)
        line.addWidget(self.submit)
        foot.setLayout(line)
        return foot

    # --- arriving and leaving ---

    def arrive(self, destination: Destination) -> None:
        if destination.id is None:
            return
        if not self._built:
            self._build()
        if destination.id == self.household and self.draft is not None:
            return
        self.household, self.draft = destination.id, None
        self._background.desk.run(partial(prepare, self._desk, destination.id), self._show, self.say_error, owner=self)

    def hideEvent(self, event: QHideEvent) -> None:
        """Whatever the reason for leaving, what was written is kept."""
        super().hideEvent(event)
        self.keep()

    def may_leave(self) -> str:
        if not self._changed:
            return ""
        for form in self.form.forms:
            for field in form.fields:
                try:
                    form.editors[field.name].value()
                except InputProblem:
                    return tr("“{field}”写得不对，草稿里记不下这一格。", field=tr(field.label))
        return ""

    def take_scan(self, text: str) -> bool:
        """The card at the door of the household that is being visited is the proof of having been there."""
        if self.draft is None:
            return False
        self._background.desk.run(partial(cards.judge, self._desk, text), self._on_scan, self.say_error, owner=self)
        return True

    def _on_scan(self, found: Verdict) -> None:
        title, advice = scanning.words(found)
        if found.household is None or found.standing is not Standing.CURRENT:
            self.notice.say(tr("{title}。{advice}", title=title, advice=advice), "warning")
        elif found.household != self.household:
            self.notice.say(
                tr("这是另一户的户码，没有记到这次走访里。"),
                "warning",
                action=tr("打开那一户"),
                do=partial(self.wanted.emit, Destination(key="dossier", id=found.household)),
            )
        else:
            self._add_proof("QR_SCAN")
            self.notice.say(tr("户码对上了，到户证明里记了“扫户码”。"), "accent")

    def _add_proof(self, code: str) -> None:
        editor = self.form.form_of("presence_proof").editors["presence_proof"]
        known = editor.value()
        proofs = tuple(proof for proof in (known if isinstance(known, tuple) else ()) if proof != "NONE")
        if code not in proofs:
            editor.show_value((*proofs, code))
            self._on_changed("presence_proof")

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        if not self._built:
            return
        wide = self.width() >= CONTEXT_FROM
        self.context.setVisible(wide)
        self.head_line.setVisible(not wide)

    # --- showing ---

    def _show(self, prepared: Prepared | None) -> None:
        if prepared is None:
            self.notice.say(tr("这一户不在本机了。"), "warning")
            return
        if prepared.draft.household != self.household:
            return
        self.draft, self._changed = prepared.draft, False
        household = prepared.glance.row
        self._may_write = self._desk.rights.may(Action.WRITE, VISIT, (household.grid, household.village))
        self.submit.setEnabled(self._may_write)
        self._pictures = dict(prepared.pictures)
        self.form.show_values(prepared.draft.values)
        self.context.show_household(prepared.glance, self._desk.today())
        self._show_head(prepared.glance)
        self._offer_people(prepared.glance)
        self._show_photos()
        self._show_changes()
        self._show_state()
        if not self._may_write:
            self.notice.say(tr("您的角色可以看走访，不能记走访。"), "info")
        elif prepared.resumed:
            self.notice.say(tr("接着上次没有提交的草稿写。"), "info")

    def _show_head(self, glance: Glance) -> None:
        """Where the side has no room, who is visited stands above the form."""
        household = glance.row
        name = household.head_name or tr("没有户主")
        self.head.setText(tr("{name} · {place}", name=name, place=standing.place(household)))
        self.head_chips.clear()
        for words, tone in standing.chips(household):
            self.head_chips.addWidget(Chip(words, tone))

    def _offer_people(self, glance: Glance) -> None:
        """Whoever is at home is taken with one click: name and relation together."""
        self._people_line.clear()
        relation_editor = self.form.form_of("respondent").editors["respondent_relation"]
        before: QWidget = relation_editor.focusProxy() or relation_editor
        for member in glance.members:
            if not portrait(member, glance.seen, self._desk.today()).named:
                continue  # whose name is hidden is no respondent to be taken with one click
            name, relation = member["name"], member["relation"]
            take = button(str(name or ""), "filter", tip=tr("受访人是{name}", name=name))
            take.clicked.connect(partial(self._take_respondent, name, relation))
            self._people_line.addWidget(take)
            QWidget.setTabOrder(before, take)
            before = take

    def _take_respondent(self, name: Value, relation: Value, _checked: bool = False) -> None:
        form = self.form.form_of("respondent")
        form.editors["respondent"].show_value(name)
        form.editors["respondent_relation"].show_value(relation)
        self._on_changed("respondent")

    # --- the draft ---

    def values(self) -> dict[str, Value]:
        """What can be read of the form; a field that cannot keeps what the draft knew."""
        known = dict(self.draft.values) if self.draft is not None else {}
        for form in self.form.forms:
            for name, editor in form.editors.items():
                try:
                    known[name] = editor.value()
                except InputProblem:
                    continue
        return known

    def keep(self) -> None:
        """Keep the draft when it was changed."""
        if self.draft is None or not self._changed or self._keeping or not self._may_write:
            return
        self._rest.stop()
        self._changed, self._keeping = False, True
        self.draft = replace(self.draft, values=self.values())
        self._background.desk.run(
            partial(visits.keep_draft, self._desk, self.draft), self._on_kept, self._on_not_kept, owner=self
        )

    def _on_kept(self, at: int) -> None:
        self._keeping = False
        if self.draft is not None:
            self.draft = replace(self.draft, saved_at=at)
        if self._changed:
            self.keep()
        self._show_state()

    def _on_not_kept(self, error: Exception) -> None:
        self._keeping, self._changed = False, True
        self.say_error(error)

    def _on_changed(self, name: str) -> None:
        self._changed = True
        self._rest.start()
        if name == "changes_found":
            self._show_changes()
        self._show_state()

    def _show_state(self) -> None:
        values = self.values()
        summary = values.get("summary")
        length = len(summary.strip()) if isinstance(summary, str) else 0
        photos = len(self.draft.photos) if self.draft is not None else 0
        enough = length >= forms.SUMMARY_LEAST
        for name, there, words in (
            ("place_kind", values.get("place_kind") is not None, tr("地点")),
            ("summary", enough, tr("纪要 {length} 字", length=length) if length else tr("纪要")),
            ("photos", photos > 0, tr("照片 {count}", count=photos) if photos else tr("照片")),
        ):
            self.ticks[name].tell(f"{words} ✓" if there else words, "accent" if there else "plain")
        if self._changed:
            self.state.setText(tr("草稿未存"))
        elif self.draft is not None and self.draft.saved_at is not None:
            self.state.setText(tr("草稿已存 {time}", time=f"{wording.instant(self.draft.saved_at):%H:%M}"))
        else:
            self.state.setText("")
        self.discard.setVisible(self._changed or (self.draft is not None and self.draft.saved_at is not None))

    def _show_changes(self) -> None:
        """Beside each change that was found, the place in the file where it is entered."""
        chosen = self.values().get("changes_found")
        codes = [code for code in (chosen if isinstance(chosen, tuple) else ()) if code in WHERE_TO_CHANGE]
        self._change_lines.clear()
        for code in codes:
            words = tr(codelist("change_found").label_of(code))
            go = button(tr("去改档案：{change}", change=words), "link")
            go.clicked.connect(partial(self._go, "dossier", WHERE_TO_CHANGE[code]))
            self._change_lines.addWidget(go)
        self.changes.setVisible(bool(codes))

    # --- photos ---

    def take_photos(self, paths: Sequence[Path]) -> None:
        """Take photos from files: one after the other on the lane, each kept in the draft as it comes."""
        if self.draft is None:
            return
        room = MOST_PHOTOS - len(self.draft.photos) - len(self._tickets)
        if len(paths) > room:
            self.notice.say(tr("一次走访最多 {limit} 张照片，多的没有添加。", limit=MOST_PHOTOS), "warning")
        for path in list(paths)[: max(0, room)]:
            self.waiting.begin(tr("正在处理照片"))
            self._tickets.append(0)
            ticket = self._background.desk.run(
                partial(take_photo, self._desk, path),
                partial(self._on_photo, self.draft.id),
                self._on_no_photo,
                owner=self,
            )
            if self._tickets:
                self._tickets[-1] = ticket

    def _on_photo(self, draft: bytes, taken: tuple[PhotoDraft, QImage]) -> None:
        self._one_less()
        if self.draft is None or self.draft.id != draft:
            return
        photo, picture = taken
        self._pictures[photo.id] = picture
        self.draft = replace(self.draft, photos=(*self.draft.photos, photo))
        self._add_proof("PHOTO")
        self._show_photos()
        # A photo is not typed again: it is kept at once.
        self._changed = True
        self.keep()

    def _on_no_photo(self, error: Exception) -> None:
        self._one_less()
        self.photos.say(sentence(error) if isinstance(error, HudangError) else sentence(HudangError("bug")))

    def _one_less(self) -> None:
        if self._tickets:
            self._tickets.pop(0)
        if not self._tickets:
            self.waiting.finish()

    def _stop_waiting(self) -> None:
        for ticket in self._tickets:
            self._background.desk.cancel(ticket)

    def _show_photos(self) -> None:
        assert self.draft is not None
        self.photos.show_photos([(photo.id, self._pictures.get(photo.id)) for photo in self.draft.photos])
        self._show_state()

    def _photo(self, key: bytes) -> PhotoDraft | None:
        photos = self.draft.photos if self.draft is not None else ()
        return next((photo for photo in photos if photo.id == key), None)

    def _open_photo(self, key: bytes) -> None:
        photo = self._photo(key)
        if photo is not None:
            self._background.desk.run(
                partial(dossiers.photos_of, self._desk, (photo,)), self._show_large, self.say_error, owner=self
            )

    def _show_large(self, jpegs: Mapping[bytes, bytes]) -> None:
        for jpeg in jpegs.values():
            PhotoDialog(self, jpeg, tr("走访照片")).open()

    def _remove_photo(self, key: bytes) -> None:
        photo = self._photo(key)
        if photo is None or self.draft is None:
            return
        self.draft = replace(self.draft, photos=tuple(p for p in self.draft.photos if p.id != key))
        self._changed = True
        self.keep()
        self._background.desk.run(
            partial(self._desk.vault.discard_attachment, photo.name), None, self.say_error, owner=self
        )
        self._show_photos()

    # --- the end of a draft ---

    def save(self) -> None:
        """提交: check, say beside each field what is wrong, else record."""
        if self.draft is None or not self.submit.isEnabled():
            return
        problems = self.form.problems(VISIT, self.values(), demo=self._desk.demo, today=self._desk.today())
        if not self.form.check(problems):
            return
        if self._tickets:
            self.notice.say(tr("照片还在处理，请稍等再提交。"), "info")
            return
        self._rest.stop()
        self._changed = False
        self.submit.setEnabled(False)
        draft = replace(self.draft, values=self.values())
        self._background.desk.run(
            partial(write, self._desk, partial(visits.record, self._desk, draft)),
            self._on_recorded,
            self._on_refused,
            owner=self,
        )

    def _on_recorded(self, _written: Written) -> None:
        self.submit.setEnabled(True)
        household, self.household, self.draft = self.household, None, None
        self.say_saved()
        self.wanted.emit(Destination(key="dossier", id=household, rest=(b"visits",)))

    def _on_refused(self, error: Exception) -> None:
        self.submit.setEnabled(True)
        self._changed = True
        self.say_error(error)

    def _ask_to_discard(self) -> None:
        question = Question(
            self, tr("扔掉这份草稿？"), tr("写的和照片都会删掉，不能找回。"), tr("扔掉草稿"), dangerous=True
        )
        question.answered.connect(lambda _reason: self._discard())
        question.open()

    def _discard(self) -> None:
        if self.draft is None:
            return
        draft, household = self.draft, self.household
        self._rest.stop()
        self.draft, self.household, self._changed = None, None, False
        self._background.desk.run(partial(visits.discard, self._desk, draft), None, self.say_error, owner=self)
        self.wanted.emit(Destination(key="dossier", id=household))

    def _go(self, key: str, section: str = "", _checked: bool = False) -> None:
        rest = (section.encode(),) if section else ()
        self.wanted.emit(Destination(key=key, id=self.household, rest=rest))


def prepare(desk: Desk, household: bytes) -> Prepared | None:
    """Read what the page shows: an unfinished draft of this household is gone on with. Runs on the lane."""
    glance = dossiers.glance(desk, household)
    if glance is None:
        return None
    unfinished = visits.drafts(desk, household)
    draft = unfinished[0] if unfinished else visits.begin(desk, household)
    jpegs = dossiers.photos_of(desk, draft.photos)
    return Prepared(
        glance=glance,
        draft=draft,
        resumed=bool(unfinished),
        pictures={key: thumbnail(jpeg) for key, jpeg in jpegs.items()},
    )


def take_photo(desk: Desk, path: Path) -> tuple[PhotoDraft, QImage]:
    """A photo from a file and its small picture. Runs on the lane; InputProblem says why not."""
    photo = visits.take_photo(desk, path)
    (jpeg,) = dossiers.photos_of(desk, (photo,)).values()
    return photo, thumbnail(jpeg)
