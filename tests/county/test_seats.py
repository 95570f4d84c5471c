"""Who sits in a vault is said by who sits there: nobody else empties it, and nobody who was let go comes back alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.fields import LIFE
from app.models.queries import seats
from app.models.records.registry import BY_NAME
from county import administration, oversights
from tests.county.conftest import Site
from tests.county.laptop import Laptop, Store
from tests.county.test_delivery import households
from tests.county.test_sights import GRID, OTHER

SEAT = BY_NAME["seat"]
COLLEAGUE = "网测二"


def say(by: Laptop, seat: bytes, act: int, values: Mapping[str, Any], life: object = True, *bases: bytes) -> bytes:
    """A word of `by` about a seat, handed in; the dot of it."""
    told = {LIFE: life, **{SEAT.field(name).number: value for name, value in values.items()}}
    said = Said(kind=SEAT.number, object=seat, values=told, bases={LIFE: list(bases)} if bases else {})
    root = values.get("staff", by.staff)
    signed = by.act(root, [said], act)
    by.send(by.pen.chain.next_seq - 1)
    return signed.id[:16]


def colleague(site: Site, base: str, first: Laptop) -> Laptop:
    """Somebody else on the device of `first`."""
    second = Laptop.make(site.invite(COLLEAGUE, GRID), base, site.staff(COLLEAGUE))
    shared = {name: getattr(first.request, name) for name in ("device", "transport_key", "vault")}
    second.request, second.seed = replace(second.request, **shared), first.seed
    return second.enrol()


def sitting(site: Site, vault: bytes) -> set[bytes]:
    with site.county.log.reading() as tx:
        return seats.people(tx, vault)


def listed(site: Site) -> list[tuple[bytes, str]]:
    with site.county.log.reading() as tx:
        return [(found.actor, found.kind) for found in oversights.overstepped(tx)]


@pytest.fixture
def two(site: Site, base: str, laptop: Laptop) -> tuple[Laptop, Laptop]:
    """Two people of one vault; the second has a seat."""
    laptop.send(0)
    administration.add_staff(site.county, site.by, COLLEAGUE, "GRID", GRID)
    second = colleague(site, base, laptop)
    second.send(0)
    return laptop, second


def test_nobody_elsewhere_ends_a_seat(site: Site, laptop: Laptop, new_laptop: Callable[..., Laptop]) -> None:
    administration.add_staff(site.county, site.by, "帮测一", "HELPER", OTHER)
    other = new_laptop("帮测一", OTHER)
    other.send(0)
    store = Store()
    store.pull(laptop)
    whole = households(store)
    assert whole
    seat, facts = os.urandom(16), {"staff": laptop.staff, "vault": laptop.request.vault, "epoch": 9}
    dot = say(other, seat, Act.JOIN, facts)
    say(other, seat, Act.LEAVE, facts, None, dot)
    store.pull(laptop)
    assert households(store) == whole
    assert sitting(site, laptop.request.vault) == {laptop.staff}
    assert listed(site) == [(other.staff, "seat")] * 2


def test_who_was_let_go_stays_gone_whatever_they_write(
    site: Site, two: tuple[Laptop, Laptop], new_laptop: Callable[..., Laptop]
) -> None:
    first, second = two
    vault, seat = first.request.vault, os.urandom(16)
    facts = {"staff": second.staff, "vault": vault, "epoch": 1}
    joined = say(first, seat, Act.JOIN, facts)
    assert sitting(site, vault) == {first.staff, second.staff}
    left = say(first, seat, Act.LEAVE, facts, None, joined)
    assert sitting(site, vault) == {first.staff}
    assert listed(site) == []
    stranger = new_laptop("陆试三", OTHER)
    stranger.send(0)
    say(second, seat, Act.JOIN, facts, True, left)
    say(second, os.urandom(16), Act.JOIN, facts)
    say(second, os.urandom(16), Act.LEAVE, {**facts, "staff": first.staff}, None)
    say(stranger, seat, Act.JOIN, facts, True, left)
    assert sitting(site, vault) == {first.staff}
    with site.county.log.reading() as tx:
        assert seats.gone(tx, vault) == {second.staff}
    assert listed(site) == [(second.staff, "seat")] * 3 + [(stranger.staff, "seat")]


@pytest.mark.parametrize("by_code", [True, False])
def test_a_colleague_comes_back_by_a_colleague_or_by_a_code(
    site: Site, base: str, two: tuple[Laptop, Laptop], by_code: bool
) -> None:
    first, second = two
    vault = first.request.vault
    facts = {"staff": second.staff, "vault": vault, "epoch": 1}
    say(first, os.urandom(16), Act.LEAVE, facts, None)
    assert sitting(site, vault) == {first.staff}
    if by_code:
        colleague(site, base, first)
    else:
        say(first, os.urandom(16), Act.JOIN, facts)
    assert sitting(site, vault) == {first.staff, second.staff}
    assert listed(site) == []
