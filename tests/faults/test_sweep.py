"""The sweep itself: what is planted is found, however it is spelled or packed, and nothing else is."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest

from tests.sweep import plain_databases, sweep

VALUE = "老人夜里咳血三日未就医"
UTF8 = VALUE.encode()


@pytest.mark.parametrize(
    "data",
    [
        UTF8,
        VALUE.encode("utf-16-le"),
        VALUE.encode("utf-16-be"),
        VALUE.encode("gb18030"),
        UTF8.hex().encode(),
        UTF8.hex().upper().encode(),
        *(b64encode(b"xyz"[:shift] + UTF8 + b"tail") for shift in range(3)),
        gzip.compress(UTF8),
    ],
)
def test_a_marker_is_found_in_every_spelling(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(data if data.startswith(b"\x1f\x8b") else b"\0\0" + data)
    assert len(sweep([tmp_path], [VALUE])) == 1
    assert sweep([tmp_path], ["别的话别的话"]) == []


def test_a_marker_is_found_in_archives_and_in_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", f"<t>{VALUE}</t>")
    (tmp_path / VALUE).write_bytes(b"")
    assert len(sweep([tmp_path], [VALUE])) == 2
    assert sweep([tmp_path], [VALUE], chosen=[tmp_path / "book.xlsx", tmp_path / VALUE]) == []


def test_a_database_that_anybody_can_read_is_found(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "plain.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 64)
    assert plain_databases([tmp_path]) == [str(tmp_path / "plain.db")]
