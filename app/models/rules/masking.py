"""Masking of personal values: one place for screen, print and export.

The forms are those of the data dictionary (GB/T 35273-2020, GB/T 37964-2019; a notice must not show identity
number, phone, account or health). A mask always hides something: a value too short to be cut is starred out
whole; the number of stars is always the same and tells no length. The caller decides whether to mask, this
module says how.
"""

from __future__ import annotations

import re

STAR = "*"
STARS = STAR * 4

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
