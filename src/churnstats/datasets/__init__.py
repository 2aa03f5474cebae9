"""Data to learn and test with: the team-manager example and synthetic districts."""

from churnstats.datasets.districts import SimulatedDistricts, simulate_districts
from churnstats.datasets.mlb import ExampleData, load_mlb

__all__ = ["ExampleData", "SimulatedDistricts", "load_mlb", "simulate_districts"]
