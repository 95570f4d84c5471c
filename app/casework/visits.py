"""Recording a visit: the draft while it is written, the photos, the act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.casework import photos
from app.casework.desk import Desk, check, created, exists, nothing
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.sync import journal
from app.sync.journal import Touched
from app.vault import kept
from app.vault.kept import KeptDraft

VISIT, ATTACHMENT = BY_NAME["visit"], BY_NAME["attachment"]
FORM = "visit"
MOST_PHOTOS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoDraft:
    """A photo that lies encrypted in the vault and belongs to no saved visit yet."""

    id: bytes
    name: str
    key: bytes = field(repr=False)
    digest: bytes
    size: int
    upload_key: bytes
    taken_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitDraft:
    """A visit while it is written. `id` becomes the id of the visit, so that saving twice saves once."""

    id: bytes
    household: bytes
    values: Mapping[str, Value]
    photos: tuple[PhotoDraft, ...] = ()
    saved_at: int | None = None


def begin(desk: Desk, household: bytes) -> VisitDraft:
    """A new visit of today at the household."""
    values: dict[str, Value] = {
        "household": household,
        "visit_kind": "ROUTINE",
        "visited_on": desk.today(),
        "place_kind": "HOME",
        "started_at": desk.clock(),
    }
    return VisitDraft(id=desk.new_id(), household=household, values=values)


def take_photo(desk: Desk, source: Path) -> PhotoDraft:
    """A photo from a file: decoded and made small in a child process, stripped, encrypted into the vault."""
    with desk.vault.reading() as tx:
        desk.require(tx, Action.WRITE, ATTACHMENT)
    photo = photos.prepare(source)
    stored = desk.vault.store_attachment(photo.jpeg, random=desk.random)
    return PhotoDraft(
        id=desk.new_id(),
        name=stored.name,
        key=stored.key,
        digest=stored.digest,
        size=stored.size,
        upload_key=stored.upload_digest,
        taken_at=photo.taken_at,
    )


def keep_draft(desk: Desk, draft: VisitDraft) -> int:
    """Keep the draft in the vault; when it was kept (ms)."""
    now = desk.clock()
    values = {
        VISIT.field(name).number: list(value) if isinstance(value, tuple) else value
        for name, value in draft.values.items()
        if value is not None
    }
    pictures = [[p.id, p.name, p.key, p.digest, p.size, p.upload_key, p.taken_at] for p in draft.photos]
    data = {1: values, 2: pictures}
    row = KeptDraft(id=draft.id, form=FORM, root=draft.household, staff=desk.author.staff, saved_at=now, data=data)
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, VISIT, draft.household)
        kept.put_draft(tx, row)
    return now


def drafts(desk: Desk, household: bytes | None = None) -> list[VisitDraft]:
    """Unfinished visits of this person, newest first."""
    with desk.vault.reading() as tx:
        rows = kept.drafts(tx, FORM, desk.author.staff, household)
    names = {f.number: f.name for f in VISIT.fields}
    return [
        VisitDraft(
            id=row.id,
            household=row.root,
            values={
                names[number]: tuple(value) if isinstance(value, list) else value
                for number, value in row.data[1].items()
            },
            photos=tuple(
                PhotoDraft(id=i, name=n, key=k, digest=d, size=s, upload_key=u, taken_at=t)
                for i, n, k, d, s, u, t in row.data[2]
            ),
            saved_at=row.saved_at,
        )
        for row in rows
    ]


def discard(desk: Desk, draft: VisitDraft) -> None:
    """Throw the draft and its photos away."""
    with desk.vault.transaction() as tx:
        kept.drop_draft(tx, draft.id)
    for photo in draft.photos:
        desk.vault.discard_attachment(photo.name)


def record(desk: Desk, draft: VisitDraft) -> Touched:
    """记走访: the visit with its photos, one act; the draft is gone in the same transaction."""
    now = desk.clock()
    values = {**draft.values, "household": draft.household, "ended_at": now}
    check(desk, VISIT, values)
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.WRITE, VISIT, draft.household)
        if draft.photos:
            desk.require(tx, Action.WRITE, ATTACHMENT, draft.household)
        kept.drop_draft(tx, draft.id)
        if exists(tx, VISIT, draft.id):
            return nothing()
        said = [created(VISIT, draft.id, values)]
        for photo in draft.photos:
            facts: dict[str, Value] = {
                "household": draft.household,
                "visit": draft.id,
                "attachment_kind": "PHOTO",
                "media_type": "image/jpeg",
                "upload_key": photo.upload_key,
                "content_key": photo.key,
                "digest": photo.digest,
                "size": photo.size,
                "taken_at": photo.taken_at,
            }
            said.append(created(ATTACHMENT, photo.id, facts))
            kept.put_file(tx, photo.upload_key, photo.name, delivered=False)
        return journal.append(tx, desk.author, Act.VISIT, [draft.household], said, now, desk.random)


def photo(desk: Desk, upload_key: bytes, content_key: bytes, digest: bytes) -> bytes | None:
    """The JPEG bytes of a photo that lies here, None when it has to be fetched first."""
    with desk.vault.reading() as tx:
        name = kept.file_name(tx, upload_key)
    return None if name is None else desk.vault.load_attachment(name, key=content_key, digest=digest)
