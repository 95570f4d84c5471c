"""Nothing personal lies in clear where the program keeps, caches, logs or drafts."""

from __future__ import annotations

import logging
import random as chance
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from app.casework import cards, desk, files, visits
from app.casework.files import NewFile
from app.models.fields import Value
from app.models.queries.households import Filter, count
from tests import demo
from tests.sweep import plain_databases, sweep

MARKERS = {
    "name": "𬱖龘龘",
    "child": "㛃䶮䶮",
    "phone": "10077712345",
    "cert": "990101198503120010",
    "account": "6200001122334455667",
    "address": "坡头老槐树下第三间",
    "remark": "祖传银锁在柜子里",
    "summary": "老人夜里咳血三日未就医",
    "needs": "想把欠账八万三千元缓一缓",
    "draft": "草稿里说的是离婚官司",
}


def test_markers_are_found_in_every_spelling(tmp_path: Path) -> None:
    """The sweep itself: what is planted is found."""
    value = MARKERS["summary"]
    for number, data in enumerate((value.encode("utf-16-le"), value.encode("gb18030"), value.encode().hex().encode())):
        (tmp_path / str(number)).write_bytes(b"\0\0" + data)
    assert len(sweep([tmp_path], [value])) == 3


def test_nothing_personal_lies_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("tmp", "cache", "config"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    for variable, name in (("TMPDIR", "tmp"), ("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config")):
        monkeypatch.setenv(variable, str(tmp_path / name))
    caplog.set_level(logging.DEBUG)
    demo.build(tmp_path / "vault")
    mine = demo.open_desk(tmp_path / "vault", random=chance.Random(9))
    household, head = mine.new_id(), mine.new_id()
    values: dict[str, Value] = {"villager_group": "一组", "household_type": "ORDINARY", "village": demo.VILLAGE}
    values |= {"address_detail": MARKERS["address"], "contact_phone": MARKERS["phone"], "remarks": MARKERS["remark"]}
    values |= {"bank_account": MARKERS["account"]}
    person: dict[str, Value] = {"name": MARKERS["name"], "gender": "1", "cert_no": MARKERS["cert"], "relation": "02"}
    files.open_file(mine, NewFile(household=household, head=head, household_values=values, head_values=person))
    child: dict[str, Value] = {"name": MARKERS["child"], "gender": "2", "relation": "30"}
    files.add_member(mine, household, mine.new_id(), child)
    cards.bind(mine, household)
    picture = tmp_path / "chosen.jpg"
    Image.effect_noise((900, 700), 40).convert("RGB").save(picture)
    draft = visits.begin(mine, household)
    summary = MARKERS["summary"] + "，已联系村医，约好明天陪同去镇卫生院。"
    said = {**draft.values, "summary": summary, "needs": MARKERS["needs"]}
    draft = replace(draft, values=said, photos=(visits.take_photo(mine, picture),))
    visits.record(mine, draft)
    open_draft = visits.begin(mine, household)
    visits.keep_draft(mine, replace(open_draft, values={**open_draft.values, "summary": MARKERS["draft"]}))
    for _ in desk.refresh(mine):
        pass
    with mine.vault.reading() as tx:
        assert count(tx, Filter(typed=MARKERS["name"])) == 1
    everywhere = [tmp_path / name for name in ("vault", "tmp", "cache", "config")]
    assert sweep(everywhere, MARKERS.values()) == []
    assert plain_databases(everywhere) == []
    mine.vault.lock()
    assert sweep(everywhere, MARKERS.values()) == []
    assert not [line for line in caplog.messages if any(marker in line for marker in MARKERS.values())]
