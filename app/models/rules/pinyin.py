"""Pinyin of names and their initials, with the readings that surnames have. Pure.

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
    "单": "shan",
    "仇": "qiu",
    "查": "zha",
    "解": "xie",
    "曾": "zeng",
    "区": "ou",
    "朴": "piao",
    "盖": "ge",
    "冼": "xian",
    "覃": "qin",
    "尉": "wei",
    "缪": "miao",
    "乐": "yue",
    "任": "ren",
    "华": "hua",
    "翟": "zhai",
    "员": "yun",
    "折": "she",
    "黑": "he",
    "秘": "bi",
    "重": "chong",
    "洗": "xian",
    "薄": "bo",
    "纪": "ji",
    "燕": "yan",
    "召": "shao",
    "种": "chong",
    "应": "ying",
    "句": "gou",
    "繁": "po",
    "逄": "pang",
    "隗": "kui",
    "祭": "zhai",
    "谌": "chen",
    "晟": "cheng",
    "撒": "sa",
    "长": "zhang",
}


@lru_cache(maxsize=20_000)
def initials(name: str) -> tuple[str, ...]:
    """Initials of `name` in lower case, one string for each reading of its first character; () without Han."""
    return tuple(dict.fromkeys("".join(part[0] for part in parts) for parts in _readings(name)))


@lru_cache(maxsize=20_000)
def spelled(name: str) -> tuple[str, ...]:
    """`name` in pinyin as it is typed: lower case, no tones, no blanks, ü as v; one string for each reading of its
    first character; () without Han."""
    return tuple(dict.fromkeys("".join(parts) for parts in _readings(name)))


def _readings(name: str) -> list[list[str]]:
    plain = [part.lower() for part in lazy_pinyin(name, style=Style.NORMAL, errors="ignore") if part]
    first = SURNAMES.get(name[0]) if plain else None
    return [[first, *plain[1:]], plain] if first is not None else [plain] if plain else []
