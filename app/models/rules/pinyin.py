"""Pinyin initials of names, with the readings that surnames have. Pure.

pypinyin gives the common reading of a character; a surname often has another (单 shàn, 仇 qiú, 查 zhā, 解 xiè).
A name keeps every plausible reading of its first character, so that both `czy` and `zzy` find 曾子怡.
"""

from __future__ import annotations

import os
from functools import lru_cache

# Its dictionary of phrases is no help with names and would take a third of a second at every start.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")

from pypinyin import Style, lazy_pinyin

SURNAMES = {
    "单": "s",
    "仇": "q",
    "查": "z",
    "解": "x",
    "曾": "z",
    "区": "o",
    "朴": "p",
    "盖": "g",
    "冼": "x",
    "覃": "q",
    "尉": "w",
    "缪": "m",
    "乐": "y",
    "任": "r",
    "华": "h",
    "翟": "z",
    "员": "y",
    "折": "s",
    "黑": "h",
    "秘": "b",
    "重": "c",
    "洗": "x",
    "薄": "b",
    "纪": "j",
    "燕": "y",
    "召": "s",
    "种": "c",
    "应": "y",
    "句": "g",
    "繁": "p",
    "逄": "p",
    "隗": "k",
    "祭": "z",
    "谌": "c",
    "晟": "c",
    "撒": "s",
    "长": "z",
}


@lru_cache(maxsize=20_000)
def initials(name: str) -> tuple[str, ...]:
    """Initials of `name` in lower case, one string for each reading of its first character; () without Han."""
    letters = [part[0].lower() for part in lazy_pinyin(name, style=Style.NORMAL, errors="ignore") if part]
    if not letters:
        return ()
    plain = "".join(letters)
    first = SURNAMES.get(name[0])
    return (plain,) if first is None or first == plain[0] else (first + plain[1:], plain)
