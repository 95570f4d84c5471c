"""The translation function: every text a person reads goes through `tr`.

The key of a text is its Chinese wording. `HUDANG_LANG=en` shows the English catalogue in `resources/lang/en.json`
instead; a text that is missing there is shown in Chinese. A test reads all calls of `tr` and keeps the catalogue
complete, with the same placeholders.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

RESOURCES = Path(__file__).resolve().parent.parent / "resources"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Chinese wording -> wording in `language`; empty for Chinese and for languages without a catalogue."""
    path = RESOURCES / "lang" / f"{language}.json"
    if language == "zh" or not path.exists():
        return {}
    entries: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return entries


def language() -> str:
    """Language of the program: `zh` unless `HUDANG_LANG` names another."""
    return os.environ.get("HUDANG_LANG", "zh")


def tr(text: str, **values: object) -> str:
    """`text` in the language of the program, with its `{placeholders}` filled from `values`."""
    wording = catalogue(language()).get(text, text)
    return wording.format(**values) if values else wording
