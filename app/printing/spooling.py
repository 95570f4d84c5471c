"""A batch on its way to paper: small jobs, a question after each, and what has to be printed again.

A printer that jams or runs empty tells nobody which sheets came out. So a batch goes in jobs of at most 25
sheets, and after each the person is asked 都打出来了吗？. A job is *queued*, then *sent*, then *confirmed* or
*unsure*; an unsure job is asked about again after a restart and never silently taken for printed. Sheets
are counted from 1; printing a sheet again prints the same card, so nothing is issued twice. Where CUPS is,
the PDF goes to `lp` by standard input: no clear file is written and the title names nobody.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from app.errors import InputProblem
from app.text import tr

SHEETS_PER_JOB = 25
_SECONDS = 60


class State(Enum):
    """How far a job is."""

    QUEUED = "queued"
    SENT = "sent"
    CONFIRMED = "confirmed"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The sheets `first` to `last` of a batch, both included."""

    first: int
    last: int
    state: State = State.QUEUED

    @property
    def count(self) -> int:
        """Number of sheets."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The jobs of a batch of `total` sheets, in order and without overlap."""

    total: int
    jobs: tuple[Job, ...]

    @property
    def next_job(self) -> Job | None:
        """The job to send now: the first that is queued, and none while one waits for its answer."""
        if any(job.state is State.SENT for job in self.jobs):
            return None
        return next((job for job in self.jobs if job.state is State.QUEUED), None)

    @property
    def asked(self) -> Job | None:
        """The job the person is to be asked about."""
        return next((job for job in self.jobs if job.state in (State.SENT, State.UNSURE)), None)

    @property
    def confirmed(self) -> int:
        """Sheets known to be on paper."""
        return sum(job.count for job in self.jobs if job.state is State.CONFIRMED)

    @property
    def done(self) -> bool:
        """Whether every sheet is known to be on paper."""
        return self.confirmed == sum(job.count for job in self.jobs)

    def sent(self, job: Job) -> Batch:
        """The printer took the job."""
        return self._with(job, State.SENT)

    def all_printed(self, job: Job) -> Batch:
        """The person said yes."""
        return self._with(job, State.CONFIRMED)

    def interrupted(self) -> Batch:
        """After a crash or a restart: what was sent is unsure, it will be asked about."""
        jobs = (replace(job, state=State.UNSURE) if job.state is State.SENT else job for job in self.jobs)
        return replace(self, jobs=tuple(jobs))

    def failed(self, job: Job, first: int, last: int) -> Batch:
        """The person said that the sheets `first` to `last` of the job did not come out: they are queued
        again.

        Raises `InputProblem("print-range")` when the range is not inside the job.
        """
        if not job.first <= first <= last <= job.last:
            raise InputProblem("print-range", first=first, last=last, total=self.total)
        parts = (
            Job(first=job.first, last=first - 1, state=State.CONFIRMED),
            Job(first=first, last=last),
            Job(first=last + 1, last=job.last, state=State.CONFIRMED),
        )
        place = self.jobs.index(job)
        jobs = (*self.jobs[:place], *(part for part in parts if part.count > 0), *self.jobs[place + 1 :])
        return replace(self, jobs=jobs)

    def _with(self, job: Job, state: State) -> Batch:
        place = self.jobs.index(job)
        return replace(self, jobs=(*self.jobs[:place], replace(job, state=state), *self.jobs[place + 1 :]))


def plan(total: int, *, first: int = 1, last: int | None = None, per_job: int = SHEETS_PER_JOB) -> Batch:
    """The batch of `total` sheets, or of its range `first` to `last`, cut into jobs.

    Raises `InputProblem("print-range")` when the range is empty or outside the batch.
    """
    last = total if last is None else last
    if not 1 <= first <= last <= total:
        raise InputProblem("print-range", first=first, last=last, total=total)
    jobs = (Job(first=start, last=min(start + per_job - 1, last)) for start in range(first, last + 1, per_job))
    return Batch(total=total, jobs=tuple(jobs))


def question(job: Job) -> str:
    """What to ask about a job after it was sent."""
    return tr("第 {first} 至 {last} 份，共 {count} 份，都打出来了吗？", first=job.first, last=job.last, count=job.count)


def cups_queues(command: Sequence[str] = ("lpstat", "-e")) -> tuple[str, ...]:
    """Names of the print queues CUPS knows; empty where there is no CUPS."""
    try:
        said = subprocess.run(  # noqa: S603 - fixed words
            list(command), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(line for line in said.stdout.splitlines() if line) if said.returncode == 0 else ()


def to_cups(
    pdf: bytes, queue: str, *, title: str, copies: int = 1, duplex: bool = False, command: Sequence[str] = ("lp",)
) -> None:
    """Hand the PDF to a print queue by standard input. `title` is seen by others and names no person.

    Raises `InputProblem`: `"print-queue-missing"` where there is no `lp`, `"print-queue"` when the queue
    refused.
    """
    sides = "two-sided-long-edge" if duplex else "one-sided"
    words = ["-d", queue, "-t", title, "-n", str(copies), "-o", "media=A4", "-o", f"sides={sides}"]
    words += ["-o", "print-scaling=none", "-"]
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, the queue is one argument
            [*command, *words], input=pdf, capture_output=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise InputProblem("print-queue-missing") from None
    except (OSError, subprocess.TimeoutExpired):
        raise InputProblem("print-queue", queue=queue) from None
    if done.returncode != 0:
        raise InputProblem("print-queue", queue=queue)
