"""Hands for the tour: keys pressed in real windows, text typed as an input method commits it, pictures taken.

Nothing here reaches into a page to make it do something: what a person cannot reach with Tab, Enter and the program's
own keys, the tour cannot either. File dialogs of the system are the one exception; their answer is handed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QComboBox, QLabel, QLineEdit, QWidget

MOST_TABS = 160


class Stuck(Exception):
    """The program did not come to where the tour expected it."""


class Hands:
    """Keyboard, eyes and patience of the person who takes the tour; pictures go to `folder`."""

    def __init__(self, application: QApplication, folder: Path) -> None:
        self.application = application
        self.folder = folder
        self.taken: list[str] = []

    # --- waiting ---

    def settle(self, seconds: float = 0.05) -> None:
        """Let the program work for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.application.processEvents()
            self.application.sendPostedEvents()
            time.sleep(0.002)

    def until(self, happened: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait until something happened; Stuck with `what` when it does not."""
        end = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > end:
                self.picture("stuck")
                raise Stuck(f"{what}; the focus is on {self.focus_name()!r}, on the screen: {self.texts()}")
            self.settle(0.02)
        self.settle()

    def says(self, words: str) -> bool:
        """Whether a visible text holds these words."""
        return any(words in text for text in self.texts())

    def expect(self, words: str, seconds: float = 60) -> None:
        """Wait until the screen says these words."""
        self.until(lambda: self.says(words), f"the screen never said {words!r}", seconds)

    def texts(self) -> list[str]:
        """Visible labels and buttons of the active window."""
        window = self.window()
        found: list[QLabel | QAbstractButton] = [
            *window.findChildren(QLabel),
            *window.findChildren(QAbstractButton),
        ]
        return [text for child in found if child.isVisible() and (text := child.text().strip())]

    # --- keys ---

    def window(self) -> QWidget:
        """The window in front."""
        dialog = self.application.activeModalWidget()
        if dialog is not None:
            return dialog
        shown = [widget for widget in self.application.topLevelWidgets() if widget.isVisible() and widget.isWindow()]
        active = self.application.activeWindow()
        if active is not None and active.isVisible():
            return active
        if not shown:
            raise Stuck("no window is shown")
        shown[-1].activateWindow()
        return shown[-1]

    def focus(self) -> QWidget:
        """What has the focus, else the window."""
        return self.application.focusWidget() or self.window()

    def focus_name(self) -> str:
        """How the focused widget is called."""
        return _name(self.focus())

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """One key."""
        QTest.keyClick(self.focus(), key, modifier)
        self.settle()

    def ctrl(self, letter: str) -> None:
        """Ctrl and a letter."""
        self.press(Qt.Key[f"Key_{letter.upper()}"], Qt.KeyboardModifier.ControlModifier)

    def enter(self) -> None:
        """Enter."""
        self.press(Qt.Key.Key_Return)

    def type(self, text: str, *, replace: bool = False) -> None:
        """Type into the focused field; Chinese arrives as an input method commits it."""
        if replace:
            self.ctrl("a")
        for part in _runs(text):
            if part.isascii():
                QTest.keyClicks(self.focus(), part)
            else:
                event = QInputMethodEvent()
                event.setCommitString(part)
                self.application.sendEvent(self.focus(), event)
        self.settle()

    def tab_to(self, *names: str) -> QWidget:
        """Tab until a widget whose name begins with one of `names` has the focus."""
        passed = []
        for _ in range(MOST_TABS):
            here = self.focus()
            if _name(here).startswith(names):
                return here
            passed.append(_name(here))
            self.press(Qt.Key.Key_Tab)
        self.picture("stuck")
        raise Stuck(f"Tab never reached {names}; it passed {sorted(set(passed))}")

    def choose(self, *names: str) -> None:
        """Tab to a button and press it."""
        self.tab_to(*names)
        self.press(Qt.Key.Key_Space)

    # --- pictures ---

    def picture(self, name: str) -> None:
        """A picture of the window in front, numbered in the order of the tour."""
        self.settle(0.1)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{len(self.taken) + 1:02}-{name}.png"
        self.window().grab().save(str(path))
        self.taken.append(path.name)


def _name(widget: QWidget) -> str:
    """Accessible name, else text; an inner field is called like what holds it."""
    at: QWidget | None = widget
    for _ in range(3):
        if at is None:
            break
        if at.accessibleName():
            return at.accessibleName()
        if isinstance(at, QAbstractButton) and at.text():
            return at.text().strip()
        at = at.parentWidget()
    if isinstance(widget, QLineEdit):
        return widget.placeholderText()
    return type(widget).__name__ if not isinstance(widget, QComboBox) else widget.currentText()


def _runs(text: str) -> list[str]:
    """`text` cut where ASCII and other characters meet."""
    parts: list[str] = []
    for character in text:
        if parts and parts[-1].isascii() == character.isascii():
            parts[-1] += character
        else:
            parts.append(character)
    return parts
