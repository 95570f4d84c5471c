"""What the commands of the county's office share: the open county, the administrator who signs, the terminal.

Passwords are typed, or come in HUDANG_ADMIN_PASSWORD for machines; never on the command line, where others could see
them.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from datetime import datetime
from typing import TypeVar

from app.errors import InputProblem
from app.progress import Progress, Steps
from app.text import tr
from county import administration, cards
from county.administration import Author, County

PASSWORD = "HUDANG_ADMIN_PASSWORD"  # noqa: S105 - the name of the variable

Result = TypeVar("Result")


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def moment(time_ms: int) -> str:
    """A time as Shanghai's clocks show it."""
    return f"{datetime.fromtimestamp(time_ms / 1000, cards.SHANGHAI):%Y-%m-%d %H:%M}"


class Opened:
    """The county of the command line, closed at the end; or the running server's, which stays open."""

    def __init__(self, asked: argparse.Namespace) -> None:
        served: County | None = getattr(asked, "county", None)
        self._served = served is not None
        self._county = served or administration.open_county(asked.data, asked.keys, now_ms, os.urandom)

    def __enter__(self) -> County:
        return self._county

    def __exit__(self, *_: object) -> None:
        if not self._served:
            self._county.close()


def sign_in(county: County, asked: argparse.Namespace) -> Author:
    """The administrator that the command names, with the password that was typed or handed over."""
    password: str | None = asked.password if "password" in asked else typed_password()
    return administration.sign_in(county, asked.administrator, password or "")


def typed_password() -> str:
    """An administrator's password."""
    return os.environ.get(PASSWORD) or ask(tr("管理员密码："))


def ask(words: str) -> str:
    """A secret from the terminal. InputProblem("password-not-given") where there is none."""
    try:
        return getpass.getpass(words)
    except EOFError:
        raise InputProblem("password-not-given", variable=PASSWORD) from None


def watch(steps: Steps[Result], words: str) -> Result:
    """Drive long work to its end, showing how far it is where somebody looks."""
    shown = time.monotonic()
    while True:
        try:
            step: Progress = next(steps)
        except StopIteration as end:
            result: Result = end.value
            if sys.stderr.isatty():
                print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
            return result
        if sys.stderr.isatty() and time.monotonic() - shown > 0.2:
            shown = time.monotonic()
            print(f"\r{words} {step.done}/{step.of} ", end="", file=sys.stderr, flush=True)
