"""Saving one visit, from the verb to the durable commit, against one durable commit of the same database recipe.

The bare commit inserts one row of the size of a visit's entry into an encrypted file opened by the same recipe.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from app.casework import visits
from app.vault import cipherfile
from app.vault.cipherfile import DatabaseKey
from tests import demo


def timed(work: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each of `times` calls."""
    found = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        found.append((time.perf_counter() - begun) * 1000)
    return found


def measure(times: int) -> dict[str, object]:
    """Medians and 95th percentiles in milliseconds, and the ratio of the medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo.build(folder / "vault")
        desk = demo.open_desk(folder / "vault")
        household = demo.find(desk)[0].id
        begun = visits.begin(desk, household)
        values = {**begun.values, "summary": "核对了全家人口和收入，老人身体稳定，没有新的困难，约好下月再来。" * 4}

        def save() -> None:
            visits.record(desk, replace(begun, id=desk.new_id(), values=values))

        save()
        saves = timed(save, times)
        file = cipherfile.create(folder / "bare.db", DatabaseKey.make(desk.random))
        with file.writing() as tx:
            tx.execute(text("CREATE TABLE bare (id BLOB PRIMARY KEY, data BLOB)"))

        def commit() -> None:
            with file.writing() as tx:
                tx.execute(text("INSERT INTO bare VALUES (:i, :d)"), {"i": desk.random(32), "d": bytes(1200)})

        bare = timed(commit, times)
        file.close()
        desk.vault.lock()
    return {
        "benchmark": "save",
        "visits": times,
        "save_ms": round(statistics.median(saves), 2),
        "save_p95_ms": round(statistics.quantiles(saves, n=20)[18], 2),
        "limit_durable_commit_ms": round(statistics.median(bare), 2),
        "ratio": round(statistics.median(saves) / statistics.median(bare), 2),
    }


if __name__ == "__main__":
    print(json.dumps(measure(2000 if "--full" in sys.argv else 200)))
