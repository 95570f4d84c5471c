"""Passwords: what people here would take is refused, what chance makes is taken, under both profiles."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from app.messages import SENTENCES
from app.models.rules import passwords, pinyin
from app.models.rules.policy import MLPS, Policy

STANDARD = Policy()
STRICT = Policy(password_profile=MLPS, password_length=10)
NAMES = ("韦测一", "陆试三", "覃试二", "单小红")
WORDS = ("云台镇", "上坝村", "第一网格")
COUNTY = Policy(refused_words=("金蟾办",))
SIZE = int(os.environ.get("HUDANG_CORPUS", "4000"))
REFUSED = 0.99


def code(password: str, policy: Policy = STANDARD) -> str | None:
    """The code of what is wrong."""
    problem = passwords.judge(password, policy, names=NAMES, words=WORDS)
    return None if problem is None else problem.code


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("", "password-empty"),
        ("            ", "password-empty"),
        ("短密码 十一个字 还差一", None),
        ("kq7#mQ2!xv9", "password-short"),
        ("kq7#mQ2!xv9L", None),
        ("woaini520520", "password-common"),
        ("Ｗｏａｉｎｉ５２０５２０", "password-common"),
        ("w o a i n i 5 2 0", "password-common"),
        ("p@$$w0rd!2024", "password-common"),
        ("Passw0rd@@@@@@@@@", "password-common"),
        ("zhangwei@8731", "password-common"),
        ("liuguoqiang19651020", "password-common"),
        ("weiceyi_weiceyi", "password-name"),
        ("韦测一1988年3月12日", "password-number"),
        ("shangbacun@1234", "password-name"),
        ("shanxiaohong!!", "password-name"),
        ("xiaohongshan99", "password-name"),
        ("138001380001", "password-number"),
        ("99212319900101123X", "password-number"),
        ("1990-01-01 1991-02-02", "password-number"),
        ("1qaz2wsx3edc", "password-pattern"),
        ("!QAZ@WSX#EDC", "password-pattern"),
        ("q1w2e3r4t5y6", "password-pattern"),
        ("qwertyuiop[]", "password-pattern"),
        ("abcdefghijkl", "password-pattern"),
        ("哈哈哈哈哈哈哈哈哈哈哈哈", "password-pattern"),
        ("!?,;:.!?,;:.", "password-pattern"),
        ("?!?.?,!;?:!.", "password-simple"),
        ("correct horse battery staple", None),
        ("我家门前有一条小河，河里有woaini", None),
        ("x" * 64 + "kqZ7mvB2hd", None),
    ],
)
def test_judgements(password: str, expected: str | None) -> None:
    assert code(password) == expected


def test_sixty_four_and_many_more_characters_are_taken() -> None:
    dice = random.Random(1)
    for length in (64, 128):
        password = "".join(dice.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(length))
        assert code(password) is None


def test_length_is_counted_after_nfkc() -> None:
    problem = passwords.judge("㎏" * 5, STANDARD, names=(), words=())
    assert problem is not None
    assert (problem.code, problem.facts["length"], problem.facts["needed"]) == ("password-short", 10, 12)


def test_the_words_a_county_refuses_count_for_nothing() -> None:
    password = "金蟾办金蟾办kqz7mvb"
    assert passwords.judge(password, STANDARD, names=(), words=()) is None
    assert passwords.judge(password, COUNTY, names=(), words=()) is not None
    assert passwords.judge("JinChanBan1234", COUNTY, names=(), words=()) is not None


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("kqmxvlprtzwh", "password-classes"),
        ("kqmxvl7prtz4", "password-classes"),
        ("KQmxvl7prtz", None),
        ("kq7#mxv9L2", None),
        ("kq7#mxv9L", "password-short"),
        ("山羊kqm7xvl3", None),
        ("Sunshine2024!", "password-common"),
    ],
)
def test_the_profile_of_classified_protection(password: str, expected: str | None) -> None:
    assert code(password, STRICT) == expected


def test_rotation_is_asked_for_by_one_profile_alone() -> None:
    assert passwords.due("2026-01-01", STANDARD, "2026-11-22") is None
    assert passwords.due("2026-11-01", STRICT, "2026-11-22") == 90 - 21
    assert passwords.due("2026-08-24", STRICT, "2026-11-22") == 0
    assert passwords.due("2026-08-01", STRICT, "2026-11-22") == -23
    assert passwords.due(None, STRICT, "2026-11-22") == 0


def test_what_is_offered_is_always_taken() -> None:
    dice = random.Random(20261122).randbytes
    for policy in (STANDARD, STRICT):
        offered = [passwords.suggest(dice, policy) for _ in range(500)]
        assert [phrase for phrase in offered if code(phrase, policy) is not None] == []
        assert len(set(offered)) == len(offered)
        assert all(phrase.isascii() for phrase in offered)
        assert all(len(passwords.meaning(phrase)) == 11 for phrase in offered)


def test_the_list_for_phrases_is_what_its_bits_say() -> None:
    listed = passwords._phrase_words()
    assert len(listed) == len(set(listed.values())) == 2048
    assert all(typed.isascii() and typed.isalpha() and len(word) == 2 for typed, word in listed.items())


def test_every_judgement_has_its_sentence() -> None:
    codes = {part.value for part in passwords.Part} | {"password-empty", "password-short", "password-classes"}
    assert codes <= SENTENCES.keys()


def test_an_error_says_nothing_of_the_password() -> None:
    for password in ("weiceyi19880312", "woaini520520", "138001380001"):
        problem = passwords.judge(password, STANDARD, names=NAMES, words=WORDS)
        assert problem is not None
        assert problem.facts == {}


# --- a corpus of what people take ---

GIVEN = "伟芳娜敏静秀英丽强磊军洋勇艳杰娟涛明超兰霞平刚桂建国华玉梅红春花小龙文海山林志成"
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢"
TAILS = ("", "!", "@", "123", "#", ".", "88", "!!", "666", "abc", "@qq", "520")
ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv5tgb", "!@#$%^&*()", "zaq1xsw2cde3vfr4")


def bad_passwords(dice: random.Random, count: int) -> list[str]:
    """Names with years, pinyin with digits, keyboard walks, telephones, identity numbers, common words with tails; as
    long as the policy asks."""
    makers: tuple[Callable[[random.Random], str], ...] = (_name_year, _pinyin_digits, _walk, _phone, _identity, _word)
    found: list[str] = []
    while len(found) < count:
        made = makers[len(found) % len(makers)](dice)
        if len(made) >= STANDARD.password_length:
            found.append(made)
    return found


def _name(dice: random.Random) -> str:
    return pinyin.spelled(dice.choice(SURNAMES) + "".join(dice.choice(GIVEN) for _ in range(dice.randint(1, 2))))[0]


def _day(dice: random.Random) -> str:
    return f"{dice.randint(1940, 2012)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"


def _name_year(dice: random.Random) -> str:
    name = dice.choice((str.lower, str.capitalize, str.upper))(_name(dice))
    return name + dice.choice(("", "@", "_", ".")) + _day(dice)[: dice.choice((4, 6, 8))] + dice.choice(TAILS)


def _pinyin_digits(dice: random.Random) -> str:
    person = dice.choice(NAMES)
    words = dice.choice((pinyin.spelled(person)[0], pinyin.initials(person)[0], "shangba", "yuntaizhen", "woaini"))
    return words + dice.choice(("", "@", "#")) + "".join(dice.choice("0123456789") for _ in range(dice.randint(3, 9)))


def _walk(dice: random.Random) -> str:
    first, second = dice.sample(ROWS, 2)
    return first[: dice.randint(6, 12)] + second[: dice.randint(3, 8)] + dice.choice(TAILS)


def _phone(dice: random.Random) -> str:
    digits = "1" + dice.choice("3456789") + "".join(dice.choice("0123456789") for _ in range(9))
    return dice.choice(("", "wo", "tel")) + digits + dice.choice(TAILS)


def _identity(dice: random.Random) -> str:
    return f"99{dice.randint(0, 9999):04}{_day(dice)}{dice.randint(0, 999):03}{dice.choice('0123456789X')}"


def _word(dice: random.Random) -> str:
    word = dice.choice(
        ("password", "sunshine", "iloveyou", "woaini", "admin", "welcome", "hudang", "zhongguo", "facai")
    )
    swapped = word.translate(str.maketrans("aeos", "@30$")) if dice.random() < 0.5 else word
    return swapped + dice.choice(TAILS) + str(dice.randint(1950, 2030)) + dice.choice(TAILS)


def test_what_people_take_is_refused() -> None:
    corpus = bad_passwords(random.Random(20261122), SIZE)
    taken = [password for password in corpus if code(password) is None]
    assert len(taken) <= len(corpus) * (1 - REFUSED), f"{len(taken)} of {len(corpus)} taken: {taken[:10]}"


def test_the_corpus_would_pass_by_length_alone() -> None:
    corpus = bad_passwords(random.Random(5), 600)
    assert all(len(password) >= STANDARD.password_length for password in corpus)
    assert len(set(corpus)) > len(corpus) * 0.9
    assert any(one != two for one, two in pairwise(corpus))
