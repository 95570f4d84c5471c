"""The commands for keys that end, and for the key that lies offline: `revoke`, `quarantine`, `admit`, `recover`,
`open-export`."""

from __future__ import annotations

import argparse
import base64
from collections.abc import Callable
from pathlib import Path

import qrcode

from app.errors import InputProblem
from app.ledger.entry import Act
from app.text import tr
from app.vault import agefile
from county import administration, quarantine, recovery, revocation
from county.desk import Opened, moment, sign_in
from county.keys import load_recovery, write_secret

ACTS: dict[int, str] = {
    Act.IMPORT: "导入",
    Act.CREATE: "新增",
    Act.EDIT: "修改",
    Act.END: "终止",
    Act.REOPEN: "恢复",
    Act.SAME: "合并",
    Act.VISIT: "走访",
    Act.ATTACH: "附件",
    Act.BIND_CARD: "发码",
    Act.PRINT: "打印",
    Act.RESOLVE: "定下争议",
    Act.REVEAL: "查看",
    Act.EXPORT: "导出",
    Act.PROPOSE: "提请",
    Act.DECIDE: "会签",
}


def revoke(asked: argparse.Namespace) -> None:
    reason = tr("钥匙可能在别人手里：{reason}", reason=asked.reason) if asked.compromised else asked.reason
    with Opened(asked) as county:
        by = sign_in(county, asked)
        with county.log.writing() as tx:
            if asked.staff:
                target = revocation.of_staff(tx, administration.staff_called(tx, asked.staff))
            elif asked.device:
                target = revocation.of_device(tx, asked.device)
            else:
                target = revocation.of_chain(tx, asked.chain)
            incident = revocation.revoke(county, by, tx, target, reason, asked.good_until)
        print(tr("事件记录 {time}", time=moment(county.clock())))
    print(tr("缘由：{reason}", reason=reason))
    print(tr("工作人员：{names}", names=tr("、").join(incident.staff)))
    print(tr("设备：{names}", names=tr("、").join(incident.devices)))
    for chain, last in incident.chains:
        print(tr("停用签名链 {chain}，有效到第 {seq} 号", chain=chain.hex()[:8], seq=last))
    if incident.behind:
        print(tr("在此之后还有 {count} 条已经在日志里，请逐条核对。", count=incident.behind))
    print(tr("机上的区域：{names}", names=tr("、").join(incident.areas)))
    print(tr("机上的户数：{count}", count=incident.households))
    received = tr("没有收到过") if incident.received_ms is None else moment(incident.received_ms)
    print(tr("最后一次收到上报：{time}", time=received))
    if incident.pools:
        gone = " ".join(incident.pools)
        print(tr("作废户码池：{pools}；其中 {bound} 张已贴出，要换新码。", pools=gone, bound=incident.bound))
        print(tr("请用 pools 命令给这个工作处另发一池。"))
    print(tr("以后从这里上报的会暂存，用 quarantine 命令查看。"))


def list_quarantine(asked: argparse.Namespace) -> None:
    with Opened(asked) as county, county.log.reading() as tx:
        for held in quarantine.waiting(tx):
            act = " ".join(map(tr, (ACTS.get(held.act, "其他"), *held.kinds)))
            files = " ".join(root.hex()[:8] for root in held.roots)
            print(f"{held.id.hex()[:16]}\t{held.staff}\t{held.seq}\t{act}\t{files}\t{moment(held.wall)}")


def admit(asked: argparse.Namespace) -> None:
    outcome = quarantine.REFUSED if asked.refuse else quarantine.AGREED
    with Opened(asked) as county:
        by = sign_in(county, asked)
        with county.log.writing() as tx:
            quarantine.decide(county, by, tx, quarantine.find(tx, asked.entry), outcome, asked.reason)
    print(
        tr("已核定：不同意，原件留作证据。") if asked.refuse else tr("已核定：同意，由您的签名链重述，原件留作证据。")
    )


def recover(asked: argparse.Namespace) -> None:
    for path in (asked.answer, asked.qr):
        if path is not None and path.exists():
            raise InputProblem("file-exists")
    try:
        request = recovery.read(asked.request.read_bytes())
    except OSError:
        raise InputProblem("file-unreadable") from None
    with Opened(asked) as county:
        with county.log.reading() as tx:
            who = recovery.applicant(county, tx, request)
        print(tr("申请人：{name}，{device}，{place}", name=who.name, device=who.device_name, place=who.workplace))
        if asked.words is None:
            print(tr("请打电话给本人，听声音确认是本人，再核对四个词。"))
            return
        private = load_recovery(asked.recovery)
        by = sign_in(county, asked)
        answer = recovery.recover(county, by, request, private, asked.words, compromised=asked.compromised).encode()
    write_secret(asked.answer, answer)
    if asked.qr is not None:
        with asked.qr.open("xb") as file:
            qrcode.make(base64.b64encode(answer), error_correction=qrcode.ERROR_CORRECT_M).save(file)
    print(
        tr("答复已写到 {path}。请念给对方听：{words}", path=asked.answer, words=" ".join(recovery.check_words(answer)))
    )


def open_export(asked: argparse.Namespace) -> None:
    try:
        sealed = asked.file.read_bytes()
    except OSError:
        raise InputProblem("file-unreadable") from None
    document = agefile.unseal(sealed, load_recovery(asked.recovery))
    write_secret(asked.to, document)
    print(tr("已打开，写到 {path}。里面有完整的个人信息，没有加密，用完请删除。", path=asked.to))


def options(
    command: Callable[..., argparse.ArgumentParser], signed: argparse.ArgumentParser, place: argparse.ArgumentParser
) -> None:
    """The commands for keys that end and keys that are lost."""
    made = command("revoke", revoke, tr("停用一个人的签名钥、一台设备或一条签名链"), [signed])
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--staff", help=tr("工作人员姓名"))
    which.add_argument("--device", help=tr("设备名，或设备编号的前几位"))
    which.add_argument("--chain", help=tr("签名链编号的前几位"))
    until = made.add_mutually_exclusive_group()
    until.add_argument("--good-until", type=int, default=None, help=tr("到第几号为止有效；省略为县里已有的最后一条"))
    until.add_argument("--compromised", action="store_true", help=tr("钥匙可能在别人手里"))
    made.add_argument("--reason", required=True, help=tr("缘由"))
    command("quarantine", list_quarantine, tr("列出停用之后收到、等待核定的记录"), [place])
    made = command("admit", admit, tr("核定一条暂存的记录"), [signed])
    made.add_argument("entry", help=tr("记录编号的前几位，见 quarantine"))
    made.add_argument("--refuse", action="store_true", help=tr("不同意"))
    made.add_argument("--reason", required=True, help=tr("理由"))
    made = command("recover", recover, tr("答复一份忘记密码的申请"), [signed])
    made.add_argument("--request", type=Path, required=True, help=tr("申请文件"))
    made.add_argument("--recovery", type=Path, required=True, help=tr("恢复私钥文件，平时离线保管"))
    made.add_argument("--answer", type=Path, required=True, help=tr("答复写到哪里"))
    made.add_argument("--qr", type=Path, help=tr("答复的二维码图片（.png）"))
    made.add_argument("--words", help=tr("对方念的四个词；省略则先显示申请人，再问"))
    made.add_argument("--compromised", action="store_true", help=tr("旧钥匙可能在别人手里，同时停用"))
    made = command("open-export", open_export, tr("用恢复私钥打开一份交给县里的完整名单"), [])
    made.add_argument("file", type=Path, help=tr("加密的名单（.age）"))
    made.add_argument("--recovery", type=Path, required=True, help=tr("恢复私钥文件，平时离线保管"))
    made.add_argument("--to", type=Path, required=True, help=tr("写到哪里（.xlsx）"))
