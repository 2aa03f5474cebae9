"""The programs of a unit as a portfolio: how many run, come, go and stay, by school year."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.issues import IssueLog, raise_faults
from churnstats.core.provenance import RowLedger
from churnstats.core.types import BoolArray
from churnstats.panel.panel import Panel
from churnstats.panel.risk_rows import champion_gone, holder_at, yearly
from churnstats.records.ingest import conform, row_fault, source_name
from churnstats.records.marks import Mark, issues_of
from churnstats.records.partnerships import Partnerships
from churnstats.records.programs import Programs
from churnstats.records.rules import first_like, repeats
from churnstats.schemas.contract import Contract, Field

KEY = ["unit_id", "school_year_end"]
PROGRAM = [*KEY, "initiative_id"]
MOVES = ["n_adopted", "n_readopted", "n_completed", "n_abandoned", "n_ended_no_reason"]
COMPLETED, ABANDONED, NO_REASON = "completed", "abandoned", "no reason"

SPEND = Contract(
    "spend",
    "Spending on programs",
    "One row a program of a unit and school year.",
    ("unit_id", "initiative_id", "school_year_end"),
    (
        Field("unit_id", "string", "Unit that spends.", required=True),
        Field("initiative_id", "string", "Program, as in the program records.", required=True),
        Field("school_year_end", "year", "School year by its spring.", required=True),
        Field("amount", "number", "What was spent.", required=True, minimum=0.0),
    ),
)


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Programs by unit and school year.

    Made by `program_portfolio`.

    Attributes
    ----------
    frame : DataFrame
        One row for each row of the panel, in its order; columns as told by `program_portfolio`.
    reasons : DataFrame
        ``end_reason, counted_as, n_programs``: what each reason for an end was taken for.
    ledger : RowLedger
        Which programs, partnerships and amounts are counted, and why others are not.
    issues : IssueLog
        What was found and kept, such as unit-years whose programs nobody recorded.
    """

    frame: pd.DataFrame
    reasons: pd.DataFrame
    ledger: RowLedger
    issues: IssueLog


def program_portfolio(
    programs: Programs,
    panel: Panel,
    *,
    partnerships: Partnerships | None = None,
    spend: Any = None,
    observed_units: Collection[str] | None = None,
    observed_years: tuple[int, int] | None = None,
    completion_reasons: Collection[str] = ("completed",),
) -> Portfolio:
    """Count the programs that run, come, go and stay in each unit and school year of a panel.

    Programs are counted while they run under observation, for any part of a school year, on the
    formal clock. A program is an ``initiative_id``: one that ends and comes back within a year
    is one program, adopted twice.

    Parameters
    ----------
    programs : Programs
    panel : Panel
        Its rows are the rows of the portfolio; its role is the champions' post.
    partnerships : Partnerships, optional
        Partners beside those that programs name.
    spend : frame or path, optional
        ``unit_id, initiative_id, school_year_end, amount``, one row a program and year. A year of
        a unit without any row was not recorded; nothing spent is a zero.
    observed_units : collection of str, optional
        Units where programs were looked for though none was found. Units with a program are
        observed in any case. Elsewhere all columns are missing.
    observed_years : (int, int), optional
        First and last school year in which programs were looked for; from the first to the last
        that any program record touches if not given. Other years are missing.
    completion_reasons : collection of str
        Values of ``end_reason`` that stand for completion. Any other reason is an abandonment.

    Returns
    -------
    Portfolio
        Its frame has ``unit_id, school_year_end`` and

        - ``n_active``: programs that run; ``n_unknown``: further ones that may, since they were
          cut off before, or run before they came under observation;
        - ``n_practised``: programs that are practised, missing where some programs run and of
          none of them it is known; ``n_practice_unknown``: those that run, unknown whether
          practised;
        - ``n_partners``: partners of running programs and of partnerships, each once; missing
          everywhere if the records name no partner at all;
        - ``n_adopted``: adoptions that were seen; ``n_readopted``: those of programs that the
          unit had before;
        - ``n_completed, n_abandoned, n_ended_no_reason``: ends that were seen. An end at the turn
          of the year belongs to the old year;
        - ``mean_age_years``: age of running programs at the end of the year, or at their own
          end, where adoption is known (``n_age_known`` programs);
        - ``overlap_jaccard``: programs that run in this year and in the one before, over those
          that run in either; missing where none runs or the year before was not observed;
        - ``overlap_spend``, with ``spend``: sum of the lesser over sum of the greater amount of
          each program in both years; missing where either year has no amounts, or only zeros;
        - ``champion_present_share``: share of the programs running at the start of the year, of
          whose sponsor it is known, whose sponsor holds the post then (``n_champion_known``
          programs).

    Raises
    ------
    DataError
        Faults of ``spend``.
    SpecError
        Units or reasons that are no collection of text, years in the wrong order, or no years
        and no program either.

    Examples
    --------
    >>> import churnstats as cs
    >>> data = cs.datasets.load_mlb()
    >>> made = program_portfolio(data.programs, cs.Panel.build(data.tenures))
    >>> made.frame[["n_active", "n_adopted", "overlap_jaccard"]].mean().round(2).to_dict()
    {'n_active': 9.82, 'n_adopted': 3.95, 'overlap_jaccard': 0.45}
    """
    _check(observed_units, completion_reasons)
    years = _years_of(programs, observed_years)
    units = pd.Index([*programs.frame["unit_id"], *(observed_units or ())]).unique()
    scope = _Scope(panel.frame[KEY], units, years)
    rows = yearly(programs.frame)
    active = rows.sort_values("start", kind="stable").drop_duplicates(PROGRAM, keep="last")
    partners = _partnership_years(partnerships)
    parts: list[pd.DataFrame | pd.Series] = [
        _sizes(active, "n_active"),
        _sizes(_unknown(programs.frame, active, years), "n_unknown"),
        *_practice(programs, active),
        _partners(rows, partners),
        _moves(rows, completion_reasons),
        _ages(active),
        _overlap(active.assign(amount=1.0), "overlap_jaccard"),
        _champions(rows, panel),
    ]
    ledger, issues = _program_ledger(programs, rows, scope), IssueLog()
    if partnerships is not None:
        step = _step(partners, scope, "partnership-years")
        ledger = ledger + partnerships.ledger + step
    if spend is not None:
        amounts, issues = _spend(spend, active)
        parts.insert(-1, _overlap(amounts, "overlap_spend").where(_recorded_twice(amounts)))
        ledger = ledger + _step(amounts, scope, "spend rows", year_before=True)
    frame = _on_panel(parts, scope)
    if partnerships is None and programs.frame["partner_id"].isna().all():
        frame["n_partners"] = frame["n_partners"].mask(frame["n_partners"].notna())
    issues += _blanks(frame)
    return Portfolio(frame, _reasons(programs.frame, completion_reasons), ledger, issues)


@dataclass(frozen=True)
class _Scope:
    """The panel's unit-years, and the units and school years where programs were looked for."""

    keys: pd.DataFrame
    units: pd.Index
    years: tuple[int, int]

    def led(self, unit: pd.Series) -> BoolArray:
        """Mark the units that the panel has."""
        return np.asarray(unit.isin(self.keys["unit_id"].unique()))

    def observed(self) -> BoolArray:
        """Mark the unit-years of the panel in which programs were looked for."""
        in_time = self.keys["school_year_end"].between(*self.years)
        return np.asarray(self.keys["unit_id"].isin(self.units) & in_time)


def _check(units: Collection[str] | None, reasons: Collection[str]) -> None:
    for name, value in (("observed_units", units), ("completion_reasons", reasons)):
        if isinstance(value, str):
            raise SpecError(name, f"'{value}' is one text, not several", how=f"write ['{value}']")
        odd = [v for v in value or () if not isinstance(v, str)]
        if odd:
            raise SpecError(name, f"{odd[0]!r} is no text", how="ids and reasons are text: '0101'")


def _years_of(programs: Programs, given: tuple[int, int] | None) -> tuple[int, int]:
    """Return the first and last school year in which programs were looked for."""
    if given is not None:
        if given[0] > given[1]:
            how = "give the first year first"
            raise SpecError("observed_years", f"{given[0]} is after {given[1]}", how=how)
        return given
    if programs.frame.empty:
        how = "say when programs were looked for: observed_years=(2010, 2019)"
        raise SpecError("observed_years", "no program tells which years were observed", how=how)
    first, last = programs.frame["entry"].min() + CLOCK, programs.frame["stop"].max() - CLOCK
    return int(np.floor(first)), int(np.ceil(last)) - 1


def _program_ledger(programs: Programs, rows: pd.DataFrame, scope: _Scope) -> RowLedger:
    """Return which programs, and which of their years, are counted."""
    known = scope.led(programs.frame["unit_id"])
    ledger = programs.ledger.step(
        "programs of units in the panel",
        "programs",
        len(known),
        int(known.sum()),
        {"of units without a tenure record": int((~known).sum())},
    )
    return ledger + _step(rows[scope.led(rows["unit_id"])], scope, "program-years")


def _step(rows: pd.DataFrame, scope: _Scope, noun: str, year_before: bool = False) -> RowLedger:
    """Return how many rows lie in the scope, ``year_before`` also in the year before one of it."""
    year = rows["school_year_end"]
    shifts = (0, 1) if year_before else (0,)
    keys = pd.MultiIndex.from_frame(scope.keys)
    found = [pd.MultiIndex.from_arrays([rows["unit_id"], year + k]).isin(keys) for k in shifts]
    reasons = {
        "of units without a tenure record": ~scope.led(rows["unit_id"]),
        "of units whose programs were not observed": ~rows["unit_id"].isin(scope.units),
        "in years in which programs were not observed": ~year.between(*scope.years),
        "in years in which no tenure of the unit is observed": ~np.any(found, axis=0),
    }
    left, lost = np.ones(len(rows), dtype=bool), {}
    for reason, bad in reasons.items():
        lost[reason] = int((left & bad).sum())
        left &= ~np.asarray(bad)
    return RowLedger().step(f"{noun} in the panel", noun, len(rows), int(left.sum()), lost)


def _on_panel(parts: list[pd.DataFrame | pd.Series], scope: _Scope) -> pd.DataFrame:
    """Put the parts beside the panel's unit-years, missing where programs were not observed."""
    keys = pd.MultiIndex.from_frame(scope.keys)
    made = pd.concat([part.reindex(keys) for part in parts], axis=1).reset_index(drop=True)
    for name in [c for c in made.columns if c.startswith("n_")]:
        made[name] = made[name].fillna(0).astype("Int64")
    none_known = (made["n_active"] > 0) & (made["n_practice_unknown"] == made["n_active"])
    made["n_practised"] = made["n_practised"].mask(none_known)
    first = scope.keys["school_year_end"].to_numpy() <= scope.years[0]
    for name in [c for c in made.columns if c.startswith("overlap")]:
        made[name] = made[name].mask(first)
    made = made[scope.observed()].reindex(made.index)
    return pd.concat([scope.keys.reset_index(drop=True), made], axis=1)


def _blanks(frame: pd.DataFrame) -> IssueLog:
    """Return the unit-years whose programs nobody looked for."""
    message = "unit-years in which programs were not looked for"
    mark = Mark(
        "programs_not_observed", frame["n_active"].isna().to_numpy(), message, "kept, missing"
    )
    return issues_of("portfolio", frame, tuple(KEY), [mark])


def _sizes(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows.groupby(KEY).size().rename(name)


def _without(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Return the distinct programs and years of rows that are not among others."""
    rows = rows[PROGRAM].drop_duplicates()
    found = pd.MultiIndex.from_frame(rows).isin(pd.MultiIndex.from_frame(others[PROGRAM]))
    return rows[~found]


def _unknown(frame: pd.DataFrame, active: pd.DataFrame, years: tuple[int, int]) -> pd.DataFrame:
    """Return programs and years in which a program may have run, and nobody saw it."""
    order = frame.sort_values(["unit_id", "initiative_id", "start"], kind="stable")
    spells = order.groupby(["unit_id", "initiative_id"], sort=False)
    since = spells["stop"].shift().fillna(float(years[0]))
    until = spells["entry"].shift(-1).fillna(float(years[1] + 1))
    since = order["start"].where(~order["left_censored"].astype(bool), since)
    cut_off = order["right_censored"].astype(bool)
    unseen = pd.concat(
        [
            order.assign(stop=order["entry"], entry=since),
            order.assign(entry=order["stop"], stop=until)[cut_off],
        ]
    )
    unseen["entry"] = unseen["entry"].clip(lower=float(years[0]))
    unseen["stop"] = unseen["stop"].clip(upper=float(years[1] + 1))
    return _without(yearly(unseen[unseen["stop"] > unseen["entry"] + CLOCK]), active)


def _practice(programs: Programs, active: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return how many programs are practised, and of how many that run it is not known."""
    spells = programs.spells("practice")
    practised = yearly(spells[spells["stop"] > spells["entry"] + CLOCK]).drop_duplicates(PROGRAM)
    open_ = spells["stop"].isna() | spells["practice_right_censored"]
    unwatched = active["program_id"].isin(spells.loc[open_, "program_id"])
    unknown = _without(active[unwatched], practised)
    return _sizes(practised, "n_practised"), _sizes(unknown, "n_practice_unknown")


def _partnership_years(partnerships: Partnerships | None) -> pd.DataFrame:
    """Return the partnerships by school year."""
    if partnerships is None:
        return pd.DataFrame(columns=[*KEY, "partner_id"])
    return yearly(partnerships.frame)


def _partners(rows: pd.DataFrame, partnerships: pd.DataFrame) -> pd.Series:
    """Return how many partners programs and partnerships have, each once."""
    columns = [*KEY, "partner_id"]
    named = [table[columns] for table in (rows, partnerships) if len(table)]
    every = pd.concat(named) if named else rows[columns]
    return _sizes(every.dropna(subset="partner_id").drop_duplicates(), "n_partners")


def _counted_as(reason: pd.Series, completion_reasons: Collection[str]) -> pd.Series:
    """Return what each reason for an end is taken for."""
    made = pd.Series(ABANDONED, index=reason.index, dtype="str")
    made = made.mask(reason.isin(list(completion_reasons)), COMPLETED)
    return made.mask(reason.isna(), NO_REASON)


def _moves(rows: pd.DataFrame, completion_reasons: Collection[str]) -> pd.DataFrame:
    """Return adoptions and ends that were seen."""
    in_sight = ~rows["left_censored"].astype(bool) & (rows["entry"] <= rows["start"] + CLOCK)
    adopted = in_sight & (rows["begin"] <= rows["start"] + CLOCK)
    again = adopted & ~(rows["adoption_order"] == 1).fillna(False).astype(bool)
    ended = rows["event"] == 1
    kind = _counted_as(rows["end_reason"], completion_reasons)
    kinds = [ended & (kind == k) for k in (COMPLETED, ABANDONED, NO_REASON)]
    flags = dict(zip(MOVES, [adopted, again, *kinds], strict=True))
    return rows[KEY].assign(**flags).groupby(KEY)[MOVES].sum()


def _ages(active: pd.DataFrame) -> pd.DataFrame:
    """Return the mean age of programs whose adoption is known, and how many these are."""
    age = (active["end"] - active["start"]).mask(active["left_censored"].astype(bool))
    ages = active[KEY].assign(age=age).groupby(KEY)["age"]
    return pd.DataFrame({"mean_age_years": ages.mean(), "n_age_known": ages.count()})


def _overlap(amounts: pd.DataFrame, name: str) -> pd.Series:
    """Return the sum of the lesser over the sum of the greater amounts of two years running.

    With an amount of one for each program this is the Jaccard index of the two sets.
    """
    now = amounts[[*PROGRAM, "amount"]]
    before = now.assign(school_year_end=now["school_year_end"] + 1)
    both = now.merge(before, on=PROGRAM, how="outer", suffixes=("", "_before"))
    pair = both[["amount", "amount_before"]].fillna(0.0)
    both = both[KEY].assign(lesser=pair.min(axis=1), greater=pair.max(axis=1))
    sums = both.groupby(KEY)[["lesser", "greater"]].sum()
    return (sums["lesser"] / sums["greater"]).rename(name)


def _recorded_twice(amounts: pd.DataFrame) -> pd.Series:
    """Mark the unit-years that have amounts, and had some in the year before."""
    now = amounts[KEY].drop_duplicates()
    before = now.assign(school_year_end=now["school_year_end"] + 1)
    both = now.merge(before, on=KEY, how="outer", indicator="found")
    return both.set_index(KEY)["found"] == "both"


def _champions(rows: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """Return the share of programs whose sponsor holds the post when the school year begins."""
    at_start = rows[rows["begin"] <= rows["school_year_end"] + CLOCK].reset_index(drop=True)
    time = at_start["school_year_end"].to_numpy(dtype=float)
    holder = holder_at(panel, at_start["unit_id"], time)
    present = 1.0 - champion_gone(at_start, holder, panel.role)
    shares = at_start[KEY].assign(present=present).groupby(KEY)["present"]
    return pd.DataFrame(
        {"champion_present_share": shares.mean(), "n_champion_known": shares.count()}
    )


def _spend(data: Any, active: pd.DataFrame) -> tuple[pd.DataFrame, IssueLog]:
    """Read amounts; those for programs that did not run in the year are kept and noted."""
    made = conform(data, SPEND, None, SchoolCalendar())
    faults = list(made.faults)
    if set(PROGRAM) <= set(made.frame.columns):
        faults += row_fault(
            "duplicate_spend",
            "spend",
            "a program has several amounts in one school year",
            "add them up, or take the copies out",
            made.source,
            repeats(made.frame, PROGRAM),
            (*PROGRAM, "amount"),
            first_like(made.frame, PROGRAM),
        )
    raise_faults(faults, source_name(data))
    pairs = pd.MultiIndex.from_frame(made.frame[PROGRAM])
    idle = ~pairs.isin(pd.MultiIndex.from_frame(active[PROGRAM])) & (made.frame["amount"] > 0)
    message = "money goes to programs that do not run in the year"
    mark = Mark("spend_without_program", np.asarray(idle), message, "kept")
    issues = made.issues + issues_of("spend", made.source, (*PROGRAM, "amount"), [mark])
    return made.frame, issues


def _reasons(programs: pd.DataFrame, completion_reasons: Collection[str]) -> pd.DataFrame:
    """Return what each reason for an end was taken for, and how often it occurs."""
    ended = programs[~programs["right_censored"].astype(bool)]
    table = pd.DataFrame(
        {
            "end_reason": ended["end_reason"],
            "counted_as": _counted_as(ended["end_reason"], completion_reasons),
        }
    )
    return table.value_counts(dropna=False, sort=False).rename("n_programs").reset_index()
