"""The household card: a number signed by the county, carried in a QR code, with no personal data in it.

    text     HH1/<county, 6 digits>/<key number>/<card number, 16 Crockford base32>/<day signed, YYYYMMDD>
    payload  base64(Ed25519 signature, 64 bytes ‖ text), standard alphabet with padding: libsodium's
             signed-message form, which ODK Collect's `extract-signed` verifies too
    in a QR  the payload, or `https://<host>/h#<payload>`; a fragment never reaches a server log
    typed    the card number and one check character (Luhn mod 32), in groups of four

Rules kept here: the grammar is checked before any signature; base64 must be the one canonical spelling;
whitespace around the text is dropped because scanner guns add it, nothing else is repaired; no link is ever
opened. The first four characters of a card number name its pool, the batch that the county signed at once and
can withdraw as a whole.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from app.errors import ChainBroken, InputProblem
from app.ledger import signatures

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford base32: no I, L, O (read as 1, 1, 0) and no U."""

NUMBER_LENGTH = 16
POOL_LENGTH = 4
LINK_PATH = "/h"

_TEXT = re.compile(rf"HH1/([0-9]{{6}})/([1-9][0-9]{{0,3}})/([{ALPHABET}]{{16}})/([0-9]{{8}})", re.ASCII)
_VERSION = re.compile(rb"HH([0-9]{1,3})/", re.ASCII)
_LINK = re.compile(r"https://([^/?#\s]+)([^?#\s]*)#(\S*)", re.ASCII | re.IGNORECASE)
_BASE64_LIKE = re.compile(r"[A-Za-z0-9+/=_\s-]{60,600}", re.ASCII)
_FOREIGN = (
    ("payment", re.compile(r"wxp://|weixin://|https://(qr\.)?alipay\.com|alipays?://", re.IGNORECASE)),
    ("wifi", re.compile(r"wifi:", re.IGNORECASE)),
    ("contact", re.compile(r"begin:vcard|mecard:|bizcard:", re.IGNORECASE)),
    ("telephone", re.compile(r"(tel|sms|smsto|mmsto|mailto):", re.IGNORECASE)),
    ("link", re.compile(r"[a-z][a-z0-9+.-]{1,20}://|www\.", re.IGNORECASE)),
)
_CHINA_ID = re.compile(r"[0-9]{17}[0-9Xx]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says: `county` 6 digits, `key` 1-9999, `number` 16 characters, `day` signed YYYY-MM-DD."""

    county: str
    key: int
    number: str
    day: str

    @property
    def pool(self) -> str:
        """Name of the pool: the first four characters of the number."""
        return self.number[:POOL_LENGTH]

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"HH1/{self.county}/{self.key}/{self.number}/{self.day.replace('-', '')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a laptop believes: its county, the public keys by key number, the hosts of the county's links."""

    county: str
    keys: Mapping[int, bytes]
    hosts: frozenset[str] = field(default=frozenset())


class Outcome(Enum):
    """What a scanned text is, before anything is known about its household."""

    GENUINE = "genuine"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged-or-damaged"
    NOT_OURS = "not-ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The outcome for one scanned text.

    `reason` says more. GENUINE: `""` or `"future-day"` (a clock here or at the county is wrong). UNKNOWN_KEY:
    `"key"` or `"newer-version"`. FORGED: `"damaged"`, `"unsigned"`, `"signature"` or `"caps-lock"`. NOT_OURS:
    `"another-county"`, `"another-host"`, `"link"`, `"wifi"`, `"contact"`, `"telephone"`, `"payment"`,
    `"identity"`, `"text"`, `"binary"` or `"empty"`. `card` is there whenever the grammar held.
    """

    outcome: Outcome
    reason: str = ""
    card: Card | None = None


def parse_text(text: str) -> Card:
    """The card that `text` says. Raises `InputProblem("card-damaged")` when the grammar does not hold."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InputProblem("card-damaged")
    county, key, number, day = match.groups()
    try:
        signed = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        raise InputProblem("card-damaged") from None
    return Card(county=county, key=int(key), number=number, day=signed.isoformat())


def sign(card: Card, private_key: bytes) -> str:
    """The payload of `card`, signed with the 32-byte Ed25519 private key; the grammar is checked first."""
    parse_text(card.text)
    text = card.text.encode("ascii")
    return base64.b64encode(signatures.sign(signatures.ED25519, private_key, text) + text).decode("ascii")


def parse_payload(payload: str) -> tuple[bytes, Card]:
    """Signature (64 bytes, not yet checked) and card of a payload.

    Raises `InputProblem`: `"card-newer"` for a version this program does not know, else `"card-damaged"`.
    """
    signed = _decode(payload)
    if signed is None:
        raise InputProblem("card-damaged")
    signature, text = signed[: signatures.SIGNATURE_BYTES], signed[signatures.SIGNATURE_BYTES :]
    version = _VERSION.match(text)
    if version is not None and version.group(1) != b"1":
        raise InputProblem("card-newer", version=int(version.group(1)))
    try:
        return signature, parse_text(text.decode("ascii"))
    except UnicodeDecodeError:
        raise InputProblem("card-damaged") from None


def link(host: str, payload: str) -> str:
    """The payload as a link of the county's host: phones show the host's page, our scanner takes the rest."""
    return f"https://{host}{LINK_PATH}#{payload}"


def read(text: str, trust: Trust, today: str) -> Reading:
    """What a scanned `text` is. `today` is the calendar date YYYY-MM-DD of Asia/Shanghai. Never raises."""
    text = text.strip(" \t\r\n\x00\ufeff")
    if not text:
        return Reading(outcome=Outcome.NOT_OURS, reason="empty")
    wrapped = _LINK.fullmatch(text)
    if wrapped is not None and wrapped.group(2) == LINK_PATH and _decode(wrapped.group(3)) is not None:
        if wrapped.group(1).lower() not in trust.hosts:
            return Reading(outcome=Outcome.NOT_OURS, reason="another-host")
        return _read_payload(wrapped.group(3), trust, today)
    if wrapped is not None and wrapped.group(2) == LINK_PATH and wrapped.group(1).lower() in trust.hosts:
        return Reading(outcome=Outcome.FORGED, reason="damaged")
    foreign = _foreign(text)
    if foreign is not None:
        return Reading(outcome=Outcome.NOT_OURS, reason=foreign)
    return _read_payload(text, trust, today)


def draw_number(pool: str, random: Callable[[int], bytes]) -> str:
    """A card number of `pool` (4 characters) with 60 random bits; `random(n)` gives n random bytes."""
    if len(pool) != POOL_LENGTH or any(c not in ALPHABET for c in pool):
        raise InputProblem("card-pool")
    bits = int.from_bytes(random(8), "big")
    rest = NUMBER_LENGTH - POOL_LENGTH
    return pool + "".join(ALPHABET[(bits >> (5 * place)) & 31] for place in reversed(range(rest)))


def check_character(number: str) -> str:
    """Luhn mod 32 check character: finds every single wrong character and most swapped neighbours."""
    total, double = 0, True
    for character in reversed(number):
        value = ALPHABET.index(character)
        if double:
            value = value * 2 % 32 + value // 16
        total, double = total + value, not double
    return ALPHABET[-total % 32]


def printed(number: str) -> str:
    """The number as it stands under the code and is typed: `AAAA-BBBB-CCCC-DDDD-X`, X the check character."""
    groups = [number[i : i + 4] for i in range(0, NUMBER_LENGTH, 4)]
    return "-".join([*groups, check_character(number)])


def typed_number(text: str) -> str:
    """The card number (16 characters) that a person typed with its check character.

    Lower case, full width, spaces and hyphens are taken, O is read as 0, I and L as 1. Raises `InputProblem`:
    `"card-typed-character"` with its `place`, `"card-typed-length"` with `needed` and `got`,
    `"card-typed-check"` when one character is wrong.
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    plain = re.sub(r"[\s\-‐-―_.]", "", plain).translate(str.maketrans("OIL", "011"))
    for place, character in enumerate(plain, start=1):
        if character not in ALPHABET:
            raise InputProblem("card-typed-character", place=place)
    if len(plain) != NUMBER_LENGTH + 1:
        raise InputProblem("card-typed-length", needed=NUMBER_LENGTH + 1, got=len(plain))
    number, check = plain[:NUMBER_LENGTH], plain[NUMBER_LENGTH:]
    if check_character(number) != check:
        raise InputProblem("card-typed-check")
    return number


def _decode(payload: str) -> bytes | None:
    """Signature ‖ text, or None unless `payload` is canonical base64 of more than a signature."""
    try:
        signed = base64.b64decode(payload.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        return None
    if len(signed) <= signatures.SIGNATURE_BYTES or base64.b64encode(signed).decode("ascii") != payload:
        return None
    return signed


def _read_payload(payload: str, trust: Trust, today: str) -> Reading:
    reading = _judge(payload, trust, today)
    if reading.outcome is Outcome.FORGED:
        swapped = _judge(payload.swapcase(), trust, today)
        if swapped.outcome is Outcome.GENUINE:
            return Reading(outcome=Outcome.FORGED, reason="caps-lock")
    return reading


def _judge(payload: str, trust: Trust, today: str) -> Reading:
    try:
        signature, card = parse_payload(payload)
    except InputProblem as problem:
        if problem.code == "card-newer":
            return Reading(outcome=Outcome.UNKNOWN_KEY, reason="newer-version")
        return _unparsed(payload)
    if card.county != trust.county:
        return Reading(outcome=Outcome.NOT_OURS, reason="another-county", card=card)
    key = trust.keys.get(card.key)
    if key is None:
        return Reading(outcome=Outcome.UNKNOWN_KEY, reason="key", card=card)
    try:
        signatures.verify_signature(signatures.ED25519, key, card.text.encode("ascii"), signature)
    except ChainBroken:
        return Reading(outcome=Outcome.FORGED, reason="signature", card=card)
    return Reading(outcome=Outcome.GENUINE, reason="future-day" if card.day > today else "", card=card)


def _unparsed(text: str) -> Reading:
    """A text that is no payload: is it a damaged card or something else altogether?"""
    if text.upper().startswith("HH1/"):
        return Reading(outcome=Outcome.FORGED, reason="unsigned")
    if _BASE64_LIKE.fullmatch(text) is not None and not re.search(r"\s\S*\s", text):
        return Reading(outcome=Outcome.FORGED, reason="damaged")
    if _CHINA_ID.fullmatch(text) is not None:
        return Reading(outcome=Outcome.NOT_OURS, reason="identity")
    plain = "\ufffd" not in text and all(
        c in "\t\r\n" or unicodedata.category(c) not in ("Cc", "Co", "Cs", "Cn") for c in text
    )
    return Reading(outcome=Outcome.NOT_OURS, reason="text" if plain else "binary")


def _foreign(text: str) -> str | None:
    return next((reason for reason, pattern in _FOREIGN if pattern.match(text)), None)
