"""A dressed program for tests of views."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication

from app.casework.desk import Desk
from app.views import theme
from app.views.background import Background
from tests import demo


@pytest.fixture(autouse=True)
def nothing_left(qapp: QApplication) -> Iterator[None]:
    """A test's windows go with it: Qt deletes later, and without a loop that comes round later is never."""
    yield
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def dressed(qapp: QApplication) -> QApplication:
    """The program in its light clothes."""
    if qapp.property("appearance") != theme.LIGHT.name:
        theme.dress(qapp, theme.LIGHT)
    return qapp


@pytest.fixture
def at_once(dressed: QApplication) -> Iterator[Background]:
    """Lanes that work at once."""
    background = Background.at_once()
    yield background
    background.close()


@pytest.fixture(scope="session")
def demo_vault(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The vault of the demo village, to be copied."""
    folder = tmp_path_factory.mktemp("demo") / "vault"
    demo.build(folder)
    return folder


@pytest.fixture
def station_desk(demo_vault: Path, tmp_path: Path) -> Iterator[Desk]:
    """The same village, where the person is of the township's station."""
    folder = tmp_path / "station"
    shutil.copytree(demo_vault, folder)
    desk = demo.open_desk(folder, granted=(("STATION", demo.TOWNSHIP),))
    yield desk
    desk.vault.lock()


@pytest.fixture
def grid_desk(demo_vault: Path, tmp_path: Path) -> Iterator[Desk]:
    """The same village, where the person is the grid worker and nothing else."""
    folder = tmp_path / "grid"
    shutil.copytree(demo_vault, folder)
    desk = demo.open_desk(folder, granted=(("GRID", demo.GRID),))
    yield desk
    desk.vault.lock()


@pytest.fixture
def demo_desk(demo_vault: Path, tmp_path: Path) -> Iterator[Desk]:
    """A desk in a vault of its own, where the demo village lies."""
    folder = tmp_path / "vault"
    shutil.copytree(demo_vault, folder)
    desk = demo.open_desk(folder)
    yield desk
    desk.vault.lock()
