"""Unlocking with a password at the calibrated cost, and locking, against what they cannot be faster than.

Unlocking: the count of the try in both its places, Argon2id, the slots, the encrypted file, the count cleared; to the
first row read. Beside it a bare Argon2id with the same parameters, and one at the floor. Locking: the file closed and
the keys forgotten, right after a save. Beside it one durable commit in an encrypted file opened by the same recipe.
Tries and files lie where temporary files do.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text

from app.vault import cipherfile, kept, sealing, slots
from app.vault.attempts import Attempts
from app.vault.cipherfile import DatabaseKey
from app.vault.vault import Vault
from benchmarks.save import timed

STAFF = bytes(range(16))
TYPED = "一句好记的话 four words at least"
ENOUGH_S = 1.5  # unlocking takes no longer


def measure(times: int) -> dict[str, object]:
    """Medians and 95th percentiles in milliseconds; `within` when unlocking stayed below the bound at its slowest."""
    kdf = slots.calibrate()
    with tempfile.TemporaryDirectory() as name:
        folder, attempts = Path(name) / "vault", Attempts(home=Path(name) / "home")
        vault = Vault.create(
            folder,
            staff=STAFF,
            label="甲",
            password=TYPED,
            recovery_public=X25519PrivateKey.generate().public_key().public_bytes_raw(),
            random=os.urandom,
            prepare=kept.prepare,
            kdf=kdf,
        )
        vault.lock()
        opened: list[Vault] = []

        def unlock() -> None:
            opened.append(Vault.unlock(folder, STAFF, TYPED, attempts=attempts))
            with opened[-1].reading() as tx:
                tx.execute(text("SELECT count(*) FROM sqlite_master")).scalar()

        bare_file = cipherfile.create(Path(name) / "bare.db", DatabaseKey.make(os.urandom))
        with bare_file.writing() as tx:
            tx.execute(text("CREATE TABLE bare (id BLOB PRIMARY KEY, data BLOB)"))

        def commit() -> None:
            with bare_file.writing() as tx:
                tx.execute(text("INSERT INTO bare VALUES (:i, :d)"), {"i": os.urandom(32), "d": bytes(1200)})

        unlocks, locks, bare, floor, commits = [], [], [], [], []
        for n in range(times):
            unlocks += timed(unlock, 1)
            with opened[-1].transaction() as tx:
                kept.put_setting(tx, "benchmark", n)
            locks += timed(opened.pop().lock, 1)
            bare += timed(lambda: sealing.seconds_of(kdf), 1)
            floor += timed(lambda: sealing.seconds_of(sealing.FLOOR), 1)
            commits += timed(commit, 1)
        bare_file.close()
    middle = {
        "unlock_ms": unlocks,
        "limit_argon2id_ms": bare,
        "floor_argon2id_ms": floor,
        "lock_ms": locks,
        "limit_durable_commit_ms": commits,
    }
    medians = {name: round(statistics.median(found), 2) for name, found in middle.items()}
    return {
        "benchmark": "unlock",
        "times": times,
        "memory_mib": kdf.memory_kib // 1024,
        "passes": kdf.passes,
        "lanes": kdf.lanes,
        **medians,
        "unlock_worst_ms": round(max(unlocks), 2),
        "lock_p95_ms": round(statistics.quantiles(locks, n=20)[18], 2),
        "over_argon2id_ms": round(medians["unlock_ms"] - medians["limit_argon2id_ms"], 2),
        "lock_ratio": round(medians["lock_ms"] / medians["limit_durable_commit_ms"], 2),
        "within": max(unlocks) <= ENOUGH_S * 1000,
    }


if __name__ == "__main__":
    print(json.dumps(measure(50 if "--full" in sys.argv else 15)))
