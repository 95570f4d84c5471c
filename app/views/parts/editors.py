"""Editors: one widget a field type, all with the same three doors: `value`, `show_value`, `changed`.

Empty means "not said" and is None, so that nobody can enter a zero by not looking. What cannot be read is
kept on screen exactly as typed, and `value` raises `InputProblem` until it is corrected. The wheel never
changes a value.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress

from PySide6.QtCore import (
    QDate,
    QEvent,
    QLocale,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QAction,
    QFocusEvent,
    QKeyEvent,
    QResizeEvent,
    QStandardItem,
    QStandardItemModel,
    QTextCharFormat,
    QWheelEvent,
)
from PySide6.QtWidgets import (
    QButtonGroup,
    QCalendarWidget,
    QCheckBox,
    QComboBox,
    QCompleter,
    QLineEdit,
    QListView,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.errors import InputProblem
from app.models.codelists import codelist
from app.models.fields import Field, Type, Value
from app.text import language, tr
from app.views import theme
from app.views.parts import wording
from app.views.parts.words import Flow, restyle, row

Choices = Sequence[tuple[Hashable, str]]
# All readings of some words as initials of their pinyin: `app.models.rules.pinyin.initials`.
Initials = Callable[[str], tuple[str, ...]]


class Editor(QWidget):
    """What all editors are. `changed` says that the person changed something, never that a program did."""

    changed = Signal()
    left = Signal()

    def value(self) -> Value:
        """What stands in the editor. Raises InputProblem when it cannot be read."""
        raise NotImplementedError

    def show_value(self, value: Value) -> None:
        """Put a value in without `changed`."""
        raise NotImplementedError

    def mark_faulty(self, faulty: bool) -> None:
        """Draw the frame in the colour of danger or not; the words stand below, in the field's box."""

    def _hold(self, inner: QWidget) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(inner)
        self.setFocusProxy(inner)


class LineEditor(Editor):
    """One line: text, date, month, money, area, count; what it accepts follows from the field."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field
        self.line = QLineEdit()
        self.line.setAccessibleName(tr(field.label))
        if field.type is Type.TEXT and field.limit:
            self.line.setMaxLength(field.limit)
        elif field.type is not Type.TEXT:
            self.line.setMaxLength(40)
            self.line.setInputMethodHints(Qt.InputMethodHint.ImhPreferNumbers)
        self.line.setPlaceholderText(_example(field))
        if field.type is Type.DATE:
            self._add_calendar()
        self.line.textEdited.connect(self.changed)
        self.line.editingFinished.connect(self._tidy)
        self._hold(self.line)

    def value(self) -> Value:
        return wording.read(self.field, self.line.text())

    def show_value(self, value: Value) -> None:
        self.line.setText(wording.typed(self.field, value))
        self.line.setCursorPosition(0)

    def mark_faulty(self, faulty: bool) -> None:
        restyle(self.line, "faulty", faulty)

    def _tidy(self) -> None:
        """Write 2026.1.5 as 2026-01-05 once the person has gone on; leave what cannot be read."""
        with suppress(InputProblem):
            self.line.setText(wording.typed(self.field, self.value()))
        self.left.emit()

    def _add_calendar(self) -> None:
        action = QAction(theme.icon("calendar"), tr("打开日历"), self.line)
        action.triggered.connect(self.open_calendar)
        self.line.addAction(action, QLineEdit.ActionPosition.TrailingPosition)

    def open_calendar(self) -> None:
        """Show a month to choose a day from, below the field."""
        calendar = QCalendarWidget()
        calendar.setWindowFlag(Qt.WindowType.Popup)
        calendar.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        calendar.setLocale(QLocale("zh_CN" if language() == "zh" else "en_GB"))
        plain = QTextCharFormat()
        for day in (Qt.DayOfWeek.Saturday, Qt.DayOfWeek.Sunday):
            calendar.setWeekdayTextFormat(day, plain)
        calendar.setVerticalHeaderFormat(QCalendarWidget.VerticalHeaderFormat.NoVerticalHeader)
        calendar.setFirstDayOfWeek(Qt.DayOfWeek.Monday)
        try:
            shown = self.value()
        except InputProblem:
            shown = None
        if isinstance(shown, str):
            calendar.setSelectedDate(QDate.fromString(shown, "yyyy-MM-dd"))

        def take(day: QDate) -> None:
            self.line.setText(day.toString("yyyy-MM-dd"))
            calendar.close()
            self.changed.emit()
            self.left.emit()

        calendar.clicked.connect(take)
        calendar.activated.connect(take)
        calendar.move(self.line.mapToGlobal(QPoint(0, self.line.height() + theme.NEAR)))
        calendar.show()
        calendar.setFocus()


class LongTextEditor(Editor):
    """Several lines; grows with what is written, up to a third of a screen. Tab goes on to the next field."""

    LEAST, MOST = 76, 240

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field
        self.text = _GrowingText(self.LEAST, self.MOST)
        self.text.setAccessibleName(tr(field.label))
        self.text.setPlaceholderText(tr(field.hint))
        self.text.textChanged.connect(self._on_changed)
        self.text.left.connect(self.left)
        self._quiet = False
        self._hold(self.text)

    def value(self) -> Value:
        return wording.read(self.field, self.text.toPlainText())

    def show_value(self, value: Value) -> None:
        self._quiet = True
        self.text.setPlainText(value if isinstance(value, str) else "")
        self._quiet = False

    def mark_faulty(self, faulty: bool) -> None:
        restyle(self.text, "faulty", faulty)

    def _on_changed(self) -> None:
        if not self._quiet:
            self.changed.emit()


class _GrowingText(QPlainTextEdit):
    left = Signal()

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self._least, self._most = least, most
        self.setTabChangesFocus(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setFixedHeight(least)
        self.textChanged.connect(self._fit)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.left.emit()

    def _fit(self) -> None:
        lines = self.document().size().height()
        wanted = round(lines * self.fontMetrics().lineSpacing()) + 22
        height = max(self._least, min(self._most, wanted))
        if height != self.height():
            self.setFixedHeight(height)


class ChoiceEditor(Editor):
    """One of a list, found by typing any part of its words or the initials of its pinyin.

    Used for codes and for links. A value that is not in the list (an older or newer program wrote it) is
    kept.
    """

    def __init__(self, choices: Choices, *, name: str = "", initials: Initials | None = None) -> None:
        super().__init__()
        self.box = _QuietCombo()
        self.box.setAccessibleName(name)
        self.line = QLineEdit()
        self.box.setLineEdit(self.line)
        self.box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.box.setMinimumContentsLength(6)
        self.box.setMaxVisibleItems(12)
        self._name = name
        self._keys: list[Hashable] = []
        self._labels: list[str] = []
        self._initials = initials
        self.offer(choices)
        self.line.setPlaceholderText(tr("请选择"))
        self.box.activated.connect(self._on_activated)
        self.line.textEdited.connect(self.changed)
        self.line.editingFinished.connect(self._tidy)
        self._hold(self.box)

    def offer(self, choices: Choices) -> None:
        """Replace the list, keeping the value."""
        kept = self._value_or_none() if self._keys else None
        self._keys = [None, *(key for key, _ in choices)]
        self._labels = ["", *(text for _, text in choices)]
        self.box.blockSignals(True)
        self.box.clear()
        # The first line takes a choice back; in the field itself it stands as nothing.
        self.box.addItems([tr("（不填）"), *self._labels[1:]])
        self.box.blockSignals(False)
        completer = _Completer(self)
        completer.setModel(self._completions())
        completer.setCompletionRole(Qt.ItemDataRole.UserRole)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setMaxVisibleItems(12)
        popup = QListView()
        popup.setObjectName("completions")
        completer.setPopup(popup)
        completer.activated.connect(self._on_completed)
        self.box.setCompleter(completer)
        self.show_value(kept)  # type: ignore[arg-type]

    def key(self) -> Hashable:
        """The key of what is chosen. Raises InputProblem when the words are none of the list."""
        text = self.box.currentText().strip()
        if not text:
            return None
        if text in self._labels:
            return self._keys[self._labels.index(text)]
        found = self._by_part(text)
        if found is not None:
            return self._keys[found]
        raise InputProblem("not-offered", field=self._name)

    def value(self) -> Value:
        return self.key()  # type: ignore[return-value]

    def show_value(self, value: Value) -> None:
        if value is not None and value not in self._keys:
            self._keys.append(value)
            self._labels.append(str(value) if not isinstance(value, bytes) else value.hex()[:8])
            self.box.addItem(self._labels[-1])
        index = self._keys.index(value)
        self.box.setCurrentIndex(index)
        self.line.setText(self._labels[index])
        self.line.setCursorPosition(0)

    def mark_faulty(self, faulty: bool) -> None:
        restyle(self.box, "faulty", faulty)

    def _completions(self) -> QStandardItemModel:
        """What is found while typing: any part of the words, or of their initials."""
        model = QStandardItemModel(self)
        for text in self._labels[1:]:
            item = QStandardItem(text)
            item.setData(" ".join((text, *self._readings(text))), Qt.ItemDataRole.UserRole)
            model.appendRow(item)
        return model

    def _readings(self, text: str) -> tuple[str, ...]:
        return self._initials(text) if self._initials else ()

    def _value_or_none(self) -> Hashable:
        try:
            return self.key()
        except InputProblem:
            return None

    def _by_part(self, text: str) -> int | None:
        """The one item that begins with what was typed, or whose initials are it; None when it is
        not exactly one."""
        matches = [
            index
            for index, item in enumerate(self._labels)
            if index and any(word.startswith(text.lower()) for word in (item, *self._readings(item)))
        ]
        return matches[0] if len(matches) == 1 else None

    def _on_activated(self, index: int) -> None:
        self.line.setText(self._labels[index])
        self.changed.emit()
        self.left.emit()

    def _on_completed(self, text: str) -> None:
        self.box.setCurrentIndex(self._labels.index(text))
        self.changed.emit()

    def _tidy(self) -> None:
        with suppress(InputProblem):
            self.show_value(self.value())
        self.left.emit()


class _Completer(QCompleter):
    """Finds by words and initials, and writes the words."""

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:  # noqa: N802 - Qt's name
        return str(index.data(Qt.ItemDataRole.DisplayRole))


class _QuietCombo(QComboBox):
    """A combo box that scrolling past does not change."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class YesNoEditor(Editor):
    """是 / 否 / 不清楚, or none of them. One tab stop; arrows choose, the same again takes it back."""

    VALUES = (1, 0, 2)

    def __init__(self, name: str) -> None:
        super().__init__()
        line = row(gap=0)
        self.group = QButtonGroup(self)
        self.group.setExclusive(False)
        self.buttons: list[QPushButton] = []
        for index, value in enumerate(self.VALUES):
            segment = QPushButton(wording.yes_no(value))
            segment.setCheckable(True)
            segment.setAutoDefault(False)
            segment.setProperty("segment", ("first", "middle", "last")[index])
            segment.setAccessibleName(f"{name} {segment.text()}")
            segment.clicked.connect(lambda checked, chosen=value: self._choose(chosen if checked else None))
            segment.installEventFilter(self)
            self.buttons.append(segment)
            line.addWidget(segment, 1)
        self.setLayout(line)
        self._value: int | None = None
        self._draw()

    def value(self) -> Value:
        return self._value

    def show_value(self, value: Value) -> None:
        self._value = value if isinstance(value, int) else None
        self._draw()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and watched in self.buttons:
            index = self.buttons.index(watched)
            key = event.key()
            if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
                step = 1 if key == Qt.Key.Key_Right else -1
                index = (index + step) % 3
                self._choose(self.VALUES[index])
                self.buttons[index].setFocus(Qt.FocusReason.OtherFocusReason)
                return True
            if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
                self._choose(None)
                return True
        return super().eventFilter(watched, event)

    def _choose(self, value: int | None) -> None:
        self._value = value
        self._draw()
        self.changed.emit()
        self.left.emit()

    def _draw(self) -> None:
        stop = self.VALUES.index(self._value) if self._value in self.VALUES else 0
        for index, segment in enumerate(self.buttons):
            segment.setChecked(self.VALUES[index] == self._value)
            policy = Qt.FocusPolicy.StrongFocus if index == stop else Qt.FocusPolicy.ClickFocus
            segment.setFocusPolicy(policy)
        self.setFocusProxy(self.buttons[stop])


class CodesEditor(Editor):
    """Several of a list, as check boxes in the order of the list."""

    def __init__(self, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        flow = Flow(gap=theme.INSIDE, line_gap=0)
        self.boxes: dict[str, QCheckBox] = {}
        self._unknown: tuple[str, ...] = ()
        for code, text in choices:
            box = QCheckBox(text)
            box.clicked.connect(self._on_clicked)
            self.boxes[code] = box
            flow.addWidget(box)
        self.setLayout(flow)
        if self.boxes:
            self.setFocusProxy(next(iter(self.boxes.values())))

    def value(self) -> Value:
        chosen = tuple(code for code, box in self.boxes.items() if box.isChecked()) + self._unknown
        return chosen or None

    def show_value(self, value: Value) -> None:
        chosen = value if isinstance(value, tuple) else ()
        # Codes of a newer program are kept although they cannot be shown.
        self._unknown = tuple(code for code in chosen if code not in self.boxes)
        for code, box in self.boxes.items():
            box.setChecked(code in chosen)

    def _on_clicked(self) -> None:
        self.changed.emit()
        self.left.emit()


def editor(
    field: Field,
    *,
    links: Choices = (),
    today: str | None = None,
    initials: Initials | None = None,
) -> Editor:
    """The editor of `field`; `links` are the objects a link field may name, codes that ended before `today`
    are left out."""
    if field.type is Type.LONG_TEXT:
        return LongTextEditor(field)
    if field.type is Type.YES_NO:
        return YesNoEditor(tr(field.label))
    if field.type in (Type.CODE, Type.CODES) and field.codes is not None:
        items = [
            (item.code, tr(item.label))
            for item in codelist(field.codes).codes
            if today is None or item.valid_until is None or item.valid_until >= today
        ]
        if field.type is Type.CODES:
            return CodesEditor(items)
        return ChoiceEditor(items, name=tr(field.label), initials=initials)
    if field.type is Type.LINK:
        return ChoiceEditor(links, name=tr(field.label), initials=initials)
    return LineEditor(field)


def _example(field: Field) -> str:
    if field.hint:
        return tr(field.hint)
    if field.type is Type.DATE:
        return tr("年-月-日")
    if field.type is Type.MONTH:
        return tr("年-月")
    return ""
