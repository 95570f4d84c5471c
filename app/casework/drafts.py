"""What stands in an open form and was not saved: kept in the vault when the form is left or the program locks.

A draft belongs to its person and to a root (a household, or nothing yet). It holds values by record kind and field, not
text: what an editor could not read is not kept. `visits` keeps its own, with photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.casework.desk import Desk
from app.models.fields import Value
from app.models.records.registry import BY_NUMBER
from app.vault import kept
from app.vault.kept import KeptDraft

Values = Mapping[int, Mapping[str, Value]]  # record kind -> field name -> value


@dataclass(frozen=True, slots=True, kw_only=True)
class FormDraft:
    """An unsaved form: ids that were made for what it creates, values by record kind, and where it corrects what they
    were when the form was opened; when it was kept (ms)."""

    id: bytes
    root: bytes
    ids: tuple[bytes, ...]
    values: Values
    before: Values = field(default_factory=dict)
    saved_at: int = 0


def keep(desk: Desk, form: str, draft: FormDraft) -> None:
    """Keep the draft, in place of its earlier state."""
    data = {1: _numbered(draft.values), 2: list(draft.ids), 3: _numbered(draft.before)}
    row = KeptDraft(id=draft.id, form=form, root=draft.root, staff=desk.author.staff, saved_at=desk.clock(), data=data)
    with desk.vault.transaction() as tx:
        kept.put_draft(tx, row)


def find(desk: Desk, form: str, root: bytes) -> FormDraft | None:
    """The newest draft of this person in `form` for `root`."""
    return next(iter(find_all(desk, form, root)), None)


def find_all(desk: Desk, form: str, root: bytes) -> list[FormDraft]:
    """The drafts of this person in `form` for `root`, newest first."""
    with desk.vault.reading() as tx:
        rows = kept.drafts(tx, form, desk.author.staff, root)
    return [
        FormDraft(
            id=row.id,
            root=root,
            ids=tuple(row.data[2]),
            values=_named(row.data[1]),
            before=_named(row.data[3]),
            saved_at=row.saved_at,
        )
        for row in rows
    ]


def drop(desk: Desk, draft_id: bytes) -> None:
    """The form was saved or thrown away."""
    with desk.vault.transaction() as tx:
        kept.drop_draft(tx, draft_id)


def _numbered(values: Values) -> dict[int, dict[int, Any]]:
    return {
        kind: {
            BY_NUMBER[kind].field(name).number: list(value) if isinstance(value, tuple) else value
            for name, value in of_kind.items()
        }
        for kind, of_kind in values.items()
    }


def _named(data: Mapping[int, Mapping[int, Any]]) -> dict[int, dict[str, Value]]:
    return {
        kind: {
            one.name: tuple(of_kind[one.number]) if isinstance(of_kind[one.number], list) else of_kind[one.number]
            for one in BY_NUMBER[kind].fields
            if one.number in of_kind
        }
        for kind, of_kind in data.items()
    }
