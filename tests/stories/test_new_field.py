"""A new field is one line in one declaration: table, form, spreadsheet, dictionary and sync follow.

The program is copied, the line added to the copy, and the copy does the whole way: a workbook with the new column is
imported by the county, a laptop is enrolled, and the value stands in the laptop's table, form and act.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DECLARATION = Path("app/models/records/households.py")
BEFORE = '        long_text(28, "remarks", "备注", limit=500),\n'
ADDED = '        plain(Type.COUNT, 99, "hens", "养鸡（只）", limit=100_000, columns=("养鸡数",)),\n'


def test_one_line_is_enough(tmp_path: Path) -> None:
    for folder in ("app", "county", "resources", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / DECLARATION
    declared = file.read_text(encoding="utf-8")
    assert declared.count(BEFORE) == 1
    file.write_text(declared.replace(BEFORE, BEFORE + ADDED), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.stories.new_field", str(tmp_path / "work")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["dictionary", "import", "county", "laptop", "form", "act"]
