"""What a disk may hold after a power cut: system calls of a traced program, replayed with loss.

`parse` reads the output of `strace` and keeps what was done below one folder: writes, truncations, new, renamed and
removed names, syncs, and between them what the program told. `cut` stops at any of these points and gives one of the
states that the disk may then be in. The model:

- What a sync of a file covered is on the disk. Of every later write any part may be: each sector of 512 bytes by
  itself.
- A name that was made, renamed or removed is on the disk when its folder was synced since. Before that it may be, also
  out of turn; a rename is whole or not at all.
- A sync is honest: when it has returned, the disk keeps it. Sectors are atomic. What was written and synced once does
  not rot (that is the business of `bitflips`).

Sync of a file says nothing about its name, which is stricter than the usual file systems are.
"""

from __future__ import annotations

import random as chance
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SECTOR = 512
ROOT = 0  # number of the folder itself

# What must be traced: everything that changes a file or a name, or says which file a handle is.
CALLS = (
    "open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,"
    "fallocate,fsync,fdatasync,sync_file_range,sync,syncfs,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,"
    "symlinkat,mkdir,mkdirat,rmdir,sendfile,copy_file_range,mmap,chdir,fchdir"
)


@dataclass(frozen=True, slots=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """Truncated to `size`, or made longer with zeros."""

    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Names:
    """(folder, name, node now under it or None), all at once or none."""

    edits: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class NewFolder:
    """A folder that has no name yet."""

    node: int


@dataclass(frozen=True, slots=True)
class Sync:
    node: int


@dataclass(frozen=True, slots=True)
class Told:
    line: bytes


Operation = Write | Cut | NewFolder | Names | Sync | Told


@dataclass(slots=True)
class Disk:
    """Files and folders by number; folder `ROOT` is the one that was watched."""

    files: dict[int, bytearray] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})

    @classmethod
    def of(cls, folder: Path) -> Disk:
        """A copy of what lies in `folder`."""
        disk = cls()
        disk._take(ROOT, folder)
        return disk

    def _take(self, number: int, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            node = self.new(folder=path.is_dir())
            self.folders[number][path.name] = node
            if path.is_dir():
                self._take(node, path)
            else:
                self.files[node][:] = path.read_bytes()

    def new(self, *, folder: bool) -> int:
        """A new node."""
        node = len(self.files) + len(self.folders)
        if folder:
            self.folders[node] = {}
        else:
            self.files[node] = bytearray()
        return node

    def copy(self) -> Disk:
        """A disk with the same on it."""
        return Disk(
            files={node: bytearray(data) for node, data in self.files.items()},
            folders={node: dict(names) for node, names in self.folders.items()},
        )

    def below(self, top: int) -> Disk:
        """A disk with only what lies in folder `top`."""
        inside, folders = [top], {}
        for node in inside:
            if node in self.folders:
                folders[node] = dict(self.folders[node])
                inside += folders[node].values()
        return Disk(files={node: bytearray(self.files[node]) for node in inside if node in self.files}, folders=folders)

    def do(self, operation: Operation) -> None:
        """Let an operation take effect. Nodes that are not there yet are made."""
        match operation:
            case Write(file, offset, data):
                content = self.files.setdefault(file, bytearray())
                if len(content) < offset:
                    content.extend(bytes(offset - len(content)))
                content[offset : offset + len(data)] = data
            case Cut(file, size):
                content = self.files.setdefault(file, bytearray())
                del content[size:]
                content.extend(bytes(size - len(content)))
            case NewFolder(node):
                self.folders[node] = {}
            case Names(edits):
                for folder, name, inside in edits:
                    if inside is None:
                        self.folders[folder].pop(name, None)
                    else:
                        self.folders[folder][name] = inside

    def lay(self, folder: Path, node: int = ROOT) -> None:
        """Write everything into the empty `folder`."""
        for name, inside in self.folders[node].items():
            if inside in self.folders:
                (folder / name).mkdir()
                self.lay(folder / name, inside)
            else:
                (folder / name).write_bytes(self.files.get(inside, b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What lay in the folder `top` before, and all that was done since, in order."""

    before: Disk
    top: int
    operations: tuple[Operation, ...]


def sections(before: Disk, operations: Iterable[Operation], *, opens: bytes) -> dict[str, Recording]:
    """One recording for each folder that lies in the watched one: what was done after the program told
    `opens` and the folder's name."""
    disk = before.copy()
    found: dict[str, tuple[Disk, int, list[Operation]]] = {}
    current: list[Operation] = []
    for operation in operations:
        if isinstance(operation, Told) and operation.line.startswith(opens):
            name = operation.line.removeprefix(opens).strip().decode()
            current = []
            top = disk.folders[ROOT][name]
            found[name] = disk.below(top), top, current
        current.append(operation)
        disk.do(operation)
    return {name: Recording(before=at, top=top, operations=tuple(done)) for name, (at, top, done) in found.items()}


# --- cutting --------------------------------------------------------------------------------------------------

HOW = ("all", "none", "prefix", "subset", "torn", "names-first", "data-first")


def cut(recording: Recording, point: int, how: str, dice: chance.Random) -> Disk:
    """What may be on the disk when the power goes after the first `point` operations.

    Of what no sync covers, `how`: "all" of it is there; "none"; a "prefix" in the order of time; any "subset"; any
    sectors ("torn"); all names and no data ("names-first"), the reverse ("data-first").
    """
    disk, pending = _durable(recording, point)
    share = dice.choice((0.1, 0.5, 0.9))
    match how:
        case "all":
            chosen = pending
        case "none":
            chosen = []
        case "prefix":
            chosen = pending[: dice.randrange(len(pending) + 1)]
        case "subset":
            chosen = [each for each in pending if dice.random() < share]
        case "torn":
            chosen = [part for each in pending for part in _sectors(each) if dice.random() < share]
        case "names-first":
            chosen = [each for each in pending if isinstance(each, Names)]
        case "data-first":
            chosen = [each for each in pending if not isinstance(each, Names)]
        case _:
            raise ValueError(how)
    for operation in chosen:
        disk.do(operation)
    return disk


def _durable(recording: Recording, point: int) -> tuple[Disk, list[Operation]]:
    """What is on the disk for certain, and in order what may be."""
    disk = recording.before.copy()
    data: dict[int, list[tuple[int, Operation]]] = {}
    names: list[tuple[int, Names]] = []
    for at, operation in enumerate(recording.operations[:point]):
        match operation:
            case Write(file) | Cut(file):
                data.setdefault(file, []).append((at, operation))
            case NewFolder():
                disk.do(operation)
            case Names():
                names.append((at, operation))
            case Sync(node) if node in disk.folders:
                for _, edit in names:
                    if _touches(edit, node):
                        disk.do(edit)
                names = [each for each in names if not _touches(each[1], node)]
            case Sync(node):
                for _, done in data.pop(node, ()):
                    disk.do(done)
    left = [*names, *(each for pending in data.values() for each in pending)]
    return disk, [operation for _, operation in sorted(left, key=lambda each: each[0])]


def _touches(names: Names, folder: int) -> bool:
    return any(edited == folder for edited, _, _ in names.edits)


def _sectors(operation: Operation) -> Iterator[Operation]:
    if not isinstance(operation, Write):
        yield operation
        return
    at, end = operation.offset, operation.offset + len(operation.data)
    while at < end:
        following = min(at - at % SECTOR + SECTOR, end)
        yield Write(operation.file, at, operation.data[at - operation.offset : following - operation.offset])
        at = following


# --- parsing --------------------------------------------------------------------------------------------------

_LINE = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)")


@dataclass(slots=True)
class _Handle:
    node: int  # -1: the file in which the program tells
    append: bool = False
    position: int = 0


_TELLS = -1


def parse(lines: Iterator[str], before: Disk, folder: Path, told: Path) -> Iterator[Operation]:
    """What a program did below `folder`, of which `before` is a copy, and what it wrote to `told`.

    `lines` come from `strace -f -xx -e trace=CALLS` with strings uncut. ValueError for a call that cannot be replayed.
    """
    return _Parser(before.copy(), folder, told).parse(lines)


class _Parser:
    def __init__(self, disk: Disk, folder: Path, told: Path) -> None:
        self.disk = disk
        self.folder = PurePosixPath(folder)
        self.told = PurePosixPath(told)
        self.handles: dict[int, _Handle] = {}
        self.folder_handles: dict[int, PurePosixPath] = {}

    def parse(self, lines: Iterator[str]) -> Iterator[Operation]:
        for line in lines:
            if "unfinished" in line or "resumed" in line:
                raise ValueError("two threads at work: their calls cannot be put in order")
            match = _LINE.match(line)
            if match is None or match[3].startswith("-"):
                continue  # a signal, an exit, a call that failed
            for operation in self._call(match[1], match[2].split(", "), int(match[3], 0)):
                self.disk.do(operation)
                yield operation

    def _call(self, call: str, arguments: list[str], result: int) -> Iterator[Operation]:
        match call:
            case "open":
                yield from self._open(self._path(arguments[0]), arguments[1], result)
            case "creat":
                yield from self._open(self._path(arguments[0]), "O_WRONLY|O_CREAT|O_TRUNC", result)
            case "openat":
                yield from self._open(self._path(arguments[1], arguments[0]), arguments[2], result)
            case "close":
                self.handles.pop(int(arguments[0]), None)
                self.folder_handles.pop(int(arguments[0]), None)
            case "dup" | "dup2" | "dup3" | "fcntl":
                if call != "fcntl" or arguments[1].startswith("F_DUPFD"):
                    self._same(int(arguments[0]), result)
            case "lseek":
                if int(arguments[0]) in self.handles:
                    self.handles[int(arguments[0])].position = result
            case (
                "link"
                | "linkat"
                | "mkdir"
                | "mkdirat"
                | "rmdir"
                | "unlink"
                | "unlinkat"
                | "rename"
                | "renameat"
                | "renameat2"
            ):
                yield from self._name(call, arguments)
            case "fsync" | "fdatasync":
                handle = self.handles.get(int(arguments[0]))
                if handle is not None and handle.node != _TELLS:
                    yield Sync(handle.node)
            case "write" | "pwrite64" | "ftruncate" | "fallocate" | "sendfile" | "copy_file_range":
                yield from self._data(call, arguments, result)
            case _:
                self._refuse(call, arguments)

    def _refuse(self, call: str, arguments: list[str]) -> None:
        """Calls that would change what is watched in a way that is not replayed."""
        if call == "mmap":  # the file would be written by memory: no call says when
            watched = (
                "MAP_SHARED" in arguments[3] and "PROT_WRITE" in arguments[2] and int(arguments[4]) in self.handles
            )
        elif call in {"chdir", "fchdir", "sync", "syncfs"}:
            watched = True
        else:
            named = [self._path(text) for text in arguments if text.startswith('"')]
            held = [int(text) for text in arguments if text.isdigit()]
            watched = any(map(self._inside, named)) or any(handle in self.handles for handle in held[:1])
        if watched:
            raise ValueError(f"{call} is not replayed")

    # --- names ---

    def _path(self, text: str, at: str = "AT_FDCWD") -> PurePosixPath:
        path = PurePosixPath(_bytes(text).decode("utf-8", "surrogateescape"))
        if path.is_absolute() or at == "AT_FDCWD":
            return path
        return self.folder_handles.get(int(at), PurePosixPath("elsewhere")) / path

    def _inside(self, path: PurePosixPath) -> bool:
        return path == self.folder or self.folder in path.parents

    def _find(self, path: PurePosixPath) -> tuple[int, str, int | None]:
        """(folder, name, node or None) of a path inside."""
        parts = path.relative_to(self.folder).parts
        node = ROOT
        for part in parts[:-1]:
            node = self.disk.folders[node][part]
        return (node, parts[-1], self.disk.folders[node].get(parts[-1])) if parts else (ROOT, "", ROOT)

    def _open(self, path: PurePosixPath, flags: str, result: int) -> Iterator[Operation]:
        self.handles.pop(result, None)
        self.folder_handles[result] = path
        if path == self.told:
            self.handles[result] = _Handle(_TELLS)
        if not self._inside(path):
            return
        folder, name, node = self._find(path)
        if node is None:
            node = self.disk.new(folder=False)
            yield Names(((folder, name, node),))
        elif "O_TRUNC" in flags:
            yield Cut(node, 0)
        self.handles[result] = _Handle(node, append="O_APPEND" in flags)

    def _same(self, old: int, new: int) -> None:
        self.handles.pop(new, None)
        if old in self.handles:
            self.handles[new] = self.handles[old]
        if old in self.folder_handles:
            self.folder_handles[new] = self.folder_handles[old]

    def _name(self, call: str, arguments: list[str]) -> Iterator[Operation]:
        match call:
            case "rename" | "link":
                paths = [self._path(text) for text in arguments[:2]]
            case "renameat" | "renameat2" | "linkat":
                if "RENAME_EXCHANGE" in arguments[-1]:
                    raise ValueError("an exchange of names is not replayed")
                paths = [self._path(arguments[1], arguments[0]), self._path(arguments[3], arguments[2])]
            case "mkdirat" | "unlinkat":
                paths = [self._path(arguments[1], arguments[0])]
            case _:
                paths = [self._path(arguments[0])]
        inside = [path for path in paths if self._inside(path)]
        if len(inside) != len(paths):
            if inside:
                raise ValueError("a name comes from outside or goes there")
            return
        folder, name, node = self._find(paths[0])
        if call.startswith("mkdir"):
            node = self.disk.new(folder=True)
            yield NewFolder(node)
            yield Names(((folder, name, node),))
        elif call.startswith("rename"):
            target, called, _ = self._find(paths[1])
            yield Names(((folder, name, None), (target, called, node)))
        elif call.startswith("link"):
            yield Names(((*self._find(paths[1])[:2], node),))
        else:
            yield Names(((folder, name, None),))

    # --- data ---

    def _data(self, call: str, arguments: list[str], result: int) -> Iterator[Operation]:
        target = arguments[2] if call == "copy_file_range" else arguments[0]
        handle = self.handles.get(int(target))
        if handle is None:
            return
        if handle.node == _TELLS:
            yield Told(_bytes(arguments[1]))
            return
        match call:
            case "ftruncate":
                yield Cut(handle.node, int(arguments[1]))
            case "fallocate":
                size = int(arguments[2]) + int(arguments[3])
                if arguments[1] != "0":
                    raise ValueError("fallocate is replayed only where it makes room")
                if size > len(self.disk.files[handle.node]):
                    yield Cut(handle.node, size)
            case "pwrite64":
                yield Write(handle.node, int(arguments[3]), _written(arguments[1], result))
            case "write":
                yield self._here(handle, _written(arguments[1], result))
            case _:
                source = self.handles.get(int(arguments[1] if call == "sendfile" else arguments[0]))
                if source is None or (call == "copy_file_range" and arguments[3] != "NULL"):
                    raise ValueError(f"{call} from outside, or to a place of its own, is not replayed")
                start = re.match(r"\[(\d+)\]", arguments[2 if call == "sendfile" else 1])
                at = int(start[1]) if start else source.position
                if not start:
                    source.position += result
                yield self._here(handle, bytes(self.disk.files[source.node][at : at + result]))

    def _here(self, handle: _Handle, data: bytes) -> Write:
        at = len(self.disk.files[handle.node]) if handle.append else handle.position
        handle.position = at + len(data)
        return Write(handle.node, at, data)


def _bytes(text: str) -> bytes:
    if not (text.startswith('"') and text.endswith('"')):
        raise ValueError(f"cut off by the tracer: {text[:40]}")
    return bytes.fromhex(text[1:-1].replace("\\x", ""))


def _written(text: str, count: int) -> bytes:
    return _bytes(text)[:count]
