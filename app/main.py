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
import hashlib
import multiprocessing
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QProcess, QSettings, QThread, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget

from app import config
from app.casework import decoding, recovering
from app.casework.colleagues import Known
from app.casework.opening import Opened, Opener
from app.casework.recovering import Answered, Asked
from app.errors import HudangError, InputProblem, VaultProblem
from app.ledger.act import Random
from app.models.rules import passwords
from app.models.rules.policy import Policy
from app.progress import Progress
from app.sync.enrolment import Invited
from app.text import tr
from app.vault import slots
from app.vault.attempts import Attempts
from app.vault.slots import KdfParameters
from app.vault.vault import DATABASE, Vault
from app.views import power, settings_page, theme
from app.views.background import Background, Cancelled
from app.views.dossier_page import DossierPage
from app.views.enrol import EnrolCard, Invitation
from app.views.households_page import HouseholdsPage
from app.views.log_page import LogPage
from app.views.main_window import MainWindow, Place
from app.views.open_file_page import OpenFilePage
from app.views.page import Destination
from app.views.parts import wording
from app.views.parts.clipboard import clear_ours
from app.views.print_page import PrintPage
from app.views.recovery import RecoveryCard, write_request
from app.views.scan_page import ScanPage
from app.views.settings_page import SettingsPage
from app.views.today_page import TodayPage
from app.views.unlock import Colleague, UnlockCard
from app.views.upload_page import Outbox, UploadPage, clock_words, read_outbox
from app.views.visit_page import VisitPage
from app.views.workplaces import WorkplacesCard

LOCK_PATIENCE_MS = 30 * 60 * 1000
LEAST_WIDTH, LEAST_HEIGHT = 880, 480  # of the window
MINUTE_MS = 60 * 1000

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
        self.card: QWidget | None = None
        self.window: MainWindow | None = None
        self.opened: Opened | None = None
        self._random = random
        self._opener = Opener(
            build=config.BUILD,
            clock=clock,
            random=random,
            attempts=Attempts(home=home),
            kdf=kdf,
            forbid_thread=on_window_thread,
        )
        self._restart = restart or start_again
        self._invited: Invited | None = None
        self._answer: Answered | None = None
        self._ticket = 0
        self._locking = False
        self._ended = False
        self.idle = QTimer(self)
        self.idle.setSingleShot(True)
        self.idle.timeout.connect(self.lock)
        self.session = QTimer(self)
        self.session.setSingleShot(True)
        self.session.timeout.connect(self.lock)
        background.touched.connect(self._read_outbox)
        # What was stopped or failed half way has settled something all the same.
        background.courier.busy_changed.connect(self._read_outbox)

    # --- the door ---

    def start(self) -> None:
        """Show the first card: first use on a computer without a workplace, else unlocking."""
        found = config.workplaces(self.home)
        if not found:
            self.show_enrol()
            return
        last = str(self.settings.value("last", ""))
        self.show_unlock(next((place for place in found if place.name == last), found[0]))

    def show_enrol(self) -> None:
        """首次使用."""
        self._measure()
        card = EnrolCard(self._judge_enrolled, self._suggest)
        card.code_given.connect(self._look)
        card.enrol_wanted.connect(self._enrol)
        card.cancelled.connect(lambda: self.background.courier.cancel(self._ticket))
        card.given_up.connect(self._give_up)
        card.give_up.setVisible(bool(config.workplaces(self.home)))
        self._show_card(card)

    def show_unlock(self, folder: Path) -> None:
        """解锁 the workplace in `folder`."""
        try:
            people = Vault.people(folder)
        except HudangError as error:
            self._say_unusable(folder, error)
            return
        card = UnlockCard(
            self._name_of(folder),
            [Colleague(key=person.staff.hex(), name=person.label) for person in people],
            last=str(self._remembered(folder, "person")),
            demo=self._remembered(folder, "demo") == "true",
        )
        card.unlock_wanted.connect(partial(self._unlock, folder))
        card.person_chosen.connect(partial(self._ask_wait, folder))
        card.forgotten.connect(partial(self._show_recovery, folder))
        card.other_workplace.connect(self.show_workplaces)
        card.first_use.connect(self.show_enrol)
        self._show_card(card)

    def show_workplaces(self) -> None:
        """换一个工作处."""
        found = {place.name: place for place in config.workplaces(self.home)}
        card = WorkplacesCard([(name, self._name_of(place)) for name, place in found.items()])
        card.chosen.connect(lambda name: self.show_unlock(found[name]))
        card.first_use.connect(self.show_enrol)
        self._show_card(card)

    def _say_unusable(self, folder: Path, error: HudangError) -> None:
        """The slots of a workplace cannot be read: the others may still be used. A folder that holds a database is a
        vault with damaged keys, and nobody may be told to begin anew."""
        if error.code == "not-a-vault" and (folder / DATABASE).exists():
            error = VaultProblem("slots-altered")
        self.show_workplaces()
        assert self.card is not None
        card = self.card
        assert isinstance(card, WorkplacesCard)
        card.say(error)

    def _give_up(self) -> None:
        if config.workplaces(self.home):
            self.start()

    def _show_card(self, card: QWidget) -> None:
        old, self.card = self.card or self.window, card
        if old is not None:
            card.setGeometry(old.geometry())
        card.show()
        self._drop(old)

    def _drop(self, widget: QWidget | None) -> None:
        """Take a window away that another one has replaced."""
        if widget is not None:
            widget.hide()
            widget.deleteLater()

    def _measure(self) -> None:
        """Measure what deriving a key may cost on this computer while a code and a password are typed."""
        if self._opener.kdf is None:
            self.background.desk.run(slots.calibrate, self._on_measured, lambda _error: None, owner=self)

    def _on_measured(self, kdf: KdfParameters) -> None:
        self._opener = replace(self._opener, kdf=kdf)

    def _suggest(self) -> str:
        return passwords.suggest(self._random)

    # --- first use ---

    def _judge_enrolled(self, password: str) -> InputProblem | None:
        """Before the first download the defaults hold, and of names only those of the invitation are known."""
        found = self._invited.invitation if self._invited is not None else None
        names = (found.staff_name,) if found is not None else ()
        words = (found.workplace_name, found.county_name) if found is not None else ()
        return Known(policy=Policy(), names=names, words=words).judge(password)

    def _look(self, code: str) -> None:
        work = partial(self._opener.look, code)
        self.background.courier.run(work, self._on_invited, self._on_wrong_code, owner=self)

    def _on_invited(self, invited: Invited) -> None:
        self._invited = invited
        if isinstance(self.card, EnrolCard):
            found = invited.invitation
            self.card.show_invitation(
                Invitation(
                    name=found.staff_name,
                    workplace=found.workplace_name,
                    county=found.county_name,
                    demo=invited.demo,
                )
            )

    def _on_wrong_code(self, error: Exception) -> None:
        if isinstance(self.card, EnrolCard):
            self.card.say_wrong_code(known(error))

    def _enrol(self, password: str) -> None:
        assert self._invited is not None
        folder = self._folder_for(self._invited)
        self._ticket = self.background.courier.run(
            partial(self._opener.enrol, self._invited, password, folder, (platform.node() or "laptop")[:60]),
            partial(self._on_opened, folder),
            self._on_not_enrolled,
            owner=self,
            progress=self._on_enrol_step,
        )

    def _folder_for(self, invited: Invited) -> Path:
        """The same code goes on in the same folder after it was cut off."""
        name = hashlib.sha256(b"workplace" + invited.code.county + invited.code.secret).digest()[:16]
        return config.new_workplace(self.home, name)

    def _on_enrol_step(self, step: Progress) -> None:
        if isinstance(self.card, EnrolCard):
            self.card.step(step)

    def _on_not_enrolled(self, error: Exception) -> None:
        if isinstance(self.card, EnrolCard):
            self.card.say_failed(known(error))

    # --- unlocking ---

    def _unlock(self, folder: Path, key: str, password: str) -> None:
        self.background.desk.run(
            partial(self._opener.unlock, folder, bytes.fromhex(key), password),
            partial(self._on_opened, folder),
            self._on_locked,
            owner=self,
            progress=self._on_unlock_step,
        )

    def _on_unlock_step(self, step: Progress) -> None:
        if isinstance(self.card, UnlockCard):
            amount = f" {step.done:,} / {step.of:,}" if step.of else ""
            self.card.unlock.setText(f"{step.doing or tr('正在打开')}{amount}")

    def _on_locked(self, error: Exception) -> None:
        if not isinstance(self.card, UnlockCard):
            return
        self.card.say_wrong(known(error))

    def _ask_wait(self, folder: Path, key: str) -> None:
        """How long this person still has to wait: the limiter remembers over restarts."""
        work = partial(self._opener.wait_s, folder, bytes.fromhex(key))
        self.background.desk.run(work, self._on_wait, lambda _error: None, owner=self)

    def _on_wait(self, seconds: int) -> None:
        if isinstance(self.card, UnlockCard):
            self.card.say_wait(seconds)

    def _on_opened(self, folder: Path, opened: Opened) -> None:
        self.opened = opened
        self.settings.setValue("last", folder.name)
        self._remember(folder, "name", opened.place)
        self._remember(folder, "demo", "true" if opened.desk.demo else "false")
        self._remember(folder, "person", opened.desk.author.staff.hex())
        # A forgotten password is replaced while the vault is closed: its rules have to be known outside.
        self._remember(folder, "profile", opened.desk.policy.password_profile)
        self._remember(folder, "length", str(opened.desk.policy.password_length))
        self.settings.sync()
        self.show_window()

    def _name_of(self, folder: Path) -> str:
        return str(self._remembered(folder, "name")) or tr("工作处 {key}", key=folder.name[:4])

    def _remembered(self, folder: Path, what: str) -> object:
        return self.settings.value(f"workplaces/{folder.name}/{what}", "")

    def _remember(self, folder: Path, what: str, value: str) -> None:
        self.settings.setValue(f"workplaces/{folder.name}/{what}", value)

    # --- a forgotten password ---

    def _show_recovery(self, folder: Path) -> None:
        """忘记密码, for the person chosen at the door, or for whom a request waits already."""
        assert isinstance(self.card, UnlockCard)
        chosen = self.card.chosen()
        self.background.desk.run(
            partial(recovering.waiting, folder),
            partial(self._begin_recovery, folder, chosen),
            self._on_locked,
            owner=self,
        )

    def _begin_recovery(self, folder: Path, chosen: str, asked: Asked | None) -> None:
        if not isinstance(self.card, UnlockCard):
            return
        key = asked.staff.hex() if asked is not None else chosen
        name = next((one.label for one in Vault.people(folder) if one.staff.hex() == key), "")
        if not name:
            self.card.ask_person()
            return
        self._measure()
        judge = partial(self._judge_recovered, folder, name)
        card = RecoveryCard(name, judge, self._suggest)
        card.asked.connect(partial(self._ask_county, folder, bytes.fromhex(key)))
        card.saved.connect(partial(self._save_request, folder))
        card.given.connect(self._read_answer)
        card.finished.connect(partial(self._finish_recovery, folder))
        card.back.connect(lambda: self.show_unlock(folder))
        self._answer = None
        self._show_card(card)
        if asked is not None:
            card.show_request(asked)

    def _judge_recovered(self, folder: Path, name: str, password: str) -> InputProblem | None:
        length = str(self._remembered(folder, "length"))
        values: dict[str, str | int] = {"password_profile": str(self._remembered(folder, "profile"))}
        if length.isdecimal():
            values["password_length"] = int(length)
        words = (self._name_of(folder),)
        return Known(policy=Policy.of(values), names=(name,), words=words).judge(password)

    def _ask_county(self, folder: Path, person: bytes, password: str) -> None:
        work = partial(self._opener.ask, folder, person, password)
        self.background.desk.run(work, self._on_asked, self._on_not_recovered, owner=self)

    def _on_asked(self, asked: Asked) -> None:
        if isinstance(self.card, RecoveryCard):
            self.card.show_request(asked)

    def _save_request(self, folder: Path, path: str) -> None:
        card = self.card

        def saved(_done: None) -> None:
            if card is self.card and isinstance(card, RecoveryCard):
                card.say_saved(path)

        self.background.desk.run(partial(save_request, folder, Path(path)), saved, self._on_not_recovered, owner=self)

    def _read_answer(self, path: str) -> None:
        work = partial(recovering.read_file, Path(path))
        self.background.desk.run(work, self._on_answer, self._on_not_recovered, owner=self)

    def _on_answer(self, answered: Answered) -> None:
        self._answer = answered
        if isinstance(self.card, RecoveryCard):
            self.card.show_answer(answered)

    def _finish_recovery(self, folder: Path, password: str) -> None:
        assert self._answer is not None
        self.background.desk.run(
            partial(self._opener.recover, folder, password, self._answer.answer),
            partial(self._on_opened, folder),
            self._on_not_recovered,
            owner=self,
            progress=self._on_recovery_step,
        )

    def _on_recovery_step(self, step: Progress) -> None:
        if isinstance(self.card, RecoveryCard):
            self.card.step(step.doing or tr("正在打开"))

    def _on_not_recovered(self, error: Exception) -> None:
        if isinstance(self.card, RecoveryCard):
            self.card.say(known(error))

    # --- the window ---

    def show_window(self, at: Destination | None = None) -> None:
        """Build the pages and the window around them; the first page is shown unless `at` names another."""
        assert self.opened is not None
        desk, lanes, settings = self.opened.desk, self.background, self.settings
        upload = UploadPage(desk, lanes, partial(self._opener.report, desk.vault))
        look = SettingsPage(desk, lanes, settings, version=config.version())
        scan = ScanPage(desk, lanes)
        shown = [
            Place(key="today", title=tr("今日"), icon="today", page=TodayPage(desk, lanes)),
            Place(
                key="households",
                title=tr("农户"),
                icon="households",
                page=HouseholdsPage(desk, lanes, settings),
            ),
            Place(key="scan", title=tr("扫码"), icon="scan", page=scan, hint="F2"),
            Place(key="print", title=tr("打印"), icon="print", page=PrintPage(desk, lanes, settings)),
            Place(key="upload", title=tr("上报"), icon="upload", page=upload),
            Place(key="log", title=tr("记录"), icon="log", page=LogPage(desk, lanes, settings)),
            Place(key="settings", title=tr("设置"), icon="settings", page=look),
            Place(key="dossier", title=tr("户档"), icon="households", page=DossierPage(desk, lanes), in_rail=False),
            Place(key="open_file", title=tr("建档"), icon="pen", page=OpenFilePage(desk, lanes), in_rail=False),
            Place(key="visit", title=tr("走访"), icon="pen", page=VisitPage(desk, lanes), in_rail=False),
        ]
        window = MainWindow(shown, lanes, demo=desk.demo)
        scan.listen_in(window)
        window.show_place(self.opened.place)
        window.show_person(self.opened.person)
        window.lock_wanted.connect(self.lock)
        window.upload_wanted.connect(partial(self._upload_now, window, upload))
        window.closed.connect(self._on_closed)
        upload.clock_told.connect(lambda offset: window.warn(clock_words(offset)))
        look.appearance_chosen.connect(lambda _key: QTimer.singleShot(0, self._dress_again))
        look.restart_wanted.connect(self.lock)
        old, self.window = self.window or self.card, window
        self.card = None
        if old is not None:
            window.setGeometry(old.geometry())
        window.show()
        if old is not None:
            if isinstance(old, MainWindow):
                old.closed.disconnect()
            self._drop(old)
        # The window's own events are few: a filter on the whole program would slow down every repaint.
        window.windowHandle().installEventFilter(self)
        self._power = power.watch(window)
        self._power.leaving.connect(self.lock)
        self.idle.setInterval(desk.policy.idle_minutes * MINUTE_MS)
        self.idle.start()
        if not self.session.isActive():
            self.session.start(desk.policy.session_hours * 60 * MINUTE_MS)
        window.go(at) if at is not None else window.start()
        self._read_outbox()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        """Somebody is there."""
        if event.type() in SIGNS_OF_LIFE:
            self.idle.start()
        return False

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


def known(error: Exception) -> HudangError:
    """The error in our tree: stopped work and bugs too have a sentence."""
    if isinstance(error, Cancelled):
        return InputProblem("stopped")
    return error if isinstance(error, HudangError) else HudangError("bug")


def save_request(folder: Path, path: Path) -> None:
    """Write the request that waits in `folder` where the person said. Runs on the lane."""
    asked = recovering.waiting(folder)
    if asked is not None:
        write_request(asked, path)


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
