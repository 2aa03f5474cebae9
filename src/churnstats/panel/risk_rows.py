"""Programs as start-stop rows, with what leaders did before each row began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.provenance import RowLedger
from churnstats.core.types import FloatArray, IntArray
from churnstats.numerics.groups import count_up
from churnstats.panel.exposure import observed_stretches
from churnstats.panel.panel import Panel
from churnstats.panel.shares import stays_in_post
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
        years_since_change, elapsed_tenure_years, n_changes, age_at_change_years,
        n_other_programs``. All that is said of leaders and of other programs holds at the row's
        start.
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
        unknown; ``elapsed_tenure_years`` is the time since the start of the holder's spell, which
        began earlier where the holder shared the post before it became theirs.
        ``n_changes`` counts the changes of leader after the adoption and up to the row's start,
        and ``age_at_change_years`` is the program's age at the last of them, missing where there
        was none or its date is not known. Both are missing where adoption was not seen or the
        post was not watched all the time since.
        ``n_other_programs`` counts the other programs of the unit that formally run and are under
        observation, on either clock.

    Notes
    -----
    Values come from what began or ended up to the row's start. Whether an empty post counts as
    watched rests on the records going on: it does if a later spell begins in sight, and after the
    last spell of a unit nobody is known to have looked.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> rows = cs.program_rows(data.programs, cs.Panel.build(data.tenures))
    >>> int(rows.frame["event"].sum())
    9950
    """
    known = programs.frame["unit_id"].isin(panel.frame["unit_id"].unique()).to_numpy()
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
    rows = yearly(table.reset_index(drop=True))
    begin = rows["begin"].to_numpy(dtype=float)
    adopted = rows["start"].mask(rows["left_censored"].astype(bool))
    holder = holder_at(panel, rows["unit_id"], begin)
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
            "sponsor_id": rows["sponsor_id"],
            "holder_id": holder["leader_id"],
            "champion_gone": champion_gone(rows, holder, panel.role),
            "years_since_change": begin - holder["start"].to_numpy(dtype=float),
            "elapsed_tenure_years": begin - holder["spell_start"].to_numpy(dtype=float),
            **_changes_since(panel.events, rows["unit_id"], adopted, begin, holder),
            "n_other_programs": _others(programs.frame, rows, begin),
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


def yearly(table: pd.DataFrame) -> pd.DataFrame:
    """Cut spells at the turns of school years.

    Parameters
    ----------
    table : DataFrame
        Spells with entry, stop and right_censored.

    Returns
    -------
    DataFrame
        One row a spell and school year between entry and stop: its columns and
        ``school_year_end, begin, end, event``; ``event`` is 1 where the spell ends in the row.
    """
    entry, stop = table["entry"].to_numpy(dtype=float), table["stop"].to_numpy(dtype=float)
    first = np.floor(entry + CLOCK).astype(np.int64)
    count = np.ceil(stop - CLOCK).astype(np.int64) - first
    row, year = count_up(first, count)
    rows = table.iloc[row].reset_index(drop=True)
    end = np.minimum(stop[row], year + 1.0)
    ended = (end >= stop[row] - CLOCK) & ~rows["right_censored"].to_numpy(dtype=bool)
    return rows.assign(
        school_year_end=year,
        begin=np.maximum(entry[row], year),
        end=end,
        event=ended.astype("int64"),
    )


def holder_at(panel: Panel, unit: pd.Series, time: FloatArray) -> pd.DataFrame:
    """Return who holds the post of each unit at each time.

    Parameters
    ----------
    panel : Panel
    unit, time : Series, array
        As many units as times.

    Returns
    -------
    DataFrame
        ``leader_id, start`` (since when they are the holder), ``spell_start``, both missing where
        unknown, ``observed`` (whether one looked) and ``observed_since``.
    """
    units = unit.astype("str").array
    asked = pd.DataFrame({"unit_id": units, "time": time, "row": np.arange(time.size)})
    asked = asked.sort_values("time", kind="stable")

    def latest(table: pd.DataFrame, since: str) -> pd.DataFrame:
        begun = table.assign(from_=table[since] - CLOCK).sort_values("from_", kind="stable")
        found = pd.merge_asof(asked, begun, left_on="time", right_on="from_", by="unit_id")
        return found.sort_values("row", ignore_index=True)

    spells = panel.principals
    led = stays_in_post(spells)
    spells = spells.assign(start=led.start, left_censored=led.left_censored)
    columns = ["unit_id", "leader_id", "spell_id", "start", "stop", "entry", "left_censored"]
    spell = latest(spells[columns], "entry")
    stretch = latest(observed_stretches(panel.principals), "first")
    holds = (spell["stop"] > spell["time"] + CLOCK).to_numpy()
    known = ~spell["left_censored"].eq(True).to_numpy(dtype=bool)
    stay = stays_in_post(panel.spells)
    begun = pd.Series(np.where(stay.left_censored, np.nan, stay.start), panel.spells["spell_id"])
    observed = (stretch["last"] > stretch["time"] + CLOCK).to_numpy()
    return pd.DataFrame(
        {
            "leader_id": spell["leader_id"].where(holds),
            "start": spell["start"].where(holds & known),
            "spell_start": spell["spell_id"].map(begun).where(holds),
            "observed": observed,
            "observed_since": stretch["first"].where(observed),
        }
    )


def champion_gone(rows: pd.DataFrame, holder: pd.DataFrame, role: str) -> pd.Series:
    """Return 1 where the sponsor does not hold the post, 0 where they do, else missing.

    Parameters
    ----------
    rows : DataFrame
        Programs with sponsor_id and sponsor_role.
    holder : DataFrame
        From `holder_at`, row by row.
    role : str
        The post.
    """
    sponsor = rows["sponsor_id"]
    gone = pd.Series(holder["leader_id"].to_numpy() != sponsor.to_numpy(), dtype="Float64")
    other_post = rows["sponsor_role"].notna() & (rows["sponsor_role"] != role)
    unknown = sponsor.isna().to_numpy() | ~holder["observed"].to_numpy() | other_post.to_numpy()
    return gone.mask(pd.Series(unknown)).astype(float)


def _changes_since(
    events: pd.DataFrame,
    unit: pd.Series,
    adopted: pd.Series,
    begin: FloatArray,
    holder: pd.DataFrame,
) -> dict[str, pd.Series]:
    """Return how many changes lie between adoption and each row's start, and age at the last."""
    order = events.sort_values(["unit_id", "start"], kind="stable", ignore_index=True)
    units = pd.Index(order["unit_id"].unique())
    of_event, of_row = units.get_indexer(order["unit_id"]), units.get_indexer(unit)
    time = order["start"].to_numpy(dtype=float)
    upto = _n_upto(of_event, time, of_row, begin)
    before = _n_upto(of_event, time, of_row, adopted.fillna(-np.inf).to_numpy(dtype=float))
    watched = (holder["observed_since"] <= adopted + CLOCK).to_numpy(dtype=bool)
    some = watched & (upto > before)
    at = np.where(some, np.searchsorted(of_event, of_row) + upto - 1, -1)
    last = order["start"].where(order["is_date_known"]).reindex(at).reset_index(drop=True)
    return {
        "n_changes": pd.Series(upto - before).astype("Int64").where(watched),
        "age_at_change_years": (last - adopted).round(9),
    }


def _others(programs: pd.DataFrame, rows: pd.DataFrame, begin: FloatArray) -> IntArray:
    """Return how many programs of the unit run at each row's start, without the row's own."""
    units = pd.Index(programs["unit_id"].unique())
    of_program, of_row = (units.get_indexer(t["unit_id"]) for t in (programs, rows))
    begun, ended = (
        _n_upto(of_program, programs[c].to_numpy(dtype=float), of_row, begin)
        for c in ("entry", "stop")
    )
    own_stop = rows["program_id"].map(programs.set_index("program_id")["stop"]).astype(float)
    return np.asarray(begun - ended - (own_stop > begin + CLOCK).to_numpy(dtype=np.int64))


def _n_upto(
    group: IntArray, time: FloatArray, asked_group: IntArray, asked: FloatArray
) -> IntArray:
    """Return how many times of its group lie at or before each time that is asked for."""
    n = group.size
    groups, times = np.r_[group, asked_group], np.r_[time, asked + CLOCK]
    is_asked = np.arange(groups.size) >= n
    order = np.lexsort([is_asked, times, groups])
    upto = np.empty(order.size, dtype=np.int64)
    upto[order] = np.cumsum(~is_asked[order])
    return np.asarray(upto[n:] - np.searchsorted(np.sort(group), asked_group))
