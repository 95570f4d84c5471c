"""What every test stands on: no screen unless asked for, no network, the same chance each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hypothesis
import pytest

if "--onscreen" not in sys.argv:
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
os.environ.pop("HUDANG_LANG", None)

hypothesis.settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("house")

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = ("127.", "::1", "localhost")


def stay_on_this_machine(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: a test that speaks to another machine is wrong, whatever it proves."""
    if event != "socket.connect":
        return
    address = arguments[1]
    if isinstance(address, tuple) and not str(address[0]).startswith(LOOPBACK):
        raise AssertionError(f"a test may not reach {address[0]}")


sys.addaudithook(stay_on_this_machine)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--onscreen` shows the windows of the tests on the real screen."""
    parser.addoption("--onscreen", action="store_true", help="show windows on the real screen")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT
