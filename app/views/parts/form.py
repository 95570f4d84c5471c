"""Forms: a labelled box a field, and a whole form that follows from a record kind's declared fields.

The error stands below its own field and says what to do. A form knows what it was shown and what the person
changed; it never saves. Two columns where there is room, one where there is not; long fields take the whole
width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.errors import HudangError, InputProblem
from app.messages import sentence
from app.models.fields import Field, Type, Value
from app.text import tr
from app.views import theme
from app.views.parts import wording
from app.views.parts.editors import Choices, Editor, Initials, editor
from app.views.parts.words import label, restyle, row, tool

WIDE = frozenset({Type.LONG_TEXT, Type.CODES})
# Types that only programs write.
HIDDEN = frozenset({Type.BYTES, Type.INSTANT})
TWO_COLUMNS_FROM = 560


class Veil(QFrame):
    """Stands where an editor stands whose value is hidden: what is left to see, and the eye that asks."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setProperty("surface", "veil")
        self.setFixedHeight(theme.FIELD_HEIGHT)
        self.text = label("", "second")
        self.eye = tool("eye", tr("显示{field}", field=name))
        line = row(gap=theme.NEAR)
        line.setContentsMargins(10, 0, 4, 0)
        line.addWidget(self.text, 1)
        line.addWidget(self.eye)
        self.setLayout(line)

    def tell(self, text: str, revealable: bool) -> None:
        """Say what is left to see."""
        self.text.setText(text)
        self.eye.setVisible(revealable)
        self.setToolTip(tr("先显示，再修改") if revealable else tr("您的角色看不到这一项，原来的内容会保留"))


class FieldBox(QWidget):
    """Label above, the editor, a note or the error below; a veil over the editor where its value is hidden."""

    reveal_wanted = Signal(object)

    def __init__(self, name: str, inner: QWidget, *, required: bool = False, note: str = "", unit: str = "") -> None:
        super().__init__()
        self.inner = inner
        self._note = note
        self.name = label(f"{name}（{unit}）" if unit else name, "label")
        self.name.setBuddy(inner)
        head = row(gap=theme.INSIDE)
        head.addWidget(self.name)
        self.required = label(tr("必填"), "required")
        # Showing what has no parent yet would open a window of its own for a moment.
        if not required:
            self.required.hide()
        head.addWidget(self.required)
        head.addStretch(1)
        self.below = label(note, "note", wrap=True)
        if not note:
            self.below.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.NEAR)
        layout.addLayout(head)
        layout.addWidget(inner)
        layout.addWidget(self.below)
        self._inside = layout
        self._veil: Veil | None = None
        self.setFocusProxy(inner)

    def veil(self, text: str, revealable: bool) -> None:
        """Cover the editor; `text` is what is left to see."""
        if self._veil is None:
            self._veil = Veil(self.name.text())
            self._veil.eye.clicked.connect(lambda: self.reveal_wanted.emit(self._veil.eye if self._veil else self))
            self._inside.insertWidget(2, self._veil)
        self._veil.tell(text, revealable)
        had_focus = self.inner.hasFocus() or self.focusWidget() is not None
        self.inner.hide()
        self._veil.show()
        self.setFocusProxy(self._veil.eye if revealable else self._veil)
        if had_focus and revealable:
            self._veil.eye.setFocus(Qt.FocusReason.OtherFocusReason)

    def lift_veil(self) -> None:
        """Give the editor back."""
        if self._veil is None or self._veil.isHidden():
            return
        had_focus = self._veil.eye.hasFocus()
        self._veil.hide()
        self.inner.show()
        self.setFocusProxy(self.inner)
        if had_focus:
            self.inner.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def error(self) -> str:
        """The sentence below the field, empty when there is none."""
        return self.below.text() if self.below.property("role") == "error" else ""

    def show_error(self, text: str) -> None:
        """Say what is wrong and what to do; an empty text brings the note back."""
        self.below.setText(text or self._note)
        self.below.setVisible(bool(text or self._note))
        restyle(self.below, "role", "error" if text else "note")
        if isinstance(self.inner, Editor):
            self.inner.mark_faulty(bool(text))
        else:
            restyle(self.inner, "faulty", bool(text))


class Columns(QWidget):
    """Boxes in two columns, or one where the place is narrow. Reading order is left, right, next line."""

    def __init__(self) -> None:
        super().__init__()
        self._boxes: list[tuple[QWidget, bool]] = []
        self._two: bool | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.MARGIN)
        self._grid.setVerticalSpacing(12)
        self._grid.setColumnStretch(0, 1)
        self._grid.setColumnStretch(1, 1)

    def add(self, box: QWidget, *, wide: bool = False) -> None:
        """Put a box behind the others; a wide one takes the whole width."""
        box.setParent(self)
        self._boxes.append((box, wide))
        self._two = None
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self) -> None:
        two = self.width() >= TWO_COLUMNS_FROM
        if two == self._two:
            return
        self._two = two
        for box, _ in self._boxes:
            self._grid.removeWidget(box)
        line, place = 0, 0
        for box, wide in self._boxes:
            if wide or not two:
                line += 1 if place else 0
                self._grid.addWidget(box, line, 0, 1, 2 if two else 1, Qt.AlignmentFlag.AlignTop)
                line, place = line + 1, 0
            else:
                self._grid.addWidget(box, line, place, Qt.AlignmentFlag.AlignTop)
                line, place = (line + 1, 0) if place else (line, 1)
        self._grid.setColumnStretch(1, 1 if two else 0)
        self._grid.setHorizontalSpacing(theme.MARGIN if two else 0)


class RecordForm(QWidget):
    """Editors for declared `fields`, in their order.

    `links` offers the objects that link fields may name, by field name. `changed` gives the name of the
    field that the person touched.
    """

    changed = Signal(str)
    reveal_wanted = Signal(object)

    def __init__(
        self,
        fields: Sequence[Field],
        *,
        links: Mapping[str, Choices] | None = None,
        notes: Mapping[str, str] | None = None,
        today: str | None = None,
        initials: Initials | None = None,
    ) -> None:
        super().__init__()
        self.fields = tuple(field for field in fields if field.type not in HIDDEN)
        self.boxes: dict[str, FieldBox] = {}
        self.editors: dict[str, Editor] = {}
        self._shown: dict[str, Value] = {field.name: None for field in self.fields}
        self._veiled: frozenset[str] = frozenset()
        self._columns = Columns()
        for field in self.fields:
            inner = editor(field, links=(links or {}).get(field.name, ()), today=today, initials=initials)
            note = (notes or {}).get(field.name, "")
            box = FieldBox(tr(field.label), inner, required=field.required, note=note, unit=wording.unit(field))
            inner.changed.connect(lambda name=field.name: self._on_changed(name))
            inner.left.connect(lambda name=field.name: self._on_left(name))
            box.reveal_wanted.connect(self.reveal_wanted)
            self.boxes[field.name] = box
            self.editors[field.name] = inner
            self._columns.add(box, wide=field.type in WIDE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._columns)
        layout.addStretch(1)

    def show_values(self, values: Mapping[str, Value]) -> None:
        """Fill all editors; what `values` does not name becomes empty. Errors go away."""
        for field in self.fields:
            self._shown[field.name] = values.get(field.name)
            self.editors[field.name].show_value(values.get(field.name))
            self.boxes[field.name].show_error("")

    def veil(self, hidden: Mapping[str, tuple[str, bool]]) -> None:
        """Cover these fields (name -> what is left to see, whether one may ask), lift the veil from all others. What a
        person changed stays open; what is covered stays what it was."""
        veiled = {name for name in hidden if name in self.editors and (name in self._veiled or not self._differs(name))}
        for name, box in self.boxes.items():
            if name in veiled:
                box.veil(*hidden[name])
            else:
                box.lift_veil()
        self._veiled = frozenset(veiled)

    def _differs(self, name: str) -> bool:
        try:
            return self.editors[name].value() != self._shown[name]
        except InputProblem:
            return True

    def values(self) -> dict[str, Value]:
        """All values. Raises InputProblem for the first editor that cannot be read."""
        return {
            name: self._shown[name] if name in self._veiled else inner.value() for name, inner in self.editors.items()
        }

    def changes(self) -> dict[str, Value]:
        """What differs from what was shown. Raises InputProblem as `values` does."""
        return {name: value for name, value in self.values().items() if value != self._shown[name]}

    def touched(self) -> bool:
        """Whether anything differs from what was shown; something unreadable does."""
        try:
            return bool(self.changes())
        except InputProblem:
            return True

    def check(self, more: Mapping[str, str] | None = None) -> bool:
        """Say beside each field what is wrong with it: unreadable, missing, or named in `more`; go
        to the first."""
        first: FieldBox | None = None
        for field in self.fields:
            problem = self.problem(field) or (more or {}).get(field.name, "")
            box = self.boxes[field.name]
            box.show_error(problem)
            if problem and first is None:
                first = box
        if first is not None:
            first.setFocus(Qt.FocusReason.OtherFocusReason)
            bring_into_view(first)
        return first is None

    def problem(self, field: Field) -> str:
        """What is wrong with what stands in the editor of `field`, in words; empty when nothing is."""
        if field.name in self._veiled:
            return ""
        try:
            value = self.editors[field.name].value()
        except HudangError as error:
            return sentence(error)
        if field.required and value is None:
            return sentence(InputProblem("required", field=tr(field.label)))
        return ""

    def _on_changed(self, name: str) -> None:
        if self.boxes[name].error:
            self.boxes[name].show_error("")
        self.changed.emit(name)

    def _on_left(self, name: str) -> None:
        """Only what was typed wrongly is said on the way; that something is still missing is said
        when saving."""
        try:
            self.editors[name].value()
        except HudangError as error:
            self.boxes[name].show_error(sentence(error))


class Sheet(QScrollArea):
    """A page-high place that scrolls down only, with the page's margin around its content."""

    def __init__(self, content: QWidget, *, margin: int = theme.MARGIN) -> None:
        super().__init__()
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        holder = QWidget()
        holder.setObjectName("sheet")
        layout = QVBoxLayout(holder)
        layout.setContentsMargins(margin, margin, margin, margin)
        layout.addWidget(content)
        self._around, self._margin = layout, margin
        self.verticalScrollBar().rangeChanged.connect(self._keep_edge)
        self.setWidget(holder)

    def top_margin(self, margin: int) -> None:
        """The margin above the content, where something stands above that does not scroll."""
        around = self._around.contentsMargins()
        self._around.setContentsMargins(around.left(), margin, around.right(), around.bottom())

    def _keep_edge(self, _least: int, most: int) -> None:
        """The content ends at the same place whether or not there is something to scroll."""
        bar = self.verticalScrollBar().sizeHint().width() if most > 0 else 0
        around = self._around.contentsMargins()
        self._around.setContentsMargins(around.left(), around.top(), max(0, self._margin - bar), around.bottom())

    def sizeHint(self) -> QSize:
        return QSize(400, 300)


def bring_into_view(widget: QWidget) -> None:
    """Scroll whatever scrolls around `widget` until it can be seen."""
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea):
            above.ensureWidgetVisible(widget, 0, theme.MARGIN)
        above = above.parentWidget()
