"""Keeps the English catalogue whole: `python -m scripts.texts` says what is missing, `--write` makes room.

A text is what a person reads: every literal given to `tr`, every sentence of `app.messages`, every label of a
record declaration and of a code list, and every other Chinese literal in the modules that speak to people.
The catalogue maps the Chinese wording to the English one; `--write` adds missing texts with an empty wording
and drops what nobody says any more. The check fails on missing or unused texts and on other placeholders.
"""

from __future__ import annotations

import ast
import json
import re
import string
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "resources" / "lang" / "en.json"
CHINESE = re.compile(r"[\u3400-\u9fff]")

# Here any Chinese literal is for people: in a call of `tr`, or in a table translated where it is shown.
SPOKEN = ("app/views", "app/casework", "app/main.py", "app/messages.py", "county")
# Here names of invented people and places are said, not translated.
NAMES = ("county/demo.py",)
# Here only what is named so: the rest is data, such as the headings of spreadsheets.
LABELS = {
    "app/models/records": {"label", "group", "hint", "unit"},
    "app/models/fields.py": {"label", "group"},
}

# Declared fields name their label by place: `text(4, "name", "label")`, `plain(Type.DATE, 5, "name", "label")`.
FIELDS = {"text": 2, "long_text": 2, "code": 2, "codes": 2, "link": 2, "plain": 3}


def silent(tree: ast.Module) -> set[int]:
    """Identities of the constants that nobody reads on screen: docstrings and regular expressions."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            found.update(id(item) for item in literals(node))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                found.add(id(first.value))
    return found


def literals(node: ast.AST) -> Iterator[ast.Constant]:
    """String constants under `node` that hold Chinese."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and CHINESE.search(inner.value):
            yield inner


def texts_of(path: Path) -> Iterator[str]:
    """Texts in one Python module."""
    name = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = silent(tree)
    if name.startswith(SPOKEN) and name not in NAMES:
        yield from (str(item.value) for item in literals(tree) if id(item) not in unread)
    labels = next((names for folder, names in LABELS.items() if name.startswith(folder)), set())
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in labels:
            yield from (str(item.value) for item in literals(node.value))
        if labels and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = FIELDS.get(node.func.id)
            if place is not None and len(node.args) > place:
                yield from (str(item.value) for item in literals(node.args[place]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr" and node.args:
            yield from (str(item.value) for item in literals(node.args[0]))


def said() -> set[str]:
    """Every text the programs can say."""
    found: set[str] = set()
    for folder in ("app", "county"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found.update(texts_of(path))
    for path in sorted((ROOT / "resources" / "codelists").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found.add(data["label"])
        found.update(item["label"] for item in data["items"])
    return {text for text in found if CHINESE.search(text)}


def placeholders(text: str) -> set[str]:
    """Names in braces."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def read_catalogue() -> dict[str, str]:
    """Chinese wording -> English wording, empty where there is none yet."""
    return json.loads(CATALOGUE.read_text(encoding="utf-8")) if CATALOGUE.exists() else {}


def problems() -> list[str]:
    """What keeps the catalogue from being whole, one line each."""
    catalogue = read_catalogue()
    texts = said()
    found = [f"no English: {text}" for text in sorted(texts) if not catalogue.get(text)]
    found += [f"nobody says: {text}" for text in sorted(catalogue.keys() - texts)]
    for text, wording in sorted(catalogue.items()):
        if wording and placeholders(text) != placeholders(wording):
            found.append(f"placeholders differ: {text}")
    return found


def write() -> None:
    """Writes the catalogue with exactly the texts that are said, keeping the wordings there are."""
    catalogue = read_catalogue()
    entries = {text: catalogue.get(text, "") for text in sorted(said())}
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_text(json.dumps(entries, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> int:
    if "--write" in sys.argv:
        write()
    found = problems()
    print("\n".join([*found, f"{len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
