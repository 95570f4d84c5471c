"""The walking order of villagers' groups: by the number in their name, however it is written. Pure."""

from __future__ import annotations

import re

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100}
UNNUMBERED = 1_000_000


def group_order(group: str | None) -> int:
    """Number of a group such as 三组, 十二组, 第三村民小组, 3组, 一百零二组; UNNUMBERED without one."""
    if not group:
        return UNNUMBERED
    if digits := re.search(r"[0-9]+", group):
        return int(digits.group())
    written = re.search(r"[零〇一二两三四五六七八九十百]+", group)
    if not written:
        return UNNUMBERED
    total = part = 0
    for character in written.group():
        if character in _DIGITS:
            part = _DIGITS[character]
        else:
            total, part = total + (part or 1) * _UNITS[character], 0
    return total + part
