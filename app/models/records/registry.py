"""Every record kind by name and by number. A golden test holds the numbers."""

from __future__ import annotations

from app.models.fields import RecordKind
from app.models.records.fieldwork import ATTACHMENT, CARD, POOL, PRINTOUT, VISIT
from app.models.records.households import HOUSEHOLD, MEMBER
from app.models.records.oversight import ADMISSION, DECISION, EXPORT, POLICY, PROPOSAL, SEAT, VIEWING
from app.models.records.people import DEVICE, GRANT, SIGNER, STAFF
from app.models.records.places import AREA, COUNTY

KINDS: tuple[RecordKind, ...] = (
    COUNTY,
    AREA,
    STAFF,
    GRANT,
    DEVICE,
    SIGNER,
    POOL,
    HOUSEHOLD,
    MEMBER,
    VISIT,
    ATTACHMENT,
    CARD,
    PRINTOUT,
    POLICY,
    ADMISSION,
    VIEWING,
    PROPOSAL,
    DECISION,
    EXPORT,
    SEAT,
)
BY_NUMBER: dict[int, RecordKind] = {kind.number: kind for kind in KINDS}
BY_NAME: dict[str, RecordKind] = {kind.name: kind for kind in KINDS}
