"""The demo village for tests of verbs: built once, a copy for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.casework.desk import Desk
from tests import demo

THEIR_PASSWORD = "第二个人 的密码"


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vault of the demo village, to be copied."""
    folder = tmp_path_factory.mktemp("village") / "vault"
    demo.build(folder)
    return folder


@pytest.fixture
def mine(village: Path, tmp_path: Path) -> Iterator[Desk]:
    """The desk of 韦测一, of his grid and his village, in a vault of its own."""
    folder = tmp_path / "vault"
    shutil.copytree(village, folder)
    desk = demo.open_desk(folder)
    yield desk
    desk.vault.lock()


@pytest.fixture
def station(village: Path, tmp_path: Path) -> Iterator[Desk]:
    """The same person as one of the township's station; the colleague has a slot in the vault too."""
    folder = tmp_path / "station"
    shutil.copytree(village, folder)
    desk = demo.open_desk(folder, granted=(("STATION", demo.TOWNSHIP),))
    demo.join(desk, demo.COLLEAGUE, "覃试二", THEIR_PASSWORD)
    yield desk
    desk.vault.lock()
