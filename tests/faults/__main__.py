"""`python -m tests.faults [names] [--upto N] [--jobs J] [--again] [--report] [--ci]`: the harnesses at release size.

Runs the cases that are not done yet, stops at the first broken promise and says its number. May be killed at any
moment; the next run goes on. A run of all harnesses writes docs/reliability.md, which takes some minutes because it
lowers each protection on the way; so does `--report`. Exit code 0 when every promise held.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from typing import NoReturn

from tests.faults import frame, report
from tests.faults.frame import BLOCK, SLICE_S, Broken, Harness, Slice


def main() -> int:
    known = frame.harnesses()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="fault harnesses at release size")
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of: {', '.join(known)}; without, all")
    parser.add_argument("--upto", type=int, metavar="N", help="cases of each harness; without, its release size")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="processes at once")
    parser.add_argument("--again", action="store_true", help="do again what was done on other code than this")
    parser.add_argument("--report", action="store_true", help="only write docs/reliability.md from what is there")
    parser.add_argument("--ci", action="store_true", help="only the cases of `make test`; how they ended, on stdout")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(known))
    if unknown:
        parser.error(f"no such harness: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # folders are removed then too
    frame.clear_leftovers()
    if wanted.ci:
        sys.stdout.write(json.dumps(sum((frame.do_ci_cases(known[name]) for name in wanted.names), Counter[str]())))
        return 0
    for harness in known.values():
        frame.code(harness)  # what was imported, not what the files become while this runs
    frame.commit()
    if not wanted.report:
        for harness in [known[name] for name in wanted.names or known]:
            cannot = frame.why_not(harness)
            if cannot:
                say(f"{harness.NAME}: not here: {cannot}")
            elif not run(harness, wanted.upto or harness.RELEASE, wanted.jobs, wanted.again):
                break
    if wanted.report or not wanted.names:
        report.write(known)
        say(f"written: {report.REPORT.relative_to(frame.ROOT)}")
    return 1 if frame.broken() else 0


def say(line: str) -> None:
    """To whoever looks on."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def run(harness: Harness, upto: int, jobs: int, again: bool) -> bool:
    """Do what is left of the first `upto` cases; whether all of it held."""
    with frame.only_one(harness.NAME) as alone:
        if not alone:
            say(f"{harness.NAME}: runs already")
            return True
        return _run(harness, upto, jobs, again)


def _run(harness: Harness, upto: int, jobs: int, again: bool) -> bool:
    kept = [each for each in frame.results(harness.NAME) if not again or each.code == frame.code(harness)]
    left = sorted(set(range(upto)) - frame.numbers_done(kept))
    # What broke comes first: it says soonest whether it holds now.
    first = {each.number for each in frame.broken() if each.name == harness.NAME}
    left.sort(key=lambda number: (number not in first, number))
    say(f"{harness.NAME}: {len(left)} of {upto} cases to do")
    me = os.getpid()
    workers = []
    for worker in range(jobs):
        mine = [number for number in left if number // BLOCK % jobs == worker]
        if not mine:
            continue
        process = os.fork()
        if not process:
            work(harness, mine, me)
        workers.append(process)
    held = True
    while workers:
        process, status = os.wait()
        workers.remove(process)
        if os.waitstatus_to_exitcode(status):
            held = False
            for other in workers:
                os.kill(other, signal.SIGTERM)
    return held


def work(harness: Harness, numbers: list[int], parent: int) -> NoReturn:
    """One worker's cases; ends the process. A worker whose parent is gone stops."""
    started, outcomes, start = time.monotonic(), Counter[str](), numbers[0]
    for number, following in zip(numbers, [*numbers[1:], None], strict=True):
        try:
            outcomes[frame.do_case(harness, number)] += 1
        except Exception as problem:  # noqa: BLE001 - whatever it is, the case did not hold
            frame.note_broken(Broken(name=harness.NAME, number=number, seen=f"{type(problem).__name__}: {problem}"))
            say(f"{harness.NAME}: BROKEN in case {number}\n{traceback.format_exc()}")
            sys.exit(1)
        seconds = time.monotonic() - started
        if following != number + 1 or following % BLOCK == 0 or seconds > SLICE_S:
            finished(harness, start, number + 1, outcomes, seconds)
            started, outcomes, start = time.monotonic(), Counter[str](), following or 0
            if os.getppid() != parent:
                sys.exit(1)
    sys.exit(0)


def finished(harness: Harness, start: int, end: int, outcomes: Counter[str], seconds: float) -> None:
    """Keep a slice."""
    done = Slice(
        start=start,
        end=end,
        outcomes=dict(sorted(outcomes.items())),
        seconds=round(seconds, 1),
        code=frame.code(harness),
        commit=frame.commit(),
        date=frame.today(),
    )
    frame.keep(harness.NAME, done)
    frame.forget_broken(harness.NAME, set(range(start, end)))
    say(f"{harness.NAME}: {start}-{end - 1} {done.outcomes} in {done.seconds} s")


if __name__ == "__main__":
    sys.exit(main())
