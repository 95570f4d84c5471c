"""Fonts, codes, typesetting and jobs: what a sheet is made of."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

import pypdfium2 as pdfium
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PySide6.QtGui import QRawFont
from PySide6.QtWidgets import QApplication

from app.errors import InputProblem
from app.printing import codes, fonts, spooling, typesetting
from app.printing.spooling import Batch, State
from tests.printing import households

PAYLOAD = households.sheet().code


# --- fonts


def test_rare_names_can_be_printed() -> None:
    assert fonts.missing_characters("".join(households.RARE_NAMES)) == ()
    assert fonts.missing_characters("·•—…×✓〇①㊞￥①\u3000\n\u200b") == ()


def test_every_standard_character_can_be_printed(root: Path) -> None:
    listed = (root / "tests/vectors/foreign/standard-characters-8105.txt").read_text(encoding="utf-8").split()
    assert len(set(listed)) == 8105
    assert fonts.missing_characters("".join(listed)) == ()


def test_what_no_font_has_is_told_once_and_in_order() -> None:
    private, far = "\ue000", "\U0001b170"
    assert fonts.missing_characters(f"张{far}{private}三{private}") == (far, private)


def test_the_cmap_reader_agrees_with_qt(qapp: QApplication) -> None:
    known = fonts.read_cmap(fonts.SERIF_FILE.read_bytes())
    font = QRawFont(str(fonts.SERIF_FILE), 12)
    for character in "一龥㐂䶮𬱖𠅤A·\u00ff\ue000\U0001b170丂":
        assert font.supportsCharacter(ord(character)) == (ord(character) in known)


# --- codes


def test_the_drawing_has_exact_measures() -> None:
    matrix = codes.matrix(PAYLOAD)
    assert len(matrix) == 57  # version 10, error correction Q
    assert codes.whole_mm(PAYLOAD) == pytest.approx(35 * 65 / 57)
    drawn = codes.svg(PAYLOAD)
    assert 'viewBox="-4 -4 65 65"' in drawn
    assert f'width="{35 * 65 / 57:.4f}mm"' in drawn


@settings(max_examples=20)
@given(st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1, max_size=120))
def test_what_is_encoded_is_read_by_another_reader(text: str) -> None:
    matrix = codes.matrix(text)
    size = len(matrix)
    picture = Image.new("L", (size + 8, size + 8), 255)
    for row, modules in enumerate(matrix):
        for column, dark in enumerate(modules):
            if dark:
                picture.putpixel((column + 4, row + 4), 0)
    large = picture.resize((picture.width * 4, picture.height * 4), Image.Resampling.NEAREST)
    found = zxingcpp.read_barcodes(large, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    assert [code.bytes for code in found] == [text.encode("utf-8")]


def test_the_outline_fills_the_dark_modules_and_no_others() -> None:
    """Counting upright edges from the left, the even-odd rule gives back the matrix."""
    matrix = codes.matrix(PAYLOAD)
    path = codes.svg(PAYLOAD).split(' d="')[1].split('"')[0]
    uprights: dict[int, list[int]] = {}
    for loop in path.split("Z")[:-1]:
        x, y = start = tuple(int(part) for part in re.findall(r"\d+", loop.split("H")[0].split("V")[0]))
        for letter, number in [*re.findall(r"([HV])(\d+)", loop), ("V", str(start[1]))]:
            if letter == "H":
                x = int(number)
            else:
                for row in range(min(y, int(number)), max(y, int(number))):
                    uprights.setdefault(row, []).append(x)
                y = int(number)
    for row, modules in enumerate(matrix):
        crossings = uprights.get(row, [])
        filled = [sum(edge <= column for edge in crossings) % 2 == 1 for column in range(len(modules))]
        assert filled == list(modules)


# --- typesetting


def words(pdf: bytes) -> str:
    document = pdfium.PdfDocument(pdf)
    return "\n".join(document[place].get_textpage().get_text_range() for place in range(len(document)))


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A layout of one line: what people wrote, and a picture when there is one."""
    (tmp_path / "line.typ").write_text(
        "#let d = json(bytes(sys.inputs.data))\n"
        '#set text(font: "Noto Sans CJK SC")\n'
        "#d.text\n"
        '#if "photo" in d { image(bytes(d.photo), format: "svg", width: 60mm) }\n',
        encoding="utf-8",
    )
    monkeypatch.setattr(typesetting, "LAYOUTS", tmp_path)
    return "line"


@pytest.mark.parametrize(
    "written",
    [
        '#eval("1+1")',
        "*粗* _斜_ $x^2$",
        "= 标题",
        "<b>",
        "{{7*7}}",
        "%s",
        "[[[",
        "// 注",
        "@preview/x:0.1.0",
        "\\u{41}",
    ],
)
def test_what_people_wrote_is_never_markup(layout: str, written: str) -> None:
    shown = words(typesetting.pdf(layout, {"text": written}, 0))
    assert shown.replace("\r", "").replace("\n", "").replace(" ", "") == written.replace(" ", "")


def test_fonts_are_inside_and_the_document_is_for_the_archive(layout: str) -> None:
    pdf = typesetting.pdf(layout, {"text": "云岭县𬱖"}, 1_795_224_720_123)
    assert b"NotoSansCJK" in pdf
    assert b"FontFile3" in pdf
    assert b"<pdfaid:part>2</pdfaid:part>" in pdf
    assert b"<pdfaid:conformance>U</pdfaid:conformance>" in pdf
    assert pdf == typesetting.pdf(layout, {"text": "云岭县𬱖"}, 1_795_224_720_123)


def test_a_character_without_glyph_still_prints(layout: str) -> None:
    pdf = typesetting.pdf(layout, {"text": "张\ue000三"}, 0)
    assert b"pdfaid:part" not in pdf
    assert "三" in words(pdf)


def test_a_photo_needs_no_file(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "temp"
    empty.mkdir()
    monkeypatch.setenv("TMPDIR", str(empty))
    monkeypatch.setattr(tempfile, "tempdir", None)
    out = io.BytesIO()
    Image.new("RGB", (320, 240), (200, 30, 30)).save(out, "JPEG")
    picture = typesetting.photo(out.getvalue(), 320, 240)
    page = typesetting.pictures(layout, {"text": "照片", "photo": picture}, 72)[0]
    shown = Image.open(io.BytesIO(page)).convert("RGB")
    middle = shown.crop((shown.width // 4, shown.height // 6, shown.width // 4 + 4, shown.height // 6 + 4))
    assert middle.resize((1, 1)).tobytes()[0] > 150 > 90 > middle.resize((1, 1)).tobytes()[1]
    assert list(empty.iterdir()) == []


def test_data_that_do_not_fit_are_told_without_being_quoted(layout: str) -> None:
    with pytest.raises(InputProblem) as problem:
        typesetting.pdf(layout, {"texts": "陈大山"}, 0)
    assert problem.value.code == "print-layout"
    assert "陈大山" not in repr(problem.value)
    assert problem.value.__cause__ is None


def test_joined_documents_keep_their_pages(layout: str) -> None:
    parts = [typesetting.pdf(layout, {"text": text}, 0) for text in ("甲", "乙", "丙")]
    shown = words(typesetting.joined(parts))
    assert [character for character in shown if character in "甲乙丙"] == ["甲", "乙", "丙"]


# --- jobs


def test_a_batch_goes_in_small_jobs() -> None:
    batch = spooling.plan(60)
    assert [(job.first, job.last) for job in batch.jobs] == [(1, 25), (26, 50), (51, 60)]
    assert [(job.first, job.last) for job in spooling.plan(60, first=40, last=41).jobs] == [(40, 41)]
    assert spooling.question(batch.jobs[2]) == "第 51 至 60 份，共 10 份，都打出来了吗？"


@pytest.mark.parametrize(("first", "last"), [(0, 5), (3, 2), (1, 61), (61, 61)])
def test_ranges_outside_are_told(first: int, last: int) -> None:
    with pytest.raises(InputProblem, match="print-range"):
        spooling.plan(60, first=first, last=last)


def test_a_jam_is_printed_again_and_a_crash_is_asked_about() -> None:
    batch = spooling.plan(50)
    first = batch.next_job
    assert first is not None
    batch = batch.sent(first)
    assert batch.next_job is None  # nothing goes on before the answer
    asked = batch.asked
    assert asked is not None
    batch = batch.failed(asked, 10, 12)
    again = batch.next_job
    assert again is not None
    assert (again.first, again.last) == (10, 12)
    assert batch.confirmed == 22
    batch = batch.sent(again).interrupted()
    unsure = batch.asked
    assert unsure is not None
    assert unsure.state is State.UNSURE
    batch = batch.all_printed(unsure)
    with pytest.raises(InputProblem, match="print-range"):
        batch.failed(batch.jobs[-1], 1, 30)


@given(st.integers(1, 120), st.data())
def test_every_sheet_comes_out_whatever_jams(total: int, data: st.DataObject) -> None:
    batch: Batch = spooling.plan(total)
    for _ in range(200):
        job = batch.next_job
        if job is None:
            break
        assert job.count <= spooling.SHEETS_PER_JOB
        batch = batch.sent(job)
        asked = batch.asked
        assert asked is not None
        if data.draw(st.integers(0, 5)) == 0:
            low = data.draw(st.integers(asked.first, asked.last))
            batch = batch.failed(asked, low, data.draw(st.integers(low, asked.last)))
        else:
            batch = batch.all_printed(asked)
        covered = [sheet for job in batch.jobs for sheet in range(job.first, job.last + 1)]
        assert covered == list(range(1, total + 1))
    assert batch.done == (batch.next_job is None)


FAKE_LP = """
import sys
arguments = sys.argv[2:]
if "broken" in arguments:
    sys.exit(1)
with open(sys.argv[1], "wb") as queue:
    queue.write(" ".join(arguments).encode() + b"\\n" + sys.stdin.buffer.read())
"""


def test_the_pdf_goes_to_the_queue_by_standard_input(tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    command = (sys.executable, "-c", FAKE_LP, str(queue))
    spooling.to_cups(b"%PDF bytes", "station", title="1-25", copies=2, duplex=True, command=command)
    asked, _, sent = queue.read_bytes().partition(b"\n")
    assert sent == b"%PDF bytes"
    assert asked == (b"-d station -t 1-25 -n 2 -o media=A4 -o sides=two-sided-long-edge -o print-scaling=none -")
    with pytest.raises(InputProblem, match="print-queue"):
        spooling.to_cups(b"%PDF bytes", "broken", title="1-25", command=command)
    with pytest.raises(InputProblem, match="print-queue-missing"):
        spooling.to_cups(b"%PDF bytes", "station", title="1-25", command=(str(tmp_path / "no-lp"),))


def test_queues_are_listed_where_there_is_cups(tmp_path: Path) -> None:
    listing = (sys.executable, "-c", "print('station'); print('office')")
    assert spooling.cups_queues(listing) == ("station", "office")
    assert spooling.cups_queues((sys.executable, "-c", "raise SystemExit(1)")) == ()
    assert spooling.cups_queues((str(tmp_path / "no-lpstat"),)) == ()
