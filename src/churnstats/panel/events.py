"""The event ledger: one row a change of leader, with the spells on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from churnstats.core.calendar import CLOCK, SchoolCalendar
from churnstats.core.errors import SpecError
from churnstats.core.types import BoolArray, FloatArray
from churnstats.panel.shares import principals

# Who decided that a leader goes: the leader (voluntary), the employer (involuntary), or neither
# of them, or it is not said which (other). The reasons are those of the exit reasons of CEDS in
# records/readers, and the two of units; which type each is of is our own judgement.
EXIT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "voluntary_other": "voluntary",
        "retirement": "voluntary",
        "involuntary": "involuntary",
        "nonrenewal": "involuntary",
        "budget": "involuntary",
        "restructured": "involuntary",
        "leave": "other",
        "death_or_illness": "other",
        "reassigned": "other",
        "term_ended": "other",
        "interim_ended": "other",
        "other": "other",
        "unit_closed": "other",
        "unit_merged": "other",
        "unknown": "unknown",
    }
)
TYPES = ("voluntary", "involuntary", "other", "unknown")
# Columns that say nothing where the day of the change, or its time at all, is not known.
OF_THE_DAY = ("change_date", "is_summer", "vacancy_days", "overlap_days")
OF_THE_TIME = (
    "vacancy_years",
    "predecessor_tenure_years",
    "notice_days",
    "is_planned",
    *OF_THE_DAY,
)

# Columns of spells that are looked at on both sides of a change: of the stretch as the principal,
# of the spell, and those that tell who the principal is.
WHO = (
    "unit_id", "role", "spell_id", "leader_id", "start", "stop", "left_censored", "right_censored",
)  # fmt: skip
OF_SIDES = (
    "start", "stop", "left_censored", "right_censored", "exit_reason", "announced", "interim",
    "start_earliest", "stop_latest", "n_roster_rows", "source_rows",
)  # fmt: skip
NEEDED = ("unit_id", "role", "spell_id", "leader_id", "entry", "fte")


@dataclass(frozen=True)
class EventRules:
    """What the words of the event ledger mean where a number decides.

    Parameters
    ----------
    summer_days : int
        A change is one of summer if its date is at most so many days away from the turn of the
        school year, on either side.
    planned_notice_days : int
        An exit is planned if it was announced at least so many days before it.
    exit_types : mapping of str to str
        Exit reason to "voluntary", "involuntary", "other" or "unknown". A reason that is not in
        it is unknown; ``{**EXIT_TYPES, "resigned": "voluntary"}`` adds one.
    min_years_seen : float
        How long records must reach back, for a successor without any earlier record to have come
        from outside.
    feeder_roles : tuple of str, optional
        Roles from which leaders rise: how far their records in the unit reach back is what
        counts. By default all roles but that of the post.
    """

    summer_days: int = 31
    planned_notice_days: int = 90
    exit_types: Mapping[str, str] = field(default_factory=lambda: EXIT_TYPES)
    min_years_seen: float = 5.0
    feeder_roles: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("summer_days", "planned_notice_days", "min_years_seen"):
            if not getattr(self, name) >= 0:
                raise SpecError(name, f"{getattr(self, name)} is no length of time")
        wrong = sorted({str(t) for t in self.exit_types.values()} - set(TYPES))
        if wrong:
            how = " or ".join(f"'{t}'" for t in TYPES)
            raise SpecError("exit_types", "there are no such types", where=wrong, how=how)


EVENT_RULES, CALENDAR = EventRules(), SchoolCalendar()


class _Sides(NamedTuple):
    """Both sides of each change: the stretches as the principal, and the spells they are of."""

    before: pd.DataFrame
    after: pd.DataFrame
    left: pd.DataFrame
    came: pd.DataFrame


def event_ledger(
    spells: pd.DataFrame,
    *,
    calendar: SchoolCalendar = CALENDAR,
    rules: EventRules = EVENT_RULES,
) -> pd.DataFrame:
    """Return one row a handover from one leader to another.

    Parameters
    ----------
    spells : DataFrame
        Spells of one role, sorted by unit and start. Where several leaders share a post, its
        changes are those of the principal.
    calendar : SchoolCalendar
        By which days are counted.
    rules : EventRules

    Returns
    -------
    DataFrame
        ``event_id, unit_id, role, school_year_end`` (the year in which the successor starts:
        event time 0), ``start`` (the successor's), ``predecessor_spell_id, successor_spell_id,
        predecessor_id, successor_id, vacancy_years, is_mid_year, is_date_known,
        successor_share``, then

        - ``is_day_known, change_date, is_summer, vacancy_days, overlap_days``: by the calendar.
          ``overlap_days`` counts the days that both were seen in post;
        - ``exit_reason, exit_type, notice_days, is_planned`` of the predecessor. All are missing
          for one who is still in post, with a smaller share of it;
        - ``predecessor_tenure_years``, from the start of the spell to the change, missing where
          one of both is unknown; ``predecessor_is_interim, successor_is_interim``;
        - ``predecessor_source_rows, successor_source_rows``, if spells have ``source_rows``, as
          `Panel.build` gives them;
        - ``event_order`` in the unit and ``gap_since_last_years``.

    Notes
    -----
    The date is not known where nobody looked between the two spells, and ``vacancy_years`` is
    missing then. The day is not known either in yearly rosters (spells with ``n_roster_rows``)
    and where ``stop_latest`` or ``start_earliest`` bound the change: what is counted in days is
    missing. Notice counts from ``announced``, if spells have it, and is missing where they
    don't. A leader who comes back after a vacancy is no change.

    Examples
    --------
    >>> import churnstats as cs
    >>> events = event_ledger(cs.datasets.load_mlb().tenures.for_role("manager"))
    >>> int(events["is_mid_year"].sum()), float(events["predecessor_tenure_years"].mean().round(2))
    (459, 2.59)
    """
    sides = _sides(spells)
    known = ~(sides.before["right_censored"] | sides.after["left_censored"])
    day_known = known & ~_is_vague(sides)
    parts = [
        _who_and_when(sides, known),
        _days(sides, day_known, calendar, rules),
        _exits(sides, calendar, rules),
        _leaders(sides),
    ]
    events = pd.concat(parts, axis=1)
    groups = events.groupby("unit_id", sort=False)
    events["event_order"] = groups.cumcount() + 1
    events["gap_since_last_years"] = groups["start"].diff()
    events.insert(
        0,
        "event_id",
        events["unit_id"] + "-" + events["role"] + "-e" + events["event_order"].astype("str"),
    )
    return events


def undated(events: pd.DataFrame, mark: BoolArray) -> pd.DataFrame:
    """Return the events with marked ones' dates unknown, and all that hangs on them missing."""
    began_then = events["predecessor_spell_id"].isin(events.loc[mark, "successor_spell_id"])
    made = events.assign(
        is_date_known=events["is_date_known"] & ~mark,
        is_day_known=events["is_day_known"] & ~mark,
        predecessor_tenure_years=events["predecessor_tenure_years"].mask(began_then),
    )
    return _missing_where(made, OF_THE_TIME, mark)


def _missing_where(events: pd.DataFrame, columns: tuple[str, ...], mark: BoolArray) -> pd.DataFrame:
    """Return the events with the marked cells of some columns missing."""
    return events.assign(**{name: events[name].mask(mark) for name in columns})


def _sides(spells: pd.DataFrame) -> _Sides:
    """Find the changes of the principal, and what is on both sides of them."""
    columns = [c for c in OF_SIDES if c in spells.columns]
    numbered = spells[[*columns, *NEEDED]].assign(_spell=np.arange(len(spells)))
    line = principals(numbered)
    unit, leader = (pd.factorize(line[c])[0] for c in ("unit_id", "leader_id"))
    at = np.flatnonzero((unit[1:] == unit[:-1]) & (leader[1:] != leader[:-1])) + 1
    line = line[[*WHO, "_spell"]]
    before, after = (line.take(rows).reset_index(drop=True) for rows in (at - 1, at))
    left, came = (
        spells[columns].take(side.pop("_spell").to_numpy()).reset_index(drop=True)
        for side in (before, after)
    )
    return _Sides(before, after, left, came)


def _who_and_when(sides: _Sides, known: pd.Series) -> pd.DataFrame:
    """Return ids and times of changes."""
    before, after = sides.before, sides.after
    start = after["start"]
    year = np.floor(start + CLOCK).astype("int64")
    return pd.DataFrame(
        {
            "unit_id": after["unit_id"],
            "role": after["role"],
            "school_year_end": year,
            "start": start,
            "predecessor_spell_id": before["spell_id"],
            "successor_spell_id": after["spell_id"],
            "predecessor_id": before["leader_id"],
            "successor_id": after["leader_id"],
            "vacancy_years": (start - before["stop"]).clip(lower=0.0).where(known),
            "is_mid_year": (start - year).abs() > CLOCK,
            "is_date_known": known,
            "successor_share": np.minimum(after["stop"], year + 1.0) - start,
        }
    )


def _days(
    sides: _Sides, day_known: pd.Series, calendar: SchoolCalendar, rules: EventRules
) -> pd.DataFrame:
    """Return the dates of changes and what is counted in days, missing where these are unknown."""
    start = _floats(sides.after["start"])
    year = np.floor(start + CLOCK)
    since_turn, to_turn = _days_from(calendar, year, start), _days_from(calendar, start, year + 1)
    both_from = np.maximum(_floats(sides.left["start"]), _floats(sides.came["start"]))
    both_to = np.minimum(_floats(sides.left["stop"]), _floats(sides.came["stop"]))
    vacant = _days_from(calendar, _floats(sides.before["stop"]), start)
    in_summer = np.minimum(since_turn, to_turn) <= rules.summer_days
    counted = pd.DataFrame(
        {
            "is_day_known": day_known,
            "change_date": calendar.to_dates(start),
            "is_summer": pd.array(in_summer, dtype="boolean"),
            "vacancy_days": _whole(vacant.clip(min=0)),
            "overlap_days": _whole(_days_from(calendar, both_from, both_to).clip(min=0)),
        }
    )
    return _missing_where(counted, OF_THE_DAY, ~day_known.to_numpy(dtype=bool))


def _exits(sides: _Sides, calendar: SchoolCalendar, rules: EventRules) -> pd.DataFrame:
    """Return why predecessors went and how long before it was announced."""
    left = sides.left
    gone = _ends_there(sides)
    seen = gone & ~left["right_censored"].to_numpy(dtype=bool)
    reason = left["exit_reason"].astype("str").where(seen)
    kind = reason.map(dict(rules.exit_types)).astype("str").fillna("unknown").where(gone)
    notice = np.full(len(left), np.nan)
    if "announced" in left.columns:
        exact = seen & left["stop_latest"].isna().to_numpy() & ("n_roster_rows" not in left)
        days = _days_from(calendar, _floats(left["announced"]), _floats(left["stop"]))
        notice = np.where(exact, days, np.nan)
    planned = pd.array(notice >= rules.planned_notice_days, dtype="boolean")
    planned[np.isnan(notice)] = pd.NA
    return pd.DataFrame(
        {
            "exit_reason": reason,
            "exit_type": kind,
            "notice_days": _whole(notice),
            "is_planned": planned,
        }
    )


def _leaders(sides: _Sides) -> pd.DataFrame:
    """Return what spells say of the leaders on both sides."""
    left, came = sides.left, sides.came
    known = ~(left["left_censored"] | sides.before["right_censored"])
    made = pd.DataFrame(
        {
            "predecessor_tenure_years": (sides.before["stop"] - left["start"]).where(known),
            "predecessor_is_interim": left["interim"].astype("boolean"),
            "successor_is_interim": came["interim"].astype("boolean"),
        }
    )
    if "source_rows" in left.columns:
        made["predecessor_source_rows"] = left["source_rows"]
        made["successor_source_rows"] = came["source_rows"]
    return made


def _ends_there(sides: _Sides) -> BoolArray:
    """Mark changes at which the predecessor's spell ends, and not only the time as principal."""
    return np.abs(_floats(sides.left["stop"]) - _floats(sides.before["stop"])) <= CLOCK


def _is_vague(sides: _Sides) -> pd.Series:
    """Mark changes of which the records know the year or some bounds, and not the day."""
    left, came = sides.left, sides.came
    begins_there = (sides.after["start"] - came["start"]).abs() <= CLOCK
    vague = left["stop_latest"].notna() & _ends_there(sides)
    return vague | (came["start_earliest"].notna() & begins_there) | ("n_roster_rows" in left)


def _days_from(calendar: SchoolCalendar, since: FloatArray, until: FloatArray) -> FloatArray:
    """Count the days between moments of school-year time, NaN where one is missing."""
    days = (calendar.to_dates(until) - calendar.to_dates(since)).dt.days
    return np.asarray(days.to_numpy(dtype=float))


def _floats(times: pd.Series) -> FloatArray:
    return times.to_numpy(dtype=float)


def _whole(days: FloatArray) -> pd.Series:
    """Return whole numbers, missing where NaN."""
    return pd.Series(days).astype("Int64")


def turnover_flags(panel: pd.DataFrame) -> pd.DataFrame:
    """Return turnover_lead and turnover_lag of a panel sorted by unit and year, missing if unknown.

    ``turnover_lag``: the holder differs from that of the year before. ``turnover_lead``: the
    holder differs from that of the year after. Both need a holder in both years.
    """
    unit, leader = (pd.factorize(panel[c])[0] for c in ("unit_id", "leader_id"))
    year = panel["school_year_end"].to_numpy()
    follows = (unit[1:] == unit[:-1]) & (np.diff(year) == 1)
    known = np.r_[False, follows & (leader[1:] >= 0) & (leader[:-1] >= 0)][: len(panel)]
    lag = pd.arrays.BooleanArray(np.r_[False, leader[1:] != leader[:-1]][: len(panel)], ~known)
    lead = missing_flags(len(panel))
    lead[:-1] = lag[1:]
    return pd.DataFrame({"turnover_lead": lead, "turnover_lag": lag})


def missing_flags(n: int) -> pd.arrays.BooleanArray:
    """Return so many flags that are neither true nor false."""
    return pd.arrays.BooleanArray(np.zeros(n, dtype=bool), np.ones(n, dtype=bool))


def count_moves(spells: pd.DataFrame) -> pd.DataFrame:
    """Return observed entries into and exits from the post by unit and school year.

    An entry counts in the year of its start, unless the spell is left-censored or was entered
    late; an exit counts in the year that it ends (a spell that stops at the turn of the year
    ends with the old year), unless it is right-censored.
    """
    seen = (
        ~spells["left_censored"].to_numpy()
        & (spells["entry"] <= spells["start"] + CLOCK).to_numpy()
    )
    entry_year = np.floor(spells["start"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    exit_year = np.ceil(spells["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64) - 1
    left = ~spells["right_censored"].to_numpy()
    parts = []
    for name, mask, year in (("n_entries", seen, entry_year), ("n_exits", left, exit_year)):
        part = pd.DataFrame(
            {"unit_id": spells["unit_id"].to_numpy()[mask], "school_year_end": year[mask]}
        )
        parts.append(part.value_counts(sort=False).rename(name))
    return pd.concat(parts, axis=1).fillna(0).astype("int64").reset_index()
