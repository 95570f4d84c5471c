"""A simulated county on the line, and laptops enrolled with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.county_simulator import SimulatedCounty, serving
from tests.sync.laptops import Laptop


@dataclass(frozen=True, slots=True)
class Scene:
    """The county, its address, and how to get a laptop."""

    county: SimulatedCounty
    base: str
    folder: Path
    enrol: Callable[..., Laptop]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A county that behaves until it is told otherwise."""
    county = SimulatedCounty()
    made: list[Laptop] = []

    with serving(county) as base:

        def enrol(name: str = "vault") -> Laptop:
            laptop = Laptop.enrol(county.invite(base), tmp_path / name, seed=len(made))
            made.append(laptop)
            return laptop

        yield Scene(county, base, tmp_path, enrol)
        for laptop in made:
            laptop.vault.lock()
