"""What a process does so that its memory is not written to a disk when it crashes, nor read by other programs of the
same user (reference security.md 2.5).

It is done first of all, before any secret is there. What a system does not offer is left out without a word: the vault
does not depend on it. Linux is tested; what is done on Windows follows its documentation and was not run there.
Sleeping to the disk and swapping are the system's: the installation guide asks for an encrypted disk.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

if sys.platform != "win32":
    import resource

_PR_SET_DUMPABLE: Final = 4  # prctl(2)
_NO_BOXES: Final = 0x0001 | 0x0002  # SetErrorMode: a critical error or a crash calls nobody


def no_dumps() -> None:
    """No core dump, no crash report with memory in it, and on Linux no reading of this memory by other processes of the
    same user; debuggers of the same user cannot attach either."""
    if sys.platform == "win32":
        with suppress(OSError):
            ctypes.windll.kernel32.SetErrorMode(_NO_BOXES)
            ctypes.WinDLL("wer.dll").WerAddExcludedApplication(sys.executable, False)
        return
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
