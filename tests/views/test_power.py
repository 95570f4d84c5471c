"""Leaving the computer, told over a message bus of the test's own: a real dbus-daemon with a false logind on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtDBus import (
    QDBusConnection,
    QDBusMessage,
    QDBusObjectPath,
    QDBusUnixFileDescriptor,
    QDBusVariant,
    QDBusVirtualObject,
)
from PySide6.QtGui import QClipboard
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.views import power
from app.views.parts.clipboard import clear_ours
from app.views.power import Announced

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("dbus-daemon") is None, reason="needs Linux and its dbus-daemon"
)
OURS = f"{power.MANAGER_PATH}/session/_31"
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""


class FalseLogin(QDBusVirtualObject):
    """Answers as systemd-logind does: which session a process is in, a handle that delays sleep, properties."""

    def __init__(self) -> None:
        super().__init__()
        self.properties: dict[str, bool] = {"Active": True, "LockedHint": False}
        self.delays: list[int] = []  # read ends of the pipes whose write ends were given away
        self.asked: list[tuple[str, list[Any]]] = []

    def introspect(self, path: str) -> str:
        return ""

    def handleMessage(self, message: QDBusMessage, connection: QDBusConnection) -> bool:  # noqa: N802 - Qt's name
        name, arguments = message.member(), message.arguments()
        self.asked.append((name, arguments))
        answer = message.createReply()
        if name == "GetSessionByPID":
            answer.setArguments([QDBusObjectPath(OURS)])
        elif name == "Inhibit":
            kept, given = os.pipe()
            self.delays.append(kept)
            answer.setArguments([QDBusUnixFileDescriptor(given)])
            os.close(given)  # the message holds its own
        elif name == "Get":
            answer.setArguments([QDBusVariant(self.properties[arguments[1]])])
        else:
            return False
        connection.send(answer)
        return True


@dataclass
class Bus:
    """One bus with the false logind on it; connections of it are closed at the end."""

    address: str
    names: list[str]
    login: FalseLogin
    speaker: QDBusConnection

    def connection(self) -> QDBusConnection:
        """Another peer of the bus."""
        self.names.append(f"hudang-test-{uuid.uuid4().hex}")
        found = QDBusConnection.connectToBus(self.address, self.names[-1])
        assert found.isConnected()
        return found

    def tell(self, path: str, interface: str, name: str, arguments: list[Any]) -> None:
        """Send a signal."""
        message = QDBusMessage.createSignal(path, interface, name)
        message.setArguments(arguments)
        assert self.speaker.send(message)

    def change(self, **properties: bool) -> None:
        """Change properties of the session and say so."""
        self.login.properties.update(properties)
        self.tell(OURS, power.PROPERTIES, "PropertiesChanged", [power.SESSION, dict(properties), []])


@pytest.fixture
def bus(qapp: QApplication, tmp_path: Path) -> Iterator[Bus]:
    configuration = tmp_path / "bus.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path), encoding="utf-8")
    daemon = subprocess.Popen(
        ["dbus-daemon", "--config-file", str(configuration), "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stdout is not None
    address = daemon.stdout.readline().strip()
    names = [f"hudang-test-{uuid.uuid4().hex}"]
    speaker = QDBusConnection.connectToBus(address, names[0])
    login = FalseLogin()
    whole = QDBusConnection.VirtualObjectRegisterOption.SubPath
    assert speaker.registerVirtualObject(power.MANAGER_PATH, login, whole)
    assert speaker.registerService(power.LOGIN)
    yield Bus(address, names, login, speaker)
    for name in names:
        QDBusConnection.disconnectFromBus(name)
    for handle in login.delays:
        os.close(handle)
    daemon.terminate()
    daemon.wait(10)
    daemon.stdout.close()


@pytest.fixture
def listening(bus: Bus, qtbot: QtBot) -> Announced:
    """Power that has found its session."""
    found = Announced(bus.connection(), bus.connection(), process=4711)
    qtbot.waitUntil(lambda: found.listens and found.holds, timeout=10_000)
    return found


def let_go(read_end: int) -> bool:
    """Whether nobody holds the write end of this pipe any more."""
    os.set_blocking(read_end, False)
    try:
        return os.read(read_end, 1) == b""
    except BlockingIOError:
        return False


def test_it_asks_for_its_own_session_and_delays_sleep(bus: Bus, listening: Announced) -> None:
    asked = dict(bus.login.asked)
    assert asked["GetSessionByPID"] == [4711]
    assert asked["Inhibit"][0] == "sleep"
    assert asked["Inhibit"][3] == "delay"


def test_sleep_is_leaving_and_then_the_machine_may_sleep(bus: Bus, listening: Announced, qtbot: QtBot) -> None:
    (delay,) = bus.login.delays
    assert not let_go(delay)
    with qtbot.waitSignal(listening.leaving, timeout=10_000):
        bus.tell(power.MANAGER_PATH, power.MANAGER, "PrepareForSleep", [True])
    qtbot.waitUntil(lambda: let_go(delay), timeout=10_000)
    with qtbot.assertNotEmitted(listening.leaving, wait=100):
        bus.tell(power.MANAGER_PATH, power.MANAGER, "PrepareForSleep", [False])
    qtbot.waitUntil(lambda: len(bus.login.delays) == 2 and listening.holds, timeout=10_000)


def test_locking_the_session_is_leaving(bus: Bus, listening: Announced, qtbot: QtBot) -> None:
    with qtbot.waitSignal(listening.leaving, timeout=10_000):
        bus.tell(OURS, power.SESSION, "Lock", [])


def test_somebody_elses_session_is_not_ours(bus: Bus, listening: Announced, qtbot: QtBot) -> None:
    other = f"{power.MANAGER_PATH}/session/_32"
    with qtbot.assertNotEmitted(listening.leaving, wait=200):
        bus.tell(other, power.SESSION, "Lock", [])
        bus.tell(other, power.PROPERTIES, "PropertiesChanged", [power.SESSION, {"Active": False}, []])


def test_switching_users_is_leaving_and_coming_back_is_not(bus: Bus, listening: Announced, qtbot: QtBot) -> None:
    with qtbot.waitSignal(listening.leaving, timeout=10_000):
        bus.change(Active=False)
    with qtbot.assertNotEmitted(listening.leaving, wait=200):
        bus.change(Active=True)
    with qtbot.waitSignal(listening.leaving, timeout=10_000):
        bus.change(LockedHint=True)


@pytest.mark.parametrize(("name", "path"), power.SAVERS)
def test_a_screen_saver_is_leaving(bus: Bus, qtbot: QtBot, name: str, path: str) -> None:
    assert bus.speaker.registerService(name)
    listening = Announced(bus.connection(), bus.connection(), process=4711)
    qtbot.waitUntil(lambda: listening.listens, timeout=10_000)
    with qtbot.waitSignal(listening.leaving, timeout=10_000):
        bus.tell(path, name, "ActiveChanged", [True])
    with qtbot.assertNotEmitted(listening.leaving, wait=200):
        bus.tell(path, name, "ActiveChanged", [False])


def test_a_machine_without_buses_is_silent(qapp: QApplication) -> None:
    nowhere = QDBusConnection("hudang-there-is-no-such-connection")
    assert not nowhere.isConnected()
    silent = Announced(nowhere, nowhere)
    assert not silent.listens
    assert not silent.holds


class FalseClipboard:
    """The clipboard of a desktop: `owner` is whether this program copied last. No screen here has one."""

    def __init__(self, *, owns: bool) -> None:
        self.owns = owns
        self.texts = dict.fromkeys(QClipboard.Mode, "99 something of a household")

    def ownsClipboard(self) -> bool:  # noqa: N802 - Qt's name
        return self.owns

    def supportsSelection(self) -> bool:  # noqa: N802
        return True

    def ownsSelection(self) -> bool:  # noqa: N802
        return self.owns

    def clear(self, mode: QClipboard.Mode) -> None:
        self.texts[mode] = ""


@pytest.mark.parametrize("owns", [True, False])
def test_the_clipboard_loses_what_we_copied_and_only_that(owns: bool) -> None:
    held = FalseClipboard(owns=owns)
    assert clear_ours(held) is owns
    assert (held.texts[QClipboard.Mode.Clipboard] == "") is owns
    assert (held.texts[QClipboard.Mode.Selection] == "") is owns
