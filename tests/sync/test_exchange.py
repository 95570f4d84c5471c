"""The exchange against a county that misbehaves: nothing lost, nothing twice, nothing believed unproved."""

from __future__ import annotations

from tests.sync.conftest import Scene


def household(n: int) -> bytes:
    return bytes([n]) * 16


def test_what_is_written_arrives_once_and_in_order(scene: Scene) -> None:
    laptop = scene.enrol()
    for n in range(30):
        laptop.write(household(n % 5), f"第{n}组")
    report = laptop.sync()
    assert report.sent == 30
    assert report.same
    assert report.receipt is not None
    assert report.offset_ms == 86_400_000
    assert laptop.chain.acknowledged == 31
    assert scene.county.chain_ids(laptop.chain.state.id) == laptop.chain_ids()
    laptop.assert_fold_is_tables()
    assert laptop.sync().sent == 0
