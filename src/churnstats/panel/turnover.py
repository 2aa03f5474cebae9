"""Turnover of a yearly roster by group and year, without spells; transitions set to unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.panel.panel import Panel
from churnstats.records import cells
from churnstats.records.ingest import row_fault, to_pandas

Dating: TypeAlias = Literal["lag", "lead"]
DATINGS = ("lag", "lead")
CELL = ["unit", "year"]
TRANSITION = ["group", "from_year", "to_year", "reason"]


def roster_turnover(
    frame: Any,
    *,
    unit: str,
    leader: str,
    year: str,
    group: str | None = None,
    dating: Dating = "lag",
) -> pd.DataFrame:
    """Return the share of units whose leader changed from one year to the next, by group.

    Nothing is bridged and no spell is made: only two rows of one unit in consecutive years are
    compared. That is how published turnover tables are made, and how a roster must be looked at
    before its years are trusted.

    Parameters
    ----------
    frame : frame, str or Path
        One row a unit, year and leader.
    unit, leader, year : str
        Its columns. The years of the result are on the scale of the data.
    group : str, optional
        Column of the units' groups, such as the state; without it all are one group, ``"all"``.
    dating : {"lag", "lead"}
        Whether a transition bears its later year, or its earlier one.

    Returns
    -------
    DataFrame
        ``group, year, n_units, n_changed, turnover_share, coverage_share``: one row a group and
        year from its first to its last, also for years in between that it has no rows for.
        ``n_units`` were seen with a leader in both years of the transition, ``n_changed`` of
        them changed, and ``coverage_share`` is ``n_units`` over the units seen in the later
        year, with a leader or without. A share of nothing is NaN.

    Raises
    ------
    DataError
        Columns that are not there; rows without unit, year or group; a unit with two groups in
        a year.
    SpecError
        An unknown dating.

    Notes
    -----
    A unit counts as changed if somebody who led it in the earlier year does not in the later. A
    handover in which both names stand in one year counts once then, in the year in which the
    first of them is gone, and two lasting co-leaders count as no change. (To ask that no name
    be the same would never count such a handover; to ask that all be the same would count it
    twice.) A repeated row counts once, and a row without a leader only says that the unit was
    seen. A unit that moves between groups counts in the later year's.

    Examples
    --------
    >>> import pandas as pd
    >>> roster = pd.DataFrame({
    ...     "leaid": ["0100005"] * 3 + ["0100006"] * 3, "fall": [2017, 2018, 2019] * 2,
    ...     "name": ["Ames", "Ames", "Baker", "Cole", "Diaz", "Diaz"],
    ... })
    >>> table = roster_turnover(roster, unit="leaid", leader="name", year="fall")
    >>> table["turnover_share"].tolist()
    [nan, 0.5, 0.5]
    """
    if dating not in DATINGS:
        raise SpecError("dating", f"'{dating}' is no dating", how="'lag' or 'lead'")
    rows = _read(frame, {"unit": unit, "year": year, "group": group, "leader": leader})
    pairs = _pairs(rows)
    counts = pairs.groupby(["group", "to_year"], sort=False).agg(
        n_seen=("is_known", "size"), n_units=("is_known", "sum"), n_changed=("is_changed", "sum")
    )
    table = _every_year(rows)
    table["to_year"] = table["year"] + (dating == "lead")
    table = table.merge(counts.reset_index(), on=["group", "to_year"], how="left", validate="1:1")
    numbers = ["n_seen", "n_units", "n_changed"]
    table[numbers] = table[numbers].fillna(0).astype("int64")
    some, seen = table["n_units"].where(table["n_units"] > 0), table["n_seen"]
    table["turnover_share"] = table["n_changed"] / some
    table["coverage_share"] = table["n_units"] / seen.where(seen > 0)
    return table.drop(columns=["to_year", "n_seen"])


def _read(data: Any, columns: Mapping[str, str | None]) -> pd.DataFrame:
    """Return unit, year, group and leader in their types; rows repeat no other."""
    frame = to_pandas(data, "roster")
    absent = [c for c in columns.values() if c is not None and c not in frame.columns]
    if absent:
        shown = ", ".join(map(str, frame.columns[:30]))
        raise_faults(
            [
                Fault(
                    "missing_column",
                    "roster",
                    f"the data have no column {c}",
                    f"name another column; the data's columns are: {shown}",
                    0,
                )
                for c in absent
            ]
        )
    rows, faults = pd.DataFrame(index=frame.index), []
    for name, column in columns.items():
        if column is None:
            rows[name] = "all"
            continue
        raw, missing = frame[column], cells.is_missing(frame[column])
        if name == "year":
            rows[name], bad = cells.as_number(raw, missing, whole=True)
            faults += row_fault(
                "not_a_year",
                "roster",
                f"'{column}' must be a year",
                "correct these cells",
                frame,
                bad,
                (column,),
            )
        else:
            rows[name], _ = cells.as_text(raw, missing, is_id=False)
        if name != "leader":
            faults += row_fault(
                "missing_value",
                "roster",
                f"'{column}' is required and missing",
                "fill the cells, or take the rows out and say so",
                frame,
                missing,
                tuple(c for c in columns.values() if c is not None),
            )
    if not len(frame):
        faults.append(Fault("empty", "roster", "the table has no rows", "give at least one", 0))
    raise_faults(faults)
    several = rows.groupby(CELL)["group"].transform("nunique").to_numpy() > 1
    raise_faults(
        row_fault(
            "two_groups",
            "roster",
            "a unit has two groups in one year",
            "give each unit one group a year",
            rows,
            several,
            (*CELL, "group"),
        )
    )
    return rows.astype({"year": "int64"}).drop_duplicates(ignore_index=True)


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit and year in which it is seen: does one know if it changed, did it."""
    held = rows.dropna(subset="leader")[[*CELL, "leader"]]
    before = held.assign(year=held["year"] + 1)
    still = before.merge(held.assign(stays=True), on=[*CELL, "leader"], how="left")
    still["gone"] = still["stays"].isna()
    gone = still.groupby(CELL, sort=False)["gone"].any()
    seen = rows.drop_duplicates(CELL)[["group", *CELL]]
    keys = pd.MultiIndex.from_frame(seen[CELL])
    known = keys.isin(gone.index) & keys.isin(pd.MultiIndex.from_frame(held[CELL]))
    changed = gone.reindex(keys).eq(True).to_numpy(dtype=bool) & known
    seen = seen.rename(columns={"year": "to_year"})
    return seen.assign(is_known=np.asarray(known), is_changed=changed)


def _every_year(rows: pd.DataFrame) -> pd.DataFrame:
    """Return group and year, from the first year of each group to its last."""
    span = rows.groupby("group", sort=True)["year"].agg(["min", "max"])
    years = [np.arange(first, last + 1) for first, last in span.to_numpy()]
    return pd.DataFrame(
        {
            "group": np.repeat(span.index.to_numpy(), [y.size for y in years]),
            "year": np.concatenate(years),
        }
    ).astype({"group": "str"})


def mask_transitions(panel: Panel, transitions: pd.DataFrame, groups: Mapping[str, str]) -> Panel:
    """Return the panel with some transitions of whole groups set to unknown.

    Parameters
    ----------
    panel : Panel
    transitions : DataFrame
        ``group, from_year, to_year, reason``, such as `StaleYears.unknown_transitions` gives.
        The years are ``school_year_end``: turnover by fall has to be moved by one year before.
    groups : mapping of str to str
        The group of each unit.

    Returns
    -------
    Panel
        Its ``turnover_lag`` of the later year and ``turnover_lead`` of the earlier are missing
        for all units of the group; the ledger says how many known ones there were, by reason.
        The spells and the event ledger are as they were.

    Raises
    ------
    SpecError
        Units without a group; transitions of two years that do not follow each other; or
        transitions of which none is in the panel.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> one = pd.DataFrame({"group": ["all"], "from_year": [1998], "to_year": [1999],
    ...                     "reason": ["stale"]})
    >>> masked = mask_transitions(panel, one, dict.fromkeys(panel.frame["unit_id"], "all"))
    >>> masked.ledger.steps[-1].lost
    {'stale': 30}
    """
    frame = panel.frame.copy()
    group = frame["unit_id"].map(dict(groups))
    if group.isna().any():
        raise SpecError(
            "groups",
            "units have no group",
            where=sorted(set(frame.loc[group.isna(), "unit_id"])),
            how="give the mapping an entry for every unit of the panel",
        )
    if not (transitions["to_year"] - transitions["from_year"] == 1).all():
        raise SpecError("transitions", "to_year is not the year after from_year")
    reasons = transitions.drop_duplicates(["group", "to_year"]).astype({"group": "str"})
    reason = reasons.set_index(["group", "to_year"])["reason"]
    later = pd.MultiIndex.from_arrays([group.astype("str"), frame["school_year_end"]])
    sooner = pd.MultiIndex.from_arrays([group.astype("str"), frame["school_year_end"] + 1])
    if len(reason) and not (later.isin(reason.index) | sooner.isin(reason.index)).any():
        raise SpecError(
            "transitions",
            "none of the transitions is in the panel",
            where=[f"{g}, {y - 1} to {y}" for g, y in reason.index],
            how="are the years school_year_end, and the groups those of the units?",
        )
    known = frame["turnover_lag"].notna().to_numpy()
    why = pd.Series(reason.reindex(later).to_numpy())[known]
    lost = {str(r): int(n) for r, n in why.value_counts().sort_index().items()}
    frame["turnover_lag"] = frame["turnover_lag"].mask(later.isin(reason.index))
    frame["turnover_lead"] = frame["turnover_lead"].mask(sooner.isin(reason.index))
    ledger = panel.ledger.step(
        "transitions set to unknown",
        "known transitions",
        int(known.sum()),
        int(known.sum()) - sum(lost.values()),
        lost,
    )
    return replace(panel, frame=frame, ledger=ledger)
