"""From the command to the unlock window on the screen, against the bare interpreter with Qt and one empty window."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app import config
from tests import demo

BARE = """
from PySide6.QtWidgets import QApplication, QLabel
app = QApplication([]); label = QLabel("x"); label.show(); app.processEvents()
"""
WINDOW = """
import os
from PySide6.QtWidgets import QApplication
from app import config
from app.main import Program, dress
from app.views.background import Background
application = QApplication([])
program = Program(application, config.home(os.environ), Background.with_threads())
dress(application, program.settings)
program.start()
application.processEvents()
assert program.card is not None
program.end()
"""


def seconds(code: str, home: str) -> float:
    """Wall time of a Python process that runs `code`."""
    environment = {**os.environ, "HUDANG_HOME": home, "QT_QPA_PLATFORM": "offscreen"}
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return time.perf_counter() - begun


def measure(times: int) -> dict[str, object]:
    """Medians in milliseconds, taken in turns."""
    with tempfile.TemporaryDirectory() as home:
        demo.build(config.new_workplace(Path(home), b"demo"))
        pairs = [(seconds(WINDOW, home), seconds(BARE, home)) for _ in range(times)]
    window = statistics.median(pair[0] for pair in pairs) * 1000
    bare = statistics.median(pair[1] for pair in pairs) * 1000
    figures = {"unlock_window_ms": round(window), "limit_qt_window_ms": round(bare), "ratio": round(window / bare, 2)}
    return {"benchmark": "start", "starts": times, **figures}


if __name__ == "__main__":
    print(json.dumps(measure(15 if "--full" in sys.argv else 5)))
