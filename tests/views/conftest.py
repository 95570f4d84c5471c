"""A dressed program for tests of views."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from app.views import theme
from app.views.background import Background


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
