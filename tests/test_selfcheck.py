"""The installation checks itself, from source here and from the bundle in `make build`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_this_installation_finds_itself_well(root: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "app", "--self-check"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "broken" not in done.stdout
    assert done.stderr == ""
