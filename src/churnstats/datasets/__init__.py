"""Data to learn and test with: the team-manager example and synthetic districts."""

from churnstats.datasets.mlb import ExampleData, load_mlb
from churnstats.datasets.simulate import SimulatedDistricts, simulate_districts

__all__ = ["ExampleData", "SimulatedDistricts", "load_mlb", "simulate_districts"]
