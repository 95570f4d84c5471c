"""A program that forks savers into one encrypted file, kills each at a random moment, counts what is lost.

Arguments: path of the file, number of kills, seed; the key in hexadecimal comes by stdin. Exit code 0 when
every acknowledged save is there, none is torn, and both checks of the file pass after every kill.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

from app.vault import cipherfile
from app.vault.cipherfile import DatabaseKey

PARTS = 4  # rows of one save: all of them or none


def save_for_ever(path: Path, key: DatabaseKey, acknowledge: int) -> None:
    """Saves and acknowledges after each commit, until killed."""
    file = cipherfile.open_existing(path, key)
    file.recovered()
    while True:
        with file.writing() as connection:
            save = connection.exec_driver_sql("SELECT coalesce(max(save), 0) + 1 FROM part").scalar_one()
            for part in range(PARTS):
                body = f"{save}-" + "x" * random.randrange(3000)
                connection.exec_driver_sql("INSERT INTO part VALUES (?, ?, ?)", (save, part, body))
        os.write(acknowledge, int(save).to_bytes(8, "big"))


def one_kill(path: Path, key: DatabaseKey) -> int:
    """Number of the last save that a killed saver acknowledged, 0 for none."""
    listen, acknowledge = os.pipe()
    child = os.fork()
    if not child:
        save_for_ever(path, key, acknowledge)
    os.close(acknowledge)
    time.sleep(random.uniform(0.02, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(listen, "rb") as stream:
        data = stream.read()
    return int.from_bytes(data[-8:], "big")


def main() -> int:
    path, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    key = DatabaseKey.of_bytes(bytes.fromhex(sys.stdin.read()))
    random.seed(seed)
    file = cipherfile.open_existing(path, key)
    with file.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE part (save INTEGER, part INTEGER, body TEXT)")
    file.close()
    acknowledged = 0
    for kill in range(kills):
        acknowledged = max(acknowledged, one_kill(path, key))
        file = cipherfile.open_existing(path, key)
        file.check()
        with file.reading() as connection:
            saves = connection.exec_driver_sql(
                "SELECT save, count(*), min(body LIKE save || '-%') FROM part GROUP BY save ORDER BY save"
            ).all()
        file.close()
        whole = all(parts == PARTS and named for _, parts, named in saves)
        if [save for save, *_ in saves] != list(range(1, len(saves) + 1)) or not whole:
            sys.exit(f"torn after kill {kill}")
        if len(saves) < acknowledged:
            sys.exit(f"{acknowledged - len(saves)} acknowledged saves lost after kill {kill}")
    return 0 if acknowledged else 2


if __name__ == "__main__":
    sys.exit(main())
