"""One record to be read and to be corrected: groups of facts on cards, and the same groups as a form.

Reading shows labels and values as on the paper form. What may not be seen at once stands behind its mask until the
page lifts it (`reveal_wanted`); in the open form it is veiled and stays what it was. A disputed value shows every
candidate with who said it and 选这个, and nothing is chosen before a person did. Where a value comes from stands in its
tool tip and, with 来历, below each value. Correcting opens the form on the same place; nothing is saved but by 保存.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.casework.revealing import Seen
from app.errors import HudangError, InputProblem
from app.messages import sentence
from app.models.fields import Field, RecordKind, Type, Value
from app.models.queries.history import Origin
from app.models.queries.households import Candidate
from app.models.queries.households import Sheet as Record
from app.models.rules import forms
from app.models.rules.masking import Surface
from app.models.rules.pinyin import initials
from app.text import tr
from app.views import theme
from app.views.parts import wording
from app.views.parts.editors import Choices
from app.views.parts.form import WIDE, RecordForm, bring_into_view
from app.views.parts.form import Sheet as Scroll
from app.views.parts.masked import Masked, words
from app.views.parts.words import Heading, button, column, label, restyle, row, surface

Groups = Sequence[tuple[str, Sequence[str]]]
LABEL_WIDTH = 132
TWO_FROM = 660


def group_fields(kind: RecordKind, groups: Groups, without: Sequence[str] = ()) -> list[tuple[str, list[Field]]]:
    """The declared fields in groups; what no group names comes last, so that a new field is never lost."""
    named = {name for _, names in groups for name in names}
    rest = [f for f in kind.fields if f.name not in named and f.name not in without]
    found = [
        (tr(title) if title else "", [kind.field(name) for name in names if name not in without])
        for title, names in groups
    ]
    rest = [f for f in rest if f.type not in (Type.BYTES, Type.INSTANT)]
    return [(title, fields) for title, fields in [*found, (tr("其他"), rest)] if fields]


class GroupedForm(QWidget):
    """A form in groups, each on its card."""

    changed = Signal(str)
    reveal_wanted = Signal(object)

    def __init__(
        self,
        groups: Sequence[tuple[str, Sequence[Field]]],
        *,
        links: Mapping[str, Choices] | None = None,
        notes: Mapping[str, str] | None = None,
        today: str | None = None,
    ) -> None:
        super().__init__()
        self.forms: list[RecordForm] = []
        lines = column(gap=theme.BETWEEN)
        for title, fields in groups:
            form = RecordForm(fields, links=links, notes=notes, today=today, initials=initials)
            form.changed.connect(self.changed)
            form.reveal_wanted.connect(self.reveal_wanted)
            self.forms.append(form)
            card = surface()
            inner = column(margin=theme.BETWEEN, gap=12)
            if title:
                inner.addWidget(Heading(title))
            inner.addWidget(form)
            card.setLayout(inner)
            lines.addWidget(card)
        self.setLayout(lines)

    @property
    def boxes(self) -> dict[str, QWidget]:
        """The labelled boxes by field name."""
        return {name: box for form in self.forms for name, box in form.boxes.items()}

    def form_of(self, name: str) -> RecordForm:
        """The form that holds the field `name`; KeyError when none does."""
        for form in self.forms:
            if name in form.editors:
                return form
        raise KeyError(name)

    def add_below(self, name: str, widget: QWidget) -> None:
        """Put something of the page below the group that holds the field `name`."""
        above = self.form_of(name).parentWidget()
        layout = above.layout() if above is not None else None
        assert layout is not None
        layout.addWidget(widget)

    def show_values(self, values: Mapping[str, Value]) -> None:
        """Fill all editors; errors go away."""
        for form in self.forms:
            form.show_values(values)

    def veil(self, hidden: Mapping[str, tuple[str, bool]]) -> None:
        """Cover the editors of these fields: field name -> (what is left to see, whether one may ask to look)."""
        for form in self.forms:
            form.veil(hidden)

    def values(self) -> dict[str, Value]:
        """All values; InputProblem for the first that cannot be read."""
        return {name: value for form in self.forms for name, value in form.values().items()}

    def changes(self) -> dict[str, Value]:
        """What differs from what was shown; InputProblem as `values`."""
        return {name: value for form in self.forms for name, value in form.changes().items()}

    def touched(self) -> bool:
        """Whether anything differs from what was shown."""
        return any(form.touched() for form in self.forms)

    def check(self, more: Mapping[str, str] | None = None) -> bool:
        """Say beside each field what is wrong with it; go to the first."""
        wrong = [form for form in self.forms if not form.check(more)]
        if wrong:
            box = next(box for box in wrong[0].boxes.values() if box.error)
            box.setFocus(Qt.FocusReason.OtherFocusReason)
            bring_into_view(box)
        return not wrong

    def problems(self, kind: RecordKind, known: Mapping[str, Value], *, demo: bool, today: str) -> dict[str, str]:
        """What the rules say of what stands here, on top of what is `known`, in words by field name."""
        try:
            values = {**known, **self.values()}
        except InputProblem:
            return {}
        found = forms.problems(kind, values, demo=demo, today=today)
        return {name: sentence(problem) for name, problem in found.items()}

    def start(self) -> None:
        """Go to the first field."""
        first = next(iter(self.forms[0].editors.values()))
        first.setFocus(Qt.FocusReason.OtherFocusReason)


class Fact(QWidget):
    """Label and value side by side; below the value where it comes from, when asked for."""

    settled = Signal(str, object)
    asked = Signal(object)
    lowered = Signal()

    def __init__(
        self,
        field: Field,
        record: Record,
        origins: Mapping[bytes, Origin],
        names: Mapping[bytes, str],
        now_ms: int,
        seen: Seen,
    ) -> None:
        super().__init__()
        self.field, self._record, self._seen = field, record, seen
        self.masked: list[Masked] = []
        value = record[field.name]
        name = label(tr(field.label), "second", wrap=True)
        name.setFixedWidth(LABEL_WIDTH)
        self.origin = label("", "note", wrap=True)
        self.origin.hide()
        right = column(gap=0)
        candidates = record.disputed.get(field.name, ())
        self.choices: list[QWidget] = []
        if candidates:
            right.addWidget(self._dispute(field, candidates, origins, names, now_ms))
        else:
            right.addWidget(self._value(field, value, names))
            dots = record.dots.get(field.number, ())
            sources = [origins[dot] for dot in dots if dot in origins]
            if sources and value is not None:
                source = sources[-1]
                where = f"{names.get(source.actor or b'', tr('县里'))} · {wording.moment(source.wall, now_ms)}"
                self.origin.setText(where)
                self.setToolTip(where)
        right.addWidget(self.origin)
        line = row(gap=theme.INSIDE)
        line.addWidget(name, 0, Qt.AlignmentFlag.AlignTop)
        line.addLayout(right, 1)
        self.setLayout(line)

    def show_origin(self, shown: bool) -> None:
        """Say below the value who said it and when."""
        self.origin.setVisible(shown and bool(self.origin.text()))

    def _value(self, field: Field, value: Value, names: Mapping[bytes, str]) -> QWidget:
        if value is None or value == ():
            return label(tr("未填") if field.required else "—", "second")
        shown = self._seen.show(self._record.kind, self._record.id, field.name, value, Surface.SCREEN)
        if shown.hidden:
            return self._mask(Masked(field, shown, wrap=field.type is Type.LONG_TEXT))
        return label(words(field, shown, names), "value", wrap=True)

    def _mask(self, masked: Masked) -> Masked:
        masked.asked.connect(lambda: self.asked.emit(masked.eye))
        masked.lowered.connect(self.lowered)
        self.masked.append(masked)
        return masked

    def _dispute(
        self,
        field: Field,
        candidates: Sequence[Candidate],
        origins: Mapping[bytes, Origin],
        names: Mapping[bytes, str],
        now_ms: int,
    ) -> QWidget:
        box = surface("dispute")
        inner = column(margin=10, gap=theme.INSIDE)
        inner.addWidget(label(tr("两个人改得不一样，请选一个"), "note", wrap=True))
        for candidate in candidates:
            shown = self._seen.show(self._record.kind, self._record.id, field.name, candidate.value, Surface.SCREEN)
            said = words(field, shown, names) or tr("（空）")
            source = origins.get(candidate.dot)
            by = ""
            if source is not None:
                by = f"{names.get(source.actor or b'', tr('县里'))} · {wording.moment(source.wall, now_ms)}"
            text = column(gap=0)
            text.addWidget(self._mask(Masked(field, shown)) if shown.hidden else label(said, "strong", wrap=True))
            text.addWidget(label(by, "note", wrap=True))
            choose = button(tr("选这个"))
            choose.setAccessibleName(tr("选这个：{value}", value=said))
            choose.clicked.connect(partial(self.settled.emit, field.name, candidate.value))
            self.choices.append(choose)
            line = row()
            line.addLayout(text, 1)
            line.addWidget(choose, 0, Qt.AlignmentFlag.AlignVCenter)
            inner.addLayout(line)
        box.setLayout(inner)
        return box


class Facts(QWidget):
    """Facts of one group on a card, in two columns where there is room."""

    def __init__(self, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self.facts = tuple(facts)
        self._two: bool | None = None
        card = surface()
        inner = column(margin=theme.BETWEEN, gap=12)
        inner.addWidget(Heading(title))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.MARGIN)
        self._grid.setVerticalSpacing(10)
        inner.addLayout(self._grid)
        card.setLayout(inner)
        lines = column()
        lines.addWidget(card)
        self.setLayout(lines)
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        two = self.width() >= TWO_FROM
        if two == self._two:
            return
        self._two = two
        for fact in self.facts:
            self._grid.removeWidget(fact)
        line, place = 0, 0
        for fact in self.facts:
            if not two or fact.field.type in WIDE or fact.choices:
                line += 1 if place else 0
                self._grid.addWidget(fact, line, 0, 1, 2 if two else 1, Qt.AlignmentFlag.AlignTop)
                line, place = line + 1, 0
            else:
                self._grid.addWidget(fact, line, place, Qt.AlignmentFlag.AlignTop)
                line, place = (line + 1, 0) if place else (line, 1)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1 if two else 0)
        self._grid.setHorizontalSpacing(theme.MARGIN if two else 0)


class SheetView(QWidget):
    """One record, read or corrected. `save_wanted` carries the changed values by field name; the page saves and
    then calls `saved` or `refused`."""

    save_wanted = Signal(object)
    settle_wanted = Signal(str, object)
    editing_changed = Signal(bool)
    reveal_wanted = Signal(object)  # the widget that was pressed
    hide_wanted = Signal()

    def __init__(self, kind: RecordKind, groups: Groups, *, without: Sequence[str] = ()) -> None:
        super().__init__()
        self.kind = kind
        self._groups = group_fields(kind, groups, without)
        self._fixed = frozenset(without)
        self._links: Mapping[str, Choices] = {}
        self._known: dict[str, Value] = {}
        self._shown: Record | None = None
        self._seen: Seen | None = None
        self._stands: object = None
        self._lifted = False
        self._writable = True
        self.base: Record | None = None  # what the open form was filled from: a save replaces only what was seen
        self._demo, self._today = False, ""
        self.form: GroupedForm | None = None
        self.facts: list[Fact] = []
        self.edit = button(tr("修改"), icon="pen")
        self.edit.clicked.connect(self.begin)
        self.lift = button("", "quiet", icon="eye")
        self.lift.clicked.connect(self._on_lift)
        self.lift.hide()
        self.sources = button(tr("来历"), "quiet", tip=tr("每项是谁在什么时候填的（Alt+H）"))
        self.sources.setCheckable(True)
        self.sources.setShortcut("Alt+H")
        self.sources.toggled.connect(self._show_sources)
        self.save = button(tr("保存"), "accent", tip="Ctrl+S")
        self.save.clicked.connect(self.submit)
        self.cancel = button(tr("取消"), "quiet", tip="Esc")
        self.cancel.clicked.connect(self.stop)
        self.heading = Heading("", role="section")
        for each in (self.lift, self.sources, self.edit, self.cancel, self.save):
            self.heading.add(each)
        self._reading = QWidget()
        self._reading_lines = column(gap=12)
        self._reading.setLayout(self._reading_lines)
        self._form_holder = QWidget()
        self._form_lines = column()
        self._form_holder.setLayout(self._form_lines)
        body = QWidget()
        lines = column()
        lines.addWidget(self._reading)
        lines.addWidget(self._form_holder)
        lines.addStretch(1)
        body.setLayout(lines)
        # The heading with 保存 stays where it is while the record scrolls.
        head = column()
        head.setContentsMargins(theme.BETWEEN, theme.BETWEEN, theme.BETWEEN, 12)
        head.addWidget(self.heading)
        self.paper = Scroll(body, margin=theme.BETWEEN)
        self.paper.top_margin(0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.paper, 1)
        self._set_editing(False)

    @property
    def editing(self) -> bool:
        """Whether the form is open."""
        return self._editing

    def touched(self) -> bool:
        """Whether the open form holds something that is not saved."""
        return self._editing and self.form is not None and self.form.touched()

    def tell(self, title: str, remark: str = "") -> None:
        """Name what is shown."""
        self.heading.name.setText(title)
        self.heading.remark.setText(remark)

    def offer(self, links: Mapping[str, Choices], *, demo: bool, today: str) -> None:
        """What link fields may name, and what the rules have to know."""
        self._links, self._demo, self._today = links, demo, today
        if self.form is not None:
            for form in self.form.forms:
                for name, choices in links.items():
                    if name in form.editors:
                        form.editors[name].offer(choices)  # type: ignore[attr-defined]

    def permit(self, writable: bool) -> None:
        """Whether the person may correct this record at all."""
        self._writable = writable
        self.edit.setVisible(writable and not self._editing)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The fields that one may ask to look at."""
        return tuple(
            dict.fromkeys(fact.field.name for fact in self.facts for each in fact.masked if each.shown.revealable)
        )

    def show_hidden(self, lifted: bool, left: int = 0) -> None:
        """Show what is hidden for the `left` seconds, or hide it again."""
        self._lifted = lifted
        for fact in self.facts:
            for each in fact.masked:
                each.lift(lifted)
        self.lift.setVisible(bool(self.hidden))
        self.lift.setText(tr("遮上 · {left} 秒", left=left) if lifted else tr("显示遮住的"))
        self.lift.setIcon(theme.picture("eye-off" if lifted else "eye", theme.active().second))
        self._veil()

    def show_record(
        self, record: Record, origins: Mapping[bytes, Origin], names: Mapping[bytes, str], now_ms: int, seen: Seen
    ) -> None:
        """Show a record to be read. An open form keeps what was typed."""
        self._seen = seen
        stands = (record, {dot: origins.get(dot) for dots in record.dots.values() for dot in dots}, dict(names), seen)
        if stands == self._stands:
            return  # nothing to draw anew: the keyboard stays where it is, what is lifted stays lifted
        self._stands = stands
        self._shown = record
        if not self._editing:
            self._known = dict(record.values)
        while (item := self._reading_lines.takeAt(0)) is not None:
            old = item.widget()
            if old is not None:
                old.hide()
                old.deleteLater()
        self.facts = []
        for title, fields in self._groups:
            facts = [Fact(field, record, origins, names, now_ms, seen) for field in fields]
            for fact in facts:
                fact.settled.connect(self.settle_wanted)
                fact.asked.connect(self.reveal_wanted)
                fact.lowered.connect(self.hide_wanted)
                fact.show_origin(self.sources.isChecked())
            self.facts += facts
            self._reading_lines.addWidget(Facts(title, facts))
        self.show_hidden(False)

    def _on_lift(self) -> None:
        if self._lifted:
            self.hide_wanted.emit()
        else:
            self.reveal_wanted.emit(self.lift)

    def _veil(self) -> None:
        """In the open form cover what is hidden, but never what was typed."""
        if self.form is None or not self._editing:
            return
        hidden: dict[str, tuple[str, bool]] = {}
        if self.base is not None and self._seen is not None:
            for field in self.kind.fields:
                value = self.base[field.name]
                shown = self._seen.show(self.kind, self.base.id, field.name, value, Surface.SCREEN)
                if shown.hidden and not (self._lifted and shown.revealable):
                    hidden[field.name] = (shown.text, shown.revealable)
        self.form.veil(hidden)

    def begin(self) -> None:
        """Open the form on what is shown."""
        if not self._writable:
            return
        if self._shown is not None:
            self.base, self._known = self._shown, dict(self._shown.values)
        self._open(self._known)

    def begin_new(self, values: Mapping[str, Value]) -> None:
        """Open the form on a record that does not exist yet; `values` are known of it."""
        self.base, self._known = None, dict(values)
        self._open(self._known)

    def _open(self, values: Mapping[str, Value]) -> None:
        if self.form is None:
            self.form = GroupedForm(self._groups, links=self._links, today=self._today)
            self.form.reveal_wanted.connect(self.reveal_wanted)
            self._form_lines.addWidget(self.form)
        self.form.veil({})
        self.form.show_values(values)
        self._set_editing(True)
        self._veil()
        self.form.start()

    def unsaved(self) -> dict[str, Value]:
        """What was typed into the open form and can be read."""
        found: dict[str, Value] = {}
        for form in self.form.forms if self._editing and self.form is not None else ():
            for name, editor in form.editors.items():
                with suppress(InputProblem):
                    value = editor.value()
                    if value != self._known.get(name):
                        found[name] = value
        return found

    def take_up(self, values: Mapping[str, Value], *, new: bool = False) -> None:
        """Open the form, unless it stands open for a `new` record, and type these values in again."""
        if not new:
            self.begin()
        if not self._editing or self.form is None:
            return
        self.form.veil({})  # what a person typed is never covered
        for form in self.form.forms:
            for name in form.editors.keys() & values.keys():
                form.editors[name].show_value(values[name])
        self._veil()

    def stop(self) -> None:
        """Close the form; nothing is saved."""
        if self._editing:
            self._set_editing(False)
            self.edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def submit(self) -> None:
        """Check, then ask to save what was changed."""
        if not self._editing or self.form is None:
            return
        if not self.form.check(self.form.problems(self.kind, self._known, demo=self._demo, today=self._today)):
            return
        self.save.setEnabled(False)
        self.save_wanted.emit({**self.form.changes()})

    def saved(self) -> None:
        """It was saved: close the form."""
        self.save.setEnabled(True)
        self._set_editing(False)

    def refused(self, error: Exception) -> bool:
        """It was not saved. True when the sentence could be put beside its field."""
        self.save.setEnabled(True)
        if self.form is None or not isinstance(error, HudangError):
            return False
        label_of = error.facts.get("field")
        for form in self.form.forms:
            for field in form.fields:
                if field.label == label_of:
                    form.boxes[field.name].show_error(sentence(error))
                    form.boxes[field.name].setFocus()
                    bring_into_view(form.boxes[field.name])
                    return True
        return False

    def _set_editing(self, editing: bool) -> None:
        self._editing = editing
        self.paper.verticalScrollBar().setValue(0)
        self._reading.setVisible(not editing)
        self._form_holder.setVisible(editing)
        self.edit.setVisible(not editing and self._writable)
        self.sources.setVisible(not editing)
        self.save.setVisible(editing)
        self.save.setEnabled(True)
        self.cancel.setVisible(editing)
        self.editing_changed.emit(editing)

    def _show_sources(self, shown: bool) -> None:
        restyle(self.sources, "kind", "quiet")
        for fact in self.facts:
            fact.show_origin(shown)
