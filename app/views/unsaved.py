"""Corrections that were typed into a household's file and not saved: kept when the page goes, also by locking, and
typed in again when the file is next shown.

A field that somebody else changed meanwhile is left as it is now: a correction replaces only what its writer saw.
Saving and giving up forget what was kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from PySide6.QtCore import QObject

from app.casework import drafts
from app.casework.desk import Desk
from app.casework.dossiers import Dossier
from app.casework.drafts import FormDraft
from app.models.fields import Value
from app.views.background import Lane
from app.views.parts.sheet_view import SheetView

FORM = "correct"


class Unsaved(QObject):
    """Of the forms `views` of a page; `keep` when it goes, `look` when it comes, `take_up` when the file is shown."""

    def __init__(self, desk: Desk, lane: Lane, views: Sequence[SheetView], parent: QObject) -> None:
        super().__init__(parent)
        self._desk, self._lane, self._views = desk, lane, tuple(views)
        self._kept: dict[SheetView, FormDraft] = {}
        self._found: dict[bytes, FormDraft] = {}
        for view in self._views:
            view.editing_changed.connect(partial(self._on_editing, view))

    def keep(self, household: bytes | None, new_member: bytes | None) -> None:
        """Keep what stands in the open forms; `new_member` is the id of a member who is just being added."""
        for view in self._views:
            identity = view.base.id if view.base is not None else new_member
            if household is None or identity is None or not view.touched():
                continue
            values = view.unsaved()
            before = {name: view.base[name] for name in values} if view.base is not None else {}
            draft = FormDraft(
                id=identity,
                root=household,
                ids=() if view.base is not None else (identity,),
                values={view.kind.number: values},
                before={view.kind.number: before},
            )
            if self._kept.get(view) != draft:
                self._kept[view] = draft
                self._lane.run(partial(drafts.keep, self._desk, FORM, draft), owner=self)

    def look(self, household: bytes) -> None:
        """Look for what was kept of this household, before its file is read."""
        self._kept, self._found = {}, {}
        self._lane.run(partial(drafts.find_all, self._desk, FORM, household), self._on_found, owner=self)

    def take_up(self, dossier: Dossier) -> FormDraft | None:
        """Type the correction of the household itself in again; the first one of a member is given back."""
        view = next(view for view in self._views if view.kind is dossier.sheet.kind)
        self.type_in(view, dossier.sheet.id, dossier.sheet.values)
        return next(iter(self._found.values()), None)

    def type_in(self, view: SheetView, identity: bytes, now: Mapping[str, Value]) -> None:
        """Open the form of the object and type in what was kept of it; `now` is what stands in the file."""
        draft = self._found.pop(identity, None)
        if draft is None or (view.editing and not draft.ids):
            return
        before = draft.before.get(view.kind.number, {})
        values = draft.values.get(view.kind.number, {})
        same = {name: value for name, value in values.items() if draft.ids or before.get(name) == now.get(name)}
        if same:
            view.take_up(same, new=bool(draft.ids))
            self._kept[view] = draft

    def _on_found(self, found: list[FormDraft]) -> None:
        self._found = {draft.id: draft for draft in found}

    def _on_editing(self, view: SheetView, editing: bool) -> None:
        """The form was closed: saved, or given up."""
        draft = None if editing else self._kept.pop(view, None)
        if draft is not None:
            self._lane.run(partial(drafts.drop, self._desk, draft.id), owner=self)
