"""Turnover by group and year, of a roster or a panel; transitions set to unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

import pandas as pd

from churnstats.core.calendar import SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.issues import raise_faults
from churnstats.core.types import Columns
from churnstats.panel.events import undated
from churnstats.panel.panel import Panel
from churnstats.records.ingest import conform, row_fault, source_name
from churnstats.schemas.contract import load_contract

Dating: TypeAlias = Literal["lag", "lead"]
DATINGS = ("lag", "lead")
CELL = ["unit_id", "school_year_end"]
TRANSITION = ["group", "from_year", "to_year", "reason"]
ALL = "all"


def turnover_by_group(
    data: Any,
    *,
    columns: Columns = None,
    role: str | None = None,
    groups: Mapping[str, str] | None = None,
    dating: Dating = "lag",
) -> pd.DataFrame:
    """Return the share of units whose leader changed from one year to the next, by group.

    Nothing is bridged and no spell is made of a roster: only two rows of one unit in consecutive
    years are compared. That is how published turnover tables are made, and how a roster must be
    looked at before its years are trusted.

    Parameters
    ----------
    data : Panel, frame or path
        A panel, whose own flags are counted, or a roster with columns as in
        data_dictionary/roster.md.
    columns : mapping or path, optional
        Contract name to name in the data, for columns of a roster with other names.
    role : str, optional
        Needed if a roster has several.
    groups : mapping of str to str, optional
        The group of each unit, such as its state. By default the column ``group_id`` of the
        roster, or of the panel's spells, and one group, ``"all"``, where there is none.
    dating : {"lag", "lead"}
        Whether a transition bears its later year, or its earlier one.

    Returns
    -------
    DataFrame
        ``group, school_year_end, n_units, n_changed, turnover_share, coverage_share``: one row a
        group and year from its first to its last, also for years in between that it has no rows
        for. ``n_units`` were seen with a leader in both years of the transition, ``n_changed`` of
        them changed, and ``coverage_share`` is ``n_units`` over the units seen in the year, with
        a leader or without. A share of nothing is NaN.

    Raises
    ------
    DataError
        Columns that are not there, cells that cannot be read, rows without unit, year or group,
        a unit with two groups in a year.
    SpecError
        An unknown dating or role, several roles of which none is named, units without a group.

    Notes
    -----
    A unit counts as changed if somebody who led it in the earlier year does not in the later. A
    handover in which both names stand in one year counts once then, in the year in which the
    first of them is gone, and two lasting co-leaders count as no change. (To ask that no name
    be the same would never count such a handover; to ask that all be the same would count it
    twice.) A repeated row counts once, and a row without a leader, or of a vacant post, only says
    that the unit was seen. A panel has one holder a year, so that the two ways agree wherever a
    roster names one person a cell.

    Examples
    --------
    >>> import churnstats as cs
    >>> panel = cs.Panel.build(cs.datasets.load_mlb().tenures)
    >>> turnover_by_group(panel).tail(2)["n_changed"].tolist()
    [7, 10]

    >>> import pandas as pd
    >>> roster = pd.DataFrame({
    ...     "leaid": ["0100005"] * 3 + ["0100006"] * 3, "spring": [2017, 2018, 2019] * 2,
    ...     "leader_id": ["p1", "p1", "p2", "p3", "p4", "p4"], "group_id": "AL",
    ... })
    >>> table = turnover_by_group(
    ...     roster, columns={"unit_id": "leaid", "school_year_end": "spring"})
    >>> table["turnover_share"].tolist()
    [nan, 0.5, 0.5]
    """
    if dating not in DATINGS:
        raise SpecError("dating", f"'{dating}' is no dating", how="'lag' or 'lead'")
    if isinstance(data, Panel):
        rows = _panel_rows(data, role)
        groups = _panel_groups(data) if groups is None else groups
    else:
        rows = _roster_rows(data, columns, role, with_groups=groups is None)
    if groups is not None:
        rows["group"] = _group_of(rows["unit_id"], groups)
    flag = rows[f"turnover_{dating}"]
    marks = rows[["group", "school_year_end"]].assign(
        n_seen=1, n_units=flag.notna().astype("int64"), n_changed=flag.fillna(False).astype("int64")
    )
    counts = marks.groupby(["group", "school_year_end"]).sum()
    counts = counts.reindex(_every_year(rows), fill_value=0).reset_index()
    n, seen = counts["n_units"], counts.pop("n_seen")
    counts["turnover_share"] = counts["n_changed"] / n.where(n > 0)
    counts["coverage_share"] = n / seen.where(seen > 0)
    return counts.astype({"group": "str"})


def _panel_rows(panel: Panel, role: str | None) -> pd.DataFrame:
    """Return unit, year and both flags of a panel."""
    if role not in (None, panel.role):
        raise SpecError("role", f"the panel's role is '{panel.role}', and not '{role}'")
    return panel.frame[[*CELL, "turnover_lag", "turnover_lead"]].copy()


def _panel_groups(panel: Panel) -> dict[str, str]:
    """Return the group of each unit by the panel's spells; all are of one if these have none."""
    spells = panel.spells
    if "group_id" not in spells.columns or spells["group_id"].isna().all():
        return dict.fromkeys(spells["unit_id"], ALL)
    pairs = spells[["unit_id", "group_id"]].dropna().drop_duplicates()
    moved = pairs["unit_id"].duplicated()
    if moved.any():
        raise SpecError(
            "groups",
            "units have several groups in the course of time",
            where=sorted(set(pairs.loc[moved, "unit_id"])),
            how="give each unit one group: groups=",
        )
    return dict(zip(pairs["unit_id"], pairs["group_id"], strict=True))


def _roster_rows(data: Any, columns: Columns, role: str | None, with_groups: bool) -> pd.DataFrame:
    """Return one row a unit and year of a roster: its group and both flags."""
    made = conform(data, load_contract("roster"), columns, SchoolCalendar())
    raise_faults(made.faults, source_name(data))
    frame = _of_role(made.frame, role)
    source = made.source.loc[frame.index]
    frame["leader_id"] = frame["leader_id"].mask(frame["vacant"].fillna(False).astype(bool))
    faults = []
    if with_groups and frame["group_id"].notna().any():
        frame["group"] = frame["group_id"]
        how = "fill the cells, or give the groups of all units: groups="
        bad = frame["group"].isna().to_numpy()
        shown = (*CELL, "group_id")
        faults += row_fault(
            "missing_value", "roster", "rows have no group", how, source, bad, shown
        )
        several = frame.groupby(CELL)["group"].transform("nunique").to_numpy() > 1
        how = "give each unit one group a year"
        faults += row_fault(
            "two_groups", "roster", "a unit has two groups in one year", how, source, several, shown
        )
    else:
        frame["group"] = ALL
    raise_faults(faults, source_name(data))
    rows = frame[[*CELL, "group", "leader_id"]].astype({"school_year_end": "int64"})
    return _flags(rows.drop_duplicates())


def _of_role(frame: pd.DataFrame, role: str | None) -> pd.DataFrame:
    """Return the rows of one role; all if the roster names none."""
    roles = sorted(frame["role"].dropna().unique())
    if role is None and len(roles) > 1:
        raise SpecError("role", "there are several roles", where=roles, how="name one: role=")
    if role is None or not roles:
        return frame.copy()
    if role not in roles:
        raise SpecError("role", f"no row has the role '{role}'", where=roles)
    return frame[frame["role"] == role].copy()


def _flags(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a unit and year in which it is seen, with turnover_lag and turnover_lead."""
    held = rows.dropna(subset="leader_id")[[*CELL, "leader_id"]]
    before = held.assign(school_year_end=held["school_year_end"] + 1)
    still = before.merge(held.assign(stays=True), on=[*CELL, "leader_id"], how="left")
    gone = still["stays"].isna().groupby([still[c] for c in CELL], sort=False).any()
    seen = rows.drop_duplicates(CELL)[["group", *CELL]].sort_values(CELL, ignore_index=True)
    keys = pd.MultiIndex.from_frame(seen[CELL])
    known = keys.isin(gone.index) & keys.isin(pd.MultiIndex.from_frame(held[CELL]))
    lag = pd.array(gone.reindex(keys).eq(True).to_numpy(dtype=bool), dtype="boolean")
    lag[~known] = pd.NA
    seen["turnover_lag"] = lag
    # what is known of a year looks back on the row before, since rows are sorted
    seen["turnover_lead"] = seen["turnover_lag"].shift(-1)
    return seen


def _every_year(rows: pd.DataFrame) -> pd.MultiIndex:
    """Return group and year, from the first year of each group to its last."""
    span = rows.groupby("group", sort=True)["school_year_end"].agg(["min", "max"])
    pairs = [(g, y) for g, a, b in span.itertuples() for y in range(a, b + 1)]
    return pd.MultiIndex.from_tuples(pairs, names=["group", "school_year_end"])


def _group_of(unit_id: pd.Series, groups: Mapping[str, str]) -> pd.Series:
    """Return the group of each unit, as text; every unit must have one."""
    group = unit_id.map(dict(groups))
    if group.isna().any():
        raise SpecError(
            "groups",
            "units have no group",
            where=sorted(set(unit_id[group.isna()])),
            how="give the mapping an entry for every unit",
        )
    return group.astype("str")


def mask_transitions(
    panel: Panel, transitions: pd.DataFrame, groups: Mapping[str, str] | None = None
) -> Panel:
    """Return the panel with some transitions of whole groups set to unknown.

    Parameters
    ----------
    panel : Panel
    transitions : DataFrame
        ``group, from_year, to_year, reason``, such as `StaleYears.unknown_transitions` gives; the
        years are ``school_year_end``.
    groups : mapping of str to str, optional
        The group of each unit; by default as for `turnover_by_group`.

    Returns
    -------
    Panel
        Its ``turnover_lag`` of the later year and ``turnover_lead`` of the earlier are missing
        for all units of the group, and the changes of the later year bear no known date, so that
        event studies leave them out, and say so. No window of years, of changes or of stayers,
        holds such a transition. The ledger says how many known transitions there
        were, by reason. The spells are as they were, and so are tenures and hazards.

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
    >>> masked = mask_transitions(panel, one)
    >>> masked.ledger.steps[-1].lost
    {'stale': 30}
    """
    frame, events = panel.frame.copy(), panel.events.copy()
    groups = _panel_groups(panel) if groups is None else groups
    group, year = _group_of(frame["unit_id"], groups), frame["school_year_end"]
    if not (transitions["to_year"] - transitions["from_year"] == 1).all():
        raise SpecError("transitions", "to_year is not the year after from_year")
    reasons = transitions.drop_duplicates(["group", "to_year"]).astype({"group": "str"})
    reason = reasons.set_index(["group", "to_year"])["reason"]
    later = pd.MultiIndex.from_arrays([group, year])
    sooner = pd.MultiIndex.from_arrays([group, year + 1])
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
    place = [_group_of(events["unit_id"], groups), events["school_year_end"]]
    events = undated(events, pd.MultiIndex.from_arrays(place).isin(reason.index))
    n_known = int(known.sum())
    ledger = panel.ledger.step(
        "transitions set to unknown",
        "known transitions",
        n_known,
        n_known - len(why.dropna()),
        lost,
    )
    masked = frame.loc[later.isin(reason.index), ["unit_id", "school_year_end"]]
    before = [] if panel.masked is None else [panel.masked]
    every = pd.concat([*before, masked]).drop_duplicates(ignore_index=True)
    return replace(panel, frame=frame, events=events, ledger=ledger, masked=every)
