"""How much a repaint of the list is stretched while the desk lane folds the whole log, against the idle window.

One figure is the median of a full repaint of the list (every visible cell drawn anew); the limit is the same repaint
while nothing else runs. The work is the real refold of a vault, as after a hot opening, on the real worker thread.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from app.casework.desk import Desk
from app.models.store import refold
from app.progress import Progress, Steps
from app.views import theme
from app.views.background import Background
from app.views.households_page import HouseholdsPage
from app.views.main_window import MainWindow, Place
from tests import demo

TARGET = 3.0


def folding(desk: Desk, times: int) -> Steps[None]:
    """Fold the whole log again and again."""
    for _ in range(times):
        with desk.vault.transaction() as tx:
            for done, of in refold(tx):
                yield Progress(done=done, of=of)


def repaints(page: HouseholdsPage, count: int) -> list[float]:
    """Milliseconds of each of `count` full repaints of the list, some time apart."""
    found = []
    for _ in range(count):
        QApplication.processEvents()
        begun = time.perf_counter()
        page.table.viewport().repaint()
        found.append((time.perf_counter() - begun) * 1000)
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            QApplication.processEvents()
    return found


def measure(count: int) -> dict[str, object]:
    """Medians and 95th percentiles idle and while folding."""
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    theme.dress(application, theme.LIGHT)
    with tempfile.TemporaryDirectory() as name:
        demo.build(Path(name) / "vault")
        desk = demo.open_desk(Path(name) / "vault")
        background = Background.with_threads()
        settings = QSettings(str(Path(name) / "settings.ini"), QSettings.Format.IniFormat)
        page = HouseholdsPage(desk, background, settings)
        place = Place(key="households", title="农户", icon="households", page=page)
        window = MainWindow([place], background, demo=True)
        window.show()
        window.start()
        until = time.perf_counter() + 2
        while time.perf_counter() < until:
            application.processEvents()
        idle = repaints(page, count)
        ticket = background.desk.run(partial(folding, desk, 10_000), owner=window, otherwise=lambda _: None)
        busy = repaints(page, count)
        still = background.desk.busy
        background.desk.cancel(ticket)
        background.close()
        window.close()
        desk.vault.lock()
    if not still:
        raise SystemExit("the lane had nothing to do any more")
    ratio = statistics.median(busy) / statistics.median(idle)
    return {
        "benchmark": "repaint",
        "repaints": count,
        "folding_ms": round(statistics.median(busy), 2),
        "folding_p95_ms": round(statistics.quantiles(busy, n=20)[18], 2),
        "limit_idle_ms": round(statistics.median(idle), 2),
        "ratio": round(ratio, 2),
        "target": TARGET,
    }


if __name__ == "__main__":
    print(json.dumps(measure(300 if "--full" in sys.argv else 60)))
