"""The whole program for `tests.faults.memory`, in a process of its own, on a screen that nobody sees.

Argument: how it ends. The password comes by stdin and is typed letter by letter. `lock` and a number of lists to read:
locks as the person does, which starts a fresh process and ends this one. `stay`: tells when it is open, locks the vault
when it gets SIGUSR1, tells that, and goes on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app import config, hardening
from app.main import Program
from app.vault.slotfile import KdfParameters
from app.views.background import Background
from app.views.page import Destination
from app.views.unlock import UnlockCard

STAY, LOCK = "stay", "lock"
PATIENCE_S = 300.0  # a machine may be busy
PLACES = ("households", "upload", "log", "settings")
CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)


def main() -> int:
    how = sys.argv[1]
    hardening.no_dumps()
    application = QApplication(sys.argv[:1])
    program = Program(application, config.home(os.environ), Background.with_threads(), kdf=CHEAP)
    program.start()
    work(program, int(how.removeprefix(LOCK)) if how != STAY else len(PLACES))
    if how != STAY:
        QTimer.singleShot(0, program.lock)
        application.exec()
        program.end()
        return 0
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    tell("opened")
    signal.sigwait({signal.SIGUSR1})
    program.end()
    tell("locked")
    signal.pause()
    return 1


def work(program: Program, lists: int) -> None:
    """Unlock and read."""
    card = program.door.card
    assert isinstance(card, UnlockCard)
    QTest.keyClicks(card.password, sys.stdin.read())
    card.submit()
    until(program, lambda: program.window is not None)
    window = program.window
    assert window is not None
    for key in PLACES[:lists]:
        window.go(Destination(key=key))
        until(program, lambda: not program.background.desk.busy)


def until(program: Program, holds: Callable[[], bool]) -> None:
    """Let the program run until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        program.application.processEvents()
        time.sleep(0.005)


def tell(word: str) -> None:
    """To the harness."""
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
