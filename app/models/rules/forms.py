"""What is wrong with a filled-in record before it is saved: one answer for form and verb. Pure.

A finding that blocks stands beside its field; the others are for the person to look at. Records from elsewhere are
never refused by these rules: the county stores what was signed and makes a task of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.errors import InputProblem
from app.models.fields import Field, RecordKind, Value
from app.models.rules import quality

SUMMARY_LEAST = 20  # characters of a visit's summary (reference 3.14)


def problems(kind: RecordKind, values: Mapping[str, Value], *, demo: bool, today: str) -> dict[str, InputProblem]:
    """Field name -> what is wrong with it; empty when the record may be saved. `today` is "YYYY-MM-DD"."""
    found: dict[str, InputProblem] = {}
    for field in kind.fields:
        value = values.get(field.name)
        if field.required and value in (None, "", ()):
            found[field.name] = InputProblem("required", field=field.label)
            continue
        try:
            field.check(value)
        except InputProblem as problem:
            found[field.name] = problem
    for name, finding in _of_kind(kind, values, demo=demo, today=today):
        found.setdefault(name, finding)
    return found


def _of_kind(
    kind: RecordKind, values: Mapping[str, Value], *, demo: bool, today: str
) -> Iterator[tuple[str, InputProblem]]:
    findings: Iterator[quality.Finding] = iter(())
    if kind.name == "member":
        findings = quality.member_findings(values, demo=demo, today=today)
    elif kind.name == "household":
        findings = quality.household_findings(values, demo=demo, today=today)
    elif kind.name == "visit":
        yield from _visit(values, today, {field.name: field for field in kind.fields})
    for finding in findings:
        if finding.blocking:
            yield finding.field, InputProblem(finding.code, field=kind.field(finding.field).label)


def _visit(values: Mapping[str, Value], today: str, fields: Mapping[str, Field]) -> Iterator[tuple[str, InputProblem]]:
    day, promised = values.get("visited_on"), values.get("promised_by")
    if isinstance(day, str) and day > today:
        yield "visited_on", InputProblem("date-in-future", field=fields["visited_on"].label)
    if isinstance(day, str) and isinstance(promised, str) and promised <= day:
        yield "promised_by", InputProblem("promise-before-visit", field=fields["promised_by"].label)
    summary = values.get("summary")
    if isinstance(summary, str) and summary.strip() and len(summary.strip()) < SUMMARY_LEAST:
        length = len(summary.strip())
        yield "summary", InputProblem("summary-short", least=SUMMARY_LEAST, length=length)
    changes = values.get("changes_found")
    if isinstance(changes, tuple) and "NONE" in changes and len(changes) > 1:
        yield "changes_found", InputProblem("changes-contradict", field=fields["changes_found"].label)
