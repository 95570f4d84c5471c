"""What the person at the desk sees of a household's values, and looking behind a mask.

A look is asked for with a reason and is an entry of the household's file (reference 7.2): who, what, why, when; the
values are not in it. Who may never see a class of values cannot ask for it, whatever the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.casework.desk import Desk, created
from app.errors import InputProblem
from app.ledger.entry import Act
from app.models.codelists import codelist
from app.models.fields import RecordKind, Value
from app.models.queries import households, staff
from app.models.records.registry import BY_NAME
from app.models.rules import masking
from app.models.rules.masking import Eye, Shown, Surface, Whose
from app.models.rules.rights import Action, Sight
from app.models.store import Transaction
from app.sync import journal
from app.sync.journal import Touched

MEMBER, VIEWING = BY_NAME["member"], BY_NAME["viewing"]
REASONS = "view_reason"
OTHER = "OTHER"  # the reason that wants words


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How values of a file are seen at this desk: the eye, and of whom each member's values speak."""

    eye: Eye
    people: Mapping[bytes, Whose]

    def whose(self, kind: RecordKind, object_id: bytes) -> Whose:
        """Of whom an object's values speak; a member nobody knows is protected like a child."""
        return self.people.get(object_id, Whose.CHILD) if kind.number == MEMBER.number else Whose.NOBODY

    def show(self, kind: RecordKind, object_id: bytes, name: str, value: Value, surface: Surface) -> Shown:
        """What is seen of the field `name` of an object."""
        return masking.show(kind.field(name), value, surface, self.eye, self.whose(kind, object_id))

    def words(self, kind: RecordKind, object_id: bytes, name: str, value: Value, surface: Surface) -> str:
        """The same for a text: itself, or what is left of it."""
        found = self.show(kind, object_id, name, value, surface)
        return found.text if found.hidden else str(value or "")


def seen(desk: Desk, tx: Transaction, roots: Iterable[bytes]) -> Seen:
    """How values of these households are seen here, where they lie in different places the narrower way; what is of no
    household, as at the workplace."""
    areas = [found for root in roots if (found := staff.areas_of(tx, root))] or [(desk.workplace,)]
    eyes = [Eye.of(desk.rights, each, desk.policy) for each in areas]
    today = desk.today()
    return Seen(
        eye=Eye(
            personal=min((eye.personal for eye in eyes), key=_least),
            sensitive=min((eye.sensitive for eye in eyes), key=_least),
            identity_form=desk.policy.identity_mask,
        ),
        people={
            person: masking.whose_is(values, today)
            for root in roots
            for person, values in households.persons(tx, root).items()
        },
    )


def reveal(
    desk: Desk,
    household: bytes,
    kind: RecordKind,
    object_id: bytes,
    fields: Sequence[str],
    reason: str,
    words: str = "",
) -> Touched:
    """显示: the person looks at hidden `fields` (names) of one object of the household, for a reason of the list
    `view_reason`. InputProblem: "not-allowed" where one of them is never seen, "required" without the words that the
    reason wants."""
    words = words.strip()
    if reason not in {code.code for code in codelist(REASONS).codes}:
        raise InputProblem("bad-code", field=VIEWING.field("reason").label)
    if reason == OTHER and not words:
        raise InputProblem("required", field=VIEWING.field("words").label)
    VIEWING.field("words").check(words)
    values: dict[str, Value] = {
        "household": household,
        "kind": kind.number,
        "object": object_id,
        "fields": ",".join(fields),
        "reason": reason,
        "words": words or None,
    }
    with desk.vault.transaction() as tx:
        desk.require(tx, Action.REVEAL, kind, household)
        desk.require(tx, Action.WRITE, VIEWING, household)
        known = seen(desk, tx, [household])
        sheet = households.sheet(tx, kind, object_id)
        for name in fields:
            value = sheet[name] if sheet is not None else None
            shown = known.show(kind, object_id, name, value, Surface.SCREEN)
            if known.eye.sight(shown.privacy) is Sight.NEVER:
                raise InputProblem("not-allowed")
        said = [created(VIEWING, desk.new_id(), values)]
        return journal.append(tx, desk.author, Act.REVEAL, [household], said, desk.clock(), desk.random)


def _least(sight: Sight) -> int:
    return sight.value
