"""churnstats: leadership turnover, from tenure records to answers that can be re-run.

Everything public is here and is imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "SchoolCalendar": "core.calendar",
    "ChurnstatsError": "core.errors",
    "DataError": "core.errors",
    "SpecError": "core.errors",
    "IdentificationError": "core.errors",
    "ConvergenceError": "core.errors",
    "Tenures": "records.tenures",
    "RosterRules": "records.rosters",
    "AssignmentRules": "records.assignments",
    "InterimRules": "records.interim",
    "Outcomes": "records.outcomes",
    "Programs": "records.programs",
    "Partnerships": "records.partnerships",
    "Units": "records.units.units",
    "read_calendar": "records.calendars",
    "link_people": "records.people.links",
    "LinkRules": "records.people.pairs",
    "turnover_bounds": "records.people.links",
    "unit_year_moments": "records.scale.students",
    "StudentRules": "records.scale.students",
    "roster_from": "records.scale.staff",
    "Panel": "panel.panel",
    "program_rows": "panel.risk_rows",
    "EventRules": "panel.events",
    "RoleFamilies": "records.roles",
    "board_flips": "panel.boards",
    "BoardRules": "panel.board_terms",
    "board_elections": "panel.board_terms",
    "board_terms": "panel.board_terms",
    "seats_as_roles": "records.roles",
    "Join": "panel.joins",
    "match_table": "panel.joins",
    "coverage_by_year": "panel.joins",
    "coverage_figure": "display.heatmap",
    "event_support": "panel.support",
    "flow_chain": "display.flow",
    "flow_figure": "display.flow",
    "churn_measures": "panel.churn",
    "district_events_on_schools": "panel.levels",
    "program_portfolio": "panel.portfolio",
    "roll_up": "panel.levels",
    "turnover_by_group": "panel.turnover",
    "mask_transitions": "panel.turnover",
    "isolation_table": "panel.isolation",
    "Classical": "inference.vcov",
    "Robust": "inference.vcov",
    "Cluster": "inference.vcov",
    "TwoWay": "inference.vcov",
    "CR2": "inference.vcov",
    "CR3": "inference.vcov",
    "sup_t_critical_value": "inference.bands",
    "uniform_bands": "inference.bands",
    "multiplier_bootstrap": "inference.bands",
    "wild_bootstrap": "inference.wild",
    "adjust_family": "inference.multiplicity",
    "Result": "inference.result",
    "Stacked": "estimators.stacked",
    "BaseYear": "designs.stacked",
    "EarlyBase": "designs.stacked",
    "LagAdjusted": "designs.stacked",
    "event_study": "inference.event_study",
    "Absorbing": "designs.absorbing",
    "CallawaySantAnna": "estimators.callaway_santanna",
    "SunAbraham": "estimators.sun_abraham",
    "DynamicTwoWay": "estimators.two_way",
    "Imputation": "estimators.imputation",
    "TwoStage": "estimators.two_stage",
    "ExtendedTwoWay": "estimators.extended_two_way",
    "RelativeMagnitudes": "diagnostics.trend_bounds",
    "Smoothness": "diagnostics.trend_bounds",
    "bacon_decomposition": "diagnostics.decomposition",
    "lead_equivalence": "diagnostics.equivalence",
    "passed_pretest": "diagnostics.pretrends",
    "pretrend_power": "diagnostics.pretrends",
    "sensitivity_to_trends": "diagnostics.sensitivity",
    "two_way_weights": "diagnostics.decomposition",
    "DistributedLags": "estimators.distributed_lags",
    "LocalProjections": "estimators.local_projections",
    "effects_by": "diagnostics.heterogeneity",
    "event_spread": "diagnostics.heterogeneity",
    "linear_model": "estimators.linear",
    "three_bases": "diagnostics.bases",
    "pooled_effect": "diagnostics.bases",
    "tenure_summary": "diagnostics.tenure",
    "tenure_hazards": "diagnostics.hazards",
    "find_stale_years": "diagnostics.stale",
    "swimlane": "diagnostics.swimlane",
    "cox": "estimators.cox",
    "kaplan_meier": "estimators.curves",
    "nelson_aalen": "estimators.curves",
}
_MODULES = {"datasets": "datasets", "readers": "records.readers"}

__all__ = ["__version__", *sorted(_HOMES), *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"churnstats.{_MODULES[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module 'churnstats' has no attribute {name!r}")
    value = getattr(import_module(f"churnstats.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
