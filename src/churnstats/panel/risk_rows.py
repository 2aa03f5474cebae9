"""Programs as start-stop rows, with what leaders did before each row began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.provenance import RowLedger
from churnstats.core.types import FloatArray
from churnstats.panel.exposure import observed_stretches
from churnstats.panel.panel import Panel
from churnstats.records.programs import Clock, Programs


@dataclass(frozen=True, eq=False)
class RiskRows:
    """Start-stop rows for survival models.

    Attributes
    ----------
    frame : DataFrame
        One row a program and school year at risk: ``program_id, unit_id, initiative_id,
        adoption_order, school_year_end, entry_years, exit_years`` (program age, missing where
        adoption was not seen), ``event, end_reason, sponsor_id, holder_id, champion_gone,
        years_since_change``. All that is said of leaders holds at the row's start.
    ledger : RowLedger
    """

    frame: pd.DataFrame
    ledger: RowLedger


def program_rows(programs: Programs, panel: Panel, clock: Clock = "formal") -> RiskRows:
    """Cut programs at the turns of school years and attach who led when each row began.

    A covariate is known at the start of its row, so no row can be explained by what happens
    during it: a champion who leaves within a school year is gone from the next row on. (To date
    a change inside the row in which the program ends would count time before the change as
    time after it: immortal time.)

    Parameters
    ----------
    programs : Programs
    panel : Panel
        Of the role whose leaders are the champions.
    clock : {"formal", "practice"}
        Whether the event is the formal end of the program or the end of its practice. Age counts
        from adoption on both. On the clock of practice, programs whose practice nobody watched,
        or that had none while they were observed, are left out and counted.

    Returns
    -------
    RiskRows
        ``champion_gone`` is 1 where the holder at the row's start is not the sponsor, also
        where the post stands empty, and missing where nobody looked, there is no sponsor, or the
        sponsor's role is another than the panel's.
        ``years_since_change`` is the time since the holder's start, missing where that is
        unknown.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> rows = cs.program_rows(data.programs, cs.Panel.build(data.tenures))
    >>> int(rows.frame["event"].sum())
    9950
    """
    known = programs.frame["unit_id"].isin(panel.frame["unit_id"]).to_numpy()
    spells = programs.spells(clock)
    ledger = programs.ledger.step(
        "programs of units in the panel",
        "programs",
        len(spells),
        int(known.sum()),
        {"of units without a tenure record": int((~known).sum())},
    )
    table = spells[known]
    if clock == "practice":
        table, ledger = _practised(table, ledger)
    rows = _yearly(table.reset_index(drop=True))
    begin = rows["begin"].to_numpy(dtype=float)
    adopted = rows["start"].mask(rows["left_censored"].astype(bool))
    holder = _holder_at(panel.spells, rows["unit_id"], begin)
    sponsor = rows["sponsor_id"]
    gone = pd.Series(holder["leader_id"].to_numpy() != sponsor.to_numpy(), dtype="Float64")
    other_post = rows["sponsor_role"].notna() & (rows["sponsor_role"] != panel.role)
    unknown = sponsor.isna().to_numpy() | ~holder["observed"].to_numpy() | other_post.to_numpy()
    frame = pd.DataFrame(
        {
            "program_id": rows["program_id"],
            "unit_id": rows["unit_id"],
            "initiative_id": rows["initiative_id"],
            "adoption_order": rows["adoption_order"],
            "school_year_end": rows["school_year_end"],
            "entry_years": np.round(begin - adopted, 9),
            "exit_years": np.round(rows["end"] - adopted, 9),
            "event": rows["event"],
            "end_reason": rows["end_reason"].where(rows["event"] == 1),
            "sponsor_id": sponsor,
            "holder_id": holder["leader_id"],
            "champion_gone": gone.mask(pd.Series(unknown)).astype(float),
            "years_since_change": begin - holder["start"].to_numpy(dtype=float),
        }
    )
    return RiskRows(frame, ledger.step("risk rows", "program-years", len(frame), len(frame)))


def _practised(table: pd.DataFrame, ledger: RowLedger) -> tuple[pd.DataFrame, RowLedger]:
    """Return the programs that were practised under observation."""
    watched = table["stop"].notna().to_numpy()
    at_risk = (table["stop"] > table["entry"] + CLOCK).to_numpy()
    return table[at_risk], ledger.step(
        "programs practised under observation",
        "programs",
        len(table),
        int(at_risk.sum()),
        {
            "whose practice nobody watched": int((~watched).sum()),
            "without practice under observation": int((watched & ~at_risk).sum()),
        },
    )


def _yearly(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a program and school year between entry and stop."""
    entry, stop = table["entry"].to_numpy(dtype=float), table["stop"].to_numpy(dtype=float)
    first = np.floor(entry + CLOCK).astype(np.int64)
    count = np.ceil(stop - CLOCK).astype(np.int64) - first
    row = np.repeat(np.arange(len(table)), count)
    year = first[row] + np.arange(row.size) - np.repeat(np.cumsum(count) - count, count)
    rows = table.iloc[row].reset_index(drop=True)
    end = np.minimum(stop[row], year + 1.0)
    ended = (end >= stop[row] - CLOCK) & ~rows["right_censored"].to_numpy(dtype=bool)
    return rows.assign(
        school_year_end=year,
        begin=np.maximum(entry[row], year),
        end=end,
        event=ended.astype("int64"),
    )


def _holder_at(spells: pd.DataFrame, unit: pd.Series, time: FloatArray) -> pd.DataFrame:
    """Return leader_id and start of the spell that holds at each time, and whether one looked."""
    asked = pd.DataFrame({"unit_id": unit.to_numpy(), "time": time, "row": np.arange(time.size)})
    asked = asked.sort_values("time", kind="stable")

    def latest(table: pd.DataFrame, since: str) -> pd.DataFrame:
        begun = table.assign(from_=table[since] - CLOCK).sort_values("from_", kind="stable")
        found = pd.merge_asof(asked, begun, left_on="time", right_on="from_", by="unit_id")
        return found.sort_values("row", ignore_index=True)

    columns = ["unit_id", "leader_id", "start", "stop", "entry", "left_censored"]
    spell = latest(spells[columns], "entry")
    stretch = latest(observed_stretches(spells), "first")
    holds = (spell["stop"] > spell["time"] + CLOCK).to_numpy()
    known = ~spell["left_censored"].eq(True).to_numpy(dtype=bool)
    return pd.DataFrame(
        {
            "leader_id": spell["leader_id"].where(holds),
            "start": spell["start"].where(holds & known),
            "observed": (stretch["last"] > stretch["time"] + CLOCK).to_numpy(),
        }
    )
