"""The verifier: an honest log holds, and whatever is wrong is named where it is, first."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import InputProblem
from app.ledger import act, checkpoint
from app.ledger.act import Said, Signed
from app.ledger.authority import ADMIN, AREA, SIGNER
from app.ledger.encoding import encode
from app.ledger.entry import (
    Act,
    Entry,
    Kind,
    Withheld,
    encode_entry,
    encode_payload,
    entry_id,
    open_payload,
    signed_bytes,
    withhold,
)
from app.ledger.export import WITHHELD, Closing, write
from app.ledger.signatures import ED25519, public_key, sign
from app.ledger.verify import Fault, Trusted, main
from tests.ledger.county_log import (
    CLERK,
    HOUSEHOLD,
    MEMBER,
    NOW,
    ROOT_STAFF,
    WORKER,
    CountyLog,
    at,
    seed_of,
    small,
    verify,
)
from tests.ledger.independent import VECTORS, read

HOUSE, PERSON = b"H" * 16, b"P" * 16
BORN, EDITED, SECOND_HEADS = 7, 8, 9  # positions in the small log


def fault_of(log: CountyLog, items: Sequence[bytes] | None = None) -> Fault:
    """What the verifier says is wrong; the end hash fits unless `items` says otherwise."""
    report = verify(b"".join(items if items is not None else log.items()), log.key())
    assert report.fault is not None
    assert report.fault.sentence()
    return report.fault


def said(log: CountyLog, items: Sequence[bytes] | None = None) -> tuple[str, str, int | None]:
    """Part, code and position of the first thing wrong."""
    fault = fault_of(log, items)
    return fault.part, fault.error.code, fault.position


def sealed_again(items: Sequence[bytes]) -> list[bytes]:
    """Items with the right end hash: who alters a file can do that."""
    body = list(items[:-1])
    return [*body, b"\x58\x20" + hashlib.sha256(b"".join(body)).digest()]


# --- what holds ---------------------------------------------------------------------------------------------


def test_an_honest_log_holds() -> None:
    log = small()
    report = verify(b"".join(log.items()), log.key())
    assert report.fault is None
    closing = log.closing()
    assert (report.entries, report.chains, report.heads, report.checkpoints) == (10, 3, 2, 2)
    assert (report.streams, report.root, report.fold) == (closing.streams, log.root(), closing.fold)
    assert (report.withheld, report.inert) == (0, 0)


def test_the_frozen_export_holds_and_is_still_written_so() -> None:
    data, known = (VECTORS / "export.bin").read_bytes(), read("export.json")
    report = verify(data, bytes.fromhex(known["key"]))
    assert report.fault is None
    assert (report.root.hex(), report.fold.hex()) == (known["root"], known["fold"])
    assert (report.entries, report.streams) == (known["entries"], known["streams"])
    assert hashlib.sha256(data).hexdigest() == known["sha256"]
    assert b"".join(small().items()) == data


def test_moves_disputes_rotations_and_inert_acts_hold() -> None:
    log = small()
    other, stranger = b"I" * 16, b"Q" * 16
    log.genesis("clerk", CLERK)
    log.sign_up("clerk", CLERK)
    base = log.entries[BORN].id[:16]
    log.say("worker", [other], [Said(kind=HOUSEHOLD, object=other, values={0: True, 1: "户主乙"})])
    moved = Said(kind=MEMBER, object=PERSON, values={1: other}, bases={1: [base]})
    log.say("clerk", [HOUSE, other], [moved])
    log.say("worker", [HOUSE], [Said(kind=MEMBER, object=PERSON, values={1: HOUSE}, bases={1: [base]})])
    log.say("worker", [WORKER], [Said(kind=AREA, object=stranger, values={0: True, 1: "自封"})])
    log.body("clerk", Kind.ROTATE, {1: ED25519, 2: public_key(seed_of("new key"))})
    log.pens["clerk"] = replace(log.pens["clerk"], seed=seed_of("new key"))
    log.say("clerk", [other], [Said(kind=99, object=stranger, values={0: True, 500: -1})])
    log.heads()
    report = verify(b"".join(log.items()), log.key())
    # The pen of the test does not follow rotations; the chain does.
    assert report.fault is None
    assert report.inert == 1


def test_an_act_signed_again_after_a_fork_keeps_its_dot() -> None:
    log = small()
    lost, _ = act.write(
        log.pens["worker"], Act.EDIT, [HOUSE], [Said(kind=HOUSEHOLD, object=HOUSE, values={1: "改"})], at(), log.chance
    )
    log.genesis("worker 2", WORKER)
    log.sign_up("worker 2", WORKER)
    again = resigned(log, "worker 2", lost)
    honest = replace(log, entries=[*log.entries, again], checkpoints=list(log.checkpoints))
    entry = replace(again.entry, original=(lost.data, bytes(64)))
    forged = sealed(log, "worker 2", entry, lost.payload)
    assert said_unsigned(honest)[0:2] == ("checkpoint", "tail-unsigned")
    assert said_unsigned(replace(log, entries=[*log.entries, forged]))[0:2] == ("entry", "bad-signature")
    known = resigned(log, "worker 2", log.entries[EDITED])
    assert said_unsigned(replace(log, entries=[*log.entries, known]))[0:2] == ("entry", "original-known")
    changed = sealed(log, "worker 2", replace(again.entry, act=Act.END), lost.payload)
    assert said_unsigned(replace(log, entries=[*log.entries, changed]))[0:2] == ("entry", "original-differs")


def resigned(log: CountyLog, name: str, lost: Signed) -> Signed:
    """The entry that goes on from a fork with what `lost` said."""
    pen = log.pens[name]
    entry = replace(
        lost.entry,
        chain=pen.chain.id,
        seq=pen.chain.next_seq,
        prev=pen.chain.head,
        original=(lost.data, lost.signature),
    )
    return sealed(log, name, entry, lost.payload)


def sealed(log: CountyLog, name: str, entry: Entry, payload: bytes, seed: bytes | None = None) -> Signed:
    """An entry as it is, signed by the pen `name` (or another key)."""
    data = encode_entry(entry)
    signature = sign(ED25519, seed or log.pens[name].seed, signed_bytes(entry_id(data)))
    return Signed(entry=entry, id=entry_id(data), data=data, signature=signature, payload=payload)


def said_unsigned(log: CountyLog) -> tuple[str, str, int | None]:
    """As `said`, of a log whose own summary cannot be computed or does not matter."""
    entries = [(signed.data, signed.signature, signed.payload) for signed in log.entries]
    closing = Closing(streams=0, heads=bytes(32), fold=bytes(32))
    return said(log, list(write(log.header(), entries, log.checkpoints, closing)))


# --- every byte ---------------------------------------------------------------------------------------------


def test_every_flipped_byte_is_found_where_it_is() -> None:
    log = small()
    items = log.items()
    data, key = b"".join(items), log.key()
    assert verify(data, key).fault is None
    size, start = len(log.entries), 0
    only_by_the_hash = 0
    for number, item in enumerate(items):
        for offset in range(start, start + len(item)):
            damaged = bytearray(data)
            damaged[offset] ^= 1 << offset % 8
            fault = verify(bytes(damaged), key).fault
            assert fault is not None, offset
            if fault.part == "end":
                only_by_the_hash += number < len(items) - 1
                continue
            assert fault.offset == start, (offset, fault)
            assert fault.part == part_of(number, len(items), size)
            assert fault.position == (number - 1 if fault.part == "entry" else fault.position)
        start += len(item)
    # Nobody signs the secret beside an entry that has no values: 32 bytes for each of the three first entries of
    # chains and the two of heads.
    assert only_by_the_hash == 5 * 32


def part_of(number: int, count: int, size: int) -> str:
    """The part of the file in which item `number` of `count` stands."""
    if number == 0:
        return "header"
    if number <= size:
        return "entry"
    return {count - 1: "end", count - 2: "closing"}.get(number, "checkpoint")


def test_a_file_cut_anywhere_is_found() -> None:
    log = small()
    data, key = b"".join(log.items()), log.key()
    for length in range(0, len(data), 7):
        assert verify(data[:length], key).fault is not None
    fault = verify(data[:-1], key).fault
    assert fault is not None
    assert (fault.part, fault.error.code) == ("end", "export-truncated")
    longer = verify(data + b"\x00", key).fault
    assert longer is not None
    assert (longer.part, longer.error.code) == ("end", "export-form")


# --- what a forger would try --------------------------------------------------------------------------------


def test_entries_that_changed_places() -> None:
    log = small()
    log.entries[BORN], log.entries[EDITED] = log.entries[EDITED], log.entries[BORN]
    assert said_unsigned(log) == ("entry", "chain-gap", BORN)


def test_an_entry_that_is_gone() -> None:
    log = small()
    del log.entries[EDITED]
    assert said_unsigned(log) == ("entry", "heads-differ", EDITED)
    log = small()
    del log.entries[BORN]
    assert said_unsigned(log) == ("entry", "chain-gap", BORN)


def test_an_entry_that_is_gone_with_new_heads_contradicts_the_checkpoint() -> None:
    log = small()
    size, honest = log.checkpoints[-1]
    del log.entries[EDITED:]
    for name, last, seq in (("server", 6, 2), ("worker", BORN, 2)):
        pen = log.pens[name]
        log.pens[name] = replace(pen, chain=replace(pen.chain, next_seq=seq, head=log.entries[last].id))
    del log.checkpoints[1:]
    log.say("worker", [HOUSE], [Said(kind=HOUSEHOLD, object=HOUSE, values={1: "别的"})])
    log.heads()
    assert verify(b"".join(log.items()), log.key()).fault is None
    log.checkpoints[-1] = (size, honest)
    assert said(log) == ("checkpoint", "checkpoint-contradicts", 2)


def test_an_entry_written_twice() -> None:
    log = small()
    log.entries.insert(EDITED, log.entries[BORN])
    assert said_unsigned(log) == ("entry", "chain-gap", EDITED)
    log = small()
    log.entries.insert(4, log.entries[4])
    assert said_unsigned(log) == ("entry", "chain-twice", 5)


def test_an_entry_signed_by_a_stranger() -> None:
    log = small()
    edited = log.entries[EDITED]
    log.entries[EDITED] = sealed(log, "worker", edited.entry, edited.payload, seed_of("stranger"))
    assert said_unsigned(log) == ("entry", "bad-signature", EDITED)


def test_an_altered_entry_signed_again_by_its_own_person() -> None:
    log = small()
    edited = log.entries[EDITED]
    log.entries[EDITED] = sealed(log, "worker", replace(edited.entry, wall=NOW + 1), edited.payload)
    assert said_unsigned(log) == ("entry", "heads-differ", SECOND_HEADS)


def test_a_chain_nobody_knows_and_a_person_who_changes() -> None:
    log = small()
    edited = log.entries[EDITED]
    log.entries[EDITED] = sealed(log, "worker", replace(edited.entry, chain=bytes(16)), edited.payload)
    assert said_unsigned(log) == ("entry", "chain-unknown", EDITED)
    log = small()
    edited = log.entries[EDITED]
    log.entries[EDITED] = sealed(log, "worker", replace(edited.entry, actor=CLERK), edited.payload)
    assert said_unsigned(log) == ("entry", "chain-person", EDITED)


def test_a_value_that_was_altered() -> None:
    log = small()
    entry = log.entries[BORN].entry
    opened = open_payload(entry, log.entries[BORN].payload)
    other = replace(opened, values=(*opened.values[:-1], "别人"))
    log.entries[BORN] = replace(log.entries[BORN], payload=encode_payload(other))
    assert said_unsigned(log) == ("entry", "commitment", BORN)


def test_an_author_who_saw_another_log() -> None:
    for seen in ((0, 3, bytes(32)), (0, 99, bytes(32)), (1, 3, bytes(32))):
        log = small()
        log.say("worker", [HOUSE], [Said(kind=HOUSEHOLD, object=HOUSE, values={1: "丙"})], seen=seen)
        log.heads()
        assert said(log) == ("entry", "seen-contradicts", 10)


def test_heads_by_somebody_who_may_not_and_wrong_heads() -> None:
    log = small()
    log.heads("worker")
    assert said(log) == ("entry", "heads-unauthorised", 10)
    log = small()
    log.body("server", Kind.HEADS, {1: 4, 2: bytes(32)})
    assert said(log) == ("entry", "heads-differ", 10)


def test_a_kind_of_entry_nobody_knows() -> None:
    log = small()
    log.body("worker", 13, {})  # type: ignore[arg-type]
    assert said_unsigned(log) == ("entry", "kind-unknown", 10)
    log = small()
    log.body("worker", 14, {})  # type: ignore[arg-type]
    log.heads()
    assert verify(b"".join(log.items()), log.key()).fault is None


def test_grants_of_somebody_who_may_not_grant_change_nothing() -> None:
    log = small()
    log.grant(WORKER, ADMIN, by="worker")
    log.sign_up("server", WORKER, by="worker")
    log.heads()
    report = verify(b"".join(log.items()), log.key())
    assert report.fault is None
    assert report.inert == 2


def test_a_tail_without_a_receipt() -> None:
    log = small()
    log.say("worker", [HOUSE], [Said(kind=HOUSEHOLD, object=HOUSE, values={1: "丁"})])
    fault = fault_of(log)
    assert (fault.part, fault.error.code, fault.error.facts) == (
        "checkpoint",
        "tail-unsigned",
        {"signed": 10, "size": 11},
    )
    log.checkpoints.clear()
    assert said(log)[:2] == ("checkpoint", "tail-unsigned")


def test_checkpoints_of_another_log_and_by_another_key() -> None:
    log = small()
    size, root = 10, log.root()
    log.checkpoints[-1] = (size, checkpoint.make("county.test/other", size, root, log.log_seed))
    assert said(log) == ("checkpoint", "checkpoint-of-another-log", 2)
    log.checkpoints[-1] = (size, checkpoint.make(log.origin, size, root, seed_of("stranger")))
    assert said(log) == ("checkpoint", "checkpoint-unsigned", 2)
    log.checkpoints[-1] = (size, checkpoint.make(log.origin, size, bytes(32), log.log_seed))
    assert said(log) == ("checkpoint", "checkpoint-contradicts", 2)
    log = small()
    log.checkpoints.reverse()
    assert said(log) == ("closing", "export-form", None)
    log.checkpoints.insert(0, log.checkpoints[1])
    assert said(log) == ("closing", "export-form", None)
    log = small()
    log.checkpoints.insert(0, log.checkpoints[0])
    assert said(log) == ("checkpoint", "export-form", 2)


def test_the_closing_and_the_homes_are_not_believed() -> None:
    log = small()
    items = log.items()
    closing = log.closing()
    for wrong, code in (
        (replace(closing, fold=bytes(32)), "fold-differs"),
        (replace(closing, heads=bytes(32)), "heads-differ"),
        (replace(closing, streams=3), "heads-differ"),
    ):
        other = [*items[:-2], encode({1: wrong.streams, 2: wrong.heads, 3: wrong.fold}), b""]
        assert said(log, sealed_again(other)) == ("closing", code, None)
    wrong_homes = replace(log.header(), homes={})
    assert said(log, sealed_again([wrong_homes.encode(), *items[1:]])) == ("entry", "heads-differ", 6)


def test_another_county() -> None:
    log, other = small(), CountyLog(log_seed=seed_of("other log"))
    other.staff_up()
    report = verify(b"".join(log.items()), other.key())
    assert report.fault is not None
    assert (report.fault.part, report.fault.error.code) == ("header", "export-of-another-county")
    mixed = [log.items()[0], *other.items()[1:]]
    assert said(log, mixed)[:2] == ("entry", "export-of-another-county")


# --- values that are not there ------------------------------------------------------------------------------


def without(log: CountyLog, position: int, keep: set[int]) -> None:
    """Take values out of the payload at `position`."""
    signed = log.entries[position]
    opened = open_payload(signed.entry, signed.payload)
    log.entries[position] = replace(signed, payload=encode_payload(withhold(signed.entry, opened, keep)))


def test_values_may_be_withheld_only_where_the_file_says_so() -> None:
    log = small()
    without(log, BORN, {0, 2, 3, 4})
    without(log, EDITED, set())
    assert said(log) == ("entry", "value-missing", BORN)
    report = verify(b"".join(log.items(WITHHELD)), log.key())
    assert report.fault is None
    assert report.withheld == 3
    whole = small()
    assert report.fold == verify(b"".join(whole.items()), whole.key()).fold


@pytest.mark.parametrize(
    ("writers", "holds"),
    [
        (("root", "admin"), True),
        (("admin", "second"), True),
        (("root", "root"), False),
        (("admin",), False),
        (("admin", "worker"), False),
    ],
)
def test_two_administrators_may_remove_a_value(writers: tuple[str, ...], holds: bool) -> None:
    log = small()
    for name, staff in (("admin", CLERK), ("second", b"\x05" * 16)):
        log.genesis(name, staff)
        log.sign_up(name, staff)
        log.grant(staff, ADMIN)
    without(log, BORN, {0, 2, 3, 4})
    order = {1: [[log.entries[BORN].id, [1, 5]]]}
    for name in writers:
        log.body(name, Kind.REDACT, order)
    log.heads()
    assert log.pens["root"].chain.actor == ROOT_STAFF
    if holds:
        assert verify(b"".join(log.items()), log.key()).fault is None
    else:
        assert said(log) == ("entry", "value-missing", BORN)


def test_a_redact_entry_that_says_nothing() -> None:
    log = small()
    log.body("root", Kind.REDACT, {1: 5})
    assert said_unsigned(log) == ("entry", "redact-form", 10)


def test_a_wrong_commitment_in_the_place_of_a_value() -> None:
    log = small()
    without(log, BORN, {0})
    opened = open_payload(log.entries[BORN].entry, log.entries[BORN].payload)
    values = (*opened.values[:-1], Withheld(bytes(32)))
    log.entries[BORN] = replace(log.entries[BORN], payload=encode_payload(replace(opened, values=values)))
    assert said_unsigned(log) == ("entry", "commitment", BORN)


# --- the program --------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Callable[[bytes, bytes], list[str]]:
    """Write an export and a key; the arguments that name them."""

    def written(data: bytes, key: bytes) -> list[str]:
        (tmp_path / "log.export").write_bytes(data)
        (tmp_path / "county.pub").write_bytes(key)
        return [str(tmp_path / "log.export"), str(tmp_path / "county.pub")]

    return written


def test_the_program_says_what_holds(
    files: Callable[[bytes, bytes], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    log = small()
    paths = files(b"".join(log.items()), log.key())
    assert main(paths) == 0
    shown = capsys.readouterr().out
    assert "日志属实" in shown
    assert "演示数据" in shown
    assert log.root().hex() in shown
    assert main([*paths, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] is True
    assert found["entries"] == 10


def test_the_program_names_what_is_wrong(
    files: Callable[[bytes, bytes], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    log = small()
    items = log.items()
    items[EDITED + 1] = items[EDITED + 1][:-1] + bytes([items[EDITED + 1][-1] ^ 1])
    paths = files(b"".join(items), log.key())
    assert main(paths) == 1
    offset = sum(map(len, items[: EDITED + 1]))
    assert f"位置 {EDITED} 的记录（第 {offset} 字节起）" in capsys.readouterr().out
    assert main([*paths, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["fault"]["position"], found["fault"]["offset"]) == (EDITED, offset)
    assert found["fault"]["code"] == "commitment"


def test_the_program_asks_for_the_right_files(
    files: Callable[[bytes, bytes], list[str]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    log = small()
    data = b"".join(log.items())
    export, key = files(data, log.key())
    for arguments in ([export, export], [str(tmp_path / "none"), key], [str(tmp_path), key], [export, str(tmp_path)]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.strip().endswith("。")
    with pytest.raises(SystemExit) as stopped:
        main([export])
    assert stopped.value.code == 2
    for wrong in (
        b"",
        encode({1: b"", 2: b""}),
        encode({1: 2}),
        encode([1, 2]),
        encode({1: log.entries[0].data, 2: 5}),
    ):
        with pytest.raises(InputProblem):
            Trusted.read(wrong)


def test_the_program_stands_alone(files: Callable[[bytes, bytes], list[str]]) -> None:
    """Of the project it loads only the ledger and the words; of the world neither network nor database."""
    log = small()
    paths = files(b"".join(log.items()), log.key())
    script = (
        "import sys; from app.ledger.verify import main; code = main(sys.argv[1:]);"
        "print(sorted(m for m in sys.modules if m.startswith('app.') or m in"
        " ('socket', 'ssl', 'sqlite3', 'sqlalchemy', 'sqlcipher3', 'requests', 'PySide6')), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *paths], capture_output=True, text=True)
    assert done.returncode == 0
    loaded = json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"'))
    assert all(
        name in {"app.errors", "app.text", "app.messages", "app.progress", "app.ledger"}
        or name.startswith("app.ledger.")
        for name in loaded
    )
    assert SIGNER == 6
