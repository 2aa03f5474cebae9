"""Terms of board members: which seats are up, and what becomes of those who held them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK
from churnstats.core.errors import Fault, SpecError
from churnstats.core.issues import raise_faults
from churnstats.numerics.groups import count_up
from churnstats.panel.boards import KEY, board_spells
from churnstats.panel.levels import home_units
from churnstats.panel.stays import post_years, require_records
from churnstats.records.ingest import row_fault
from churnstats.records.roles import RoleFamilies
from churnstats.records.tenures import Tenures
from churnstats.records.units.units import Units

SEAT = ["unit_id", "role"]
DAYS_A_YEAR = 365.0
TERM_COLUMNS = ("seat", "term_start", "term_end", "seated_by")
# What became of a member whose term was over, from the records of the seat.
KEPT, DEFEATED, NOT_RUNNING, REPLACED, OPEN = "kept", "defeated", "not_running", "replaced", "open"
OUTCOMES = (KEPT, DEFEATED, NOT_RUNNING, REPLACED, OPEN)


@dataclass(frozen=True)
class BoardRules:
    """What the records of board members mean at the end of a term.

    Parameters
    ----------
    defeated, not_running : tuple of str
        Exit reasons of members who stood for another term and lost it, and of those who did not
        stand. Any other reason, such as "term_ended", does not tell.
    grace_days : float
        Days by which members may leave before the end of a term, or come after its start, and
        have served it from its start to its end.
    """

    defeated: tuple[str, ...] = ("defeated",)
    not_running: tuple[str, ...] = ("not_running", "retirement", "voluntary_other")
    grace_days: float = 31.0

    def __post_init__(self) -> None:
        for name in ("defeated", "not_running"):
            if isinstance(getattr(self, name), str):
                raise SpecError(name, "reasons are a list of words", how=f"{name}=('defeated',)")
        if not isinstance(self.grace_days, (int, float)) or not self.grace_days >= 0:
            how = "a number of days, at least 0"
            raise SpecError("grace_days", f"{self.grace_days!r} is no length of time", how=how)
        both = sorted({*self.defeated} & {*self.not_running})
        if both:
            raise SpecError("defeated", "reasons stand for two things", where=both)


BOARD_RULES = BoardRules()


def board_terms(
    tenures: Tenures,
    *,
    families: RoleFamilies | None = None,
    rules: BoardRules = BOARD_RULES,
) -> pd.DataFrame:
    """Return the terms of seats, and what became of their members.

    Parameters
    ----------
    tenures : Tenures
        From `Tenures.from_spells`: one row a member, seat and term, with ``term_end`` and, if
        known, ``term_start`` and ``seated_by``. A seat is a role of its own, such as
        ``board_member_1``; `seats_as_roles` makes them of names of seats.
    families : RoleFamilies, optional
        Says which family is the board.
    rules : BoardRules

    Returns
    -------
    DataFrame
        One row a seat and term whose end is known, by unit, seat and time:

        - ``unit_id, role, seat, term_start, term_end``; ``term_start`` is, where no row has it,
          the end of the term before, if that is known;
        - ``school_year_end``: the year in which the seat is up. A term that ends at the turn of
          the year ends with the old year;
        - ``n_members``; ``n_mid_term``: of these, who came in mid-term, to a seat that somebody
          else had left or nobody held; ``n_appointed``. Missing where it is not known of one;
        - ``leader_id, seated_by`` of the member who serves the term out;
        - ``outcome``: "kept" (the same member goes on), "defeated", "not_running" (by the exit
          reason), "replaced" (another one came, or nobody yet, and no reason tells why), "open"
          (nobody held the seat when the term ended, and somebody did later); missing where nobody
          looked.

    Raises
    ------
    DataError
        Terms that end before they start, members who come after the end of their term.
    SpecError
        No board members, no term with an end, rows of several terms joined to one spell.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> seats = pd.DataFrame({
    ...     "unit_id": "1", "role": "board_member_1", "leader_id": ["a", "b", "b"],
    ...     "start": [2010, 2012, 2014], "stop": [2012, 2014, 2018],
    ...     "term_end": [2014, 2014, 2018], "exit_reason": ["resigned", None, "defeated"]})
    >>> terms = board_terms(cs.Tenures.from_spells(seats))
    >>> terms[["term_end", "n_members", "outcome"]].to_numpy().tolist()
    [[2014.0, 2, 'kept'], [2018.0, 1, 'defeated']]
    """
    require_records(tenures, None)
    return _terms(_term_rows(tenures, families, rules), rules)


def board_elections(
    tenures: Tenures,
    *,
    units: Units | None = None,
    families: RoleFamilies | None = None,
    rules: BoardRules = BOARD_RULES,
) -> pd.DataFrame:
    """Return which seats of boards were up in a school year, and what became of their members.

    Parameters
    ----------
    tenures, families, rules
        As for `board_terms`.
    units : Units, optional
        Current ids of units.

    Returns
    -------
    DataFrame
        One row a board and school year in which a seat is under observation: ``unit_id,
        school_year_end, n_seats``, then

        - ``n_terms_known``: seats of which it is known when the terms that run in the year end;
        - ``n_up, up_share, is_majority_up``: seats whose term ends in the year, their share, and
          whether they are more than half, so that one election can change the majority;
        - ``is_staggered``: not all terms that run when the year begins end in one year;
        - ``n_kept, n_defeated, n_not_running, n_replaced, n_open, n_outcome_unknown``: the
          ``outcome`` of seats that are up, as in `board_terms`;
        - ``changed_share``: seats that are up and were not kept, over ``n_up``;
          ``defeated_share``: defeated over those who were kept or defeated, that is who ran;
        - ``n_mid_term``: members who came in mid-term in the year.

        Counts are missing where a term is not known, and shares NaN also where an outcome is not,
        or for ``defeated_share`` where it is not known of all who left whether they ran.

    Raises
    ------
    DataError, SpecError
        As `board_terms`.

    Examples
    --------
    >>> import pandas as pd, churnstats as cs
    >>> seats = pd.DataFrame({
    ...     "unit_id": "1", "leader_id": ["a", "b", "c", "a", "d"],
    ...     "role": [f"board_member_{i}" for i in (1, 2, 3, 1, 2)],
    ...     "start": [2010, 2010, 2010, 2012, 2012], "stop": [2012, 2012, 2014, 2014, 2014],
    ...     "term_end": [2012, 2012, 2014, 2016, 2016]})
    >>> made = board_elections(cs.Tenures.from_spells(seats))
    >>> made[["school_year_end", "n_up", "n_kept", "n_replaced", "is_majority_up"]].head(2)
       school_year_end  n_up  n_kept  n_replaced  is_majority_up
    0             2010     0       0           0           False
    1             2011     2       1           1            True
    """
    require_records(tenures, units)
    rows = _term_rows(tenures, families, rules)
    terms = _terms(rows, rules)
    seats = post_years(board_spells(tenures, families))[[*SEAT, "school_year_end"]]
    seats = seats.merge(_running(rows, terms), on=[*SEAT, "school_year_end"], how="left")
    up = pd.get_dummies(terms["outcome"].fillna("outcome_unknown")).reindex(
        columns=[*OUTCOMES, "outcome_unknown"], fill_value=False
    )
    up = pd.concat([terms[[*SEAT, "school_year_end"]], up.add_prefix("n_").astype(float)], axis=1)
    counted = [c for c in up.columns if c.startswith("n_")]
    up["n_up"] = 1.0
    # nobody knows in which year a member came whose start was not seen
    when = ~(rows["left_censored"] & rows["is_mid_term"].eq(True))
    came = rows[SEAT].assign(
        school_year_end=_year_of(rows["start"]),
        n_mid_term=rows["is_mid_term"].astype(float).where(when),
    )
    parts = [
        part.groupby([*SEAT, "school_year_end"], sort=False).sum(skipna=False).reset_index()
        for part in (up, came)
    ]
    for part in parts:
        seats = seats.merge(part, on=[*SEAT, "school_year_end"], how="left", indicator="_seen")
        added = part.columns.difference([*SEAT, "school_year_end"])
        seats.loc[seats.pop("_seen") == "left_only", added] = 0.0
    told = seats["is_told"].eq(True)
    seats.loc[~told, ["n_up", *counted]] = np.nan
    seats["unit_id"] = home_units(units, seats["unit_id"], seats["school_year_end"])
    return _by_board(seats.assign(n_terms_known=told.astype(float), n_seats=1.0), counted)


def _by_board(seats: pd.DataFrame, counted: list[str]) -> pd.DataFrame:
    """Return one row a board and year: sums over its seats, missing where a seat's is."""
    groups = seats.groupby(KEY, sort=True)
    names = ["n_seats", "n_terms_known", "n_up", *counted, "n_mid_term"]
    made = groups[names].sum(skipna=False)
    n, up = made["n_seats"], made["n_up"]
    first, last = groups["runs_to"].min(), groups["runs_to"].max()
    whole = groups["runs_to"].count() == n
    staggered = pd.Series(last > first, dtype="boolean").where(whole)
    majority = pd.Series(2 * up > n, dtype="boolean").where(up.notna())
    known = up.where((up > 0) & (made["n_outcome_unknown"] == 0))
    ran = made["n_kept"] + made["n_defeated"]
    told = (made["n_replaced"] + made["n_outcome_unknown"] == 0) & (ran > 0)
    made = made.astype("Int64").assign(
        up_share=up / n,
        is_majority_up=majority,
        is_staggered=staggered,
        changed_share=1 - made["n_kept"] / known,
        defeated_share=(made["n_defeated"] / ran).where(told),
    )
    first_columns = ["n_seats", "n_terms_known", "n_up", "up_share", "is_majority_up"]
    order = [*first_columns, "is_staggered", *counted, "changed_share", "defeated_share"]
    return made[[*order, "n_mid_term"]].reset_index().astype({"unit_id": "str"})


def _term_rows(tenures: Tenures, families: RoleFamilies | None, rules: BoardRules) -> pd.DataFrame:
    """Return members' rows by seat and time, with their terms' start and who came in mid-term."""
    rows = board_spells(tenures, families)
    rows = rows.assign(**{c: np.nan for c in TERM_COLUMNS if c not in rows.columns})
    if rows["term_end"].isna().all():
        how = "give one row a member and term, with term_end, to Tenures.from_spells"
        raise SpecError("tenures", "no spell of a board member says when a term ends", how=how)
    if "n_assignments" in rows.columns and (rows["n_assignments"] > 1).any():
        how = "read one row a member and term with Tenures.from_spells"
        raise SpecError("tenures", "rows of several terms were joined to one spell", how=how)
    raise_faults([*_wrong_terms(rows)])
    seat = rows.groupby(SEAT, sort=False)
    before, grace = seat.shift(), rules.grace_days / DAYS_A_YEAR
    opens = ~(rows["term_end"] == before["term_end"]).to_numpy()
    rows["term"] = np.cumsum(opens)
    given = rows.groupby("term")["term_start"].transform("min")
    came_after = before["term_end"].where(opens).groupby(rows["term"]).transform("first")
    rows["term_start"] = given.fillna(came_after)
    late = (rows["start"] > rows["term_start"] + grace) | ~opens
    mid: pd.Series = late & (rows["leader_id"] != before["leader_id"])
    unknown = rows["term_end"].isna() | (
        opens & (rows["term_start"].isna() | rows["left_censored"] & late)
    )
    return rows.assign(is_mid_term=mid.astype("boolean").mask(unknown))


def _wrong_terms(rows: pd.DataFrame) -> Iterator[Fault]:
    """Find terms that end before they start, and members who come after the end of theirs."""
    shown = (*SEAT, "leader_id", "start", "term_start", "term_end")
    for rule, message, first in (
        ("reversed_term", "terms end before they start", "term_start"),
        ("after_term", "members come after the end of their term", "start"),
    ):
        bad = (rows["term_end"] <= rows[first] + CLOCK).to_numpy(dtype=bool)
        yield from row_fault(rule, "tenures", message, "correct the dates", rows, bad, shown)


def _terms(rows: pd.DataFrame, rules: BoardRules) -> pd.DataFrame:
    """Return one row a term whose end is known."""
    following = rows.groupby(SEAT, sort=False).shift(-1)
    appointed = rows["seated_by"].eq("appointment").astype("boolean")
    rows = rows.assign(
        next_id=following["leader_id"],
        next_start=following["start"],
        # between two rows nobody looked if the first is cut off, or the second one's start unknown
        next_unseen=rows["right_censored"] | following["left_censored"].eq(True),
        is_appointed=appointed.mask(rows["seated_by"].isna()),
    )
    known = rows[rows["term_end"].notna()]
    last = known.drop_duplicates("term", keep="last").reset_index(drop=True)
    by_term = known.groupby("term", sort=True)
    n_mid, n_appointed = (
        by_term[c].sum(skipna=False).astype("Int64").reset_index(drop=True)
        for c in ("is_mid_term", "is_appointed")
    )
    outcome = _outcomes(last, rules)
    served = outcome.ne(OPEN).fillna(True).to_numpy(dtype=bool)
    made = last[[*SEAT, "seat", "term_start", "term_end"]].assign(
        school_year_end=np.ceil(last["term_end"] - CLOCK).astype("int64") - 1,
        n_members=by_term["leader_id"].nunique().to_numpy(),
        n_mid_term=n_mid,
        n_appointed=n_appointed,
        leader_id=last["leader_id"].where(served),
        seated_by=last["seated_by"].astype("str").where(served),
        outcome=outcome,
    )
    return made.astype({"seat": "str"})


def _outcomes(last: pd.DataFrame, rules: BoardRules) -> pd.Series:
    """Return what became of the members of terms' last rows, missing where nobody looked."""
    grace = rules.grace_days / DAYS_A_YEAR
    early = (last["stop"] < last["term_end"] - grace).to_numpy()
    # who came before the end, in a row that names no term, may have served this one out
    empty = (last["next_start"] >= last["term_end"] - grace).to_numpy()
    cut = last["right_censored"].to_numpy(dtype=bool)
    unseen = last["next_unseen"].to_numpy(dtype=bool)
    reason = last["exit_reason"]
    made = np.select(
        [
            cut,
            early & empty & ~unseen,
            early,
            reason.isin(rules.defeated).to_numpy(),
            reason.isin(rules.not_running).to_numpy(),
            unseen,
            (last["next_id"] == last["leader_id"]).to_numpy(),
        ],
        ["", OPEN, "", DEFEATED, NOT_RUNNING, "", KEPT],
        REPLACED,
    )
    return pd.Series(made, dtype="str").replace("", np.nan)


def _year_of(time: pd.Series) -> pd.Series:
    made: pd.Series = np.floor(time + CLOCK).astype("int64")
    return made


def _running(rows: pd.DataFrame, terms: pd.DataFrame) -> pd.DataFrame:
    """Return seats by year: whether ends of terms are told, and which term runs.

    ``runs_to`` is the year in which the term ends that runs when the year begins.
    """
    known = rows[rows["term_end"].notna()]
    first = np.fmin(terms["term_start"], known.groupby("term")["start"].min().to_numpy())
    since, until = _year_of(first).to_numpy(), terms["school_year_end"].to_numpy()
    row, year = count_up(since, until + 1 - since)
    runs = first.to_numpy()[row] <= year + CLOCK
    told = (
        terms[SEAT]
        .iloc[row]
        .assign(
            school_year_end=year,
            ends=until[row] == year,
            is_told=True,
            runs_to=np.where(runs, until[row], np.nan),
        )
    )
    lost = rows[rows["term_end"].isna()]
    begin = _year_of(lost["entry"]).to_numpy()
    end = np.ceil(lost["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64)
    row, year = count_up(begin, end - begin)
    untold = (
        lost[SEAT].iloc[row].assign(school_year_end=year, ends=False, is_told=False, runs_to=np.nan)
    )
    both = pd.concat([told, untold], ignore_index=True)
    made = both.groupby([*SEAT, "school_year_end"], sort=False, as_index=False).agg(
        ends=("ends", "any"), is_told=("is_told", "all"), runs_to=("runs_to", "min")
    )
    is_told = made["ends"] | made["is_told"]
    return made.drop(columns="ends").assign(is_told=is_told, runs_to=made["runs_to"].where(is_told))
