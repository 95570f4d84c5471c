"""When the person leaves the computer: it goes to sleep, its screen locks, another user takes over.

`Power.leaving` says so once for each such event; whoever holds an open vault locks then. On Linux it listens to
systemd-logind (`org.freedesktop.login1`: PrepareForSleep, the session's Lock and Active) and to the screen savers that
announce themselves on the session bus. While it lives it holds a delay lock of logind, so that the machine waits for
the program before it falls asleep; the process that ends gives it back. On Windows it filters WM_POWERBROADCAST and
WM_WTSSESSION_CHANGE of the window; that part follows the documentation and has not been run on a Windows machine.

Where none of this is there (no bus, no logind, macOS) nothing is heard and the idle timer alone locks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Final

from PySide6.QtCore import SLOT, QObject, Signal, Slot
from PySide6.QtDBus import (
    QDBusConnection,
    QDBusMessage,
    QDBusObjectPath,
    QDBusPendingCallWatcher,
    QDBusUnixFileDescriptor,
    QDBusVariant,
)
from PySide6.QtWidgets import QWidget

LOGIN: Final = "org.freedesktop.login1"
MANAGER_PATH: Final = "/org/freedesktop/login1"
MANAGER: Final = "org.freedesktop.login1.Manager"
SESSION: Final = "org.freedesktop.login1.Session"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
# Service, path and interface are named alike by convention; KDE, XFCE and LXQt speak the first.
SAVERS: Final = (
    ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver"),
    ("org.freedesktop.ScreenSaver", "/ScreenSaver"),
    ("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver"),
)


def _slot(signature: str) -> Any:
    return SLOT(signature)  # the stubs of `connect` ask for bytes, it takes only this


class Power(QObject):
    """`leaving`: somebody may come who is not the person."""

    leaving = Signal()


class Announced(Power):
    """Listens on the buses: `system` for logind, `session` for screen savers; a bus that is not there is passed over.

    `process` is the one whose session counts."""

    def __init__(
        self,
        system: QDBusConnection,
        session: QDBusConnection,
        parent: QObject | None = None,
        *,
        process: int | None = None,
    ) -> None:
        super().__init__(parent)
        self._system = system
        self._calls: set[QDBusPendingCallWatcher] = set()
        self._session_path = ""
        self._delay: QDBusUnixFileDescriptor | None = None
        if system.isConnected():
            system.connect(LOGIN, MANAGER_PATH, MANAGER, "PrepareForSleep", self, _slot("_on_sleep(bool)"))
            self._ask(MANAGER_PATH, MANAGER, "GetSessionByPID", [process or os.getpid()], self._on_session)
            self._hold()
        if session.isConnected():
            for name, path in SAVERS:
                session.connect(name, path, name, "ActiveChanged", self, _slot("_on_saver(bool)"))

    @property
    def listens(self) -> bool:
        """Whether logind has told which session is ours."""
        return bool(self._session_path)

    @property
    def holds(self) -> bool:
        """Whether the machine waits for this program before it sleeps."""
        return self._delay is not None

    def _hold(self) -> None:
        about = ["sleep", "Hudang", "lock the vault", "delay"]
        self._ask(MANAGER_PATH, MANAGER, "Inhibit", about, self._on_held)

    def _ask(self, path: str, interface: str, call: str, arguments: list[Any], then: Callable[[Any], None]) -> None:
        """Call logind without waiting; `then` gets its first answer, nothing happens when it refuses."""
        message = QDBusMessage.createMethodCall(LOGIN, path, interface, call)
        message.setArguments(arguments)
        watcher = QDBusPendingCallWatcher(self._system.asyncCall(message), self)
        self._calls.add(watcher)

        def finished(ended: QDBusPendingCallWatcher) -> None:
            self._calls.discard(watcher)
            answer = ended.reply()
            if answer.type() == QDBusMessage.MessageType.ReplyMessage and answer.arguments():
                then(answer.arguments()[0])
            watcher.deleteLater()

        watcher.finished.connect(finished)

    def _on_held(self, handle: Any) -> None:
        if isinstance(handle, QDBusUnixFileDescriptor) and handle.isValid():
            self._delay = handle

    def _on_session(self, found: Any) -> None:
        if not isinstance(found, QDBusObjectPath):
            return
        self._session_path = found.path()
        self._system.connect(LOGIN, self._session_path, SESSION, "Lock", self, _slot("_on_lock()"))
        self._system.connect(
            LOGIN, self._session_path, PROPERTIES, "PropertiesChanged", self, _slot("_on_changed(QDBusMessage)")
        )

    @Slot(bool)
    def _on_sleep(self, falling: bool) -> None:
        if falling:
            self.leaving.emit()
            # The process ends by locking; where it goes on behind a curtain the machine need not wait for it.
            self._delay = None
        else:
            self._hold()

    @Slot()
    def _on_lock(self) -> None:
        self.leaving.emit()

    @Slot(QDBusMessage)
    def _on_changed(self, message: QDBusMessage) -> None:
        """The session's properties changed: somebody else may have come to the front."""
        if message.arguments()[:1] != [SESSION]:
            return
        for name, away in (("Active", False), ("LockedHint", True)):

            def judge(value: Any, away: bool = away) -> None:
                if isinstance(value, QDBusVariant) and value.variant() is away:
                    self.leaving.emit()

            self._ask(self._session_path, PROPERTIES, "Get", [SESSION, name], judge)

    @Slot(bool)
    def _on_saver(self, active: bool) -> None:
        if active:
            self.leaving.emit()


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    from PySide6.QtCore import QAbstractNativeEventFilter, QByteArray, QCoreApplication

    WM_POWERBROADCAST, PBT_APMSUSPEND = 0x0218, 0x0004
    WM_WTSSESSION_CHANGE = 0x02B1
    WTS_LEAVING = frozenset({0x2, 0x4, 0x6, 0x7})  # console and remote disconnect, logoff, lock

    class _Filter(QAbstractNativeEventFilter):
        def __init__(self, leaving: Callable[[], None]) -> None:
            super().__init__()
            self._leaving = leaving

        def nativeEventFilter(  # type: ignore[override]  # noqa: N802 - Qt's name
            self, kind: QByteArray | bytes | bytearray | memoryview, message: int
        ) -> tuple[bool, int]:
            told = wintypes.MSG.from_address(int(message))
            sleeps = told.message == WM_POWERBROADCAST and told.wParam == PBT_APMSUSPEND
            if sleeps or (told.message == WM_WTSSESSION_CHANGE and told.wParam in WTS_LEAVING):
                self._leaving()
            return False, 0

    class Filtered(Power):
        """Listens to what Windows tells the `window`. Unverified: never run on a Windows machine."""

        def __init__(self, window: QWidget) -> None:
            super().__init__(window)
            self._filter = _Filter(self.leaving.emit)
            application = QCoreApplication.instance()
            assert application is not None
            application.installNativeEventFilter(self._filter)
            ctypes.windll.wtsapi32.WTSRegisterSessionNotification(wintypes.HWND(int(window.winId())), 0)


def watch(window: QWidget) -> Power:
    """What this system can tell about leaving, for as long as `window` lives."""
    if sys.platform == "win32":
        return Filtered(window)
    return Announced(QDBusConnection.systemBus(), QDBusConnection.sessionBus(), window)
