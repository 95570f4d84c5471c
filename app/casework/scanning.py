"""From something scanned or typed to what it means here: whose card it is, and whether it still counts.

Two questions are kept apart. *Standing*: is this card genuine and current? *Place*: does its household lie
here? Rules: a scanned text is only ever data, no link is opened and nothing is run; a typed number has no
signature and the verdict says so; a number bound to two households is frozen until the county decides; of
the cards of one household the one bound last is current.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from pathlib import Path

from app.casework import decoding
from app.ledger import card
from app.ledger.card import Card, Outcome, Reading, Trust
from app.text import tr

STALE_DAYS = 30
"""After so many days a verdict says how old the county's list is."""


class Standing(Enum):
    """Is the card genuine, and does it still count?"""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"
    UNKNOWN_KEY = "unknown-key"
    FORGED = "forged-or-damaged"
    NOT_OURS = "not-ours"


class Place(Enum):
    """Where the household of a genuine card is, seen from this vault."""

    HERE = "here"
    UNBOUND = "unbound"
    ELSEWHERE = "elsewhere"
    CONTESTED = "contested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One card number bound to one household; `order` sorts the bindings of a household, the last one is
    current.
    """

    number: str
    household: bytes
    order: tuple[int | str | bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardStatus:
    """The county's signed status list, `day` YYYY-MM-DD it was made; None when none has arrived yet."""

    withdrawn_pools: frozenset[str] = field(default=frozenset())
    revoked: frozenset[str] = field(default=frozenset())
    superseded: frozenset[str] = field(default=frozenset())
    day: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to tell and where to go. `household` is set when it can be opened here, `reason` as in
    `card.Reading`.
    """

    standing: Standing
    place: Place | None = None
    reason: str = ""
    number: str | None = None
    signed_on: str | None = None
    household: bytes | None = None
    current_number: str | None = None
    typed: bool = False
    list_day: str | None = None
    list_days_old: int | None = None

    @property
    def opens(self) -> bool:
        """Whether the file of the household may be opened from this scan."""
        return self.household is not None and self.standing in (Standing.CURRENT, Standing.SUPERSEDED)


def read_image(source: Path | bytes) -> tuple[str, ...]:
    """Texts of the QR codes in a JPEG or PNG, each once; empty when there is none.

    Decodes in a child process. Raises `InputProblem` with the codes of `photos.prepare`.
    """
    said, _ = decoding.in_child("codes", decoding.read_file(source))
    return tuple(said["texts"])


def cards_among(texts: Iterable[str], trust: Trust, today: str) -> tuple[str, ...]:
    """Those texts of one picture that are or claim to be our cards; with several the person is asked."""
    return tuple(text for text in texts if card.read(text, trust, today).outcome is not Outcome.NOT_OURS)


def verdict(
    text: str,
    trust: Trust,
    status: CardStatus,
    bindings: Iterable[Binding],
    pools: frozenset[str],
    today: str,
) -> Verdict:
    """What the scanned `text` means here on `today` (YYYY-MM-DD, Asia/Shanghai). Never raises.

    `bindings`: all bindings of the card's number and of the households it is bound to, as this vault knows
    them; `pools`: the pools handed out to this vault, whose unbound numbers may be bound here.
    """
    reading = card.read(text, trust, today)
    if reading.card is None or reading.outcome is not Outcome.GENUINE:
        return _not_genuine(reading)
    return _placed(reading.card.number, reading.card, reading.reason, status, bindings, pools, today)


def typed_verdict(
    text: str, status: CardStatus, bindings: Iterable[Binding], pools: frozenset[str], today: str
) -> Verdict:
    """The same for a number that a person typed. There is no signature: the verdict is marked `typed`.

    Raises `InputProblem` as `card.typed_number` does.
    """
    return _placed(card.typed_number(text), None, "", status, bindings, pools, today)


def _not_genuine(reading: Reading) -> Verdict:
    standing = {
        Outcome.UNKNOWN_KEY: Standing.UNKNOWN_KEY,
        Outcome.FORGED: Standing.FORGED,
        Outcome.NOT_OURS: Standing.NOT_OURS,
    }[reading.outcome]
    return Verdict(standing=standing, reason=reading.reason)


def _placed(
    number: str,
    signed: Card | None,
    reason: str,
    status: CardStatus,
    bindings: Iterable[Binding],
    pools: frozenset[str],
    today: str,
) -> Verdict:
    known = tuple(bindings)
    households = sorted({binding.household for binding in known if binding.number == number})
    found = Verdict(
        standing=Standing.CURRENT,
        place=Place.UNBOUND if number[: card.POOL_LENGTH] in pools else Place.ELSEWHERE,
        reason=reason,
        number=number,
        signed_on=signed.day if signed else None,
        typed=signed is None,
        list_day=status.day,
        list_days_old=_days(status.day, today),
    )
    if len(households) > 1:
        found = replace(found, place=Place.CONTESTED)
    elif households:
        mine = [binding for binding in known if binding.household == households[0]]
        newest = max(mine, key=lambda binding: (binding.order, binding.number))
        found = replace(
            found,
            place=Place.HERE,
            household=households[0],
            current_number=newest.number,
            standing=Standing.CURRENT if newest.number == number else Standing.SUPERSEDED,
        )
    elif number in status.superseded:
        found = replace(found, standing=Standing.SUPERSEDED)
    if number in status.revoked or number[: card.POOL_LENGTH] in status.withdrawn_pools:
        return replace(found, standing=Standing.REVOKED)
    return found


def _days(since: str | None, today: str) -> int | None:
    return None if since is None else (date.fromisoformat(today) - date.fromisoformat(since)).days


def words(found: Verdict) -> tuple[str, str]:
    """Title and advice of a verdict: what this is, and what to do next."""
    title, advice = _words(found)
    notes = [advice]
    if found.reason == "future-day":
        notes.append(tr("卡上的签发日期比今天还晚，请核对本机日期。"))
    if found.typed:
        notes.append(tr("号码是手工输入的，没有验过签名，请当面核对户主。"))
    if found.list_days_old is not None and found.list_days_old > STALE_DAYS:
        notes.append(tr("本机的户码名单已 {days} 天没有更新，请尽快上报一次。", days=found.list_days_old))
    return title, "".join(notes)


def _words(found: Verdict) -> tuple[str, str]:
    if found.standing is Standing.REVOKED:
        return tr("这张户码已作废"), tr("请收回旧卡，给这户换一张新的户码。")
    if found.place is Place.CONTESTED:
        return tr("这张户码绑在了两户上"), tr("两户都先停用这张码，由县里裁定。请不要再扫它登记走访。")
    if found.standing is Standing.SUPERSEDED:
        return tr("这是换下来的旧户码"), tr("这户已经有新的户码。可以打开档案，请把旧卡收回。")
    if found.standing is Standing.CURRENT:
        return {
            Place.HERE: (tr("户码有效"), tr("可以打开这户的档案。")),
            Place.UNBOUND: (tr("户码有效，还没有绑定农户"), tr("找到要发卡的农户，在档案里点“绑定户码”。")),
        }.get(
            found.place or Place.ELSEWHERE,
            (
                tr("户码是真的，但这户不在本机"),
                tr("这户不归这台电脑管，或者还没有绑定。请核对门牌，或联系乡镇站。"),
            ),
        )
    return _words_of_reason(found.reason)


def _words_of_reason(reason: str) -> tuple[str, str]:
    damaged = tr("擦干净、放平、光线足一点再扫；还不行就输入码下面的户码号。")
    not_ours = tr("这不是户码")
    return {
        "key": (tr("这张户码是用新钥匙签的"), tr("请先上报一次更新本机，再来扫。")),
        "newer-version": (tr("这张户码比程序新"), tr("请先更新程序，再来扫。")),
        "damaged": (tr("户码残缺，读不完整"), damaged),
        "unsigned": (tr("户码没有县里的签名"), tr("这不是县里发的户码，请收好并报告乡镇站。")),
        "signature": (tr("户码签名不对，可能是伪造的"), tr("请不要采用，收好这张码并报告乡镇站。")),
        "caps-lock": (tr("扫码枪把大小写弄反了"), tr("键盘的大写锁定开着，请关掉再扫一次。")),
        "another-county": (tr("这是别的县的户码"), tr("本县的电脑打不开它，请联系发卡的县。")),
        "another-host": (
            tr("这张码指向别的网站"),
            tr("码是从户码抄来的，但网址不是本县的，可能是假冒。请报告乡镇站。"),
        ),
        "link": (not_ours, tr("这是一个网址，程序不会打开它。如果它贴在户码的位置，请报告乡镇站。")),
        "wifi": (not_ours, tr("这是无线网络的码，程序不会连接。请扫户码。")),
        "contact": (not_ours, tr("这是名片码。请扫户码。")),
        "telephone": (not_ours, tr("这是电话或短信的码，程序不会拨打。请扫户码。")),
        "payment": (not_ours, tr("这是收付款码，程序不会付款。如果它贴在户码的位置，请报告乡镇站。")),
        "identity": (not_ours, tr("这是一个证件号码。要按证件找人，请在农户页输入后四位。")),
        "empty": (tr("没有扫到内容"), tr("请再扫一次。")),
    }.get(reason, (not_ours, tr("请扫印在档案页或门牌上的户码。")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """Answer to one key.

    `hold`: the key belongs to a scan and must not reach the page. `leaked`: so many characters before it
    had reached the page when the scan was recognised, the page takes them back. `text`: a scan is complete.
    """

    hold: bool = False
    leaked: int = 0
    text: str | None = None


class KeyboardWedge:
    """Tells a scanner gun, which types, from a person who types.

    A gun sends a character every few milliseconds and mostly ends with Enter or Tab; nobody types `RUN`
    keys each within `GAP_MS`. Nothing here reads a clock or waits: the page feeds characters with times of
    a monotonic clock (not the repeats of a key held down) and calls `pause` from its own timer.
    """

    GAP_MS = 30
    RUN = 6
    LONGEST = 8192
    ENDS = ("\r", "\n", "\t")

    def __init__(self) -> None:
        self._burst: list[str] = []
        self._last_ms = 0

    @property
    def scanning(self) -> bool:
        """Whether a scan is being received at this moment."""
        return len(self._burst) >= self.RUN

    def feed(self, character: str, at_ms: int) -> Pressed:
        """One character of one key press."""
        if at_ms - self._last_ms > self.GAP_MS:
            self._burst.clear()
        self._last_ms = at_ms
        if character in self.ENDS:
            return self._finish()
        if len(self._burst) < self.LONGEST:
            self._burst.append(character)
        if not self.scanning:
            return Pressed()
        return Pressed(hold=True, leaked=self.RUN - 1 if len(self._burst) == self.RUN else 0)

    def pause(self, at_ms: int) -> Pressed:
        """Nothing came for a while: completes the scan of a gun that sends no Enter."""
        return self._finish() if at_ms - self._last_ms > 3 * self.GAP_MS else Pressed()

    def _finish(self) -> Pressed:
        text = "".join(self._burst) if self.scanning else None
        self._burst.clear()
        return Pressed(hold=text is not None, text=text)
