"""Photos in, codes out, verdicts, and the scanner gun that types."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from app.casework import decoding, photos, scanning
from app.casework.scanning import Binding, CardStatus, KeyboardWedge, Place, Standing
from app.errors import InputProblem
from app.ledger import card, signatures
from app.ledger.card import Card, Trust
from app.messages import SENTENCES

SEED = bytes(range(32))
TRUST = Trust(county="990101", keys={1: signatures.public_key(SEED)})
TODAY = "2026-11-22"
NUMBER, NEWER = "7QK3M2ZX9WVTR5PC", "7QK3000000000001"
HOME, OTHER = b"h" * 16, b"o" * 16
FRESH = CardStatus(day="2026-11-20")
NO_POOLS: frozenset[str] = frozenset()


def payload(number: str = NUMBER, day: str = "2026-11-21", county: str = "990101") -> str:
    return card.sign(Card(county=county, key=1, number=number, day=day), SEED)


def code(text: str, module: int = 5) -> Image.Image:
    """A clean QR picture made by zxing-cpp, not by the program's own generator."""
    symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="Q")
    return Image.fromarray(zxingcpp.write_barcode_to_image(symbol, scale=module, add_quiet_zones=True))


def jpeg(picture: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", **options)
    return out.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG that says it is `width` × `height` and holds almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def scene(size: tuple[int, int] = (900, 600)) -> Image.Image:
    picture = Image.linear_gradient("L").resize(size).convert("RGB")
    ImageDraw.Draw(picture).rectangle((20, 20, 200, 100), fill="red")
    return picture


# --- photos


def test_a_photo_becomes_small_upright_and_silent() -> None:
    picture = scene((2400, 1600))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    exif[0x010F] = "CameraMaker"
    exif.get_ifd(0x8769)[0x9003] = "2026:11:21 09:30:00"
    exif.get_ifd(0x8825)[2] = (24.0, 30.0, 0.0)
    photo = photos.prepare(jpeg(picture, exif=exif.tobytes(), quality=95))
    assert (photo.width, photo.height) == (1067, 1600)
    assert len(photo.jpeg) <= 300_000
    assert photo.taken_at == 1_795_224_600_000  # 01:30 UTC
    shown = Image.open(io.BytesIO(photo.jpeg))
    assert shown.size == (1067, 1600)
    assert not shown.getexif()
    assert b"CameraMaker" not in photo.jpeg
    red, green, _ = shown.convert("RGB").getpixel((1000, 60))  # type: ignore[misc]
    assert red > 200 > 60 > green  # the corner that was left on top is now right on top


def test_noise_is_pressed_under_the_limit() -> None:
    photo = photos.prepare(jpeg(Image.effect_noise((3000, 2000), 80).convert("RGB"), quality=95))
    assert len(photo.jpeg) <= 300_000


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "LA", "1", "I;16", "CMYK"])
def test_unusual_pictures_are_taken(mode: str, tmp_path: Path) -> None:
    picture = (
        scene((300, 200)).convert("L").convert("I").convert("I;16")
        if mode == "I;16"
        else scene((300, 200)).convert(mode)
    )
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    picture.save(path)
    assert photos.prepare(path).width == 300


def test_what_hides_behind_a_photo_is_dropped() -> None:
    photo = photos.prepare(jpeg(scene()) + b"PK\x03\x04 <script>alert(1)</script>")
    assert b"script" not in photo.jpeg


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not-a-photo"),
        (b"%PDF-1.7 name.jpg", "not-a-photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not-a-photo"),
        (b"GIF89a" + b"\0" * 50, "not-a-photo"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "photo-heic"),
        (b"\xff\xd8\xff\xe0", "photo-truncated"),
        (jpeg(scene())[:3000], "photo-truncated"),
        (png(800, 600), "photo-truncated"),
        (png(7000, 6000), "photo-too-large"),
        (png(20000, 10000), "photo-too-large"),
        (png(60000, 60000), "photo-too-large"),
    ],
    ids=[
        "empty",
        "pdf",
        "svg",
        "gif",
        "heic",
        "magic only",
        "cut",
        "png without pixels",
        "42 MP",
        "200 MP",
        "3600 MP",
    ],
)
def test_what_is_no_photo_is_told(data: bytes, expected: str) -> None:
    with pytest.raises(InputProblem) as problem:
        photos.prepare(data)
    assert problem.value.code == expected
    assert expected in SENTENCES
    if expected == "photo-too-large":
        assert problem.value.facts["megapixels"] in {42, 200, 3600}


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    good = tmp_path / "a.jpg"
    good.write_bytes(jpeg(scene()))
    link, pipe = tmp_path / "link.jpg", tmp_path / "pipe.jpg"
    link.symlink_to(good)
    os.mkfifo(pipe)
    cases = {
        tmp_path: "not-a-file",
        link: "not-a-file",
        pipe: "not-a-file",
        tmp_path / "gone.jpg": "file-missing",
    }
    for path, expected in cases.items():
        with pytest.raises(InputProblem, match=expected):
            photos.prepare(path)
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(InputProblem, match="photo-file-too-large"):
        photos.prepare(huge)
    assert photos.prepare(good).width == 900


def test_a_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(InputProblem, match="photo-too-slow"):
        decoding.in_child("photo", jpeg(scene()), seconds=0.01)


# --- codes


def test_codes_are_read_from_a_photo(tmp_path: Path) -> None:
    picture = scene()
    picture.paste(code(payload(), 4), (250, 100))
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(picture, quality=70))
    assert scanning.read_image(path) == (payload(),)
    assert scanning.read_image(jpeg(scene())) == ()


def test_ours_are_picked_from_a_photo_with_several_codes() -> None:
    picture = Image.new("L", (1200, 500), 255)
    for place, text in enumerate((payload(), "https://www.example.cn/", payload(NEWER))):
        picture.paste(code(text, 4), (20 + 400 * place, 40))
    texts = scanning.read_image(jpeg(picture))
    assert set(texts) == {payload(), "https://www.example.cn/", payload(NEWER)}
    assert set(scanning.cards_among(texts, TRUST, TODAY)) == {payload(), payload(NEWER)}


def test_turned_mirrored_and_inverse_codes_are_read() -> None:
    clean = code(payload())
    for picture in (
        clean.rotate(90, expand=True),
        clean.rotate(33, expand=True, fillcolor=255),
        clean.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        clean.point(lambda value: 255 - value),
    ):
        assert scanning.read_image(jpeg(picture)) == (payload(),)


@pytest.mark.parametrize("text", [payload(), card.link("hudang.yunling.example.cn", payload())])
def test_specks_on_the_finder_patterns_are_overcome(text: str) -> None:
    picture = code(text, 8)
    draw = ImageDraw.Draw(picture)
    middle = (picture.width - 60, 60)  # of the upper right finder pattern, 3.5 modules of 8 px after the quiet zone
    draw.ellipse((middle[0] - 14, middle[1] - 14, middle[0] + 14, middle[1] + 14), fill=230)
    draw.ellipse((40, 40, 60, 60), fill=20)
    picture = picture.rotate(3, expand=True, fillcolor=255)
    assert not zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    assert scanning.read_image(jpeg(picture)) == (text,)


# --- verdicts


def bound(number: str = NUMBER, household: bytes = HOME, order: int = 1) -> Binding:
    return Binding(number=number, household=household, order=(order,))


def test_current_card_opens_its_household() -> None:
    found = scanning.verdict(payload(), TRUST, FRESH, [bound()], NO_POOLS, TODAY)
    assert (found.standing, found.place, found.household, found.opens) == (
        Standing.CURRENT,
        Place.HERE,
        HOME,
        True,
    )
    assert found.list_days_old == 2
    assert found.signed_on == "2026-11-21"


def test_unbound_and_elsewhere() -> None:
    mine = scanning.verdict(payload(), TRUST, FRESH, [], frozenset({"7QK3"}), TODAY)
    other = scanning.verdict(payload(), TRUST, FRESH, [], frozenset({"0000"}), TODAY)
    assert (mine.standing, mine.place, mine.opens) == (Standing.CURRENT, Place.UNBOUND, False)
    assert (other.standing, other.place, other.opens) == (Standing.CURRENT, Place.ELSEWHERE, False)


def test_a_later_binding_supersedes() -> None:
    known = [bound(order=1), bound(NEWER, order=2)]
    old = scanning.verdict(payload(), TRUST, FRESH, known, NO_POOLS, TODAY)
    new = scanning.verdict(payload(NEWER), TRUST, FRESH, list(reversed(known)), NO_POOLS, TODAY)
    assert (old.standing, old.current_number, old.opens) == (Standing.SUPERSEDED, NEWER, True)
    assert new.standing is Standing.CURRENT
    listed = CardStatus(superseded=frozenset({NUMBER}), day="2026-11-20")
    assert scanning.verdict(payload(), TRUST, listed, [], NO_POOLS, TODAY).standing is Standing.SUPERSEDED


def test_revoked_numbers_and_withdrawn_pools() -> None:
    for status in (CardStatus(revoked=frozenset({NUMBER})), CardStatus(withdrawn_pools=frozenset({"7QK3"}))):
        found = scanning.verdict(payload(), TRUST, status, [bound()], NO_POOLS, TODAY)
        assert (found.standing, found.opens) == (Standing.REVOKED, False)


def test_one_number_on_two_households_is_frozen() -> None:
    found = scanning.verdict(payload(), TRUST, FRESH, [bound(), bound(household=OTHER)], NO_POOLS, TODAY)
    assert (found.place, found.household, found.opens) == (Place.CONTESTED, None, False)


@pytest.mark.parametrize(
    ("text", "standing", "reason"),
    [
        (payload()[:-1], Standing.FORGED, "damaged"),
        (
            card.sign(Card(county="990101", key=2, number=NUMBER, day=TODAY), SEED),
            Standing.UNKNOWN_KEY,
            "key",
        ),
        (
            card.sign(Card(county="990101", key=1, number=NUMBER, day=TODAY), SEED[::-1]),
            Standing.FORGED,
            "signature",
        ),
        (payload(county="530102"), Standing.NOT_OURS, "another-county"),
        ("https://pay.example.cn/h#x", Standing.NOT_OURS, "link"),
        ("\x03\x1b[A" * 1000, Standing.NOT_OURS, "binary"),
    ],
)
def test_what_is_not_genuine_opens_nothing(text: str, standing: Standing, reason: str) -> None:
    found = scanning.verdict(text, TRUST, FRESH, [bound()], NO_POOLS, TODAY)
    assert (found.standing, found.reason, found.opens, found.household) == (standing, reason, False, None)


def test_typed_numbers_are_marked() -> None:
    found = scanning.typed_verdict(card.printed(NUMBER).lower(), FRESH, [bound()], NO_POOLS, TODAY)
    assert (found.standing, found.typed, found.opens) == (Standing.CURRENT, True, True)
    assert "没有验过签名" in scanning.words(found)[1]
    with pytest.raises(InputProblem, match="card-typed-check"):
        scanning.typed_verdict(card.printed(NUMBER)[:-1] + "0", FRESH, [], NO_POOLS, TODAY)


def test_an_old_list_and_a_wrong_clock_are_said() -> None:
    old = scanning.verdict(payload(), TRUST, CardStatus(day="2026-08-24"), [bound()], NO_POOLS, TODAY)
    assert "90 天" in scanning.words(old)[1]
    early = scanning.verdict(payload(), TRUST, FRESH, [bound()], NO_POOLS, "2026-01-01")
    assert (early.reason, early.opens) == ("future-day", True)
    assert "核对本机日期" in scanning.words(early)[1]


@given(
    st.sampled_from([payload(), payload(NEWER), payload()[:50], "wifi:x", card.link("a.b", payload()), ""]),
    st.lists(st.builds(bound, st.sampled_from([NUMBER, NEWER]), st.sampled_from([HOME, OTHER]), st.integers(0, 3))),
    st.sampled_from([CardStatus(), FRESH, CardStatus(revoked=frozenset({NUMBER}))]),
)
def test_every_verdict_has_words_and_opens_only_what_is_bound(
    text: str, known: list[Binding], status: CardStatus
) -> None:
    found = scanning.verdict(text, TRUST, status, known, NO_POOLS, TODAY)
    title, advice = scanning.words(found)
    assert title
    assert advice
    if found.opens:
        assert any(b.number == found.number and b.household == found.household for b in known)


# --- the scanner gun


def feed(wedge: KeyboardWedge, text: str, start: int, gap: int) -> tuple[list[scanning.Pressed], int]:
    answers = [wedge.feed(character, start + place * gap) for place, character in enumerate(text)]
    return answers, start + len(text) * gap


def test_a_gun_is_told_from_a_person() -> None:
    wedge = KeyboardWedge()
    answers, end = feed(wedge, "chenli\n", 1000, 90)
    assert all(not answer.hold and answer.text is None for answer in answers)
    answers, end = feed(wedge, payload() + "\r", end + 500, 4)
    assert answers[-1].text == payload()
    assert [answer.hold for answer in answers[:5]] == [False] * 5
    assert all(answer.hold for answer in answers[5:])
    assert sum(answer.leaked for answer in answers) == 5
    answers, _ = feed(wedge, "chen", end + 100, 120)
    assert not any(answer.hold for answer in answers)


def test_a_gun_without_enter_ends_by_a_pause() -> None:
    wedge = KeyboardWedge()
    _, end = feed(wedge, payload(), 0, 10)
    assert wedge.scanning
    assert wedge.pause(end + 20).text is None
    assert wedge.pause(end + 200).text == payload()
    assert wedge.pause(end + 400).text is None
    assert not wedge.scanning


def test_an_endless_burst_is_bounded() -> None:
    wedge = KeyboardWedge()
    _, end = feed(wedge, "x" * 20_000, 0, 1)
    text = wedge.feed("\n", end).text
    assert text is not None
    assert len(text) == KeyboardWedge.LONGEST


@given(st.text(st.characters(exclude_characters="\r\n\t"), max_size=40), st.integers(31, 500))
def test_typing_is_never_taken(text: str, gap: int) -> None:
    wedge = KeyboardWedge()
    answers, end = feed(wedge, text + "\n", 10_000, gap)
    assert not any(answer.hold or answer.text for answer in [*answers, wedge.pause(end + 1000)])
