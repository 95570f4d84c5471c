"""Masking of personal values: the one place that says what of a value is seen, on screen, on paper, in a list, in the
log.

`show` answers for one value of one field: as it is, masked, or not at all, and whether a person with a reason may look
behind the mask. The table is that of reference 7.2 (GB/T 35273-2020, GB/T 37964-2019, GB/T 45574-2025; a notice must
not show identity number, phone, account or health). Rules:
- Who looks is an `Eye`: what their rights let them see of classes C and D where the value lies. A and B are open.
- An identity number, a phone and an account are masked first for everybody.
- All that is recorded of a child under 14 is class D, whatever its field says; the head of a household is named in
  public, so the head's name is class A.
- Of a few fields it is the value that tells of health or of a child's schooling; such a value is class D.
- A mask always hides something: a value too short to be cut is starred out whole; the number of stars is always the
  same and tells no length. Numbers in free text are masked wherever the text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from app.models.fields import Field, Privacy, Type, Value
from app.models.rules import identity
from app.models.rules.policy import Policy
from app.models.rules.rights import Rights, Sight
from app.text import tr

STAR = "*"
STARS = STAR * 4
HEAD: Final = "02"  # GB/T 4761-2008
CHILD_YEARS: Final = 14  # Personal Information Protection Law, article 28


class Surface(Enum):
    """Where a value meets an eye."""

    SCREEN = "screen"  # the file of a household
    LOG = "log"  # old and new values of acts
    LIST = "list"  # an export without a second person
    FULL = "full"  # an export that a second person agreed to
    PAPER_WORK = "work"  # the copy for the file
    PAPER_WALL = "wall"  # a sheet on a wall, a notice
    PUBLIC = "public"  # a page that anybody can open


class Whose(Enum):
    """Of whom a value speaks."""

    NOBODY = "nobody"  # of a household, a visit, a place
    HEAD = "head"
    MEMBER = "member"
    CHILD = "child"  # a member under 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """How one person sees values at one place; `identity_form`: characters of an identity number that stay at its head
    and tail."""

    personal: Sight
    sensitive: Sight
    identity_form: tuple[int, int] = (4, 4)

    @classmethod
    def of(cls, rights: Rights, areas: Iterable[bytes | None], policy: Policy) -> Eye:
        """The eye of a person with these rights for what lies in `areas`."""
        where = tuple(areas)
        return cls(
            personal=rights.sight(Privacy.C, where),
            sensitive=rights.sight(Privacy.D, where),
            identity_form=policy.identity_mask,
        )

    def sight(self, privacy: Privacy) -> Sight:
        """How values of a class are seen."""
        return {Privacy.C: self.personal, Privacy.D: self.sensitive}.get(privacy, Sight.OPEN)


BLIND: Final = Eye(personal=Sight.NEVER, sensitive=Sight.NEVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What of a value is seen. `hidden`: `text` stands for it, what is left of it (empty: nothing); else the value
    itself. `revealable`: with a reason it may be looked at; `privacy` is the class it counts as."""

    value: Value
    privacy: Privacy
    hidden: bool = False
    revealable: bool = False
    text: str = ""


def whose_is(member: Mapping[str, Value], today: str) -> Whose:
    """Of whom the values of a member speak on `today` (YYYY-MM-DD)."""
    born = birth_of(member)
    if born is not None and f"{int(today[:4]) - CHILD_YEARS:04d}{today[4:]}" < born:
        return Whose.CHILD
    return Whose.HEAD if member.get("relation") == HEAD else Whose.MEMBER


def birth_of(member: Mapping[str, Value]) -> str | None:
    """The recorded birth date, else that of the identity number (GB 11643-1999: digits 7 to 14)."""
    born, number, kind = (member.get(name) for name in ("birth_date", "cert_no", "cert_type"))
    if isinstance(born, str):
        return born
    kind = kind if isinstance(kind, str) else None
    if not isinstance(number, str) or not identity.bears_identity(kind):
        return None
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return None
    return identity.birth_date_of(number)


def show(field: Field, value: Value, surface: Surface, eye: Eye, whose: Whose = Whose.NOBODY) -> Shown:
    """What of `value` is seen on `surface`."""
    privacy = _privacy(field, value, whose)
    if value is None or value in ("", ()):
        return Shown(value=value, privacy=privacy)
    if surface is Surface.FULL:
        return Shown(value=value, privacy=privacy)
    if surface is Surface.PAPER_WALL:
        return _public(field, value, privacy, whose, _WALL)
    if surface is Surface.PUBLIC:
        return _public(field, value, privacy, whose, _PUBLIC)
    if surface is Surface.LIST:
        return _listed(field, value, privacy, eye, whose)
    sight = eye.sight(privacy)
    number = _NUMBERS.get(field.name) if field.privacy in (Privacy.C, Privacy.D) else None
    if surface is Surface.PAPER_WORK:
        return _on_paper(field, value, privacy, sight, number, eye, whose)
    revealable = surface is Surface.SCREEN and sight is not Sight.NEVER
    if number is not None or sight is not Sight.OPEN:
        text = _left(field, value, eye, number if sight is not Sight.NEVER else None)
        return Shown(value=value, privacy=privacy, hidden=True, revealable=revealable, text=text)
    if (said := _written(field, value)) != value:
        return Shown(value=value, privacy=privacy, hidden=True, revealable=revealable, text=said)
    return Shown(value=value, privacy=privacy)


# --- the table ---

_WRITTEN: Final = frozenset({Type.TEXT, Type.LONG_TEXT})
# What a notice may say (reference 7.4) beside the head's name; what a page for everybody may.
_WALL: Final = frozenset({"village", "villager_group", "natural_village", "member_count", "monitor_category"})
_PUBLIC: Final = frozenset({"village", "member_count"})
# Values that tell of health, or of a child who does not go to school (reference 7.2); the other values of these
# fields are internal.
_TELLING: Final[Mapping[str, frozenset[str]]] = {
    "risk_1": frozenset({"ILLNESS", "DISABILITY", "DROPOUT", "EPIDEMIC"}),
    "risk_2": frozenset({"ILLNESS", "DISABILITY", "DROPOUT", "EPIDEMIC"}),
    "tags": frozenset({"SERIOUS_ILLNESS", "SEVERE_DISABILITY"}),
}
_LISTED_WHOLE: Final = frozenset({"cert_type"})  # says nothing without its number
# Numbers that are no secret: our own, and the phones of offices (those of persons have a mask of their own).
_OUR_NUMBERS: Final = frozenset({"household_no", "person_no", "card_no", "phone", "hotline"})


def _privacy(field: Field, value: Value, whose: Whose) -> Privacy:
    if whose is Whose.CHILD:
        return Privacy.D
    if whose is Whose.HEAD and field.name == "name":
        return Privacy.A
    if field.name in _TELLING:
        said = set(value) if isinstance(value, tuple) else {value}
        return Privacy.D if said & _TELLING[field.name] else Privacy.B
    return field.privacy


def _public(field: Field, value: Value, privacy: Privacy, whose: Whose, allowed: frozenset[str]) -> Shown:
    if whose is Whose.HEAD and field.name == "name" and isinstance(value, str):
        if allowed is _WALL:
            return Shown(value=value, privacy=privacy)
        return Shown(value=value, privacy=privacy, hidden=True, text=mask_public_name(value))
    if whose is Whose.NOBODY and field.name in allowed:
        said = _written(field, value)
        return Shown(value=value, privacy=privacy, hidden=said != value, text=said if said != value else "")
    return Shown(value=value, privacy=privacy, hidden=True)


def _listed(field: Field, value: Value, privacy: Privacy, eye: Eye, whose: Whose) -> Shown:
    """A list that leaves the house: nothing sensitive, nothing of a child, numbers masked, incomes as ranges, people
    but the head by their surname, no exact address, no free text."""
    number = _NUMBERS.get(field.name) if field.privacy in (Privacy.C, Privacy.D) else None
    text = ""
    if whose is Whose.CHILD or field.type is Type.LONG_TEXT or field.name == "address_detail":
        pass
    elif number is not None and isinstance(value, str):
        text = number(value, eye)
    elif field.type is Type.MONEY and isinstance(value, int):
        text = money_range(value)
    elif privacy is Privacy.D:
        text = tr("有风险") if field.name in ("risk_1", "risk_2") else ""
    elif privacy is Privacy.C and field.name not in _LISTED_WHOLE:
        text = mask_name(value) if field.name == "name" and isinstance(value, str) else ""
    elif (said := _written(field, value)) != value:
        text = said
    else:
        return Shown(value=value, privacy=privacy)
    return Shown(value=value, privacy=privacy, hidden=True, text=text)


def _on_paper(
    field: Field, value: Value, privacy: Privacy, sight: Sight, number: Number | None, eye: Eye, whose: Whose
) -> Shown:
    """The copy for the file is an internal paper and printing it is an entry: it shows what its printer may see with a
    reason, but no number in full and of a child no number at all."""
    if sight is Sight.NEVER:
        return Shown(value=value, privacy=privacy, hidden=True, text=_left(field, value, eye, None))
    if number is not None and isinstance(value, str):
        text = "" if whose is Whose.CHILD else number(value, eye)
        return Shown(value=value, privacy=privacy, hidden=True, text=text)
    if (said := _written(field, value)) != value:
        return Shown(value=value, privacy=privacy, hidden=True, text=said)
    return Shown(value=value, privacy=privacy)


def _written(field: Field, value: Value) -> Any:
    """What somebody wrote without the numbers of people in it; any other value as it is."""
    if not isinstance(value, str) or field.type not in _WRITTEN or field.name in _OUR_NUMBERS:
        return value
    return scrub(value)


def _left(field: Field, value: Value, eye: Eye, number: Number | None) -> str:
    """What is left of a hidden value: of a number its ends, of a name the surname, else stars."""
    if isinstance(value, str) and number is not None:
        return number(value, eye)
    if isinstance(value, str) and field.name == "name":
        return mask_name(value)
    return STARS


# --- the forms of masks ---

_SURNAMES_OF_TWO = """
    欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊
    赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容 仲孙 钟离 长孙 宇文
    司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正
    宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 南门 羊舌 微生 公户
    公玉 公仪 梁丘 公仲 公上 公门 公山 公坚 左丘 公伯 西门 公祖 第五 公乘
    贯丘 公皙 南荣 东里 东宫 仲长 子书 子桑 即墨 达奚 褚师 纳兰
"""
COMPOUND_SURNAMES = frozenset(_SURNAMES_OF_TWO.split())

MIDDLE_DOTS = "·•・‧∙⋅．.˙᛫"
"""The characters that are typed for the dot of ethnic names; U+00B7 is the standard one."""

_LONG = re.compile(r"(?<![0-9A-Za-z])[0-9]{15,}[Xx]?(?:[0-9]{2}[0-9A-Za-z]{0,2})?(?![0-9A-Za-z])")
_IN_FOURS = re.compile(r"(?<![0-9A-Za-z])[0-9]{4}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{1,3})?(?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9A-Za-z])1[0-9]{2}[ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9A-Za-z])")


def mask_middle(value: str, head: int, tail: int) -> str:
    """First `head` and last `tail` characters around four stars; stars alone if too little would hide."""
    if not value or len(value) < head + tail + 2:
        return STARS if value else ""
    return value[:head] + STARS + value[len(value) - tail :]


def mask_identity(number: str, head: int = 4, tail: int = 4) -> str:
    """Identity number or certificate: `3301****1234`. A county chooses 4+4 (default), 6+4 or 3+4."""
    return mask_middle(number, head, tail)


def mask_phone(number: str) -> str:
    """Phone: `138****0000`; a land line keeps its last four digits only."""
    if re.fullmatch(r"1[0-9]{10}", number):
        return mask_middle(number, 3, 4)
    return mask_middle(number, 0, 4)


def mask_account(number: str) -> str:
    """Bank account: last four digits."""
    return mask_middle(number, 0, 4)


def mask_name(name: str) -> str:
    """Surname and one star: `张*`, `欧阳*`; of an ethnic name the part before its dot: `阿·布`, `阿*`."""
    return _surname(name) + STAR if name else ""


def mask_public_name(name: str) -> str:
    """Surname and two stars, for pages that anybody can open."""
    return _surname(name) + STAR * 2 if name else ""


def money_range(fen: int) -> str:
    """An income as a range in yuan: the bounds are the round sums near the monitoring lines of the years."""
    yuan = fen / 100
    bounds = (0, 3_000, 5_000, 8_000, 10_000, 15_000, 20_000, 30_000, 50_000, 100_000)
    if yuan < bounds[0]:
        return tr("低于 0 元")
    for low, high in pairwise(bounds):
        if yuan < high:
            return tr("{low}–{high} 元", low=f"{low:,}", high=f"{high:,}")
    return tr("{low} 元以上", low=f"{bounds[-1]:,}")


def scrub(text: str) -> str:
    """Free text with every identity number, phone and account in it masked; the rest stays as written."""
    text = _LONG.sub(lambda found: mask_middle(found.group(), 0, 4), text)
    text = _IN_FOURS.sub(lambda found: mask_account(re.sub(r"[ -]", "", found.group())), text)
    return _MOBILE.sub(lambda found: mask_phone(re.sub(r"[ -]", "", found.group())), text)


def tells_number(text: str) -> bool:
    """Whether an unmasked identity number, phone or account stands in `text`."""
    return scrub(text) != text


def _surname(name: str) -> str:
    for place, character in enumerate(name):
        if character in MIDDLE_DOTS:
            return name[: max(place, 1)]
    if len(name) > 2 and name[:2] in COMPOUND_SURNAMES:
        return name[:2]
    return name[:1]


Number = Callable[[str, Eye], str]
_NUMBERS: Final[Mapping[str, Number]] = {
    "cert_no": lambda number, eye: mask_identity(number, *eye.identity_form),
    "phone": lambda number, _: mask_phone(number),
    "contact_phone": lambda number, _: mask_phone(number),
    "bank_account": lambda number, _: mask_account(number),
}
