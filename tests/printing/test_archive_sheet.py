"""The archive sheet as it comes out of the printer: what it shows, what it must not show, and its code."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from functools import cache

import pypdfium2 as pdfium
import pytest
import zxingcpp
from PIL import Image

from app.casework import decoding
from app.ledger import card
from app.printing import archive_sheet, typesetting
from app.printing.archive_sheet import ArchiveSheet, Measure, Version
from tests.printing import households
from tests.printing.degrade import worn
from tests.printing.households import STAMP, sheet

DPI = 300
QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


def typeset(*sheets: ArchiveSheet, demo: bool = True, duplex: bool = False) -> bytes:
    data = archive_sheet.pages(sheets, replace(STAMP, demo=demo), duplex=duplex)
    return typesetting.pdf(archive_sheet.LAYOUT, data, STAMP.printed_ms)


def texts(pdf: bytes) -> list[str]:
    """The text layer of each page; an archive system searches exactly this."""
    document = pdfium.PdfDocument(pdf)
    return [document[place].get_textpage().get_text_range() for place in range(len(document))]


def plain(pdf: bytes) -> str:
    return re.sub(r"\s", "", "".join(texts(pdf)))


@cache
def rastered(count: int) -> list[Image.Image]:
    """First pages of a batch, as a printer at 300 dpi gets them."""
    sheets = [sheet(place) for place in range(count)]
    document = pdfium.PdfDocument(typeset(*sheets))
    pages = [document[place].render(scale=DPI / 72, grayscale=True) for place in range(1, 2 * count, 2)]
    return [page.to_pil() for page in pages]


def test_codes_are_read_back_from_the_printed_pages() -> None:
    for place, page in enumerate(rastered(25)):
        found = zxingcpp.read_barcodes(page, formats=QR)
        assert [code.text for code in found] == [sheet(place).code]
        corners = found[0].position
        assert corners.top_right.x - corners.top_left.x == pytest.approx(35 / 25.4 * DPI, abs=4)


def test_codes_are_read_back_from_worn_sheets() -> None:
    read = total = 0
    for place, page in enumerate(rastered(25)[:12]):
        corners = zxingcpp.read_barcodes(page, formats=QR)[0].position
        quiet = round(4 * (corners.top_right.x - corners.top_left.x) / 57)
        left, top = corners.top_left.x - quiet, corners.top_left.y - quiet
        code = page.crop((left, top, corners.bottom_right.x + quiet, corners.bottom_right.y + quiet))
        for seed in range(5):
            out = io.BytesIO()
            worn(code, seed + 5 * place).save(out, "PNG")
            total += 1
            read += decoding.find_codes(out.getvalue())[0]["texts"] == [sheet(place).code]
    assert total == 60
    assert read / total >= 0.98


def test_rare_names_are_in_the_text_layer() -> None:
    shown = plain(typeset(sheet(member_count=60)))
    for name in households.RARE_NAMES:
        assert name in shown
    assert card.printed(sheet().card_number) in shown


def test_the_work_copy_shows_masked_numbers_only() -> None:
    household = sheet()
    pdf = typeset(household)
    shown = plain(pdf)
    assert "9901****4134" in shown
    assert "100****6917" in shown
    unmasked = re.findall(r"\d{15,}|1\d{10}", " ".join(texts(pdf)))
    assert unmasked == [household.household.number]
    assert "内部资料注意保密" in shown
    for word in (
        "户档案页（工作用）",
        "HD-01/1",
        "打印2026-11-2109:32",
        "打印人韦测一",
        "设备a1b2c3d4",
        "记录3f2a9c0d1e2b",
        "第1页共2页",
    ):
        assert word in shown


def test_the_wall_copy_tells_nothing_private() -> None:
    household = sheet(version=Version.WALL)
    pdf = typeset(household)
    shown = plain(pdf)
    assert len(texts(pdf)) == 1
    assert household.household.head in shown
    assert "脱贫不稳定户" in shown
    assert "12317" in shown
    assert "10012340000" in re.sub(r"\s", "", shown)  # the helper's office phone may be shown
    assert re.search(r"\d{11,}", texts(pdf)[0]) is None
    private = [
        household.household.phone,
        household.household.number,
        "100****6917",
        "9901****",
        "因病",
        "因学",
        households.ILLNESS,
    ]
    private += ["残疾", "低保", "收入", "内部资料", "下寨1号", household.members[1].name]
    for word in private:
        assert word not in shown
    data = json.dumps(archive_sheet.pages([household], STAMP), ensure_ascii=False)
    assert households.ILLNESS not in data  # not even in what the layout is given
    assert household.household.phone not in data


def test_demo_is_marked_on_every_page_and_only_there() -> None:
    sheets = (sheet(1), sheet(2, group="三组"))
    for page in texts(typeset(*sheets)):
        assert "演" in page
        assert "据" in page
    assert "演示数据" in plain(typeset(sheet(version=Version.WALL)))
    assert "演示数据" not in plain(typeset(*sheets, demo=False))


def test_sixty_members_flow_over_pages_with_their_heading() -> None:
    pages = texts(typeset(sheet(member_count=60)))
    assert len(pages) >= 4
    with_members = [page for page in pages if "维吾尔族" in page]
    assert len(with_members) >= 3
    for page in with_members:
        assert "出生年月" in page
    for number, page in enumerate(pages, start=1):
        assert f"第 {number} 页 共 {len(pages)} 页" in page
        assert card.printed(sheet().card_number) in page


def test_an_empty_household_and_long_texts_print() -> None:
    bare = ArchiveSheet(
        version=Version.WORK,
        household=archive_sheet.Household(
            county="云岭县", township="云台镇", village="上坝村", group="一组", head="陈丽"
        ),
        code=sheet().code,
        card_number=sheet().card_number,
    )
    assert "陈丽" in plain(typeset(bare))
    long = plain(typeset(sheet(long="很长的文字" * 200 + "x" * 300)))
    assert long.count("很长的文字") == 400


def test_more_than_ten_measures_are_counted() -> None:
    measures = tuple(Measure(name=f"措施{number}") for number in range(14))
    shown = plain(typeset(replace(sheet(), measures=measures)))
    assert "措施9" in shown
    assert "措施10" not in shown
    assert "另有4项" in shown


def test_groups_get_separators_that_count_them() -> None:
    batch = [sheet(place, group="一组" if place < 3 else "二组") for place in range(5)]
    pages = texts(typeset(*batch))
    assert len(pages) == 2 + 5 * 2
    assert "共 3 户" in pages[0]
    assert "第 1 至 3 份，全批 5 份" in pages[0]
    assert "第 4 至 5 份，全批 5 份" in pages[7]
    assert "本批 5/5" in pages[-1]
    slices = [
        archive_sheet.pages(batch, STAMP, first=first, last=last)["parts"] for first, last in ((1, 2), (3, 4), (5, 5))
    ]
    assert [[part["kind"] for part in parts] for parts in slices] == [
        ["separator", "work", "work"],
        ["work", "separator", "work"],
        ["work"],
    ]
    assert [part for parts in slices for part in parts] == archive_sheet.pages(batch, STAMP)["parts"]


def test_on_both_sides_every_sheet_begins_in_front() -> None:
    batch = [sheet(place, Version.WALL) for place in range(3)]
    pages = texts(typeset(*batch, duplex=True))
    assert [bool(page.strip()) for page in pages] == [True, False, True, False, True, False, True]


def test_groups_are_ordered_as_people_count() -> None:
    names = ["十组", "二组", "二十一组", "一组", "三组", "十二组", "老寨", "4组"]
    batch = [sheet(place, group=name) for place, name in enumerate(names)]
    assert [one.household.group for one in archive_sheet.ordered(batch)] == [
        "一组", "二组", "三组", "4组", "十组", "十二组", "二十一组", "老寨",
    ]  # fmt: skip


def test_unprintable_names_are_told_before_printing() -> None:
    odd = replace(sheet(), household=replace(sheet().household, head="陈\ue831山"))
    assert archive_sheet.unprintable(odd) == ("\ue831",)
    assert archive_sheet.unprintable(sheet(member_count=60)) == ()
    assert "山" in plain(typeset(odd))
