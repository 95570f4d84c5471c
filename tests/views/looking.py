"""Looking at windows as a person would: pictures of them, what is cut off, where Tab goes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollArea,
    QWidget,
)

from app.views.parts.words import Elided

SCREENS = Path(__file__).resolve().parent.parent.parent / "build" / "screens"
# The whole screen of the smallest laptop, at 100 % and at 150 %: (logical size, pixels a logical one).
FULL = (QSize(1366, 768), 1.0)
MAGNIFIED = (QSize(911, 512), 1.5)


def settle(widget: QWidget) -> None:
    """Let layouts and posted events come to rest."""
    for _ in range(4):
        QApplication.sendPostedEvents()
        QApplication.processEvents()


def photograph(widget: QWidget, name: str) -> None:
    """`build/screens/<name>.png` and `<name>@150.png`: 1366×768 pixels each; nothing may be cut off on
    either."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for (size, ratio), suffix in ((FULL, ""), (MAGNIFIED, "@150")):
        widget.resize(size)
        widget.show()
        settle(widget)
        assert widget.size() == size, f"{name} cannot be as small as {size}: {widget.minimumSizeHint()}"
        picture = QPixmap(size * ratio)
        picture.setDevicePixelRatio(ratio)
        widget.render(picture)
        assert picture.save(str(SCREENS / f"{name}{suffix}.png"))
        assert not (cut := list(cut_off(widget))), f"cut off on {name}{suffix}: {cut}"
    widget.resize(FULL[0])
    settle(widget)


def cut_off(widget: QWidget) -> Iterator[str]:
    """Texts and buttons that have less room than they need, or stick out of what holds them."""
    for child in widget.findChildren(QWidget):
        if not child.isVisible() or not isinstance(child, (QLabel, QAbstractButton, QLineEdit, QComboBox)):
            continue
        if isinstance(child.parentWidget(), (QAbstractScrollArea, QLineEdit, QComboBox)):
            continue
        yield from _too_small(child)
        yield from _sticking_out(child)


def _name(widget: QWidget) -> str:
    text = widget.text() if isinstance(widget, (QLabel, QAbstractButton, QLineEdit)) else ""
    return f"{type(widget).__name__} {text or widget.accessibleName()!r}"


def _too_small(child: QWidget) -> Iterator[str]:
    if isinstance(child, Elided):
        return
    needed = child.sizeHint()
    if isinstance(child, QLabel) and child.pixmap().isNull() and not child.text():
        return
    if isinstance(child, QLabel) and child.wordWrap():
        needed = QSize(0, child.heightForWidth(child.width()))
    if isinstance(child, QLineEdit):
        needed.setWidth(0)
    if needed.width() > child.width() or needed.height() > child.height():
        yield f"{_name(child)} needs {needed.toTuple()} and has {child.size().toTuple()}"


def _sticking_out(child: QWidget) -> Iterator[str]:
    holder = child.parentWidget()
    place = QRect(child.pos(), child.size())
    while holder is not None and not holder.isWindow():
        above = holder.parentWidget()
        if isinstance(above, QAbstractScrollArea) and holder is above.viewport():
            # What scrolls may be below, but never beside.
            if place.left() < 0 or place.right() >= holder.width():
                yield f"{_name(child)} sticks out sideways of {type(above).__name__}"
            return
        if not holder.rect().contains(place):
            around = f"{type(holder).__name__} {holder.size().toTuple()}"
            yield f"{_name(child)} at {place.getRect()} sticks out of {around}"
            return
        place.translate(holder.pos())
        holder = above


def tab_stops(window: QWidget) -> list[QWidget]:
    """What Tab reaches, in its order, from the first."""
    stops: list[QWidget] = []
    widget = window.nextInFocusChain()
    while widget is not None and widget is not window:
        reachable = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.focusProxy() is None
        if reachable and widget.isVisible() and widget.isEnabled() and not isinstance(widget, QScrollArea):
            stops.append(widget)
        widget = widget.nextInFocusChain()
    return stops


def jumps(window: QWidget) -> list[str]:
    """Where Tab goes against the reading order: up, without going to a place further right."""
    wrong = []
    stops = tab_stops(window)
    for before, after in pairwise(stops):
        # What is scrolled away has no place to be compared.
        if before.visibleRegion().isEmpty() or after.visibleRegion().isEmpty():
            continue
        one = QRect(before.mapTo(window, QPoint(0, 0)), before.size())
        two = QRect(after.mapTo(window, QPoint(0, 0)), after.size())
        goes_up = two.bottom() < one.top() and two.left() < one.right()
        goes_left = two.right() < one.left() and two.top() < one.bottom() and two.bottom() > one.top()
        if goes_up or goes_left:
            wrong.append(f"{_name(before)} → {_name(after)}")
    return wrong
