"""The lanes with real threads: order, tickets, cancelling, dying owners, and where widgets are destroyed."""

from __future__ import annotations

import functools
import gc
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import shiboken6
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.errors import InputProblem
from app.progress import Progress, Steps
from app.sync.journal import Touched
from app.views.background import AtOnce, Background, Cancelled, Lane, ThreadLane, refuse_objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A result that carries what was touched."""

    touched: Touched


@pytest.fixture
def background(qtbot: QtBot) -> Iterator[Background]:
    background = Background.with_threads()
    yield background
    background.close()


@pytest.fixture(params=["threads", "at once"])
def lane(request: pytest.FixtureRequest, qtbot: QtBot) -> Iterator[Lane]:
    lane: Lane = ThreadLane("test") if request.param == "threads" else AtOnce()
    yield lane
    lane.close()


def count_to(number: int, pause: float = 0) -> Steps[int]:
    for done in range(number):
        if pause:
            time.sleep(pause)
        yield Progress(done=done, of=number)
    return number


def fail() -> None:
    raise InputProblem("bad-text", field="x")


def test_both_lanes_answer_alike_and_in_order(lane: Lane, qtbot: QtBot) -> None:
    owner = QObject()
    told: list[object] = []
    for number in range(50):
        lane.run(functools.partial(abs, -number), told.append, owner=owner)
    lane.run(fail, told.append, lambda error: told.append(str(error)), owner=owner)
    lane.run(functools.partial(count_to, 3), told.append, owner=owner, progress=lambda step: None)
    qtbot.waitUntil(lambda: len(told) == 52)
    assert told == [*range(50), "bad-text field=x", 3]
    assert not lane.busy


def test_what_was_touched_is_told_after_the_result(lane: Lane, qtbot: QtBot) -> None:
    owner, told = QObject(), list[tuple[str, object]]()
    change = Touched(roots=frozenset({b"h1"}), outbox=True)
    lane.touched.connect(lambda touched: told.append(("touched", touched)))
    lane.run(functools.partial(Saved, touched=change), lambda saved: told.append(("then", saved.touched)), owner=owner)
    qtbot.waitUntil(lambda: len(told) == 2)
    lane.run(lambda: change, owner=owner)
    qtbot.waitUntil(lambda: len(told) == 3)
    assert told == [("then", change), ("touched", change), ("touched", change)]


def test_an_error_nobody_waits_for_is_told_by_the_lane(lane: Lane, qtbot: QtBot) -> None:
    owner = QObject()
    with qtbot.waitSignal(lane.failed) as failed:
        lane.run(fail, owner=owner)
    assert isinstance(failed.args[0], InputProblem)


def test_the_result_of_a_dead_owner_is_dropped_but_what_it_touched_is_told(lane: Lane, qtbot: QtBot) -> None:
    owner = QObject()
    told: list[object] = []
    touched: list[object] = []
    lane.touched.connect(touched.append)
    shiboken6.delete(owner)
    lane.run(lambda: Touched(outbox=True), told.append, owner=owner)
    qtbot.waitUntil(lambda: bool(touched))
    assert (told, touched) == ([], [Touched(outbox=True)])


def test_work_runs_beside_the_window_and_callbacks_on_it(background: Background, qtbot: QtBot) -> None:
    owner, told = QObject(), list[tuple[int, int]]()
    background.desk.run(threading.get_ident, lambda ident: told.append((ident, threading.get_ident())), owner=owner)
    background.courier.run(threading.get_ident, lambda ident: told.append((ident, threading.get_ident())), owner=owner)
    qtbot.waitUntil(lambda: len(told) == 2)
    workers = {worker for worker, _ in told}
    assert len(workers) == 2
    assert threading.get_ident() not in workers
    assert {window for _, window in told} == {threading.get_ident()}


def test_long_work_reports_and_can_be_cancelled(background: Background, qtbot: QtBot) -> None:
    owner = QObject()
    steps: list[Progress] = []
    ends: list[object] = []
    closed = threading.Event()

    def endless() -> Steps[None]:
        try:
            done = 0
            while True:
                done += 1
                yield Progress(done=done, of=0)
                time.sleep(0.001)
        finally:
            closed.set()

    ticket = background.desk.run(endless, ends.append, ends.append, owner=owner, progress=steps.append)
    waiting = background.desk.run(fail, ends.append, ends.append, owner=owner)
    qtbot.waitUntil(lambda: len(steps) >= 3)
    background.desk.cancel(waiting)
    background.desk.cancel(ticket)
    qtbot.waitUntil(lambda: len(ends) == 2)
    assert all(isinstance(end, Cancelled) for end in ends)
    assert closed.is_set()
    # At most about 20 reports a second, however many steps there are: far fewer reports than steps.
    assert steps[-1].done > len(steps)


def test_cancelling_at_once_stops_at_the_next_step(qtbot: QtBot) -> None:
    lane, owner = AtOnce(), QObject()
    steps: list[Progress] = []
    ends: list[object] = []

    def on_step(step: Progress) -> None:
        steps.append(step)
        if step.done == 2:
            lane.cancel(1)

    lane.run(functools.partial(count_to, 9), ends.append, ends.append, owner=owner, progress=on_step)
    assert isinstance(ends[0], Cancelled)
    assert len(steps) == 3


def test_closing_waits_and_takes_no_more(qtbot: QtBot) -> None:
    background = Background.with_threads()
    owner = QObject()
    background.desk.run(functools.partial(count_to, 10_000, 0.001), owner=owner)
    background.close()
    with pytest.raises(RuntimeError):
        background.desk.run(fail, owner=owner)
    background.close()
    assert gc.isenabled()


def test_work_that_carries_a_widget_is_refused(qtbot: QtBot) -> None:
    label = QLabel("x")
    qtbot.addWidget(label)

    def closes_over() -> str:
        return label.text()

    for work in (label.text, closes_over, functools.partial(str, label), lambda seen=label: seen):
        with pytest.raises(TypeError):
            refuse_objects(work)
    refuse_objects(functools.partial(count_to, 3))


def test_widgets_are_destroyed_on_the_thread_of_the_window_only(background: Background, qtbot: QtBot) -> None:
    here = threading.get_ident()
    elsewhere: list[int] = []
    ends: list[object] = []

    class Knot(QWidget):
        """A widget in a cycle: only the collector can free it."""

        def __init__(self) -> None:
            super().__init__()
            self.me = self
            self.label = QLabel("x", self)
            self.held = lambda: self

        def take(self, result: object) -> None:
            ends.append(result)

    def note(_reference: object) -> None:
        if threading.get_ident() != here:
            elsewhere.append(threading.get_ident())

    def litter() -> Steps[int]:
        # Enough cyclic garbage to make the collector run, were it to run on this thread.
        for done in range(30):
            for _ in range(100):
                cycle: list[object] = []
                cycle.append(cycle)
            yield Progress(done=done, of=30)
        return 30

    references = []
    for number in range(300):
        knot = Knot()
        references.append(weakref.ref(knot, note))
        lane = background.desk if number % 2 else background.courier
        lane.run(litter, knot.take, ends.append, owner=knot)
        if number % 3 == 0:
            shiboken6.delete(knot)
        del knot
    qtbot.waitUntil(lambda: not background.desk.busy and not background.courier.busy, timeout=30_000)
    assert len(ends) == 200
    gc.collect()
    assert all(reference() is None for reference in references)
    assert elsewhere == []


def test_hundreds_of_rounds_with_dying_owners_and_raising_work(background: Background, qtbot: QtBot) -> None:
    for number in range(400):
        owner = QWidget()
        owner.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if number % 3 == 0:
            background.desk.run(fail, id, id, owner=owner)
        else:
            background.desk.run(functools.partial(count_to, number % 7), id, id, owner=owner)
        if number % 2:
            owner.close()
        if number % 40 == 0:
            qtbot.wait(1)
    qtbot.waitUntil(lambda: not background.desk.busy)
