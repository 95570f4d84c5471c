"""What others find when they look at a test's county: the independent verifier, and a fold of the log from nothing."""

from __future__ import annotations

from sqlalchemy import select

from app.ledger.verify import Report
from app.models import store
from app.models.tables import DERIVED
from county import archive
from tests.county.conftest import Site


def verdict(site: Site) -> Report:
    """What the independent verifier says of the county's log now."""
    steps = archive.verify_log(site.county)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            report: Report = finished.value
            return report


def tables(site: Site) -> dict[str, list[str]]:
    """All derived tables of the county after canonical sort."""
    with site.county.log.reading() as tx:
        derived = [table for table in DERIVED.sorted_tables if table.name != "stale"]
        return {table.name: sorted(map(repr, tx.execute(select(table)))) for table in derived}


def assert_holds(site: Site) -> None:
    """The log is provable, and fold(log) == tables."""
    assert verdict(site).fault is None
    before = tables(site)
    with site.county.log.writing() as tx:
        for _ in store.refold(tx):
            pass
    assert tables(site) == before
