"""Every sheet of a real village, for every role: what may not be on it is not even in what the layout is given."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from app.casework import desk as desks
from app.casework.desk import Desk
from app.ledger import card
from app.models.codelists import codelist
from app.models.queries import households, staff
from app.models.records.registry import BY_NAME
from app.models.rules import masking
from app.models.rules.masking import Eye, Whose
from app.models.rules.rights import ROLES, Grant, Rights, Sight
from app.printing import archive_sheet, gathering
from app.printing.archive_sheet import Stamp, Version
from tests import demo

MEMBER = BY_NAME["member"]
STAMP = Stamp(printed_ms=demo.NOW, printed_by="韦测一", unit="上坝村", device="a1b2c3d4", demo=True, watermark=True)
NUMBER = "7K3M" + "2" * 12


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("gathering") / "vault"
    demo.build(folder)
    desk = demo.open_desk(folder)
    yield desk
    desk.vault.lock()
    shutil.rmtree(folder)


def data_of(desk: Desk, household: bytes, version: Version, eye: Eye) -> str:
    with desk.vault.reading() as tx:
        sheet = gathering.archive_sheet(
            tx, household, version, card_no=NUMBER, payload="HX1", eye=eye, today=desk.today()
        )
    assert sheet is not None
    return json.dumps(archive_sheet.pages([sheet], STAMP), ensure_ascii=False)


@pytest.mark.parametrize("role", sorted(ROLES))
def test_no_sheet_tells_what_its_printer_may_not_see(desk: Desk, role: str) -> None:
    reach = frozenset({demo.GRID})
    rights = Rights(grants=(Grant(role=role, area=demo.GRID, reach=reach, above=frozenset()),))
    health = {label.label for label in codelist("health").codes}
    seen_health: set[str] = set()
    for row in demo.find(desk):
        with desk.vault.reading() as tx:
            people = households.members(tx, row.id)
            file = households.sheet(tx, BY_NAME["household"], row.id)
            eye = Eye.of(rights, staff.areas_of(tx, row.id), desk.policy)
        assert file is not None
        work, wall = (data_of(desk, row.id, version, eye) for version in Version)
        numbers = [
            *(p[name] for p in people for name in ("cert_no", "phone")),
            file["contact_phone"],
            file["bank_account"],
        ]
        for number in numbers:
            assert not isinstance(number, str) or (number not in work and number not in wall)
        for person in people:
            name = str(person["name"])
            whose = masking.whose_is(person.values, desk.today())
            if person.id != file["head"] and name not in row.head_name:
                assert name not in wall
                assert (name in work) == (eye.sight(MEMBER.field("name").privacy) is not Sight.NEVER) or (
                    whose is Whose.CHILD
                )
            if whose is Whose.CHILD and person["cert_no"]:
                assert masking.mask_identity(str(person["cert_no"])) not in work
        seen_health |= {line["health"] for line in json.loads(work)["parts"][0]["members"]}
        assert "members" not in json.loads(wall)["parts"][0]
    if rights.sight(MEMBER.field("health").privacy, [demo.GRID]) is Sight.NEVER:
        assert seen_health <= {"", masking.STARS}
    else:
        assert any(word in said for word in health for said in seen_health)
    assert card.printed(NUMBER) in work


def test_the_watermark_names_printer_place_time_and_device(desk: Desk) -> None:
    eye = Eye(personal=Sight.OPEN, sensitive=Sight.REASON)
    with desk.vault.reading() as tx:
        row = households.page(tx, households.Filter(), limit=1)[0]
    data = json.loads(data_of(desk, row.id, Version.WORK, eye))
    assert data["watermark"] == f"韦测一  上坝村  {desks.day_of(demo.NOW)} 10:58  a1b2c3d4"
