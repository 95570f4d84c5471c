"""A process that must leave no memory behind: asked from within, and from another process of the same user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import ctypes, os, resource
from app import hardening
before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
hardening.no_dumps()
print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")


@linux
def test_a_process_that_asked_for_it_is_not_dumped(root: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", ASK], cwd=root, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "0", "0", "0"]


@linux
def test_the_program_asks_for_it_before_anything_else(root: Path, tmp_path: Path) -> None:
    environment = dict(os.environ, HUDANG_HOME=str(tmp_path), QT_QPA_PLATFORM="offscreen")
    asking = "import ctypes, sys; from app import main; main.main(['--self-check'])"
    after = "; print('dumpable', ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    ran = subprocess.run(
        [sys.executable, "-c", asking + after], cwd=root, env=environment, capture_output=True, text=True
    )
    assert "dumpable 0" in ran.stdout, ran.stderr
