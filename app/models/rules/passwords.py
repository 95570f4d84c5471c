"""What a password must be: the county's two profiles, and what is too easily guessed. Pure.

STANDARD (NIST SP 800-63B-4 section 3.1.1.2, ASVS 5 6.2): long enough, no rules of composition, nothing guessable, no
rotation. MLPS (GB/T 22239-2019, 8.1.4.1 a): three of four classes of characters and rotation besides.

A block list of whole passwords would miss what people here do: a name in pinyin with a birthday behind it. So a
password is read as the cheapest row of parts that explains it: common words, names, places, syllables of pinyin,
numbers, walks over the keyboard, repeats, and single characters where nothing else fits. Each part weighs as many bits
as trying all of its kind costs (a known name next to nothing, a word of the list for phrases 11); below `LEAST` bits in
all a password is refused. So "zhangwei@1988" falls although nobody listed it, and a long phrase may hold any common
word.

Nothing of a password becomes a fact of an error.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Final

from app.errors import InputProblem
from app.models.rules.pinyin import initials, spelled
from app.models.rules.policy import MLPS, Policy
from app.text import RESOURCES

LEAST: Final = 36.0  # bits; with Argon2id at its floor (0.15 s a try) 160 years of one machine for half of them
CLASSES: Final = 3
PHRASE: Final = 4  # words of a phrase that is offered

_FOLDER: Final = RESOURCES / "passwords"
_COMMON, _PHRASE_WORD, _KNOWN, _REFUSED, _SYLLABLE = 8.0, 11.0, 5.0, 0.0, 6.0
_LETTER, _DIGIT, _SIGN, _HAN, _OTHER = 4.7, 3.3, 3.0, 6.0, 5.0
_NUMBER: Final = 10.0  # any number, however long: a date, a telephone, an identity number can be looked up
_YEAR: Final = 6.0
_WALK, _AGAIN, _SEPARATED = 6.0, 1.0, 1.0
_SEPARATORS: Final = " -_.,·"
_OF_AREAS: Final = "省市县区镇乡村组屯寨"
_OF_DATES: Final = "年月日号"

# Letters that are written as others. Which digit stands for which letter is not certain: both readings are tried.
_WRITTEN_AS: Final = (
    str.maketrans("@4031$57!", "aaoelssti"),
    str.maketrans("@4031$57!", "aaoeissti"),
)
_ROWS: Final = ("`1234567890-=", " qwertyuiop[]\\", " asdfghjkl;'", " zxcvbnm,./")
_UNSHIFTED: Final = str.maketrans('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./")


class Part(Enum):
    """Why a stretch of a password is easy to guess; the value is the error's code."""

    COMMON = "password-common"
    NAME = "password-name"
    NUMBER = "password-number"
    PATTERN = "password-pattern"
    FREE = "password-simple"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Characters up to `end` explained as one part that costs `bits`."""

    end: int
    bits: float
    part: Part


_Lexicon = dict[str, tuple[float, Part]]


def judge(password: str, policy: Policy, *, names: Sequence[str], words: Sequence[str]) -> InputProblem | None:
    """What is wrong with a new password under `policy`, None when nothing is. `names` are those of the person and their
    colleagues, `words` those of places; the words that the policy refuses count besides.

    Codes: "password-empty", "password-short" (needed, length: characters after NFKC), "password-classes" (needed), and
    what makes it easy to guess: "password-common", "password-name", "password-number", "password-pattern",
    "password-simple"."""
    text = unicodedata.normalize("NFKC", password)
    if not text.strip():
        return InputProblem("password-empty")
    if len(text) < policy.password_length:
        return InputProblem("password-short", needed=policy.password_length, length=len(text))
    if policy.password_profile == MLPS and len(_classes(text)) < CLASSES:
        return InputProblem("password-classes", needed=CLASSES)
    bits, part = _weigh(text, _personal(names, words, policy.refused_words))
    return InputProblem(part.value) if bits < LEAST else None


def due(changed_on: str | None, policy: Policy, today: str) -> int | None:
    """Days until the password has to be changed, 0 or less when it is time; None where the policy asks for no rotation.
    `changed_on` and `today` are dates YYYY-MM-DD; a password of unknown age is due."""
    if policy.password_profile != MLPS:
        return None
    if changed_on is None:
        return 0
    age = date.fromisoformat(today) - date.fromisoformat(changed_on)
    return policy.password_days - age.days


def suggest(random: Callable[[int], bytes], policy: Policy | None = None) -> str:
    """A password of four different words by chance, each one of 2,048: 44 bits. It is the pinyin of common words, so
    that it is typed on any keyboard without an input method, and remembered by what `meaning` says. Under MLPS each
    word begins with a capital letter: with the hyphens that makes three classes."""
    listed = list(_phrase_words())
    chosen: list[str] = []
    while len(chosen) < PHRASE:
        word = listed[int.from_bytes(random(2), "big") % len(listed)]  # 2,048 divides 65,536
        if word not in chosen:
            chosen.append(word)
    if policy is not None and policy.password_profile == MLPS:
        chosen = [word.capitalize() for word in chosen]
    return "-".join(chosen)


def meaning(phrase: str) -> str:
    """The characters behind a phrase that `suggest` made: 松鼠 水井 ...; what is not of the list stays as it is."""
    listed = _phrase_words()
    return " ".join(listed.get(word.lower(), word) for word in phrase.split("-"))


# --- classes ---


def _classes(text: str) -> set[str]:
    """The classes of characters in `text`: small letters, capital letters, digits, other signs. Chinese characters
    count as other signs: the standard's four classes are those of a keyboard, and a character out of thousands is no
    weaker than one sign out of thirty; as letters they would be neither small nor capital."""
    return {"small" if c.islower() else "capital" if c.isupper() else "digit" if c.isdigit() else "sign" for c in text}


# --- weighing ---


def _weigh(text: str, personal: _Lexicon) -> tuple[float, Part]:
    """The bits of the cheapest explanation of `text`, and the part that covers most of it."""
    folded = text.lower()
    joined = "".join(c for c in folded if c not in _SEPARATORS)
    spent = [_SEPARATED if len(joined) < len(folded) else 0.0] + [float("inf")] * len(joined)
    came: list[tuple[int, Part]] = [(0, Part.FREE)] * (len(joined) + 1)
    readings = [joined, *(joined.translate(table) for table in _WRITTEN_AS)]
    for at in range(len(joined)):
        for stretch in _stretches(joined, readings, at, personal):
            if spent[at] + stretch.bits < spent[stretch.end]:
                spent[stretch.end] = spent[at] + stretch.bits
                came[stretch.end] = at, stretch.part
    covered = dict.fromkeys(Part, 0)
    end = len(joined)
    while end:
        start, part = came[end]
        covered[part] += end - start
        end = start
    return spent[-1], max(covered, key=lambda part: covered[part])


def _stretches(text: str, readings: Sequence[str], at: int, personal: _Lexicon) -> Iterator[_Stretch]:
    """Every part that may stand at `at`."""
    yield _Stretch(at + 1, _single(text[at]), Part.FREE)
    yield from _words(readings, at, personal)
    yield from _numbers(text, at)
    yield from _repeats(text, at)
    yield from _walks(text, at)


def _single(character: str) -> float:
    if character.isascii():
        return _LETTER if character.isalpha() else _DIGIT if character.isdigit() else _SIGN
    return _HAN if "\u3400" <= character <= "\u9fff" else _OTHER


def _words(readings: Sequence[str], at: int, personal: _Lexicon) -> Iterator[_Stretch]:
    listed, longest = _listed()
    longest = max([longest, *map(len, personal)])
    for end in range(at + 2, min(len(readings[0]), at + longest) + 1):
        for word in {reading[at:end] for reading in readings}:
            for found in (listed.get(word), personal.get(word)):
                if found is not None:
                    yield _Stretch(end, *found)


def _numbers(text: str, at: int) -> Iterator[_Stretch]:
    end = at
    while end < len(text) and (text[end].isdigit() or (end > at and text[end] in _OF_DATES)):
        end += 1
        if end - at > 1:
            yield _Stretch(end, min(_DIGIT * (end - at), _NUMBER), Part.NUMBER)
        if end - at == 4 and text[at:end][:2] in ("19", "20"):
            yield _Stretch(end, _YEAR, Part.NUMBER)


def _repeats(text: str, at: int) -> Iterator[_Stretch]:
    """What stood just before, once more."""
    for length in range(1, min(at, len(text) - at) + 1):
        if text[at - length : at] == text[at : at + length]:
            yield _Stretch(at + length, _AGAIN, Part.PATTERN)


def _walks(text: str, at: int) -> Iterator[_Stretch]:
    """Keys that lie beside each other, characters that follow each other, and two such rows by turns (1q2w3e)."""
    for stride, least in ((1, 3), (2, 6)):
        end, bits = at + stride, _WALK * stride
        while end < len(text) and (step := _step(text[end - stride], text[end])) is not None:
            if end - 2 * stride >= at and step != _step(text[end - 2 * stride], text[end - stride]):
                bits += 1.5  # it turned
            end += 1
            if end - at >= least:
                yield _Stretch(end, bits, Part.PATTERN)


def _step(before: str, after: str) -> tuple[int, int] | None:
    """The way from a key to one that lies beside it, or from a letter or digit to the next; None when it is farther."""
    if before.isalnum() and after.isalnum() and abs(ord(before) - ord(after)) == 1:
        return ord(after) - ord(before), 9
    places = _keys()
    one, two = places.get(before.translate(_UNSHIFTED)), places.get(after.translate(_UNSHIFTED))
    if one is None or two is None:
        return None
    down, right = two[0] - one[0], two[1] - one[1]
    beside = abs(right) == 1 if down == 0 else abs(down) == 1 and right in (-1, 0, 1)
    return (down, right) if beside else None


@cache
def _keys() -> dict[str, tuple[int, int]]:
    return {key: (row, place) for row, keys in enumerate(_ROWS) for place, key in enumerate(keys) if key != " "}


# --- lexicons ---


@cache
def _listed() -> tuple[_Lexicon, int]:
    """The words that are the same everywhere, and the length of the longest."""
    found: _Lexicon = dict.fromkeys(_read("syllables.txt"), (_SYLLABLE, Part.COMMON))
    for typed, word in _phrase_words().items():
        found[typed] = found[word] = _PHRASE_WORD, Part.COMMON
    found.update({word: (_COMMON, Part.COMMON) for word in _read("frequent.txt") if len(word) > 2})
    return found, max(map(len, found))


@cache
def _phrase_words() -> dict[str, str]:
    """pinyin -> characters."""
    typed_and_meant = _read("phrases.txt")
    return dict(zip(typed_and_meant[::2], typed_and_meant[1::2], strict=True))


def _read(name: str) -> list[str]:
    lines = (_FOLDER / name).read_text(encoding="utf-8").splitlines()
    return [word for line in lines if not line.startswith("#") for word in line.split()]


def _personal(names: Iterable[str], words: Iterable[str], refused: Iterable[str]) -> _Lexicon:
    """What a guesser who knows this county tries first."""
    found: _Lexicon = {}
    for name in names:
        plain = _plain(name)
        found.update(dict.fromkeys(_forms_of_name(plain), (_KNOWN, Part.NAME)))
    for word in words:
        plain = _plain(word)
        shorter = plain[:-1] if len(plain) > 2 and plain[-1] in _OF_AREAS else plain
        for form in (plain, shorter):
            found.update(dict.fromkeys((form, *spelled(form), *initials(form)), (_KNOWN, Part.NAME)))
    for word in refused:
        plain = _plain(word)
        found.update(dict.fromkeys((plain, *spelled(plain)), (_REFUSED, Part.COMMON)))
    return {form: weight for form, weight in found.items() if len(form) > 1}


def _forms_of_name(name: str) -> Iterator[str]:
    """A name as people write it into passwords: characters, pinyin in both orders, the given name, initials."""
    yield name
    yield from initials(name)
    given = name[1:]
    yield given
    for whole in spelled(name):
        yield whole
        for end in spelled(given):
            yield end
            if whole.endswith(end):
                yield end + whole[: -len(end)]


def _plain(word: str) -> str:
    folded = unicodedata.normalize("NFKC", word).lower()
    return "".join(c for c in folded if c.isalnum())
