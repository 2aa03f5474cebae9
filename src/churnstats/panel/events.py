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
from churnstats.panel.shares import principals, stays_in_post

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
    "is_mid_year",
    "successor_share",
    "gap_since_last_years",
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
    handover_days : float
        Time in the post beside the predecessor, with no smaller share than theirs, makes a
        successor internal if it began more than so many days before the change; the length of a
        summer by default. Less is a handover, which one from outside may have too.
    """

    summer_days: int = 31
    planned_notice_days: int = 90
    exit_types: Mapping[str, str] = field(default_factory=lambda: EXIT_TYPES)
    min_years_seen: float = 5.0
    feeder_roles: tuple[str, ...] | None = None
    handover_days: float = 92

    def __post_init__(self) -> None:
        for name in ("summer_days", "planned_notice_days", "min_years_seen", "handover_days"):
            if not getattr(self, name) >= 0:
                raise SpecError(name, f"{getattr(self, name)} is no length of time")
        wrong = sorted({str(t) for t in self.exit_types.values()} - set(TYPES))
        if wrong:
            how = " or ".join(f"'{t}'" for t in TYPES)
            raise SpecError("exit_types", "there are no such types", where=wrong, how=how)


EVENT_RULES, CALENDAR = EventRules(), SchoolCalendar()


class _Sides(NamedTuple):
    """Both sides of each change: the stretches as the principal, and the spells they are of.

    The start and stop of the spells, and whether the start is known, are those of the unbroken
    time in the post that they are a part of; ``goes_on`` is when the successor stops being the
    principal.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    left: pd.DataFrame
    came: pd.DataFrame
    goes_on: FloatArray


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
        - ``predecessor_tenure_years``, from the start of the unbroken time in the post to the
          change, missing where one of both is unknown;
        - ``predecessor_is_interim, successor_is_interim``;
        - ``predecessor_source_rows, successor_source_rows``, if spells have ``source_rows``, as
          `Panel.build` gives them;
        - ``event_order`` in the unit and ``gap_since_last_years``.

    Notes
    -----
    The date is not known where nobody looked between the two spells: ``vacancy_years``,
    ``is_mid_year``, ``successor_share`` and the gaps on both sides of the change are missing then.
    Whether a change fell on the turn of a year is not known either where two yearly rosters put
    it there, or where its bounds hold a turn. The day is not known in yearly rosters (spells with
    ``n_roster_rows``) and where ``stop_latest`` or ``start_earliest`` bound the change: what is
    counted in days is missing. Notice counts from ``announced``, if spells have it, and is
    missing where they don't. A leader who comes back after a vacancy is no change, nor is a
    leader's next spell that begins where the one before stops.

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
    events["gap_since_last_years"] = _gaps(events)
    events.insert(
        0,
        "event_id",
        events["unit_id"] + "-" + events["role"] + "-e" + events["event_order"].astype("str"),
    )
    return events


def undated(events: pd.DataFrame, mark: BoolArray) -> pd.DataFrame:
    """Return the events with marked ones' dates unknown, and all that hangs on them missing."""
    began_then = events["predecessor_spell_id"].isin(events.loc[mark, "successor_spell_id"])
    # who came at a marked change may leave in a later spell of the same stay
    came = events["start"].where(mark).groupby(events["unit_id"], sort=False).shift()
    tenure = events["predecessor_tenure_years"]
    began = events["start"] - events["vacancy_years"].fillna(0.0) - tenure
    made = events.assign(
        is_date_known=events["is_date_known"] & ~mark,
        is_day_known=events["is_day_known"] & ~mark,
        predecessor_tenure_years=tenure.mask(began_then | ((began - came).abs() <= CLOCK)),
    )
    made["gap_since_last_years"] = _gaps(made)
    return _missing_where(made, OF_THE_TIME, mark)


def _gaps(events: pd.DataFrame) -> pd.Series:
    """Return the years since the unit's change before, missing where one's date is not known."""
    dated = events["start"].where(events["is_date_known"])
    return dated.groupby(events["unit_id"], sort=False).diff()


def _missing_where(events: pd.DataFrame, columns: tuple[str, ...], mark: BoolArray) -> pd.DataFrame:
    """Return the events with the marked cells of some columns missing."""
    return events.assign(**{name: events[name].mask(mark) for name in columns})


def _sides(spells: pd.DataFrame) -> _Sides:
    """Find the changes of the principal, and what is on both sides of them."""
    columns = [c for c in OF_SIDES if c in spells.columns]
    stay = stays_in_post(spells)
    # what touches another spell of its leader was seen to begin, or to go on, there
    numbered = spells[[*columns, *NEEDED]].assign(
        _spell=np.arange(len(spells)),
        left_censored=spells["left_censored"].to_numpy(dtype=bool) & stay.begins,
        right_censored=spells["right_censored"].to_numpy(dtype=bool) & stay.ends,
    )
    line = principals(numbered)
    unit, leader = (pd.factorize(line[c])[0] for c in ("unit_id", "leader_id"))
    same_unit, same_leader = unit[1:] == unit[:-1], leader[1:] == leader[:-1]
    at = np.flatnonzero(same_unit & ~same_leader) + 1
    start, stop = _floats(line["start"]), _floats(line["stop"])
    breaks = ~(same_unit & same_leader & (start[1:] <= stop[:-1] + CLOCK))
    ends = np.flatnonzero(np.r_[breaks, True])
    goes_on = stop[ends[np.searchsorted(ends, at)]]
    line = line[[*WHO, "_spell"]]
    before, after = (line.take(rows).reset_index(drop=True) for rows in (at - 1, at))

    def whole(side: pd.DataFrame) -> pd.DataFrame:
        rows = side.pop("_spell").to_numpy()
        own = spells[columns].take(rows).reset_index(drop=True)
        return own.assign(
            start=stay.start[rows], stop=stay.stop[rows], left_censored=stay.left_censored[rows]
        )

    return _Sides(before, after, whole(before), whole(after), goes_on)


def _who_and_when(sides: _Sides, known: pd.Series) -> pd.DataFrame:
    """Return ids and times of changes."""
    before, after = sides.before, sides.after
    start = after["start"]
    year = np.floor(start + CLOCK).astype("int64")
    mid_year = ((start - year).abs() > CLOCK).astype("boolean")
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
            "is_mid_year": mid_year.mask(~known | _may_be_the_turn(sides)),
            "is_date_known": known,
            "successor_share": (np.minimum(sides.goes_on, year + 1.0) - start).where(known),
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


def _may_be_the_turn(sides: _Sides) -> BoolArray:
    """Mark changes of which the records can't tell whether they were at the turn of a year.

    They lie at a turn because both spells are of yearly rosters, which put there what they saw
    of two years, or a turn lies within their bounds. What a roster gives as the earliest moment
    is when it still saw the predecessor.
    """
    left, came, start = sides.left, sides.came, _floats(sides.after["start"])
    earliest, latest = _floats(came["start_earliest"]), _floats(left["stop_latest"])
    begins_there = np.abs(start - _floats(came["start"])) <= CLOCK
    ends_there = ~begins_there & _ends_there(sides)
    first = np.where(begins_there & ~np.isnan(earliest), earliest, start)
    last = np.where(ends_there & ~np.isnan(latest), latest, start)
    of_rosters = np.zeros(start.size, dtype=bool)
    if "n_roster_rows" in left:
        of_rosters = (left["n_roster_rows"].notna() & came["n_roster_rows"].notna()).to_numpy()
    turn = np.ceil(np.where(of_rosters, first + CLOCK, first - CLOCK))
    bounded = (first < last - CLOCK) & (turn <= last + CLOCK)
    return np.asarray(bounded | (of_rosters & (np.abs(start - start.round()) <= CLOCK)))


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
    ends with the old year), unless it is right-censored. A spell that goes on where another one
    of the leader stops is no entry, and that stop no exit.
    """
    stay = stays_in_post(spells)
    seen = (
        stay.begins
        & ~spells["left_censored"].to_numpy()
        & (spells["entry"] <= spells["start"] + CLOCK).to_numpy()
    )
    entry_year = np.floor(spells["start"].to_numpy(dtype=float) + CLOCK).astype(np.int64)
    exit_year = np.ceil(spells["stop"].to_numpy(dtype=float) - CLOCK).astype(np.int64) - 1
    left = stay.ends & ~spells["right_censored"].to_numpy()
    parts = []
    for name, mask, year in (("n_entries", seen, entry_year), ("n_exits", left, exit_year)):
        part = pd.DataFrame(
            {"unit_id": spells["unit_id"].to_numpy()[mask], "school_year_end": year[mask]}
        )
        parts.append(part.value_counts(sort=False).rename(name))
    return pd.concat(parts, axis=1).fillna(0).astype("int64").reset_index()
