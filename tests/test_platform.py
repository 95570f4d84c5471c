"""What the parts below us must keep doing. Each test once was a surprise."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
import sqlcipher3
from PySide6.QtCore import QObject
from PySide6.QtGui import QPainterPath
from PySide6.QtWidgets import QApplication

KEY = "2f" * 32


def test_none_keeps_its_references(qapp: QApplication) -> None:
    # PySide6 6.12.0 takes a reference from None at each call that returns nothing: on Python 3.11 a crash.
    calls = 20_000
    thing, path = QObject(), QPainterPath()
    before = sys.getrefcount(None)
    for _ in range(calls // 2):
        thing.setObjectName("x")
        path.addRect(0, 0, 1, 1)
    assert abs(sys.getrefcount(None) - before) < calls // 100


def open_cipher(path: Path, key: str) -> sqlcipher3.Connection:
    connection = sqlcipher3.connect(str(path))
    connection.execute("PRAGMA cipher_log_level = NONE")
    connection.execute(f"PRAGMA key = \"x'{key}'\"")
    return connection


def test_the_cipher_is_there_with_full_text_search(tmp_path: Path) -> None:
    connection = open_cipher(tmp_path / "vault.db", KEY)
    (version,) = connection.execute("PRAGMA cipher_version").fetchone()
    assert int(version.split(".")[0]) >= 4
    assert int(version.split(".")[1]) >= 6
    connection.execute("CREATE VIRTUAL TABLE names USING fts5(name, tokenize = 'unicode61')")
    connection.execute("INSERT INTO names VALUES ('王 伟')")
    assert connection.execute("SELECT count(*) FROM names WHERE names MATCH '\"王 伟\"'").fetchone() == (1,)
    connection.commit()
    connection.close()
    assert not (tmp_path / "vault.db").read_bytes().startswith(b"SQLite format 3")


def test_a_wrong_key_and_plain_sqlite_read_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    connection = open_cipher(path, KEY)
    connection.execute("CREATE TABLE secret (name)")
    connection.commit()
    connection.close()
    wrong = open_cipher(path, "30" * 32)
    with pytest.raises(sqlcipher3.DatabaseError):
        wrong.execute("SELECT count(*) FROM sqlite_master")
    wrong.close()
    plain = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError):
        plain.execute("SELECT count(*) FROM sqlite_master")
    plain.close()


def test_without_a_key_the_cipher_writes_plain_text(tmp_path: Path) -> None:
    # Not what we want, but what it does: the reason why the vault looks at the header after the first write.
    path = tmp_path / "plain.db"
    connection = sqlcipher3.connect(str(path))
    connection.execute("CREATE TABLE secret (name)")
    connection.commit()
    connection.close()
    assert path.read_bytes().startswith(b"SQLite format 3")
