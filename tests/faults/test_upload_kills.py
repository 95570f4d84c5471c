"""Killed uploads: whichever side dies at whatever moment, both logs end equal, nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

KILLS = 1000 if os.environ.get("HUDANG_FAULTS") == "release" else 50


def test_kills_of_laptop_and_county_during_uploads_cost_nothing(root: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.faults.killed_uploads", str(tmp_path), str(KILLS), "20261121"]
    ran = subprocess.run(program, cwd=root, capture_output=True, text=True, timeout=60 * KILLS)
    assert ran.returncode == 0, ran.stderr[-4000:]
    told = json.loads(ran.stdout)
    print(ran.stdout)  # noqa: T201 - the figures of the run, shown with -s
    assert sum(told["kills"].values()) == KILLS
    assert min(told["kills"].values()) > KILLS // 5
