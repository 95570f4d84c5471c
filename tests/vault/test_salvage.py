"""Pages read without the engine: the same rows, of every size and type; and what salvage carries over."""

from __future__ import annotations

import os
import random as chance
from pathlib import Path

import pytest

from app.errors import VaultProblem
from app.vault import cipherfile, kept, salvage
from app.vault.cipherfile import DatabaseKey
from app.vault.pages import Pages, Row
from tests.sync.laptops import finished
from tests.vault.conftest import refused

KEY = DatabaseKey.make(os.urandom)


def rows_of(path: Path, columns: int) -> list[Row]:
    """Rows of so many columns on all pages."""
    with Pages(path, KEY) as pages:
        return [row for number in range(1, pages.count + 1) for row in pages.rows(number, {columns}) or ()]


def by_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row[0])


def test_pages_give_the_rows_that_the_engine_gives(tmp_path: Path) -> None:
    dice = chance.Random(4)
    path = tmp_path / "a.db"
    file = cipherfile.create(path, KEY)
    numbers = [0, 1, -1, 127, -128, 32767, 2**23 - 1, 2**31 - 1, 2**47 - 1, -(2**47), 2**63 - 1, -(2**63)]
    # Around the places where a record goes on to other pages, and far beyond.
    sizes = [0, 1, 60, 3900, 3960, 3970, 3981, 3982, 4016, 4100, 8000, 8100, 12_345, 70_000]
    wanted: list[Row] = []
    with file.writing() as tx:
        tx.exec_driver_sql("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d REAL, e)")
        for n in range(200):
            size = dice.choice(sizes)
            row = (
                n,
                "户档" * dice.randrange(40),
                dice.randbytes(size),
                dice.choice([None, 0.5, -1e300]),
                dice.choice([None, *numbers, "x", b""]),
            )
            wanted.append(row)
            tx.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?, ?, ?)", row)
    file.close()
    # The rows of the table of tables have as many columns, and begin with a text.
    assert by_first([row for row in rows_of(path, 5) if type(row[0]) is int]) == wanted


def test_deleted_rows_are_not_found(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    file = cipherfile.create(path, KEY)
    with file.writing() as tx:
        tx.exec_driver_sql("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)")
        for n in range(300):
            tx.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?)", (n, "秘密", os.urandom(900)))
    with file.writing() as tx:
        tx.exec_driver_sql("DELETE FROM t WHERE a % 3")
    file.close()
    assert [row[0] for row in by_first(rows_of(path, 3))] == list(range(0, 300, 3))


def test_a_damaged_page_takes_its_own_rows_and_no_others(tmp_path: Path) -> None:
    dice = chance.Random(9)
    path = tmp_path / "a.db"
    file = cipherfile.create(path, KEY)
    with file.writing() as tx:
        tx.exec_driver_sql("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)")
        for n in range(400):
            tx.exec_driver_sql("INSERT INTO t VALUES (?, ?, ?)", (n, "x", dice.randbytes(dice.choice((50, 9000)))))
    file.close()
    good = path.read_bytes()
    whole = {row[0]: row for row in rows_of(path, 3)}
    assert len(whole) == 400
    count = len(good) // 4096
    for _ in range(12):
        hit = dice.sample(range(1, count + 1), 5)
        data = bytearray(good)
        for number in hit:
            bit = dice.randrange((number - 1) * 4096 * 8 + (16 * 8 if number == 1 else 0), number * 4096 * 8)
            data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        with Pages(path, KEY) as pages:
            assert sorted(pages.condition().damaged) == sorted(hit)
        found = rows_of(path, 3)
        assert all(whole[row[0]] == row for row in found)
        assert len(found) >= 400 - 5 * 80
    path.write_bytes(good[: 4096 * 20 + 77])
    with Pages(path, KEY) as pages:
        condition = pages.condition()
    assert condition.cut
    assert condition.damaged == (21,)
    assert all(whole[row[0]] == row for row in rows_of(path, 3))


def test_pages_of_another_file_or_key_are_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    cipherfile.create(path, KEY).close()
    with Pages(path, DatabaseKey(raw=os.urandom(32), salt=KEY.salt)) as pages:
        assert pages.condition().damaged == tuple(range(1, pages.count + 1))
        assert pages.rows(1) is None
    with pytest.raises(VaultProblem, match="vault-missing"):
        Pages(tmp_path / "none.db", KEY)


def test_a_page_at_another_place_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    file = cipherfile.create(path, KEY)
    with file.writing() as tx:
        tx.exec_driver_sql("CREATE TABLE t (a BLOB)")
        tx.exec_driver_sql("INSERT INTO t VALUES (randomblob(30000))")
    file.close()
    data = path.read_bytes()
    path.write_bytes(data[: 3 * 4096] + data[4 * 4096 : 5 * 4096] + data[3 * 4096 : 4 * 4096] + data[5 * 4096 :])
    with Pages(path, KEY) as pages:
        assert pages.condition().damaged == (4, 5)


def test_every_kept_table_is_carried_over() -> None:
    """A new one has to find its shape in `salvage`; two tables never look alike."""
    shapes = salvage._SHAPES
    assert {table.name for table in kept.KEPT.sorted_tables} | {"entry", "payload", "stream"} == set(shapes)
    for table in kept.KEPT.sorted_tables:
        assert len(shapes[table.name]) == len(table.columns)
        assert salvage._KEYS.get(table.name, 1) == len(table.primary_key.columns)
    assert len(set(shapes.values())) == len(shapes)


def test_too_little_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    cipherfile.create(path, KEY).close()
    before = path.read_bytes()
    source = salvage.Source(path=path, key=KEY)
    with refused("salvage-too-little"):
        finished(salvage.gather([source], tmp_path / "new.db", KEY, frozenset()))
    assert [item.name for item in tmp_path.iterdir()] == ["a.db"]
    assert path.read_bytes() == before
