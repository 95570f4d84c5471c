"""Dated code tables from `resources/codelists/`: what a code means on a day.

A code is never removed, only dated; records keep the code, people read the label. Labels are looked up exactly, so that
a spreadsheet value outside the list is reported and never guessed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from app.text import RESOURCES


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code with its Chinese label; `valid_until` is the last day it may be chosen."""

    code: str
    label: str
    valid_until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """One list in its order, with the standard or system it comes from."""

    name: str
    label: str
    source: str
    codes: tuple[Code, ...]

    def label_of(self, code: str) -> str:
        """Label of `code`; the code itself when a newer program wrote one this list does not know."""
        return next((item.label for item in self.codes if item.code == code), code)

    def code_of(self, label: str) -> str | None:
        """Code whose label is exactly `label`, None when there is none."""
        return next((item.code for item in self.codes if item.label == label), None)


@cache
def codelist(name: str) -> CodeList:
    """The code list called `name`; KeyError when no such list is shipped."""
    path = RESOURCES / "codelists" / f"{name}.json"
    if not path.exists():
        raise KeyError(name)
    data = json.loads(path.read_text(encoding="utf-8"))
    return CodeList(
        name=data["list"],
        label=data["label"],
        source=data["source"],
        codes=tuple(
            Code(code=item["code"], label=item["label"], valid_until=item.get("valid_until")) for item in data["items"]
        ),
    )
