"""One sentence for every error code: what is wrong, where, and what to do next.

`sentence(error)` is the only way from an error to words. Placeholders are the facts of the error.
"""

from __future__ import annotations

from app.errors import HudangError
from app.text import tr

SENTENCES: dict[str, str] = {
    # --- values and forms ---
    "bad-text": "“{field}”里有不能保存的字符，请重新输入。",
    # --- files ---
    # --- codes and cards ---
    # --- vault ---
    # --- transport ---
    # --- county ---
    # --- chain ---
}


def sentence(error: HudangError) -> str:
    """The sentence for `error` in the language of the program; an unknown code names itself for the help desk."""
    wording = SENTENCES.get(error.code)
    if wording is None:
        return tr("出了没有预料到的问题（代号 {code}）。已录入的内容没有丢，请联系县里。", code=error.code)
    return tr(wording, **error.facts)
