"""The lease: by the highest time ever seen, anchored by the county's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.models.rules.lease import DAY_MS, Lease, Standing, State

NOW = 1_795_229_880_000
YEARS = 365 * DAY_MS


def test_it_opens_warns_and_ends() -> None:
    lease = Lease.begin(NOW, NOW)
    found = [lease.state(NOW + day * DAY_MS, 30) for day in (0, 22, 23, 29, 30, 400)]
    assert found == [
        State(standing=Standing.OPEN, days_left=30),
        State(standing=Standing.OPEN, days_left=8),
        State(standing=Standing.WARN, days_left=7),
        State(standing=Standing.WARN, days_left=1),
        State(standing=Standing.UPLOAD_ONLY, days_left=0),
        State(standing=Standing.UPLOAD_ONLY, days_left=0),
    ]


def test_a_short_lease_does_not_warn_from_its_first_day() -> None:
    lease = Lease.begin(NOW, NOW)
    assert lease.state(NOW, 7).standing is Standing.OPEN
    assert lease.state(NOW + 5 * DAY_MS, 7) == State(standing=Standing.WARN, days_left=2)


def test_setting_the_clock_back_lengthens_nothing() -> None:
    lease = Lease.begin(NOW, NOW).seen(NOW + 29 * DAY_MS)
    assert lease.state(NOW - YEARS, 30).days_left == 1
    assert lease.seen(NOW - YEARS).seen(NOW + 30 * DAY_MS).state(NOW, 30).standing is Standing.UPLOAD_ONLY


def test_a_jump_to_2099_is_cured_by_the_next_contact_whether_or_not_the_clock_is_put_right() -> None:
    late = NOW + 73 * YEARS
    lease = Lease.begin(NOW, NOW).seen(late)
    assert lease.state(NOW, 30).standing is Standing.UPLOAD_ONLY
    cured = lease.contact(late, NOW + DAY_MS)
    assert cured.state(late, 30).days_left == 30
    assert cured.state(late + 29 * DAY_MS, 30).days_left == 1
    assert cured.state(NOW, 30).days_left == 30
    assert cured.seen(NOW).contact(NOW + 2 * DAY_MS, NOW + 2 * DAY_MS).state(NOW + 2 * DAY_MS, 30).days_left == 30


def test_a_clock_that_is_always_wrong_counts_the_same_days() -> None:
    for wrong in (-50 * YEARS, 0, 50 * YEARS):
        lease = Lease.begin(NOW + wrong, NOW)
        assert [lease.state(NOW + wrong + day * DAY_MS, 30).days_left for day in (0, 10, 31)] == [30, 20, 0]


def test_an_old_answer_changes_nothing() -> None:
    lease = Lease.begin(NOW, NOW).seen(NOW + DAY_MS)
    assert lease.contact(NOW + DAY_MS, NOW - 1) == lease


def test_a_clock_that_stood_ahead_at_the_contact_and_was_put_right_counts_the_days_from_then() -> None:
    for ahead in (DAY_MS, YEARS, 50 * YEARS):
        lease, left = Lease.begin(NOW + ahead, NOW), []
        for day in (0, 10, 20, 31):
            lease = lease.seen(NOW + day * DAY_MS)
            left.append(lease.state(NOW + day * DAY_MS, 30).days_left)
        assert left == [30, 20, 10, 0]


def test_while_the_machine_runs_time_goes_on_whatever_the_clock_shows() -> None:
    lease = Lease.begin(NOW, NOW, 5 * DAY_MS, "one")
    for day in range(1, 31):
        lease = lease.seen(NOW - day * YEARS, (5 + day) * DAY_MS, "one")
        assert lease.state(NOW - day * YEARS, 30).days_left == 30 - day
    # After a start of the machine it has run for so long at least; what was before the start is not known.
    lease = Lease.begin(NOW, NOW, 5 * DAY_MS, "one").seen(NOW - YEARS, 2 * DAY_MS, "two")
    assert lease.state(NOW - YEARS, 30).days_left == 28
    assert lease.seen(NOW - YEARS, DAY_MS, "two").state(NOW - YEARS, 30).days_left == 27


def test_putting_the_clock_back_every_day_wins_only_the_hours_without_power() -> None:
    lease, hours = Lease.begin(NOW, NOW, 0, "start 0"), 0
    for day in range(1, 200):
        lease = lease.seen(NOW, 8 * DAY_MS // 24, f"start {day}")
        hours += 8
        assert lease.highest_seen_ms == NOW + hours * DAY_MS // 24
    assert lease.state(NOW, 30).standing is Standing.UPLOAD_ONLY


@given(st.lists(st.integers(-60 * YEARS, 60 * YEARS), max_size=20), st.integers(1, 400))
def test_whatever_the_clock_shows_days_left_never_grow_without_a_contact(jumps: list[int], days: int) -> None:
    lease, left = Lease.begin(NOW, NOW), days
    for place, jump in enumerate(jumps):
        running = abs(jump) % DAY_MS
        lease = lease.seen(NOW + jump, running, f"start {place // 2}")
        now_left = lease.state(NOW + jump, days).days_left
        assert 0 <= now_left <= left
        left = now_left
