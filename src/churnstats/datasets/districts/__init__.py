"""Synthetic districts with known truth."""

from churnstats.datasets.districts.simulate import (
    NO_PROGRAMS,
    Defects,
    EffectPath,
    ProgramRules,
    Recording,
    SimulatedDistricts,
    SimulationParameters,
    StaffRules,
    Truth,
    simulate_districts,
    simulate_from,
)

__all__ = [
    "NO_PROGRAMS",
    "Defects",
    "EffectPath",
    "ProgramRules",
    "Recording",
    "SimulatedDistricts",
    "SimulationParameters",
    "StaffRules",
    "Truth",
    "simulate_districts",
    "simulate_from",
]
