"""The county's policy: one record, written by whom the log obeys, in force on every laptop after its next exchange."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.errors import InputProblem
from app.ledger.authority import SECURITY, SYSADMIN
from app.models.queries import staff
from app.models.records.oversight import POLICY
from app.models.rules import passwords
from app.models.rules.policy import MLPS, STANDARD, Policy
from app.models.tables import TABLES
from app.sync import enrolment as laptops
from county import administration, enrolment, policies
from county.administration import Author
from tests.county.conftest import CHEAP, Site
from tests.county.laptop import clock
from tests.county.test_sights import Machine

STRICT: dict[str, Any] = {
    "password_profile": MLPS,
    "password_length": 11,
    "password_days": 180,
    "idle_minutes": 3,
    "session_hours": 4,
    "lease_days": 14,
    "reveal_seconds": 30,
    "identity_mask": "HEAD6_TAIL4",
    "watermark": 0,
    "refused_words": "金蟾办 振兴办",
}


def administrator(site: Site, role: str) -> Author:
    """One of the three, signed in."""
    administration.add_administrator(site.county, site.by, f"管{role}", site.password, CHEAP, role=role)
    return administration.sign_in(site.county, f"管{role}", site.password)


def records(site: Site) -> int:
    with site.county.log.reading() as tx:
        return len(list(tx.scalars(select(TABLES[POLICY.number].c.id))))


def test_without_a_record_the_defaults_hold(site: Site) -> None:
    assert policies.in_force(site.county) == Policy()
    assert records(site) == 0


def test_every_field_is_written_and_read(site: Site) -> None:
    assert {field.name for field in POLICY.fields} == STRICT.keys()
    expected = Policy(
        **{
            **STRICT,
            "identity_mask": (6, 4),
            "watermark": False,
            "refused_words": ("金蟾办", "振兴办"),
        }
    )
    assert policies.set_policy(site.county, site.by, STRICT) == expected
    assert policies.in_force(site.county) == expected


def test_what_is_not_said_stays_and_the_record_is_one(site: Site) -> None:
    policies.set_policy(site.county, site.by, {"idle_minutes": 3})
    security = administrator(site, SECURITY)
    policies.set_policy(site.county, security, {"lease_days": 14})
    policies.set_policy(site.county, site.by, {"idle_minutes": 4})
    assert policies.in_force(site.county) == replace(Policy(), idle_minutes=4, lease_days=14)
    assert records(site) == 1
    with site.county.log.reading() as tx:
        assert tx.scalar(select(TABLES[POLICY.number].c.id)) == policies.identity(site.county.root)


def test_only_who_has_authority_over_rules_sets_them(site: Site) -> None:
    accounts = administrator(site, SYSADMIN)
    size = site.county.log.tree.size
    with pytest.raises(InputProblem, match="not-allowed"):
        policies.set_policy(site.county, accounts, STRICT)
    assert site.county.log.tree.size == size
    assert policies.in_force(site.county) == Policy()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"password_length": 7}, "number-out-of-range"),
        ({"password_length": 65}, "number-out-of-range"),
        ({"idle_minutes": 0}, "number-out-of-range"),
        ({"idle_minutes": 16}, "number-out-of-range"),
        ({"lease_days": 366}, "number-out-of-range"),
        ({"identity_mask": "HEAD9_TAIL9"}, "bad-code"),
        ({"refused_words": "词" * 2001}, "text-too-long"),
    ],
)
def test_what_no_laptop_would_take_is_refused(site: Site, values: dict[str, Any], code: str) -> None:
    with pytest.raises(InputProblem) as refused:
        policies.set_policy(site.county, site.by, values)
    assert refused.value.code == code
    assert records(site) == 0


def test_a_new_person_is_told_the_rule_before_the_first_password(site: Site) -> None:
    code = site.invite()
    told = enrolment.look(site.county, code.secret)
    assert (told.password_profile, told.password_length) == (STANDARD, 12)
    policies.set_policy(site.county, site.by, {"password_profile": MLPS, "password_length": 14})
    told = enrolment.look(site.county, code.secret)
    assert (told.policy.password_profile, told.policy.password_length) == (MLPS, 14)
    problem = passwords.judge("kqmx-vlpr-tzwh-bndf", told.policy, names=(told.staff_name,), words=())
    assert problem is not None
    assert problem.code == "password-classes"


def test_it_reaches_every_laptop(site: Site, base: str, tmp_path: Path) -> None:
    machines = [
        Machine(site, base, tmp_path / "one", "韦测一"),
        Machine(site, base, tmp_path / "two", "覃试二", "云台镇"),
    ]
    policies.set_policy(site.county, site.by, STRICT)
    for machine in machines:
        with machine.vault.reading() as tx:
            assert staff.policy(tx) == Policy()
        machine.sync()
        with machine.vault.reading() as tx:
            assert staff.policy(tx) == policies.in_force(site.county)
        machine.vault.lock()


def test_a_laptop_is_invited_over_the_wire_with_the_rule(site: Site, base: str) -> None:
    policies.set_policy(site.county, site.by, {"password_profile": MLPS, "password_length": 10})
    code = replace(site.invite(), host=base)
    random: Callable[[int], bytes] = site.county.random
    invited = laptops.look(code.text(), random=random, clock=clock)
    assert invited.invitation.policy == Policy(password_profile=MLPS, password_length=10)
