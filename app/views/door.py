"""The door: from a computer to an open desk. First use, unlocking, the choice of a workplace, a password that was
forgotten or has run out; one card at a time.

Everything slow runs on the lanes. What is remembered of a workplace outside its vault (its name, who was last there, by
which rules a new password is judged) stands in the settings file; nothing of it is personal but the id of a person.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSettings, Signal
from PySide6.QtWidgets import QWidget

from app import config
from app.casework import colleagues, recovering
from app.casework.colleagues import Known
from app.casework.opening import Opened, Opener
from app.casework.recovering import Answered, Asked
from app.casework.safekeeping import Diagnosis, Safe
from app.errors import HudangError, InputProblem
from app.models.rules import passwords
from app.models.rules.policy import Policy
from app.progress import Progress, Steps
from app.sync.enrolment import Invited
from app.text import tr
from app.vault import slots
from app.vault.backups import Backup
from app.vault.backups import of_vault as backups_of
from app.vault.salvage import Salvaged
from app.vault.slots import KdfParameters
from app.vault.vault import Vault
from app.views.background import Background, Cancelled
from app.views.damage import DamageCard
from app.views.enrol import EnrolCard, Invitation
from app.views.recovery import RecoveryCard, write_request
from app.views.unlock import Colleague, OverdueCard, UnlockCard
from app.views.workplaces import WorkplacesCard

WAY_BACK = "door/way-back"  # the setting with the workplace whose backups the next door offers


class Door(QObject):
    """The cards before the window; `card` is the one that stands there. `opened` carries the open desk, `given_up` says
    that an open desk is not to be used."""

    opened = Signal(object)  # Opened
    given_up = Signal()

    def __init__(self, home: Path, settings: QSettings, background: Background, opener: Opener, safe: Safe) -> None:
        super().__init__()
        self.home, self.settings, self.background = home, settings, background
        self.opener, self.safe = opener, safe
        self.card: QWidget | None = None
        self._invited: Invited | None = None
        self._answer: Answered | None = None
        self._ticket = 0

    def start(self) -> None:
        """Show the first card: first use on a computer without a workplace, else unlocking."""
        found = config.workplaces(self.home)
        if not found:
            self.show_enrol()
            return
        last = str(self.settings.value("last", ""))
        place = next((place for place in found if place.name == last), found[0])
        if self.settings.value(WAY_BACK, "") == place.name:
            self.settings.remove(WAY_BACK)
            self._show_damage(place, None)
        else:
            self.show_unlock(place)

    def show_enrol(self) -> None:
        """首次使用."""
        self._measure()
        card = EnrolCard(self._judge_enrolled, self._suggest_enrolled)
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
            self._diagnose(folder, error)
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

    def _give_up(self) -> None:
        if config.workplaces(self.home):
            self.start()

    def _show_card(self, card: QWidget) -> None:
        old, self.card = self.card, card
        if old is not None:
            card.setGeometry(old.geometry())
        card.show()
        if old is not None:
            old.hide()
            old.deleteLater()

    def _measure(self) -> None:
        """Measure what deriving a key may cost on this computer while a code and a password are typed."""
        if self.opener.kdf is None:
            self.background.desk.run(slots.calibrate, self._on_measured, lambda _error: None, owner=self)

    def _on_measured(self, kdf: KdfParameters) -> None:
        self.opener = replace(self.opener, kdf=kdf)

    # --- first use ---

    def _judge_enrolled(self, password: str) -> InputProblem | None:
        """Before the first download only what the invitation says is known."""
        assert self._invited is not None
        found = self._invited.invitation
        names, words = (found.staff_name,), (found.workplace_name, found.county_name)
        return Known(policy=found.policy, names=names, words=words).judge(password)

    def _suggest_enrolled(self) -> str:
        assert self._invited is not None
        return passwords.suggest(self.opener.random, self._invited.invitation.policy)

    def _look(self, code: str) -> None:
        work = partial(self.opener.look, code)
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
            partial(self.opener.enrol, self._invited, password, folder, (platform.node() or "laptop")[:60]),
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
            partial(self.opener.unlock, folder, bytes.fromhex(key), password),
            partial(self._on_opened, folder),
            partial(self._on_locked, folder),
            owner=self,
            progress=self._on_unlock_step,
        )

    def _on_unlock_step(self, step: Progress) -> None:
        if isinstance(self.card, UnlockCard):
            amount = f" {step.done:,} / {step.of:,}" if step.of else ""
            self.card.unlock.setText(f"{step.doing or tr('正在打开')}{amount}")

    def _on_locked(self, folder: Path, error: Exception) -> None:
        problem = known(error)
        if problem.code in ("wrong-password", "too-soon"):
            self._say_locked(problem)
        else:
            self._diagnose(folder, problem)

    def _say_locked(self, problem: HudangError) -> None:
        if isinstance(self.card, UnlockCard):
            self.card.say_wrong(problem)

    def _ask_wait(self, folder: Path, key: str) -> None:
        """How long this person still has to wait: the limiter remembers over restarts."""
        work = partial(self.opener.wait_s, folder, bytes.fromhex(key))
        self.background.desk.run(work, self._on_wait, lambda _error: None, owner=self)

    def _on_wait(self, seconds: int) -> None:
        if isinstance(self.card, UnlockCard):
            self.card.say_wait(seconds)

    def _on_opened(self, folder: Path, opened: Opened) -> None:
        self.settings.setValue("last", folder.name)
        self._remember(folder, "name", opened.place)
        self._remember(folder, "demo", "true" if opened.desk.demo else "false")
        self._remember(folder, "person", opened.desk.author.staff.hex())
        # A forgotten password is replaced while the vault is closed: its rules have to be known outside.
        self._remember(folder, "profile", opened.desk.policy.password_profile)
        self._remember(folder, "length", str(opened.desk.policy.password_length))
        self.settings.sync()
        if opened.password_days is not None and opened.password_days <= 0:
            self._show_overdue(opened)
        else:
            self.opened.emit(opened)

    def _show_overdue(self, opened: Opened) -> None:
        """The password has to be changed before anything else is done."""
        work = partial(colleagues.known, opened.desk)
        self.background.desk.run(work, partial(self._ask_new_password, opened), owner=self)

    def _ask_new_password(self, opened: Opened, rules: Known) -> None:
        card = OverdueCard(
            rules.judge, partial(passwords.suggest, self.opener.random, rules.policy), demo=opened.desk.demo
        )

        def refused(error: Exception) -> None:
            card.form.say(known(error))

        def change(old: str, new: str) -> None:
            work = partial(
                colleagues.change_password,
                opened.desk,
                old,
                new,
                attempts=self.opener.attempts,
                kdf=self.opener.kdf,
            )
            self.background.desk.run(work, changed, refused, owner=card)

        def changed(_done: None) -> None:
            self.opened.emit(replace(opened, password_days=opened.desk.policy.password_days))

        card.wanted.connect(change)
        card.left.connect(self.given_up)
        self._show_card(card)

    def _name_of(self, folder: Path) -> str:
        return str(self._remembered(folder, "name")) or tr("工作处 {key}", key=folder.name[:4])

    def _remembered(self, folder: Path, what: str) -> object:
        return self.settings.value(f"workplaces/{folder.name}/{what}", "")

    def _remember(self, folder: Path, what: str, value: str) -> None:
        self.settings.setValue(f"workplaces/{folder.name}/{what}", value)

    # --- a vault that does not open ---

    def _diagnose(self, folder: Path, problem: HudangError) -> None:
        """It stayed closed for another reason than the password: what can be done?"""
        self.background.desk.run(
            partial(self.safe.diagnose, folder, problem),
            partial(self._on_diagnosed, folder, problem),
            lambda _error: self._on_diagnosed(folder, problem, None),
            owner=self,
        )

    def _on_diagnosed(self, folder: Path, problem: HudangError, found: Diagnosis | None) -> None:
        if found is not None:
            self._show_damage(folder, found)
        elif isinstance(self.card, UnlockCard):
            self._say_locked(problem)
        else:
            self.show_workplaces()
            assert isinstance(self.card, WorkplacesCard)
            self.card.say(problem)

    def _show_damage(self, folder: Path, found: Diagnosis | None) -> None:
        """The ways out of damage; without a diagnosis the way back to a backup."""
        try:
            people = Vault.people(folder)
        except HudangError:
            people = []
        backups = found.backups if found is not None else self._backups_of(folder)
        last = str(self._remembered(folder, "person"))
        card = DamageCard(self._name_of(folder), found, people, backups=backups, last=last)
        card.salvage_wanted.connect(partial(self._salvage, folder))
        card.restore_wanted.connect(partial(self._restore, folder))
        card.folder_chosen.connect(self._find_backups)
        card.room_wanted.connect(partial(self._make_room, folder))
        card.finished.connect(lambda: self.show_unlock(folder))
        card.elsewhere.connect(self.show_workplaces if found is not None else lambda: self.show_unlock(folder))
        self._show_card(card)

    def _backups_of(self, folder: Path) -> tuple[Backup, ...]:
        try:
            return tuple(backups_of(self.safe.place, folder.name))
        except HudangError:
            return ()

    def _salvage(self, folder: Path, key: str, password: str) -> None:
        work = partial(
            self.safe.salvage,
            folder,
            bytes.fromhex(key),
            password,
            now_ms=self.opener.clock(),
            unlocking=self.opener.attempts.unlock,
        )
        self._mend(work)

    def _restore(self, folder: Path, backup: Backup, key: str, password: str) -> None:
        work = partial(
            self.safe.restore,
            backup,
            folder,
            bytes.fromhex(key),
            password,
            now_ms=self.opener.clock(),
            unlocking=self.opener.attempts.unlock,
        )
        self._mend(work)

    def _mend(self, work: Callable[[], Steps[Salvaged]]) -> None:
        self.background.desk.run(work, self._on_mended, self._on_not_mended, owner=self, progress=self._on_mending)

    def _find_backups(self, name: str) -> None:
        work = partial(self.safe.found_in, Path(name))
        self.background.desk.run(work, self._on_backups, self._on_not_mended, owner=self)

    def _make_room(self, folder: Path) -> None:
        work = partial(self.safe.make_room, folder)
        self.background.desk.run(work, self._on_room, self._on_not_mended, owner=self)

    def _on_mending(self, step: Progress) -> None:
        if isinstance(self.card, DamageCard):
            self.card.step(step)

    def _on_mended(self, salvaged: Salvaged) -> None:
        if isinstance(self.card, DamageCard):
            self.card.say_done(salvaged)

    def _on_backups(self, found: list[Backup]) -> None:
        if isinstance(self.card, DamageCard):
            self.card.show_backups(found)

    def _on_room(self, freed: int) -> None:
        if isinstance(self.card, DamageCard):
            self.card.say_freed(freed)

    def _on_not_mended(self, error: Exception) -> None:
        if isinstance(self.card, DamageCard):
            self.card.say_failed(known(error))

    # --- a forgotten password ---

    def _show_recovery(self, folder: Path) -> None:
        """忘记密码, for the person chosen at the door, else for whom alone a request waits already."""
        assert isinstance(self.card, UnlockCard)
        chosen = self.card.chosen()
        self.background.desk.run(
            partial(recovering.waiting, folder, bytes.fromhex(chosen) or None),
            partial(self._begin_recovery, folder, chosen),
            lambda error: self._say_locked(known(error)),
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
        rules = self._rules_of(folder, name)
        card = RecoveryCard(name, rules.judge, partial(passwords.suggest, self.opener.random, rules.policy))
        card.asked.connect(partial(self._ask_county, folder, bytes.fromhex(key)))
        card.saved.connect(partial(self._save_request, folder, bytes.fromhex(key)))
        card.given.connect(self._read_answer)
        card.finished.connect(partial(self._finish_recovery, folder))
        card.back.connect(lambda: self.show_unlock(folder))
        self._answer = None
        self._show_card(card)
        if asked is not None:
            card.show_request(asked)

    def _rules_of(self, folder: Path, name: str) -> Known:
        """What a new password is judged by while the vault is closed."""
        length = str(self._remembered(folder, "length"))
        values: dict[str, str | int] = {"password_profile": str(self._remembered(folder, "profile"))}
        if length.isdecimal():
            values["password_length"] = int(length)
        return Known(policy=Policy.of(values), names=(name,), words=(self._name_of(folder),))

    def _ask_county(self, folder: Path, person: bytes, password: str) -> None:
        work = partial(self.opener.ask, folder, person, password)
        self.background.desk.run(work, self._on_asked, self._on_not_recovered, owner=self)

    def _on_asked(self, asked: Asked) -> None:
        if isinstance(self.card, RecoveryCard):
            self.card.show_request(asked)

    def _save_request(self, folder: Path, person: bytes, path: str) -> None:
        card = self.card

        def saved(_done: None) -> None:
            if card is self.card and isinstance(card, RecoveryCard):
                card.say_saved(path)

        work = partial(save_request, folder, person, Path(path))
        self.background.desk.run(work, saved, self._on_not_recovered, owner=self)

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
            partial(self.opener.recover, folder, password, self._answer.answer),
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


def known(error: Exception) -> HudangError:
    """The error in our tree: stopped work and bugs too have a sentence."""
    if isinstance(error, Cancelled):
        return InputProblem("stopped")
    return error if isinstance(error, HudangError) else HudangError("bug")


def save_request(folder: Path, person: bytes, path: Path) -> None:
    """Write the request of `person` that waits in `folder` to `path`. Runs on the lane."""
    asked = recovering.waiting(folder, person)
    if asked is not None:
        write_request(asked, path)
