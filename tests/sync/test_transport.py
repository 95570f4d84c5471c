"""The line to the county: every way in which it fails is told apart, and nothing else is ever taken for a county."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import CountyRefusal, TransportProblem
from app.sync.protocol import CONTENT_TYPE, Refusal
from app.sync.transport import County
from tests.county_simulator import (
    BUSY,
    FULL,
    HTML,
    LOSE_ANSWER,
    LOSE_REQUEST,
    REDIRECT,
    Answer,
    SimulatedCounty,
    Trick,
    make_certificate,
    serving,
)
from tests.sync.laptops import clock

Speak = Callable[..., County]
BINARY = (("Content-Type", CONTENT_TYPE),)


@pytest.fixture
def speak() -> Iterator[Speak]:
    """Makes counties as laptops see them, and closes them."""
    made: list[County] = []

    def make(base: str, pin: bytes = b"", patience_s: tuple[float, float] = (2, 2)) -> County:
        made.append(County(base, pin, random=os.urandom, clock=clock, patience_s=patience_s))
        return made[-1]

    yield make
    for county in made:
        county.close()


def code_of(action: Callable[[], object]) -> str:
    """The code of the TransportProblem that `action` raises."""
    with pytest.raises(TransportProblem) as caught:
        action()
    return caught.value.code


@pytest.mark.parametrize(
    ("trick", "code"),
    [
        (HTML, "not-the-county"),
        (REDIRECT, "not-the-county"),
        (LOSE_REQUEST, "connection-lost"),
        (LOSE_ANSWER, "connection-lost"),
        (BUSY, "county-busy"),
        (FULL, "county-full"),
        (Trick(cut=20), "connection-lost"),
        (Trick(pause_s=0.6), "county-slow"),
        (Trick(answer=Answer(200, b"", BINARY)), "not-the-county"),
        (Trick(answer=Answer(200, b"\xff" * 100, BINARY)), "not-the-county"),
        (Trick(answer=Answer(200, b"\xa0", BINARY)), "not-the-county"),
        (Trick(answer=Answer(500, b"<h1>Internal</h1>", (("Content-Type", "text/html"),))), "not-the-county"),
        (Trick(answer=Answer(403, b"blocked", (("Content-Type", "text/plain"),))), "not-the-county"),
        (Trick(answer=Answer(200, b"\0" * (5 << 20), BINARY)), "not-the-county"),
        (
            Trick(answer=Answer(200, zlib.compress(b"\0" * (50 << 20)), (*BINARY, ("Content-Encoding", "deflate")))),
            "not-the-county",
        ),
    ],
)
def test_what_is_no_answer_of_a_county_is_told_apart(speak: Speak, trick: Trick, code: str) -> None:
    county = SimulatedCounty()
    with serving(county) as base:
        line = speak(base, patience_s=(2, 0.3))
        county.tricks.append(trick)
        assert code_of(line.county_key) == code
        assert line.county_key() == county.key


def test_a_busy_county_says_how_long_to_wait(speak: Speak) -> None:
    county = SimulatedCounty()
    with serving(county) as base:
        county.tricks.append(BUSY)
        with pytest.raises(TransportProblem) as caught:
            speak(base).county_key()
        assert caught.value.facts == {"seconds": 17}


def test_a_refusal_brings_its_code_and_facts(speak: Speak) -> None:
    county = SimulatedCounty()
    with serving(county) as base:
        body = Refusal(code="chain-gap", facts=(("next_seq", 7),)).encode()
        county.tricks.append(Trick(answer=Answer(409, body)))
        with pytest.raises(CountyRefusal) as caught:
            speak(base).county_key()
        assert (caught.value.code, caught.value.facts) == ("chain-gap", {"next_seq": 7})


def test_a_request_without_a_known_device_is_refused(speak: Speak) -> None:
    county = SimulatedCounty()
    with serving(county) as base:
        line = County(base, b"", random=os.urandom, clock=clock, device=bytes(16), seed=bytes(32))
        with pytest.raises(CountyRefusal, match="not-authorised"):
            line.hello(0)
        line.close()


def test_nobody_there(speak: Speak) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert code_of(speak(f"http://127.0.0.1:{port}").county_key) == "county-unreachable"


def test_the_certificate_is_known_by_its_fingerprint_alone(speak: Speak, tmp_path: Path) -> None:
    county = SimulatedCounty()
    pin = make_certificate(tmp_path / "tls.pem")
    with serving(county, tmp_path / "tls.pem") as base:
        assert speak(base, pin).county_key() == county.key  # long expired, of another name: it is the one
        county.requests.clear()
        wrong = bytes([pin[0] ^ 1]) + pin[1:]
        assert code_of(speak(base, wrong).county_key) == "wrong-certificate"
        assert county.requests == []


def test_tls_where_there_is_none_is_not_the_county(speak: Speak) -> None:
    with serving(SimulatedCounty()) as base:
        line = speak(base.replace("http:", "https:"), os.urandom(32))
        assert code_of(line.county_key) == "not-the-county"


@pytest.mark.parametrize(
    ("base", "pin"),
    [
        ("http://county.test:80", b""),
        ("http://192.0.2.7:8080", b""),
        ("https://county.test", b""),
        ("https://county.test", b"short"),
        ("http://127.0.0.1:80", b"p" * 32),
        ("https://someone@county.test", b"p" * 32),
        ("https://county.test/path", b"p" * 32),
        ("ftp://127.0.0.1", b""),
        ("", b""),
    ],
)
def test_without_a_pin_only_the_own_machine_is_spoken_to(speak: Speak, base: str, pin: bytes) -> None:
    assert code_of(lambda: speak(base, pin)) == "address-unusable"


def test_proxies_of_the_environment_are_not_asked(speak: Speak, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    county = SimulatedCounty()
    with serving(county) as base:
        assert speak(base).county_key() == county.key
