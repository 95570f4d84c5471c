"""One sentence for every error code: what is wrong, where, and what to do next.

`sentence(error)` is the only way from an error to words. Placeholders are the facts of the error.
"""

from __future__ import annotations

from app.errors import HudangError
from app.text import tr

SENTENCES: dict[str, str] = {
    # --- values and forms ---
    "bad-text": "“{field}”里有不能保存的字符，请重新输入。",
    # --- files ---
    "file-missing": "找不到这个文件，可能已被移走或改名。请重新选择。",
    "file-unreadable": "这个文件读不出来，可能正被别的程序占用，或者盘已拔出。请处理后再试。",
    "not-a-file": "选中的不是普通文件（可能是文件夹、快捷方式或设备）。请选文件本身。",
    "not-a-photo": "这个文件不是照片。请选 JPG 或 PNG 照片。",
    "photo-heic": "这是 HEIC 照片，程序打不开。请把手机相机设成“兼容性最佳”后重拍，或另存为 JPG。",
    "photo-too-large": "照片有 {megapixels} 百万像素，超过 {limit} 百万。请缩小后再选。",
    "photo-file-too-large": "照片文件有 {megabytes} MB，超过 {limit} MB。请缩小后再选。",
    "photo-truncated": "照片文件不完整，可能没有拷完。请从手机或相机重新拷一份。",
    "photo-too-slow": "照片 {seconds} 秒还没有打开，已停止。请换一张，或另存为 JPG 再选。",
    "photo-unreadable": "照片打不开，文件可能已损坏。请换一张。",
    # --- codes and cards ---
    "card-damaged": "户码残缺，读不完整。请擦干净再扫，或输入码下面的户码号。",
    "card-newer": "这张户码比程序新（第 {version} 版）。请先更新程序。",
    "card-pool": "户码批次号不对，应是 4 位。请核对县里给的批次。",
    "card-typed-character": "户码号第 {place} 位不会出现在户码里，请对照卡片再看一遍。",
    "card-typed-length": "户码号应有 {needed} 位（连最后的校验位），现在是 {got} 位。请对照卡片补全。",
    "card-typed-check": "户码号有一位输错了（校验位对不上）。请对照卡片逐位核对。",
    "print-layout": "这份资料排不出版面（{template}）。内容没有丢，请把这一户的户编号告诉县里。",
    "print-queue": "打印队列没有收下这批纸（{queue}）。请检查打印机是否开着、连着，再重打这一批。",
    "print-queue-missing": "这台电脑没有打印服务。请改用“存为 PDF”，或换一台打印机。",
    "print-range": "页码范围 {first} 至 {last} 不对，这批共 {total} 份。请重新填写。",
    # --- vault ---
    "wrong-password": "密码不对。请看看大小写锁定和输入法，再输一次。",
    "password-empty": "密码不能为空，请输入密码。",
    "password-too-long": "密码太长，最多 {limit} 个字。",
    "password-unusable": "密码里有不能用的字符，请重新输入。",
    "name-unusable": "姓名是空的、太长（最多 {limit} 个字）或者有不能用的字符，请重新输入。",
    "no-slot": "这个工作处里没有这个人。请重新选人，或者请同事添加。",
    "slot-exists": "这个人已经在这个工作处里，不用再添加。",
    "not-a-vault": "这个文件夹里没有户档数据。请换一个工作处，或者重新登记本机。",
    "vault-exists": "这个文件夹里已经有东西，没有动它。请换一个空文件夹。",
    "vault-missing": "数据文件不见了。请不要新建，先找找是不是被移走或被杀毒软件隔离；找不到请联系县里。",
    "vault-damaged": "数据有损坏（坏页 {pages}）。密码没有错，文件没有动。请不要删除，马上联系县里。",
    "vault-foreign": "这里的数据文件不是这个工作处的，或者开头已损坏。文件没有动，请联系县里。",
    "vault-not-encrypted": "这里的数据文件没有加密，不是户档写的，没有打开。请联系县里。",
    "vault-newer": "这里的数据是新版程序写的。请先更新程序，再打开。",
    "vault-in-use": "户档已经在别处打开了。请先关掉另一个窗口，或者请另一位用户退出。",
    "vault-locked": "已经锁上了，请先解锁。",
    "vault-cipher-missing": "加密部件不合要求（{setting}），为保护数据没有打开。请重新安装程序。",
    "slot-parameters": "钥匙文件里的参数不正常，没有使用。请联系县里恢复。",
    "slots-altered": "钥匙文件被改动过，没有使用。请保留现场，马上联系县里。",
    "signing-key-dropped": "签名的钥匙已收起，请先解锁再保存。",
    "wrong-recovery-key": "这把恢复钥匙打不开这里的数据，请核对是不是本县的。",
    "not-enough-memory": "内存不够，解锁要用 {mebibytes} MB。请关掉几个程序再试。",
    "disk-full": "磁盘满了，这一次没有保存，以前保存的都在。请腾出一些空间再试。",
    "disk-error": "磁盘读写出错（代号 {number}），这一次没有保存。请检查磁盘，尽快上报并联系县里。",
    "folder-read-only": "这个文件夹不能写入。请检查权限，或者看看是不是只读盘、网盘或被杀毒软件拦住。",
    "interrupted": "已停止这次查找。",
    "attachment-too-large": "附件太大，最多 {limit} MB。",
    "attachment-missing": "这个附件的文件不在本机。请先上报，再从县里取回。",
    "attachment-damaged": "这个附件的文件有损坏，没有打开。请从县里重新取回。",
    # --- transport ---
    # --- county ---
    # --- chain ---
    "bad-signature": "签名不对：内容被改动过，或者不是本人签的。请保留现场，马上联系县里。",
    "bad-public-key": "这把公钥不合格，不能登记。请重新生成密钥。",
    "algorithm-unknown": "不认识的签名算法（编号 {algorithm}）。请先更新程序。",
    "inclusion-proof-wrong": (
        "县里的证明对不上：从第 {start} 条起的 {count} 条，不在总共 {size} 条的记录里。请马上联系县里。"
    ),
    "consistency-proof-wrong": (
        "县里的记录前后不一致（原有 {old} 条，现有 {new} 条），以前的可能被改动过。请马上联系县里。"
    ),
    "checkpoint-malformed": "县里的凭证格式不对。请稍后再试；还是不行，请联系县里。",
    "checkpoint-of-another-log": "收到的是别的县的凭证，没有采用。请检查登记时用的县服务器地址。",
    "checkpoint-unsigned": "县里的凭证没有本县的签名，没有采用。请马上联系县里。",
}


def sentence(error: HudangError) -> str:
    """The sentence for `error` in the language of the program; an unknown code names itself for the help desk."""
    wording = SENTENCES.get(error.code)
    if wording is None:
        return tr("出了没有预料到的问题（代号 {code}）。已录入的内容没有丢，请联系县里。", code=error.code)
    return tr(wording, **error.facts)
