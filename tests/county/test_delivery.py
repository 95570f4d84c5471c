"""Delivery: each vault gets its streams whole, values only where they live, and both sides agree by digest."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from app.errors import CountyRefusal
from app.ledger.act import Said
from app.ledger.entry import Act, decode_entry
from app.models.records.registry import BY_NAME
from app.models.store import registers_of
from app.sync.protocol import DeliveryRequest
from county import administration, delivery
from county.administration import Deed
from tests.county.conftest import Site
from tests.county.laptop import Laptop, Store

HOUSEHOLD = BY_NAME["household"]
GRID = HOUSEHOLD.field("grid").number
ADDRESS = HOUSEHOLD.field("address_detail").number


def households(store: Store) -> set[bytes]:
    """Households of which something is held."""
    found: set[bytes] = set()
    for root in store.streams:
        for identity in store.streams[root].values():
            entry = decode_entry(store.entries[identity][1])
            found.update(change.object for change in entry.changes if change.kind == 8 and change.object == root)
    return found


def test_a_grid_worker_gets_the_grid_and_nothing_else(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    one, two = new_laptop(), new_laptop("陆试三", "云台镇/上坝村/第二网格")
    station = new_laptop("覃试二", "云台镇")
    stores = [Store(), Store(), Store()]
    for store, laptop in zip(stores, (one, two, station), strict=True):
        store.pull(laptop)
    mine, theirs, everybody = map(households, stores)
    assert mine
    assert theirs
    assert mine.isdisjoint(theirs)
    assert mine | theirs == everybody
    assert len(everybody) == 39


def test_own_uploads_and_new_work_of_others_come_in_order(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    grid, station = new_laptop(), new_laptop("覃试二", "云台镇")
    store = Store()
    store.pull(grid)
    home = min(households(store))
    grid.edit(home, "address_detail", "一号")
    grid.send(0)
    station.edit(home, "address_detail", "二号")
    station.send(0)
    store.pull(grid)
    placed = [identity for _, identity in sorted(store.streams[home].items())]
    assert placed[-2:] == [grid.log[-1].id, station.log[-1].id]
    assert store.heads()[home][0] == len(placed)


def test_dead_values_are_withheld(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    grid, late = new_laptop(), new_laptop("覃试二", "云台镇")
    store = Store()
    store.pull(grid)
    home = min(households(store))
    grid.edit(home, "address_detail", "旧门牌")
    grid.edit(home, "address_detail", "新门牌", [grid.log[-1].id[:16]])
    grid.edit(home, "remarks", "甲")
    late.edit(home, "remarks", "乙")
    grid.send(0)
    late.send(0)
    fresh = Store()
    fresh.pull(late)
    values = {(number, value) for owner, number, value in fresh.values() if owner == home}
    assert (ADDRESS, "新门牌") in values
    assert (ADDRESS, "旧门牌") not in values
    remarks = HOUSEHOLD.field("remarks").number
    assert {(remarks, "甲"), (remarks, "乙")} <= values  # a dispute: both live


def test_a_household_that_moves_leaves_one_vault_and_enters_another(
    site: Site, new_laptop: Callable[..., Laptop]
) -> None:
    one, two = new_laptop(), new_laptop("陆试三", "云台镇/上坝村/第二网格")
    mine, theirs = Store(), Store()
    mine.pull(one)
    theirs.pull(two)
    home = min(households(mine))
    first = min(mine.streams[home].items())[1]
    other = site.area("云台镇/上坝村/第二网格")
    moved = Said(kind=8, object=home, values={GRID: other}, bases={GRID: [first[:16]]})
    one.act(home, [moved])
    one.send(0)
    mine.pull(one)
    theirs.pull(two)
    assert home not in mine.streams
    assert home in theirs.streams
    assert len(theirs.streams[home]) == 2
    assert one.staff in theirs.streams  # so that the signature of the move can be checked


@pytest.mark.parametrize("restarted", [False, True])
def test_a_vault_that_lost_or_spoiled_something_is_mended(
    site: Site, laptop: Laptop, restarted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    store.pull(laptop)
    whole = store.digest()
    home, spoiled = sorted(households(store))[:2]
    del store.streams[home]
    last = max(store.streams[spoiled])
    del store.streams[spoiled][last]
    store.streams[os.urandom(16)] = {1: os.urandom(32)}
    if restarted:
        monkeypatch.setattr(delivery, "REMEMBERED", 0)
    before = store.pages
    store.pull(laptop)
    assert store.digest() == whole
    assert store.pages - before >= 2


def test_pages_are_small_and_a_lost_answer_is_asked_for_again(
    site: Site, laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "PAGE_BYTES", 8_000)
    store = Store()
    wire = laptop.wire
    lost = 0
    while True:
        request = DeliveryRequest(cursor=store.cursor, digest=store.digest(), size=0, sight=store.sight)
        wire.delivery(request)  # its answer never arrives
        page = wire.delivery(request)
        lost += 1
        assert not page.wants_heads
        store.take(page)
        assert page.digest == store.digest()
        if not page.more:
            break
    assert lost > 2
    plain = Store()
    monkeypatch.setattr(delivery, "PAGE_BYTES", 256 * 1024)
    plain.pull(laptop)
    assert plain.heads() == store.heads()
    for n in range(30):
        laptop.edit(sorted(households(plain))[n % 3], "address_detail", f"{n} 号")
    laptop.send(0)
    monkeypatch.setattr(delivery, "PAGE_BYTES", 8_000)
    before = store.pages
    store.pull(laptop)
    assert store.pages - before > 1
    plain.pull(laptop)
    assert plain.heads() == store.heads()
    wire.close()


def test_who_loses_a_grant_loses_the_households(site: Site, laptop: Laptop) -> None:
    store = Store()
    store.pull(laptop)
    assert households(store)
    administration.end_grants(site.county, site.by, laptop.staff)
    store.pull(laptop)
    assert households(store) == set()


def test_a_new_household_of_the_grid_enters(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    grid, station = new_laptop(), new_laptop("覃试二", "云台镇")
    store = Store()
    store.pull(grid)
    home = station.new_household({"villager_group": "一组", "grid": site.area("云台镇/上坝村/第一网格")})
    station.send(0)
    store.pull(grid)
    assert home in store.streams


def test_an_area_that_is_renamed_reaches_everybody(site: Site, laptop: Laptop) -> None:
    store = Store()
    store.pull(laptop)
    area = site.area("云台镇")
    named = BY_NAME["area"].field("name").number
    base = min(store.streams[area].items())[1][:16]
    said = Said(kind=2, object=area, values={named: "云台新镇"}, bases={named: [base]})
    with site.county.log.writing() as tx:
        site.county.act(tx, site.by, [Deed(act=Act.EDIT, roots=[area], said=[said])])
    store.pull(laptop)
    assert (area, named, "云台新镇") in set(store.values())


def test_an_ended_device_gets_nothing(site: Site, laptop: Laptop) -> None:
    device = BY_NAME["device"]
    with site.county.log.writing() as tx:
        known = registers_of(tx, device, laptop.request.device)[0]
        said = Said(kind=device.number, object=laptop.request.device, values={0: None}, bases={0: list(known.live)})
        site.county.act(tx, site.by, [Deed(act=Act.END, roots=[laptop.staff], said=[said])])
    with pytest.raises(CountyRefusal, match="device-revoked"):
        Store().pull(laptop)
