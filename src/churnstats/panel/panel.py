"""The panel: one row a unit and school year, and the event ledger."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING

import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import SpecError, require_types
from churnstats.core.provenance import RowLedger
from churnstats.display.flow import flow_figure
from churnstats.panel.events import (
    EVENT_RULES,
    EventRules,
    count_moves,
    event_ledger,
    turnover_flags,
)
from churnstats.panel.exposure import (
    columns_before_tests,
    exposures,
    holders,
    holders_by_year,
    interim_columns,
    observed_stretches,
    places,
)
from churnstats.panel.joins import Join, UnknownUnits, join_outcomes, join_panel
from churnstats.panel.origins import successor_origins
from churnstats.panel.shares import principals
from churnstats.panel.stays import require_records
from churnstats.records.before_tests import BeforeTests, GivenDates, before_tests
from churnstats.records.outcomes import Outcomes
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        elapsed_tenure_years, is_interim, interim_share, n_entries, n_exits, turnover_lead,
        turnover_lag``; with a test date ``exposure_share_tested, tested_leader_id,
        tested_leader_share, vacancy_share_tested, observed_share_tested``, of the stretch from
        the start of the year to its tests; then for each measure m the columns ``m,
        m_std_error, m_n_obs``, missing where there is no outcome. A year in which nobody looked,
        between a right-censored and a left-censored spell, has no row.
    events : DataFrame
        One row a change of leader, numbered, with the rows of the source of both sides.
    exposure : DataFrame
        One row a spell and school year, with the share of the year that it covers, and of the
        stretch before the tests.
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
    matches : DataFrame, optional
        ``join, side, reason, n`` of all joins, outcomes among them: what found a partner, and
        why the rest has none.
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
    matches: pd.DataFrame | None = None

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
        test_date: GivenDates | None = None,
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
        test_date : str, mapping, frame or path, optional
            The day of the yearly tests, ``"04-15"``: who led before it is told then. By the
            ``group_id`` of the tenures ``{"MO": "04-15", "IN": "03-01"}``; or a table of
            ``school_year_end, test_date``, and ``unit_id`` or ``group_id`` where dates differ by
            place. A year without a date had no tests.

        Returns
        -------
        Panel

        Raises
        ------
        DataError
            Outcomes of unknown units; test dates outside their school years.
        SpecError
            A role that is not there or not named; a test date that is no day of the year.

        Examples
        --------
        >>> import churnstats as cs
        >>> data = cs.datasets.load_mlb()
        >>> panel = cs.Panel.build(data.tenures, data.outcomes)
        >>> len(panel.frame), len(panel.events)
        (2556, 962)
        """
        require_records(tenures, units)
        how = "give Outcomes.from_frame(frame)"
        require_types({"outcomes": (outcomes, (Outcomes, NoneType), how)})
        if unknown_units not in ("error", "drop"):
            what = f"'{unknown_units}' is no rule"
            raise SpecError("unknown_units", what, how="'error' or 'drop'")
        spells, calendar = tenures.for_role(role), tenures.calendar
        tests = None if test_date is None else before_tests(test_date, spells, calendar)
        line = principals(spells)
        frame, exposure = _years_led(spells, line, tests)
        numbered = _with_source_rows(spells, tenures)
        events = event_ledger(numbered, calendar=calendar, rules=event_rules)
        events = successor_origins(events, tenures.frame, units=units, rules=event_rules)
        ledger = tenures.ledger.step(
            f"spells of role {spells['role'].iloc[0]}",
            "spells",
            len(tenures.frame),
            len(spells),
            {"of other roles": len(tenures.frame) - len(spells)},
        )
        ledger = ledger.step("panel", "unit-years", len(frame), len(frame))
        role = str(spells["role"].iloc[0])
        panel = cls(frame, events, exposure, spells, line, role, (), ledger)
        return panel if outcomes is None else join_outcomes(panel, outcomes, unknown_units)

    def join(self, *joins: Join) -> Panel:
        """Put declared tables on the panel, one after the other; see `join_panel`.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
        >>> clubs = pd.DataFrame({"unit_id": ["BOS", "NYY"], "east": True})
        >>> joined = panel.join(cs.Join(clubs, on=("unit_id",), relation="m:1", name="clubs"))
        >>> joined.matches["n"].tolist()
        [240, 2316, 2]
        """
        panel = self
        for join in joins:
            panel = join_panel(panel, join)
        return panel

    def holders_by_year(self) -> pd.DataFrame:
        """Return one row a unit, school year and holder, vacant and unobserved time among them.

        Returns
        -------
        DataFrame
            ``unit_id, school_year_end, state, leader_id, exposure_share`` and, with a test date,
            ``exposure_share_tested``. The state is "led", by one leader a row, "vacant" or
            "unobserved"; ``leader_id`` is missing in the last two. Shares of a unit and year add
            up to one, of the stretch before the tests where there were any.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> spells = pd.DataFrame({"unit_id": "1", "leader_id": ["a", "b"],
        ...                        "start": [2010.0, 2010.75], "stop": [2010.5, 2011.0]})
        >>> panel = cs.Panel.build(cs.Tenures.from_spells(spells, role="principal"))
        >>> panel.holders_by_year()[["state", "leader_id", "exposure_share"]].to_numpy().tolist()
        [['led', 'a', 0.5], ['led', 'b', 0.25], ['vacant', nan, 0.25]]
        """
        return holders_by_year(self.frame, self.exposure)

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


def _years_led(
    spells: pd.DataFrame, line: pd.DataFrame, tests: BeforeTests | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the panel of spells and of those of principals, and the exposure behind it."""
    exposure, observed = exposures(spells, tests), observed_stretches(line)
    frame = holders(exposure, observed)
    parts = [frame, interim_columns(frame, exposure)]
    if tests is not None:
        parts.append(columns_before_tests(frame, exposure, observed, tests))
        seen = (parts[-1]["observed_share_tested"] > CLOCK).to_numpy()[places(frame, exposure)]
        exposure["exposure_share_tested"] = exposure["exposure_share_tested"].where(seen)
    frame = pd.concat(parts, axis=1).merge(count_moves(spells), on=KEY, how="left", validate="1:1")
    moves = ["n_entries", "n_exits"]
    frame[moves] = frame[moves].fillna(0).astype("int64")
    return pd.concat([frame, turnover_flags(frame)], axis=1), exposure


def _with_source_rows(spells: pd.DataFrame, tenures: Tenures) -> pd.DataFrame:
    """Return spells with the rows of the source that they are made of, unless they name some."""
    if "source_rows" in spells.columns:
        return spells
    return spells.assign(source_rows=tenures.made_of.texts(spells["spell_id"]))
