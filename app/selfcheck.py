"""`hudang --self-check`: can this installation do its work? A bundle is asked right after it was made.

It goes through the real parts: an encrypted vault is made, locked and opened again, a window is drawn without
a screen, a card is signed, printed on a sheet and read back from the picture of the page, a workbook is read.
Nothing outside a temporary folder is touched, and nobody real is in it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QApplication

from app import config
from app.casework import scanning
from app.errors import HudangError
from app.ledger import card, signatures
from app.models import codelists
from app.printing import archive_sheet, typesetting
from app.text import RESOURCES
from app.vault import kept
from app.vault.slots import PersonKeys
from app.vault.vault import DATABASE, Vault
from app.views import theme
from app.views.unlock import Colleague, UnlockCard
from app.workbooks.checking import read_register

PRINTED: Final = 1_795_233_600_000  # 2026-11-21 12:00 in Shanghai; what is checked is the same on every day
TODAY: Final = "2026-11-21"
COUNTY: Final = "990101"
NAME: Final = "韦测𬱖"
PASSWORD: Final = "天亮以前先看一遍清单"  # noqa: S105 - of a vault that lives for a second
STAFF: Final = bytes(16)
PAGE_DPI: Final = 200


class NotRight(Exception):
    """A part works, but not as it should; the message says what."""


def main() -> int:
    """Checks everything, one line each; 0 when all is well, else 1."""
    checks: dict[str, Callable[[], None]] = {
        "resources": check_resources,
        "vault": check_vault,
        "window": check_window,
        "card and sheet": check_paper,
        "workbook": check_workbook,
    }
    failed = 0
    print(f"hudang {config.version()}")
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever is broken, the other parts are still asked
            failed += 1
            what = str(error) if isinstance(error, HudangError | NotRight) else repr(error)
            print(f"broken  {name}: {what}", flush=True)
        else:
            print(f"well    {name}", flush=True)
    return 1 if failed else 0


def expect(holds: object, what: str) -> None:
    """Raises NotRight(`what`) unless `holds`."""
    if not holds:
        raise NotRight(what)


def check_resources() -> None:
    """Code lists, the English catalogue and the style sheet came along."""
    expect(codelists.codelist("relation").codes, "a code list is empty")
    for name in ("lang/en.json", "style.qss", f"print/{archive_sheet.LAYOUT}.typ"):
        expect((RESOURCES / name).is_file(), f"{name} is missing")
    expect(json.loads((RESOURCES / "lang" / "en.json").read_text(encoding="utf-8")), "the catalogue is empty")


def check_vault() -> None:
    """A vault keeps what it was given over locking, and its file is no plain SQLite."""
    with tempfile.TemporaryDirectory(prefix="hudang-check-") as folder:
        place = Path(folder, "vault")
        recovery = PersonKeys.make(bytes(16), os.urandom).box_public
        vault = Vault.create(
            place,
            staff=STAFF,
            label=NAME,
            password=PASSWORD,
            recovery_public=recovery,
            random=os.urandom,
            prepare=kept.prepare,
        )
        with vault.transaction() as tx:
            kept.put_setting(tx, "self-check", NAME)
        vault.lock()
        expect(not (place / DATABASE).read_bytes().startswith(b"SQLite format 3"), "the vault is not encrypted")
        again = Vault.unlock(place, STAFF, PASSWORD)
        try:
            with again.reading() as tx:
                expect(kept.setting(tx, "self-check") == NAME, "the vault forgot what it was given")
        finally:
            again.lock()


def check_window() -> None:
    """The unlock page draws itself with the fonts and the style that came along."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    application = QApplication.instance() or QApplication(["hudang"])
    expect(isinstance(application, QApplication), "no window can be made")
    if isinstance(application, QApplication):
        theme.dress(application, theme.LIGHT)
    page = UnlockCard("云台镇 上坝村", [Colleague(key="1", name=NAME)], demo=True)
    page.show()
    QApplication.processEvents()
    picture = page.grab().toImage()
    page.close()
    colours = {picture.pixel(x, y) for x in range(0, picture.width(), 3) for y in range(0, picture.height(), 3)}
    expect(len(colours) > 8, "the window stayed blank")


def check_paper() -> None:
    """A card is signed, stands on a sheet, is read from the picture of the page and found genuine."""
    seed = os.urandom(32)
    number = card.draw_number("K7Q2", os.urandom)
    code = card.sign(card.Card(county=COUNTY, key=1, number=number, day=TODAY), seed)
    sheet = archive_sheet.ArchiveSheet(
        version=archive_sheet.Version.WORK,
        household=archive_sheet.Household(
            county="云岭县", township="云台镇", village="上坝村", group="一组", head=NAME
        ),
        code=code,
        card_number=number,
        members=(archive_sheet.Member(name=NAME, relation="户主"),),
    )
    stamp = archive_sheet.Stamp(printed_ms=PRINTED, printed_by=NAME, unit="云台镇", device="00000000", demo=True)
    data = archive_sheet.pages([sheet], stamp)
    document = typesetting.pdf(archive_sheet.LAYOUT, data, PRINTED)
    expect(document.startswith(b"%PDF-"), "no PDF was made")
    pages = typesetting.pictures(archive_sheet.LAYOUT, data, PAGE_DPI)
    texts = scanning.read_image(pages[0])
    expect(code in texts, "the code on the page cannot be read")
    trust = card.Trust(county=COUNTY, keys={1: signatures.public_key(seed)})
    expect(card.read(code, trust, TODAY).outcome is card.Outcome.GENUINE, "the card is not genuine")


def check_workbook() -> None:
    """The sample register is read by the process that reads workbooks."""
    register = read_register(RESOURCES / "samples" / "register-village.xlsx", True, TODAY)
    expect(register.households, "the sample register has no household")
