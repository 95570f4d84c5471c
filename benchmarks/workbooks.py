"""How fast a register is read and checked: rows a second, against the bare reader on the same file in the same run.

The bare reader is calamine in this process, which neither checks nor protects; what lies between the two figures is the
child process, the transport of the cells, and every rule of `app.workbooks.checking`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import python_calamine

from app.text import RESOURCES
from app.workbooks.checking import read_register
from app.workbooks.corrections import write_corrections

REGISTER = RESOURCES / "samples" / "register-township.xlsx"
TODAY = "2026-11-21"
RUNS = 3


def best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bare(path: Path) -> int:
    """Read all cells and do nothing with them."""
    return len(python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python())


def measure() -> dict[str, object]:
    """The figures of this machine, now."""
    register = read_register(REGISTER, True, TODAY)
    checked = best(lambda: read_register(REGISTER, True, TODAY))
    limit = best(lambda: bare(REGISTER))
    return {
        "benchmark": "workbooks",
        "rows": register.rows_read,
        "households": len(register.households),
        "faults": len(register.faults),
        "rows_per_second": round(register.rows_read / checked),
        "limit_bare_calamine_rows_per_second": round(register.rows_read / limit),
        "ratio": round(limit / checked, 3),
        "corrections_ms": round(best(lambda: write_corrections(register)) * 1000),
    }


def main() -> None:
    """Print the figures as one JSON line."""
    print(json.dumps(measure(), ensure_ascii=False))


if __name__ == "__main__":
    main()
