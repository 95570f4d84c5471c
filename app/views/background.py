"""The only home of threads: two lanes on which everything that reads, writes, computes or travels is done.

Rules kept here:
- Each lane is one worker thread: `desk` for what the person asked for, `courier` for sync. Work on a lane
  runs in the order it was asked for.
- Only an integer ticket crosses threads. Callbacks and owners stay in a dictionary on the UI thread; the
  worker sees the work and nothing else. When the owner is no longer alive, the result is dropped.
- Work is a plain call, or a generator of `Progress`: at each step the lane gives way, looks whether the
  work was cancelled, and lets the page know how far it is, at most 20 times a second.
- After a result was handed over, what it says it `touched` is told to everybody; each page reloads if it
  shows it.
- Cyclic garbage is collected on the UI thread only. A collection can run in any thread that allocates, and
  a widget caught in a cycle would then be destroyed by a worker.
- Development builds refuse work that is bound to, or closes over, a `QObject`.

`AtOnce` is the twin for tests of pages: the same doors, but the work runs before `run` returns.
"""

from __future__ import annotations

import functools
import gc
import inspect
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

import shiboken6
from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.progress import Progress

Result = TypeVar("Result")
Ticket = int
Told = Callable[[Exception], object]

REPORT_EVERY = 0.05  # seconds between two reports of progress to a page
# A repaint takes the interpreter back from a lane some hundred times; at the usual 5 ms each it would be stretched
# beyond three times its length.
GIVE_WAY = 0.0005
COLLECT_EVERY = 1000  # milliseconds between two looks at the garbage


class Cancelled(Exception):
    """The person stopped the work; what it had committed stays, the rest was not done."""


@runtime_checkable
class Touched(Protocol):
    """What a verb says it changed: the roots whose files changed, whether the outbox grew."""

    @property
    def roots(self) -> frozenset[bytes]: ...

    @property
    def outbox(self) -> bool: ...


@runtime_checkable
class Touching(Protocol):
    """A result that carries what was changed beside something else."""

    @property
    def touched(self) -> Touched: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """What the UI thread keeps while work is under way."""

    then: Callable[[Any], object] | None
    otherwise: Told | None
    progress: Callable[[Progress], object] | None
    owner: QObject


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a piece of work ended: a result or an error."""

    result: Any = None
    error: Exception | None = None


class Lane(QObject):
    """One queue of work. Also the base of its twin: what happens on the UI thread is the same for both."""

    touched = Signal(object)
    failed = Signal(object)
    busy_changed = Signal(bool)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._waiting: dict[Ticket, _Waiting] = {}
        self._next = 0
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anything is waiting or running."""
        return bool(self._waiting)

    @overload
    def run(
        self,
        work: Callable[[], Generator[Progress, None, Result]],
        then: Callable[[Result], object] | None = None,
        otherwise: Told | None = None,
        *,
        owner: QObject,
        progress: Callable[[Progress], object] | None = None,
    ) -> Ticket: ...

    @overload
    def run(
        self,
        work: Callable[[], Result],
        then: Callable[[Result], object] | None = None,
        otherwise: Told | None = None,
        *,
        owner: QObject,
        progress: Callable[[Progress], object] | None = None,
    ) -> Ticket: ...

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], object] | None = None,
        otherwise: Told | None = None,
        *,
        owner: QObject,
        progress: Callable[[Progress], object] | None = None,
    ) -> Ticket:
        """Do `work` on this lane, then call `then(result)` or `otherwise(error)` on the UI thread if
        `owner` is still alive. Without `otherwise` an error is told by `failed`. Work that is cancelled
        ends in `otherwise(Cancelled)`, or silently when there is no `otherwise`. Raises RuntimeError after
        `close`."""
        if self._closed:
            raise RuntimeError(f"lane {self.name} is closed")
        if __debug__:
            refuse_objects(work)
        self._next += 1
        ticket = self._next
        was_busy = self.busy
        self._waiting[ticket] = _Waiting(then=then, otherwise=otherwise, progress=progress, owner=owner)
        if not was_busy:
            self.busy_changed.emit(True)
        self._start(ticket, work)
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Stop the work at its next step; work that has not begun is dropped. An old ticket is nothing."""
        raise NotImplementedError

    def close(self) -> None:
        """Take no more work, cancel what can be cancelled, wait for the end."""
        self._closed = True

    def _start(self, ticket: Ticket, work: Callable[[], Any]) -> None:
        raise NotImplementedError

    def _report(self, ticket: Ticket, step: Progress) -> None:
        waiting = self._waiting.get(ticket)
        if waiting is not None and waiting.progress is not None and shiboken6.isValid(waiting.owner):
            waiting.progress(step)

    def _deliver(self, ticket: Ticket, outcome: _Outcome) -> None:
        waiting = self._waiting.pop(ticket)
        try:
            self._hand_over(waiting, outcome)
        finally:
            if not self.busy:
                self.busy_changed.emit(False)

    def _hand_over(self, waiting: _Waiting, outcome: _Outcome) -> None:
        alive = shiboken6.isValid(waiting.owner)
        if outcome.error is not None:
            if waiting.otherwise is not None:
                if alive:
                    waiting.otherwise(outcome.error)
            elif not isinstance(outcome.error, Cancelled):
                self.failed.emit(outcome.error)
            return
        if waiting.then is not None and alive:
            waiting.then(outcome.result)
        # What was done was done, whether or not the page that asked is still there.
        if isinstance(outcome.result, Touched):
            self.touched.emit(outcome.result)
        elif isinstance(outcome.result, Touching):
            self.touched.emit(outcome.result.touched)


class ThreadLane(Lane):
    """A lane with a worker thread of its own."""

    _ended = Signal(int)
    _moved = Signal(int)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(name, parent)
        self._queue: SimpleQueue[tuple[Ticket, Callable[[], Any] | None]] = SimpleQueue()
        self._outcomes: dict[Ticket, _Outcome] = {}
        self._steps: dict[Ticket, Progress] = {}
        self._stopped: set[Ticket] = set()
        self._ended.connect(self._on_ended, Qt.ConnectionType.QueuedConnection)
        self._moved.connect(self._on_moved, Qt.ConnectionType.QueuedConnection)
        # A daemon, so that a crash of the UI thread does not leave a process that holds the vault for ever.
        self._thread = threading.Thread(target=self._work_off, name=name, daemon=True)
        self._thread.start()

    def cancel(self, ticket: Ticket) -> None:
        if ticket in self._waiting:
            self._stopped.add(ticket)

    def close(self) -> None:
        if self._closed:
            return
        super().close()
        self._stopped.update(self._waiting)
        self._queue.put((0, None))
        self._thread.join()

    def _start(self, ticket: Ticket, work: Callable[[], Any]) -> None:
        self._queue.put((ticket, work))

    # --- on the worker thread: nothing here touches a QObject but to emit a ticket ---

    def _work_off(self) -> None:
        while True:
            ticket, work = self._queue.get()
            if work is None:
                return
            self._outcomes[ticket] = self._outcome(ticket, work)
            # The work may hold much; nothing of it may outlive its end in this frame.
            work = None
            self._ended.emit(ticket)

    def _outcome(self, ticket: Ticket, work: Callable[[], Any]) -> _Outcome:
        if ticket in self._stopped:
            return _Outcome(error=Cancelled())
        try:
            result = work()
            if isinstance(result, Generator):
                result = self._step_through(ticket, result)
            return _Outcome(result=result)
        except Exception as error:  # noqa: BLE001 - every error belongs to who asked
            return _Outcome(error=error)

    def _step_through(self, ticket: Ticket, steps: Generator[Progress, None, Any]) -> Any:
        reported = 0.0
        try:
            while True:
                step = next(steps)
                # Without giving way here a folding lane stretches a repaint from 20 ms to 2 s.
                time.sleep(0)
                if ticket in self._stopped:
                    raise Cancelled
                now = time.monotonic()
                if now - reported >= REPORT_EVERY:
                    reported = now
                    self._steps[ticket] = step
                    self._moved.emit(ticket)
        except StopIteration as end:
            return end.value
        finally:
            steps.close()

    # --- on the UI thread again ---

    def _on_moved(self, ticket: Ticket) -> None:
        step = self._steps.pop(ticket, None)
        if step is not None:
            self._report(ticket, step)

    def _on_ended(self, ticket: Ticket) -> None:
        self._steps.pop(ticket, None)
        self._stopped.discard(ticket)
        self._deliver(ticket, self._outcomes.pop(ticket))


class AtOnce(Lane):
    """The twin without a thread: work is done, and its result handed over, before `run` returns."""

    def __init__(self, name: str = "at once", parent: QObject | None = None) -> None:
        super().__init__(name, parent)
        self._stopped: set[Ticket] = set()

    def cancel(self, ticket: Ticket) -> None:
        if ticket in self._waiting:
            self._stopped.add(ticket)

    def _start(self, ticket: Ticket, work: Callable[[], Any]) -> None:
        try:
            result = work()
            if isinstance(result, Generator):
                result = self._step_through(ticket, result)
            outcome = _Outcome(result=result)
        except Exception as error:  # noqa: BLE001 - every error belongs to who asked
            outcome = _Outcome(error=error)
        self._stopped.discard(ticket)
        self._deliver(ticket, outcome)

    def _step_through(self, ticket: Ticket, steps: Generator[Progress, None, Any]) -> Any:
        try:
            while True:
                self._report(ticket, next(steps))
                if ticket in self._stopped:
                    raise Cancelled
        except StopIteration as end:
            return end.value
        finally:
            steps.close()


class Background(QObject):
    """Both lanes, what they touched, and the garbage. Pages get it through their constructor."""

    touched = Signal(object)
    failed = Signal(object)

    def __init__(self, desk: Lane, courier: Lane, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.courier = courier
        self._timer: QTimer | None = None
        for lane in (desk, courier):
            lane.touched.connect(self.touched)
            lane.failed.connect(self.failed)

    @classmethod
    def with_threads(cls) -> Background:
        """The lanes of the program: two worker threads; garbage is collected on this thread from now on."""
        sys.setswitchinterval(GIVE_WAY)
        background = cls(ThreadLane("desk"), ThreadLane("courier"))
        background._collect_here()
        return background

    @classmethod
    def at_once(cls) -> Background:
        """The lanes of page tests: nothing runs beside the test."""
        return cls(AtOnce("desk"), AtOnce("courier"))

    def close(self) -> None:
        """Take no more work and wait for both lanes."""
        self.desk.close()
        self.courier.close()
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            gc.enable()

    def _collect_here(self) -> None:
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(COLLECT_EVERY)
        self._timer.timeout.connect(collect_due)
        self._timer.start()


def collect_due() -> None:
    """Collect the oldest generation whose threshold is passed: what the interpreter would do, but on
    this thread."""
    counts, limits = gc.get_count(), gc.get_threshold()
    for generation in (2, 1, 0):
        if counts[generation] > limits[generation]:
            gc.collect(generation)
            return


def refuse_objects(work: object) -> None:
    """Raise TypeError when `work` is bound to, or closes over, a `QObject`: it would carry it into a
    worker."""
    for thing in _reached(work, 4):
        if isinstance(thing, QObject):
            raise TypeError(f"work {work!r} holds a {type(thing).__name__}; give it values, not widgets")


def _reached(thing: object, depth: int) -> Iterator[object]:
    yield thing
    if depth == 0:
        return
    inner: list[object] = []
    if isinstance(thing, functools.partial):
        inner = [thing.func, *thing.args, *thing.keywords.values()]
    elif inspect.ismethod(thing):
        inner = [thing.__self__, thing.__func__]
    elif inspect.isbuiltin(thing):
        inner = [thing.__self__]
    elif inspect.isfunction(thing):
        cells = [cell for cell in thing.__closure__ or () if not _is_empty(cell)]
        inner = [cell.cell_contents for cell in cells]
        inner += [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
    elif isinstance(thing, (tuple, list)):
        inner = list(thing)
    for item in inner:
        yield from _reached(item, depth - 1)


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True
