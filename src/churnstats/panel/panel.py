"""The panel: one row a unit and school year, and the event ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.display.flow import flow_figure
from churnstats.panel.events import (
    EVENT_RULES,
    EventRules,
    count_moves,
    event_ledger,
    turnover_flags,
)
from churnstats.panel.exposure import exposures, holders, observed_stretches
from churnstats.panel.origins import successor_origins
from churnstats.panel.shares import principals
from churnstats.records.ingest import row_fault
from churnstats.records.outcomes import Outcomes
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UnknownUnits = Literal["error", "drop"]
KEY = ["unit_id", "school_year_end"]


@dataclass(frozen=True, eq=False)
class Panel:
    """Who led each unit in each school year, what changed, and what was measured.

    Made by `build`.

    Attributes
    ----------
    frame : DataFrame
        One row a unit and school year under observation: ``unit_id, school_year_end, leader_id,
        spell_id, exposure_share, vacancy_share, observed_share, n_leaders,
        elapsed_tenure_years, n_entries, n_exits, turnover_lead, turnover_lag``, then for each
        measure m the columns ``m, m_std_error, m_n_obs``, missing where there is no outcome.
        A year in which nobody looked, between a right-censored and a left-censored spell, has no
        row.
    events : DataFrame
        One row a change of leader, numbered.
    exposure : DataFrame
        One row a spell and school year, with the share of the year that it covers.
    spells : DataFrame
        The spells of the role.
    principals : DataFrame
        The same without overlaps: of several leaders of one post whoever has the largest share,
        of equal ones who began first. Changes of leader are changes of the principal.
    role : str
    measures : tuple of str
    ledger : RowLedger
    masked : DataFrame, optional
        ``unit_id, school_year_end`` of years into which the transition was set to unknown: no
        window of years may hold one.
    """

    frame: pd.DataFrame
    events: pd.DataFrame
    exposure: pd.DataFrame
    spells: pd.DataFrame
    principals: pd.DataFrame
    role: str
    measures: tuple[str, ...]
    ledger: RowLedger
    masked: pd.DataFrame | None = None

    @classmethod
    def build(
        cls,
        tenures: Tenures,
        outcomes: Outcomes | None = None,
        *,
        role: str | None = None,
        unknown_units: UnknownUnits = "error",
        units: Units | None = None,
        event_rules: EventRules = EVENT_RULES,
    ) -> Panel:
        """Build the panel of one role.

        Parameters
        ----------
        tenures : Tenures
        outcomes : Outcomes, optional
            Joined by unit and school year; many measures become columns.
        role : str, optional
            Needed if the tenures hold several.
        unknown_units : {"error", "drop"}
            What outcomes of units without a tenure record are: a fault, or rows to leave out
            and count.
        units : Units, optional
            What units belong to: a successor from the unit's parent is internal then.
        event_rules : EventRules
            What summer, planned, the types of exits and successors from outside are.

        Returns
        -------
        Panel

        Raises
        ------
        DataError
            Outcomes of unknown units.
        SpecError
            A role that is not there or not named.

        Examples
        --------
        >>> import churnstats as cs
        >>> data = cs.datasets.load_mlb()
        >>> panel = cs.Panel.build(data.tenures, data.outcomes)
        >>> len(panel.frame), len(panel.events)
        (2556, 962)
        """
        spells = tenures.for_role(role)
        line = principals(spells)
        exposure = exposures(spells)
        frame = holders(exposure, observed_stretches(line))
        moves = count_moves(spells)
        frame = frame.merge(moves, on=KEY, how="left", validate="1:1")
        frame[["n_entries", "n_exits"]] = frame[["n_entries", "n_exits"]].fillna(0).astype("int64")
        frame = pd.concat([frame, turnover_flags(frame)], axis=1)
        events = event_ledger(spells, calendar=tenures.calendar, rules=event_rules)
        events = successor_origins(events, tenures.frame, units=units, rules=event_rules)
        ledger = tenures.ledger.step(
            f"spells of role {spells['role'].iloc[0]}",
            "spells",
            len(tenures.frame),
            len(spells),
            {"of other roles": len(tenures.frame) - len(spells)},
        )
        ledger = ledger.step("panel", "unit-years", len(frame), len(frame))
        measures: tuple[str, ...] = ()
        if outcomes is not None:
            frame, step = _join(frame, outcomes, unknown_units)
            measures, ledger = outcomes.measures, ledger + outcomes.ledger + step
        return cls(
            frame,
            events,
            exposure,
            spells,
            line,
            str(spells["role"].iloc[0]),
            measures,
            ledger,
        )

    def flow(self) -> pd.DataFrame:
        """Return the row ledger: step, unit, n_in, reason, n_lost, n_out."""
        return self.ledger.frame()

    def plot_flow(self, title: str = "") -> Figure:
        """Draw the row ledger from top to bottom, with what was left out and why."""
        return flow_figure(self.ledger, title)

    def __repr__(self) -> str:
        f = self.frame
        return (
            f"<Panel of role {self.role}: {len(f):,} unit-years, "
            f"{f['unit_id'].nunique():,} units, {len(self.events):,} changes>"
        )


def _join(
    frame: pd.DataFrame, outcomes: Outcomes, unknown_units: UnknownUnits
) -> tuple[pd.DataFrame, RowLedger]:
    if unknown_units not in ("error", "drop"):
        raise SpecError("unknown_units", f"'{unknown_units}' is no rule", how="'error' or 'drop'")
    table = outcomes.frame
    known = table["unit_id"].isin(frame["unit_id"]).to_numpy()
    if unknown_units == "error":
        raise_faults(
            row_fault(
                "unknown_unit",
                "outcomes",
                "units have no tenure record",
                "correct the unit ids (lost leading zeros?), or set unknown_units='drop'",
                table,
                ~known,
                tuple(KEY),
            )
        )
    made = pd.Index([c for m in outcomes.measures for c in _columns(m)])
    clash = sorted({*made[made.duplicated()], *made.intersection(frame.columns)})
    if clash:
        raise SpecError(
            "measure_name",
            "measures give the panel two columns of one name",
            where=clash,
            how="rename the measures",
        )
    pairs = pd.MultiIndex.from_frame(frame[KEY])
    years = pd.MultiIndex.from_frame(table[KEY].astype({"school_year_end": "int64"}))
    inside = np.asarray(years.isin(pairs))
    kept = table[inside].astype({"school_year_end": "int64"})
    for measure in outcomes.measures:
        part = kept[kept["measure"] == measure]
        names = dict(zip(("estimate", "std_error", "n_obs"), _columns(measure), strict=True))
        part = part[[*KEY, *names]].rename(columns=names)
        frame = frame.merge(part, on=KEY, how="left", validate="1:1")
    step = RowLedger().step(
        "outcomes joined to the panel",
        "outcome rows",
        len(table),
        int(inside.sum()),
        {
            "of units without a tenure record": int((~known).sum()),
            "in years in which no tenure of the unit is observed": int((known & ~inside).sum()),
        },
    )
    return frame, step


def _columns(measure: str) -> tuple[str, str, str]:
    return measure, f"{measure}_std_error", f"{measure}_n_obs"
