"""The county's policy for passwords, sessions and masks: one record in the county's own stream, for every laptop.

Its id follows from the county, so that two administrators who write it at the same time write one record. Only what
somebody with authority over policies writes takes effect (`app.ledger.authority`).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from app.errors import InputProblem
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.codelists import codelist
from app.models.fields import LIFE, Value
from app.models.queries import staff
from app.models.records.oversight import POLICY
from app.models.rules.policy import Policy
from app.models.store import registers_of
from county.administration import Author, County, Deed, said


def identity(county: bytes) -> bytes:
    """The id of the policy record of the county with this root."""
    return sha256(b"hudang-policy/1\n" + county).digest()[:16]


def in_force(county: County) -> Policy:
    """What holds now, the defaults where the record says nothing."""
    with county.log.reading() as tx:
        return staff.policy(tx)


def set_policy(county: County, by: Author, values: Mapping[str, Value]) -> Policy:
    """Write `values` (by field name) into the record, beside what it says already; the policy that holds then.

    InputProblem("not-allowed") for who has no authority over it, codes of the fields, "number-out-of-range" for a
    number that no laptop would take as it is written."""
    for name, value in values.items():
        _check(name, value)
    found = identity(county.root)
    with county.log.writing() as tx:
        registers = registers_of(tx, POLICY, found)
        alive = LIFE in registers and registers[LIFE].shown() is True
        told = said(POLICY.name, found, dict(values), new=not alive)
        live = {number: list(registers[number].live) for number in told.values if number in registers}
        bases = {number: dots for number, dots in live.items() if dots}
        deed = Said(kind=POLICY.number, object=found, values=told.values, bases=bases)
        county.act(tx, by, [Deed(act=Act.SET_POLICY, roots=[county.root], said=[deed])])
        return staff.policy(tx)


def _check(name: str, value: Value) -> None:
    """A value that laptops would bring back into bounds, or read as the default, is not written."""
    declared = POLICY.field(name)
    if isinstance(value, int) and name != "watermark" and getattr(Policy.of({name: value}), name) != value:
        raise InputProblem("number-out-of-range", field=declared.label)
    if declared.codes is not None and value not in [code.code for code in codelist(declared.codes).codes]:
        raise InputProblem("bad-code", field=declared.label)
