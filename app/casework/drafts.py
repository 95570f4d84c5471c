"""What stands in an open form and was not saved: kept in the vault when the form is left or the program locks.

A draft belongs to its person and to a root (a household, or nothing yet). It holds values by record kind and field, not
text: what an editor could not read is not kept. `visits` keeps its own, with photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.casework.desk import Desk
from app.models.fields import Value
from app.models.records.registry import BY_NUMBER
from app.vault import kept
from app.vault.kept import KeptDraft

Values = Mapping[int, Mapping[str, Value]]  # record kind -> field name -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDraft:
    """An unsaved form: ids that were made for what it creates, values by record kind, when it was kept (ms)."""

    id: bytes
    root: bytes
    ids: tuple[bytes, ...]
    values: Values
    saved_at: int = 0


def keep(desk: Desk, form: str, draft: FormDraft) -> None:
    """Keep the draft, in place of its earlier state."""
    values = {
        kind: {
            BY_NUMBER[kind].field(name).number: list(value) if isinstance(value, tuple) else value
            for name, value in of_kind.items()
            if value is not None
        }
        for kind, of_kind in draft.values.items()
    }
    data = {1: values, 2: list(draft.ids)}
    row = KeptDraft(id=draft.id, form=form, root=draft.root, staff=desk.author.staff, saved_at=desk.clock(), data=data)
    with desk.vault.transaction() as tx:
        kept.put_draft(tx, row)


def find(desk: Desk, form: str, root: bytes) -> FormDraft | None:
    """The newest draft of this person in `form` for `root`."""
    with desk.vault.reading() as tx:
        rows = kept.drafts(tx, form, desk.author.staff, root)
    if not rows:
        return None
    values = {
        kind: {
            field.name: tuple(value) if isinstance(value, list) else value
            for field in BY_NUMBER[kind].fields
            for number, value in of_kind.items()
            if field.number == number
        }
        for kind, of_kind in rows[0].data[1].items()
    }
    return FormDraft(id=rows[0].id, root=root, ids=tuple(rows[0].data[2]), values=values, saved_at=rows[0].saved_at)


def drop(desk: Desk, draft_id: bytes) -> None:
    """The form was saved or thrown away."""
    with desk.vault.transaction() as tx:
        kept.drop_draft(tx, draft_id)
