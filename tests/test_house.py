"""The rules of the house, so that nobody has to remember them: imports, sizes, names, texts, privacy."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import string
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from importlinter.cli import lint_imports
from packaging.requirements import Requirement

from app import errors
from app.messages import SENTENCES
from scripts import texts

ROOT = Path(__file__).resolve().parent.parent

# Where a part may be imported; a folder means everything in it. What is not named here may be used anywhere.
HOMES = {
    "PySide6": ("app/views/", "app/main.py", "app/selfcheck.py"),
    "shiboken6": ("app/views/",),
    "sqlalchemy": (
        "app/models/store.py",
        "app/models/summaries.py",
        "app/models/tables.py",
        "app/models/queries/",
        "app/vault/",
        "county/",
    ),
    "sqlcipher3": ("app/vault/", "app/selfcheck.py"),
    "requests": ("app/sync/transport.py",),
    "threading": (
        "app/views/background.py",
        "app/vault/cipherfile.py",
        "county/",
    ),  # of the vault only a lock
    "concurrent": ("app/views/background.py", "county/"),
    "multiprocessing": ("app/workbooks/reading.py", "app/main.py"),  # of main only freeze_support
    "fastapi": ("county/",),
    "starlette": ("county/",),
    "uvicorn": ("county/",),
    "typst": ("app/printing/", "app/selfcheck.py"),
    "openpyxl": (),
}

# What the county shares with the desktop; of a name that ends with a dot everything below it.
COUNTY_SHARES = (
    "app.models.",
    "app.workbooks.",
    "app.ledger.",
    "app.sync.protocol",
    "app.vault.cipherfile",
    "app.vault.slots",
    "app.vault.recovery",
    "app.vault.agefile",
    "app.errors",
    "app.text",
    "app.messages",
    "app.progress",
)

# The add-ons of PySide6 are not installed; these come with the essentials.
QT = {"QtCore", "QtGui", "QtWidgets", "QtPrintSupport", "QtSvg", "QtSvgWidgets", "QtTest", "QtNetwork", "QtDBus"}

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "stuff", "base"}
LONGEST_MODULE = 700  # lines; a module that grows beyond is two things


def tracked(suffixes: tuple[str, ...] = ()) -> list[Path]:
    """Files under version control, in the work tree as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name]
    paths = [ROOT / name for name in names if not suffixes or name.endswith(suffixes)]
    return [path for path in paths if path.is_file()]


def modules(*folders: str) -> list[Path]:
    """Python modules in `folders`."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    """`path` from the root, with slashes."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> Iterator[str]:
    """Full names of what a module imports, anywhere in it: `a.b.c` for `from a.b import c`."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- imports ------------------------------------------------------------------------------------------------


def test_import_contracts_hold() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_parts_stay_in_their_homes() -> None:
    strays = [
        f"{name_of(path)} imports {name}"
        for path in modules("app", "county")
        for name in imports(path)
        if not name_of(path).startswith(HOMES.get(name.split(".")[0], ("",)))
    ]
    assert strays == []


def test_only_the_essentials_of_qt_are_used() -> None:
    used = {
        name.split(".")[1]
        for path in modules("app", "tests", "scripts", "benchmarks")
        for name in imports(path)
        if name.startswith("PySide6.")
    }
    assert used <= QT


def test_the_county_shares_only_what_it_may() -> None:
    strays = [
        f"{name_of(path)} imports {name}"
        for path in modules("county")
        for name in imports(path)
        if name.startswith("app.")
        and not f"{name}.".startswith(tuple(f"{shared.rstrip('.')}." for shared in COUNTY_SHARES))
    ]
    assert strays == []


def test_every_foreign_import_is_a_declared_part() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower() for line in requirements}

    run = names(project["dependencies"]) | names(extras["county"])
    allowed = {"app": names(project["dependencies"]), "county": run, "scripts": run | names(extras["dev"])}
    owners = importlib.metadata.packages_distributions()
    ours = {"app", "county", "scripts", "benchmarks", "tests"}
    undeclared = []
    for folder in ("app", "county", "scripts", "benchmarks", "tests"):
        for path in modules(folder):
            for top in {name.split(".")[0] for name in imports(path)} - ours - set(sys.stdlib_module_names):
                parts = {part.lower().replace("_", "-") for part in owners.get(top, [top])}
                if not parts & allowed.get(folder, allowed["scripts"]):
                    undeclared.append(f"{name_of(path)} imports {top}")
    assert undeclared == []


def test_the_locks_hold_what_is_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    run = project["dependencies"] + extras["county"]
    for name, wanted in {"run": run, "dev": run + extras["dev"]}.items():
        lock = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", lock, re.MULTILINE))
        for line in wanted:
            requirement = Requirement(line)
            assert requirement.specifier.contains(locked[requirement.name.lower()]), f"{name}: {line}"
        unhashed = re.findall(r"^[a-z0-9-]+==.*(?<!\\)$", lock, re.MULTILINE)
        assert unhashed == []


def test_packages_hold_nothing_in_their_init() -> None:
    for path in modules("app", "county"):
        if path.name == "__init__.py":
            assert len(tree_of(path).body) == 1, f"{name_of(path)} holds more than a docstring"


# --- names and sizes ----------------------------------------------------------------------------------------


def test_every_module_says_what_it_holds() -> None:
    silent = [
        name_of(path)
        for path in modules("app", "county", "scripts", "benchmarks", "tests")
        if not ast.get_docstring(tree_of(path))
    ]
    assert silent == []


def test_names_say_something() -> None:
    empty = [
        name_of(path)
        for path in tracked()
        if EMPTY_WORDS & set(re.split(r"[^a-z]+", path.relative_to(ROOT).with_suffix("").as_posix().lower()))
    ]
    assert empty == []


def test_modules_stay_readable() -> None:
    long = {
        name_of(path): lines
        for path in modules("app", "county")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def test_links_in_the_documents_lead_somewhere() -> None:
    dead = [
        f"{name_of(path)} -> {target}"
        for path in tracked((".md",))
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert dead == []


# --- words --------------------------------------------------------------------------------------------------


def test_the_english_catalogue_is_whole() -> None:
    assert texts.problems() == []


def raised() -> Iterator[tuple[str, str, set[str] | None]]:
    """Errors that the code raises: where, code, names of its facts (None when they are not literal)."""
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.HudangError)
    }
    for path in modules("app", "county"):
        for node in ast.walk(tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
            if called in kinds and node.args and isinstance(node.args[0], ast.Constant):
                literal = all(keyword.arg for keyword in node.keywords)
                facts = {keyword.arg for keyword in node.keywords if keyword.arg} if literal else None
                yield f"{name_of(path)}:{node.lineno}", str(node.args[0].value), facts


def test_every_error_has_its_sentence() -> None:
    missing = [f"{where} {code}" for where, code, _ in raised() if code not in SENTENCES]
    assert missing == []


def test_every_error_brings_the_facts_of_its_sentence() -> None:
    lacking = []
    for where, code, facts in raised():
        wanted = {name for _, name, _, _ in string.Formatter().parse(SENTENCES.get(code, "")) if name}
        if facts is not None and wanted - facts:
            lacking.append(f"{where} {code} lacks {sorted(wanted - facts)}")
    assert lacking == []


def test_every_sentence_belongs_to_an_error() -> None:
    constants = {
        node.value
        for path in modules("app", "county")
        if name_of(path) != "app/messages.py"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(SENTENCES.keys() - constants) == []


def test_error_codes_are_words_with_hyphens() -> None:
    assert [code for code in SENTENCES if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)] == []


# --- privacy and neutrality ---------------------------------------------------------------------------------

IDENTITY_NUMBER = re.compile(
    r"(?<![0-9A-Za-z.])(?!99)\d{6}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[0-9X](?![0-9A-Za-z])"
)
PHONE = re.compile(r"(?<![0-9A-Za-z.+/=_-])1[3-9]\d{9}(?![0-9A-Za-z+/=_-])")
TEXT = (
    ".py",
    ".md",
    ".toml",
    ".json",
    ".typ",
    ".txt",
    ".csv",
    ".qss",
    ".svg",
    ".spec",
    "Makefile",
    "setup",
    "lock",
    "run",
)

# Written in two halves so that this file may hold them.
OF_THIS_MACHINE = (
    "/work" + "/",
    "/ro" + "ot/",
    "/opt" + "/",
    "/ho" + "me/",
    "file:/" + "//",
    "py" + "pi.org",
    "pythonhos" + "ted",
    "index" + "-url",
    "find" + "-links",
)


def test_no_sample_could_be_a_real_person() -> None:
    found = []
    for path in tracked(TEXT):
        text = path.read_text(encoding="utf-8")
        found += [
            f"{name_of(path)} {match.group()}" for rule in (IDENTITY_NUMBER, PHONE) for match in rule.finditer(text)
        ]
    assert found == []


@pytest.mark.parametrize("word", OF_THIS_MACHINE)
def test_no_file_knows_where_it_was_made(word: str) -> None:
    found = [name_of(path) for path in tracked(TEXT) if word in path.read_text(encoding="utf-8")]
    assert found == []
