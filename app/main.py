"""The composition root of the desktop: the only file that knows all parts.

`main` reads the command line and starts `Program`, which goes from the door (first use, unlocking, the choice of a
workplace) to the window and back. It holds the one QApplication's lanes, the settings and the open desk; pages get what
they need through their constructors and know nothing of each other.

Locking ends the process that held the secrets and starts a fresh one at the door: by hand, when nobody uses the program
for as long as the county's policy says, after the longest session it allows, and when the computer sleeps, locks its
screen or goes to another user. While work that the person started still runs, a curtain covers the window and the
restart waits for it, at most half an hour.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QProcess, QSettings, QThread, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget

from app import config, hardening
from app.casework import decoding, session
from app.casework.opening import Opened, Opener
from app.casework.safekeeping import Safe
from app.ledger.act import Random
from app.models.rules.lease import Standing, State
from app.models.rules.policy import Policy
from app.text import tr
from app.vault.attempts import Attempts
from app.vault.slots import KdfParameters
from app.views import power, settings_page, theme
from app.views.background import Background, Cancelled
from app.views.colleagues_page import ColleaguesPage
from app.views.door import WAY_BACK, Door
from app.views.dossier_page import DossierPage
from app.views.households_page import HouseholdsPage
from app.views.log_page import LogPage
from app.views.main_window import MainWindow, Place
from app.views.open_file_page import OpenFilePage
from app.views.page import Destination
from app.views.parts import wording
from app.views.parts.clipboard import clear_ours
from app.views.print_page import PrintPage
from app.views.scan_page import ScanPage
from app.views.settings_page import SettingsPage
from app.views.today_page import TodayPage
from app.views.upload_page import Outbox, UploadPage, clock_words, read_outbox
from app.views.visit_page import VisitPage

LOCK_PATIENCE_MS = 30 * 60 * 1000
LEAST_WIDTH, LEAST_HEIGHT = 880, 480  # of the window
MINUTE_MS = 60 * 1000
PASSWORD_WARNED_DAYS = 7
LOOK_EVERY_MS = 10 * MINUTE_MS  # at the lease, that time goes on

SIGNS_OF_LIFE = frozenset(
    {
        QEvent.Type.KeyPress,
        QEvent.Type.MouseMove,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.Wheel,
        QEvent.Type.TouchBegin,
        QEvent.Type.InputMethod,
    }
)


def clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def on_window_thread() -> bool:
    """Whether this is the thread that must never wait for the vault."""
    return QThread.isMainThread()


# --- the program ---


class Program(QObject):
    """From the door to the window and back. `card` is what stands at the door, `window` the window, when there is
    one; `restart` starts a fresh process."""

    def __init__(
        self,
        application: QApplication,
        home: Path,
        background: Background,
        *,
        random: Random = os.urandom,
        restart: Callable[[], None] | None = None,
        kdf: KdfParameters | None = None,
    ) -> None:
        super().__init__()
        self.application = application
        self.home = home
        self.background = background
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.settings = QSettings(str(config.settings_file(home)), QSettings.Format.IniFormat)
        self.window: MainWindow | None = None
        self.opened: Opened | None = None
        self._opener = Opener(
            build=config.BUILD,
            clock=clock,
            random=random,
            attempts=Attempts(home=home),
            kdf=kdf,
            forbid_thread=on_window_thread,
        )
        self._safe = Safe(place=config.backups(home))
        self.door = Door(home, self.settings, background, self._opener, self._safe)
        self.door.opened.connect(self._on_opened)
        self.door.given_up.connect(self._on_given_up)
        self._restart = restart or start_again
        self._locking = False
        self._ended = False
        self.idle = QTimer(self)
        self.idle.setSingleShot(True)
        self.idle.timeout.connect(self.lock)
        self.session = QTimer(self)
        self.session.setSingleShot(True)
        self.session.timeout.connect(self.lock)
        self.minder = QTimer(self)
        self.minder.setInterval(LOOK_EVERY_MS)
        self.minder.timeout.connect(self._watch)
        background.touched.connect(self._read_outbox)
        # What was stopped or failed half way has settled something all the same.
        background.courier.busy_changed.connect(self._read_outbox)

    # --- the door ---

    @property
    def card(self) -> QWidget | None:
        """What stands at the door."""
        return self.door.card

    def start(self) -> None:
        """Stand at the door."""
        self.door.start()

    def _on_opened(self, opened: Opened) -> None:
        self.opened = opened
        self.show_window()

    def _on_given_up(self) -> None:
        """An open desk that nobody may use yet is closed by ending the process."""
        self._end_locked()

    # --- the window ---

    def show_window(self, at: Destination | None = None) -> None:
        """Build the pages and the window around them; the first page is shown unless `at` names another."""
        assert self.opened is not None
        desk, lanes, settings = self.opened.desk, self.background, self.settings
        upload = UploadPage(desk, lanes, partial(self._opener.report, desk.vault))
        opened = self.opened.lease.standing is not Standing.UPLOAD_ONLY
        look = SettingsPage(desk, lanes, settings, version=config.version(), safe=self._safe, with_people=opened)
        look_place = Place(key="settings", title=tr("设置"), icon="settings", page=look)
        upload_place = Place(key="upload", title=tr("上报"), icon="upload", page=upload)
        scan: ScanPage | None = None
        if opened:
            scan = ScanPage(desk, lanes)
            tries = self._opener.attempts
            people = ColleaguesPage(desk, lanes, tries, kdf=self.door.opener.kdf)
            dossier = DossierPage(desk, lanes, tries)
            people.password_changed.connect(self._on_password_changed)
            shown = [
                Place(key="today", title=tr("今日"), icon="today", page=TodayPage(desk, lanes)),
                Place(
                    key="households",
                    title=tr("农户"),
                    icon="households",
                    page=HouseholdsPage(desk, lanes, settings, tries),
                ),
                Place(key="scan", title=tr("扫码"), icon="scan", page=scan, hint="F2"),
                Place(key="print", title=tr("打印"), icon="print", page=PrintPage(desk, lanes, settings)),
                upload_place,
                Place(key="log", title=tr("记录"), icon="log", page=LogPage(desk, lanes, settings)),
                look_place,
                Place(key="colleagues", title=tr("同事和密码"), icon="person", page=people, in_rail=False),
                Place(key="dossier", title=tr("户档"), icon="households", page=dossier, in_rail=False),
                Place(key="open_file", title=tr("建档"), icon="pen", page=OpenFilePage(desk, lanes), in_rail=False),
                Place(key="visit", title=tr("走访"), icon="pen", page=VisitPage(desk, lanes), in_rail=False),
            ]
        else:
            # The lease is over: what this laptop holds is not shown until the county has been heard again.
            shown = [upload_place, look_place]
        window = MainWindow(shown, lanes, demo=desk.demo)
        if scan is not None:
            scan.listen_in(window)
        window.show_place(self.opened.place)
        window.show_person(self.opened.person)
        if desk.policy.watermark:
            window.mark(self._screen_words)
        window.lock_wanted.connect(self.lock)
        window.upload_wanted.connect(partial(self._upload_now, window, upload))
        window.closed.connect(self._on_closed)
        upload.clock_told.connect(lambda offset: window.warn("clock", clock_words(offset)))
        upload.exchanged.connect(self._watch)
        upload.exchanged.connect(partial(self._back_up, exchanged=True))
        if look.safekeeping is not None:
            look.safekeeping.restore_wanted.connect(self._lock_for_the_way_back)
        self._show_lease(window, self.opened.lease)
        self._show_password_days(window, self.opened.password_days)
        look.appearance_chosen.connect(lambda _key: QTimer.singleShot(0, self._dress_again))
        look.restart_wanted.connect(self.lock)
        old, self.window = self.window or self.door.card, window
        self.door.card = None
        if old is not None:
            window.setGeometry(old.geometry())
        window.show()
        if old is not None:
            if isinstance(old, MainWindow):
                old.closed.disconnect()
            old.hide()
            old.deleteLater()
        # The window's own events are few: a filter on the whole program would slow down every repaint.
        window.windowHandle().installEventFilter(self)
        self.watch = power.watch(window)
        self.watch.leaving.connect(self.lock)
        self.idle.setInterval(desk.policy.idle_minutes * MINUTE_MS)
        self.idle.start()
        if not self.session.isActive():
            self.session.start(desk.policy.session_hours * 60 * MINUTE_MS)
        self.minder.start()
        window.go(at) if at is not None else window.start()
        if not opened:
            upload.notice.say(tr("太久没有上报，资料先收起来了。上报一次就能再看。"), "warning")
        self._read_outbox()
        self._back_up(exchanged=False)

    def _screen_words(self) -> tuple[str, str]:
        """Whose screen it is and when, for the watermark."""
        assert self.opened is not None
        when = f"{wording.instant(clock()):%Y-%m-%d %H:%M}"
        device = self.opened.connection.device.hex()[:8]
        return f"{self.opened.person} {self.opened.place}", f"{when} {device}"

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Somebody is there."""
        if event.type() in SIGNS_OF_LIFE:
            self.idle.start()
        return False

    def _watch(self) -> None:
        """Look at lease and policy again: some time has passed, or the county was asked."""
        if self.opened is not None and not self._locking and not self._ended:
            self.background.desk.run(
                partial(session.watch, self.opened.desk), self._on_watched, self._say_failed, owner=self
            )

    def _on_watched(self, seen: tuple[State, Policy]) -> None:
        lease, policy = seen
        if self.opened is None or self.window is None or self._locking or self._ended:
            return
        before, self.opened = self.opened.lease, replace(self.opened, lease=lease)
        if self.idle.interval() != policy.idle_minutes * MINUTE_MS:
            self.idle.setInterval(policy.idle_minutes * MINUTE_MS)
        if (before.standing is Standing.UPLOAD_ONLY) != (lease.standing is Standing.UPLOAD_ONLY):
            self.show_window()
        else:
            self._show_lease(self.window, lease)

    def _back_up(self, *, exchanged: bool) -> None:
        """A backup when it is due: after an exchange, and once a day when anything changed."""
        if self.opened is not None and not self._locking and not self._ended:
            work = partial(self._safe.back_up_when_due, self.opened.desk, exchanged=exchanged)
            self.background.courier.run(work, None, self._say_not_backed_up, owner=self)

    def _say_not_backed_up(self, error: Exception) -> None:
        """A stop is no failure: the next exchange makes it good."""
        if not isinstance(error, Cancelled):
            self._say_failed(error)

    def _lock_for_the_way_back(self) -> None:
        """恢复: at the door, where the vault is closed, with the backups of this workplace."""
        if self.opened is not None:
            self.settings.setValue(WAY_BACK, self.opened.desk.vault.folder.name)
            self.settings.sync()
            self.lock()

    def _show_lease(self, window: MainWindow, lease: State) -> None:
        words = ""
        if lease.standing is Standing.WARN:
            words = tr("还有 {days} 天不上报，就看不到资料了", days=lease.days_left)
        elif lease.standing is Standing.UPLOAD_ONLY:
            words = tr("太久没有上报，资料先收起来了。上报一次就能再看。")
        window.warn("lease", words)

    def _show_password_days(self, window: MainWindow, days: int | None) -> None:
        due = days is not None and days <= PASSWORD_WARNED_DAYS
        window.warn("password", tr("密码还有 {days} 天要换（设置 → 同事和密码）", days=days) if due else "")

    def _on_password_changed(self) -> None:
        if self.opened is not None and self.window is not None and self.opened.password_days is not None:
            self.opened = replace(self.opened, password_days=self.opened.desk.policy.password_days)
            self._show_password_days(self.window, self.opened.password_days)

    def _say_failed(self, error: Exception) -> None:
        """Work that nobody waits for failed: a page says so, when there is one."""
        if self.window is not None:
            self.window.page.say_error(error)

    def _upload_now(self, window: MainWindow, upload: UploadPage) -> None:
        window.go(Destination(key="upload"))
        if window.page is upload:
            upload.begin()

    def _dress_again(self) -> None:
        """Another appearance: parts that drew themselves in the old colours are built anew."""
        dress(self.application, self.settings)
        self.show_window(Destination(key="settings"))

    def _read_outbox(self, _touched: object = None) -> None:
        if self.opened is None or self._locking or self._ended:
            return
        self.background.desk.run(partial(read_outbox, self.opened.desk), self._show_outbox, owner=self)

    def _show_outbox(self, outbox: Outbox) -> None:
        if self.window is not None:
            self.window.show_pending(outbox.pending)
            self.window.show_synced(wording.moment(outbox.last, clock()) if outbox.last else "")

    # --- the end ---

    def lock(self) -> None:
        """锁定: cover everything, let what runs come to its end, then end this process and start a fresh one."""
        if self._locking or self.window is None:
            return
        self._locking = True
        self.idle.stop()
        self.session.stop()
        self.minder.stop()
        clear_ours(QGuiApplication.clipboard())
        # Pages keep their drafts when they are hidden; that goes onto the desk lane before we wait for it.
        self.window.draw_curtain(tr("已锁定，正在做完手上的事"))
        if not (self.background.desk.busy or self.background.courier.busy):
            self._end_locked()
            return
        if self.background.courier.busy and not self.background.desk.busy and self.opened is not None:
            self.opened.desk.vault.drop_signing_key()  # reporting needs an open vault, not a key that signs
        self.background.desk.busy_changed.connect(self._end_when_idle)
        self.background.courier.busy_changed.connect(self._end_when_idle)
        QTimer.singleShot(LOCK_PATIENCE_MS, self._end_locked)

    def _end_when_idle(self, _busy: bool) -> None:
        # Asked again on the next turn: a result may have started more work.
        QTimer.singleShot(0, self._end_if_idle)

    def _end_if_idle(self) -> None:
        if not (self.background.desk.busy or self.background.courier.busy):
            self._end_locked()

    def _end_locked(self) -> None:
        if not self._ended:
            self.end()
            if self.window is not None:
                self.window.hide()
            self._restart()
            self.application.quit()

    def _on_closed(self) -> None:
        """The window was closed: nothing new is begun, what runs is stopped at its next step and waited for."""
        if self.window is not None and not self._locking:
            self.window.hide()  # pages keep their drafts
        self.end()

    def end(self) -> None:
        """Wait for both lanes and close the vault. Twice does nothing."""
        if self._ended:
            return
        self._ended = True
        self.idle.stop()
        self.session.stop()
        self.minder.stop()
        self._let_drafts_be_kept()
        self.background.close()
        if self.opened is not None:
            self.opened.desk.vault.lock()
        self.settings.sync()

    def _let_drafts_be_kept(self) -> None:
        """Closing a lane cancels what waits in it; what a page has just asked to keep is not to be lost."""
        deadline = time.monotonic() + 5
        while self.background.desk.busy and time.monotonic() < deadline:
            self.application.processEvents()
            time.sleep(0.005)


def dress(application: QApplication, settings: QSettings) -> None:
    """Give the program the appearance that the settings ask for."""
    chosen = str(settings.value(settings_page.APPEARANCE, "system"))
    theme.dress(application, theme.PALETTES.get(chosen) or theme.system_palette())


def start_again() -> None:
    """Start a fresh process of this program."""
    if getattr(sys, "frozen", False):
        QProcess.startDetached(sys.executable, [])
        return
    source = Path(__file__).resolve().parent.parent
    QProcess.startDetached(sys.executable, ["-m", "app"], str(source))


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the desktop program; the exit code."""
    hardening.no_dumps()
    multiprocessing.freeze_support()
    if decoding.serve_if_child(sys.argv):
        return 0
    parser = argparse.ArgumentParser(
        prog="hudang",
        description="户档: one file and one QR code per rural household. Opens the window.",
        epilog="HUDANG_HOME names the folder of all data; HUDANG_LANG=en shows the program in English.",
    )
    parser.add_argument(
        "--self-check",
        action="store_true",
        help="check this installation: a vault, a window, a code and a sheet; opens nothing",
    )
    parser.add_argument("--version", action="version", version=f"hudang {config.version()}")
    options = parser.parse_args(arguments)
    if options.self_check:
        from app import selfcheck

        return selfcheck.main()
    home = config.home(os.environ)
    settings = QSettings(str(config.settings_file(home)), QSettings.Format.IniFormat)
    scale = str(settings.value(settings_page.SCALE, "100"))
    ours = scale.isdecimal() and scale != "100" and "QT_SCALE_FACTOR" not in os.environ
    if ours:
        os.environ["QT_SCALE_FACTOR"] = f"{int(scale) / 100:g}"
    application = QApplication(sys.argv[:1])
    if ours:
        del os.environ["QT_SCALE_FACTOR"]  # read by now; a fresh process is to follow the setting, not this one
    room = application.primaryScreen().availableSize()
    if ours and (room.width() < LEAST_WIDTH or room.height() < LEAST_HEIGHT):
        # Letters so large that the window does not fit this screen: nobody could reach the setting any more.
        settings.setValue(settings_page.SCALE, "100")
        settings.sync()
        start_again()
        return 0
    application.setApplicationName("hudang")
    application.setApplicationDisplayName(tr("户档"))
    translator = theme.speak_chinese(application)
    dress(application, settings)
    program = Program(application, home, Background.with_threads())
    program.start()
    code = application.exec()
    program.end()
    del translator
    return code


if __name__ == "__main__":
    sys.exit(main())
