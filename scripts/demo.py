"""`make run`: a demo county on this machine, a demo laptop enrolled with it, the program opened.

Everything lies under `build/demo` and goes on from there the next time; remove the folder to begin anew. Without a
display nothing can be opened, so the tour is taken instead.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from PySide6.QtCore import QSettings

from app import config
from app.progress import Steps
from app.sync import enrolment
from app.sync.exchange import Report
from app.vault.vault import Vault

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "build" / "demo"
PERSON: Final = "grid"
PASSWORD: Final = "云台上坝村演示电脑的密码"  # noqa: S105 - of a vault that holds invented people only
WAIT_S: Final = 120


class NotStarted(Exception):
    """The demo county did not start; what it said is the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCounty:
    """A running demo county: folder, base address, enrolment codes by person, what it printed."""

    folder: Path
    address: str
    codes: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self) -> None:
        """End it as a service is ended, and wait."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_county(folder: Path) -> DemoCounty:
    """Start the demo county in `folder`, made at the first time, at the address its laptops know."""
    folder.mkdir(parents=True, exist_ok=True)
    card, log = folder / "demo.json", folder.parent / "county.log"
    port = urlsplit(json.loads(card.read_text(encoding="utf-8"))["address"]).port if card.exists() else 0
    began = time.time()
    with log.open("wb") as out:
        command = [sys.executable, "-m", "county", "demo", str(folder), "--port", str(port or 0)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    while time.time() < began + WAIT_S:
        if process.poll() is not None:
            raise NotStarted(log.read_text(encoding="utf-8", errors="replace"))
        if card.exists() and card.stat().st_mtime >= began - 1 and (told := _told(card)):
            return DemoCounty(folder=folder, address=told[0], codes=told[1], process=process, log=log)
        time.sleep(0.1)
    process.kill()
    raise NotStarted(f"no answer within {WAIT_S} s")


def _told(card: Path) -> tuple[str, dict[str, str]] | None:
    try:
        told = json.loads(card.read_text(encoding="utf-8"))
    except ValueError:  # it is being written
        return None
    return told["address"], told["codes"]


@contextmanager
def running_county(folder: Path) -> Iterator[DemoCounty]:
    """The demo county while the block runs."""
    county = start_county(folder)
    try:
        yield county
    finally:
        county.stop()


def enrol(county: DemoCounty, home: Path) -> None:
    """Enrol a laptop for the demo's grid worker, unless this machine has one."""
    if config.workplaces(home):
        return
    folder = config.new_workplace(home, os.urandom(16))
    folder.parent.mkdir(parents=True, exist_ok=True)
    invited = enrolment.look(county.codes[PERSON], random=os.urandom, clock=_now)
    steps = enrolment.enrol(invited, PASSWORD, folder, "演示电脑", build=config.BUILD, random=os.urandom, clock=_now)
    _finish(steps).lock()
    # What the program itself keeps after the first unlocking, so that already the door says 演示数据.
    settings = QSettings(str(config.settings_file(home)), QSettings.Format.IniFormat)
    settings.setValue(f"workplaces/{folder.name}/name", invited.invitation.workplace_name)
    settings.setValue(f"workplaces/{folder.name}/demo", "true")
    settings.sync()


def _finish(steps: Steps[tuple[Vault, Report]]) -> Vault:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            vault: Vault = end.value[0]
            return vault


def _now() -> int:
    return time.time_ns() // 1_000_000


def has_display() -> bool:
    """Whether a window can be shown here."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main() -> int:
    """Run the demo, or the tour where nothing can be shown."""
    if not has_display():
        print(
            "没有显示屏，改走演示全程（结果在 build/tour）。 No display: taking the tour instead (see build/tour).",
            flush=True,
        )
        return subprocess.run([sys.executable, "-m", "scripts.tour"], cwd=ROOT, check=False).returncode
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the county and the program end with the demo
    home = FOLDER / "home"
    environment = {**os.environ, "HUDANG_HOME": str(home)}
    with running_county(FOLDER / "county") as county:
        enrol(county, home)
        print(f"演示县：{county.address}", f"密码：{PASSWORD}", f"资料：{FOLDER}", sep="\n", flush=True)
        return subprocess.run([sys.executable, "-m", "app"], cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except NotStarted as reason:
        sys.exit(f"演示县没有启动 / the demo county did not start:\n{reason}")
