"""Simulated fleets with known truth, for the demonstration, the tests and the benches."""

from __future__ import annotations

from capforecast.simulate.files import sample, write
from capforecast.simulate.fleets import END_US, STEP_US, Fleet, fleet
from capforecast.simulate.matrices import matrix

__all__ = ["END_US", "STEP_US", "Fleet", "fleet", "matrix", "sample", "write"]
