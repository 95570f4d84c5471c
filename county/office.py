"""The counter of a running county: only one program has the database open, so the command line hands over what it is
asked to the server, and shows what comes back.

A socket in the county's own folder, which only its owner may enter. One command at a time, each as long as it takes.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from app.errors import VaultProblem

SOCKET: Final = "office.sock"
LARGEST: Final = 64 * 1024 * 1024
WAIT_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command as it was typed, where, and the administrator's password where it needs one."""

    arguments: list[str]
    folder: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended: exit code, and what it said on both outputs."""

    code: int
    out: str
    err: str


@contextmanager
def counter(folder: Path, run: Callable[[Order], int]) -> Iterator[None]:
    """While the block lasts, `run` answers what the command line hands over; what it prints is sent back."""
    with _place(folder) as path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - a socket under a descriptor, not a file of ours
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o600)  # noqa: PTH101 - as above
        listener.listen(4)
        thread = threading.Thread(target=_answer_all, args=(listener, run), name="office", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(10)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - as above


def hand_over(folder: Path, order: Order) -> Done | None:
    """What a running server answers; None when none is running. VaultProblem("county-stopped") when it ended before
    it answered."""
    if not (folder / SOCKET).exists():
        return None
    with _place(folder) as path, socket.socket(socket.AF_UNIX) as line:
        line.settimeout(WAIT_S)
        try:
            line.connect(path)
        except OSError:
            return None  # left behind by a server that was killed
        try:
            _send(line, asdict(order))
            return Done(**_receive(line))
        except (OSError, ValueError, TypeError):
            raise VaultProblem("county-stopped") from None


def _answer_all(listener: socket.socket, run: Callable[[Order], int]) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line, contextlib.suppress(OSError, ValueError, TypeError):
            order = Order(**_receive(line))
            out, err = io.StringIO(), io.StringIO()
            # The outputs belong to the whole process, but a server says nothing after its first line.
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = run(order)
            _send(line, asdict(Done(code=code, out=out.getvalue(), err=err.getvalue())))


@contextmanager
def _place(folder: Path) -> Iterator[str]:
    """The path of the socket by way of a descriptor: a path of its own may be at most 107 bytes long."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{SOCKET}"
    finally:
        os.close(handle)


def _send(line: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    line.sendall(len(data).to_bytes(4, "big") + data)


def _receive(line: socket.socket) -> dict[str, Any]:
    size = int.from_bytes(_exactly(line, 4), "big")
    if size > LARGEST:
        raise ValueError
    message = json.loads(_exactly(line, size))
    if type(message) is not dict:
        raise ValueError
    return message


def _exactly(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = line.recv(min(size - len(data), 65536))
        if not piece:
            raise ValueError
        data += piece
    return bytes(data)
