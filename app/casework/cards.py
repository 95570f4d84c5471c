"""Cards of households: binding one from the stock, and what a scanned one means here."""

from __future__ import annotations

from dataclasses import dataclass

from app.casework import scanning
from app.casework.desk import Desk, created
from app.casework.scanning import Binding, CardStatus, Verdict
from app.errors import InputProblem
from app.ledger import card as codes
from app.ledger import chain as chains
from app.ledger.card import Trust
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.queries import households, pools
from app.models.records.registry import BY_NAME
from app.models.rules.rights import Action
from app.models.store import Transaction
from app.sync import journal
from app.sync.journal import Touched
from app.vault import kept

CARD = BY_NAME["card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundCard:
    """The current card of a household: its number and the signed payload that goes into the QR."""

    card_no: str
    payload: str


def current(desk: Desk, household: bytes) -> BoundCard | None:
    """The card bound last; None when there is none, when its pool was withdrawn, or when its signed text is not in this
    vault's stock."""
    with desk.vault.reading() as tx:
        return _current(tx, household)


def _current(tx: Transaction, household: bytes) -> BoundCard | None:
    number = _number(tx, household)
    payload = kept.card_payload(tx, number) if number else None
    return None if number is None or payload is None else BoundCard(card_no=number, payload=payload)


def _number(tx: Transaction, household: bytes) -> str | None:
    """The card that counts for a household: the last one bound, unless its pool was withdrawn."""
    bound = households.cards(tx, household=household)
    number = bound[-1].card_no if bound else None
    return None if number is None or number[: codes.POOL_LENGTH] in pools.withdrawn(tx) else number


def bind(desk: Desk, household: bytes, *, reason: str = "FIRST", run: bytes | None = None) -> tuple[BoundCard, Touched]:
    """发码: bind the next card of the stock to the household; an older card of it is superseded thereby. A first card
    is bound only once: InputProblem("card-elsewhere") when the household has one of another workplace's stock."""
    with desk.vault.transaction() as tx:
        if reason == "FIRST" and _number(tx, household):
            bound = _current(tx, household)
            if bound is None:
                raise InputProblem("card-elsewhere")
            return bound, Touched()
        desk.require(tx, Action.WRITE, CARD, household)
        taken = kept.take_card(tx, pools.withdrawn(tx))
        if taken is None:
            raise InputProblem("no-cards-left")
        number, payload = taken
        signed = codes.parse_payload(payload)[1]
        values: dict[str, Value] = {
            "household": household,
            "card_no": number,
            "key_number": signed.key,
            "signed_on": signed.day,
            "card_reason": reason,
        }
        said = [created(CARD, desk.new_id(), values)]
        refs = [run] if run else []
        touched = journal.append(tx, desk.author, Act.BIND_CARD, [household], said, desk.clock(), desk.random, refs)
        return BoundCard(card_no=number, payload=payload), touched


def trust(tx: Transaction) -> Trust:
    """Whose cards this vault believes: the county's key from county.pub, number 1."""
    facts = journal.county_facts(tx)
    return Trust(county=facts[chains.COUNTY_CODE], keys={1: facts[chains.CARD_KEY]})


def judge(desk: Desk, text: str, *, typed: bool = False) -> Verdict:
    """What a scanned text means here, or a number that a person typed (InputProblem when it cannot be one)."""
    with desk.vault.reading() as tx:
        believed = trust(tx)
        status = CardStatus(withdrawn_pools=pools.withdrawn(tx))
        stocked, today = kept.stocked_pools(tx), desk.today()
        if typed:
            number = codes.typed_number(text)
            return scanning.typed_verdict(text, status, _bindings(tx, number), stocked, today)
        read = codes.read(text, believed, today)
        bindings = _bindings(tx, read.card.number) if read.card else frozenset()
        return scanning.verdict(text, believed, status, bindings, stocked, today)


def _bindings(tx: Transaction, number: str) -> frozenset[Binding]:
    """All bindings of a card number and of the households it is bound to."""
    return frozenset(
        Binding(number=each.card_no, household=each.household, order=each.order)
        for row in households.cards(tx, card_no=number)
        for each in households.cards(tx, household=row.household)
    )
