"""Authority: it begins with the county's root chain and is handed on in the log itself."""

from __future__ import annotations

from typing import Any

import pytest

from app.ledger.authority import (
    ADMIN,
    AREA,
    COUNTY,
    DEVICE,
    GRANT,
    KINDS,
    POOL,
    SERVICE,
    SIGNER,
    STAFF,
    Authority,
)
from app.ledger.entry import Change
from app.models.records.registry import BY_NAME

ROOT, CHAIN, OTHER = (bytes([n]) * 16 for n in (1, 2, 3))
PERSON, SOMEBODY = b"P" * 16, b"S" * 16
TIE, GIFT = b"T" * 16, b"G" * 16
HOUSEHOLD = 10


def said(authority: Authority, kind: int, object_id: bytes, values: dict[int, Any]) -> None:
    """One effective change."""
    authority.apply(Change(kind, object_id, tuple(sorted(values))), [values[field] for field in sorted(values)])


@pytest.fixture
def authority() -> Authority:
    """A county with one chain tied to a person."""
    found = Authority(ROOT)
    said(found, SIGNER, TIE, {0: True, 1: PERSON, 2: CHAIN})
    return found


def test_the_root_may_everything_from_the_start() -> None:
    authority = Authority(ROOT)
    assert all(authority.may_write(ROOT, kind) for kind in KINDS)
    assert authority.may_publish_heads(ROOT)
    assert not any(authority.may_write(CHAIN, kind) for kind in KINDS)
    assert not authority.may_publish_heads(CHAIN)


def test_household_facts_need_no_authority() -> None:
    assert Authority(ROOT).may_write(CHAIN, HOUSEHOLD)
    assert Authority(None).may_write(CHAIN, 1000)


def test_a_role_is_of_the_person_and_works_from_the_persons_chain(authority: Authority) -> None:
    said(authority, GRANT, GIFT, {0: True, 1: PERSON, 2: ADMIN})
    assert authority.roles(CHAIN) == {ADMIN}
    assert authority.roles(OTHER) == frozenset()
    assert all(authority.may_write(CHAIN, kind) for kind in KINDS)
    assert not authority.may_publish_heads(CHAIN)


def test_the_server_may_write_devices_signers_pools_and_heads(authority: Authority) -> None:
    said(authority, GRANT, GIFT, {0: True, 1: PERSON, 2: SERVICE})
    numbers = {"county": COUNTY, "area": AREA, "staff": STAFF, "grant": GRANT, "device": DEVICE, "signer": SIGNER}
    assert {name: BY_NAME[name].number for name in (*numbers, "pool")} == {**numbers, "pool": POOL}
    assert BY_NAME["grant"].field("staff").number == BY_NAME["signer"].field("staff").number == 1
    assert BY_NAME["grant"].field("role").number == BY_NAME["signer"].field("chain").number == 2
