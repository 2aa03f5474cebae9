"""The simulated histories as tables: ids, names, spells and yearly snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from churnstats.core.types import BoolArray, FloatArray, IntArray
from churnstats.datasets.districts.outcomes import Achievement, EventEffects
from churnstats.datasets.districts.parameters import SimulationParameters
from churnstats.datasets.districts.posts import Posts
from churnstats.datasets.districts.programs import RUNNING, Programs

ROSTER_COLUMNS = ("unit_id", "role", "school_year_end", "leader_id", "leader_name")
STRANGERS = 2_100_000

# Shares of exits by reason; movers and interims have reasons of their own.
EXIT_REASONS = ("retirement", "voluntary_other", "nonrenewal", "involuntary")
EXIT_SHARES = (0.4, 0.3, 0.15, 0.15)
MOVED, INTERIM_ENDED = "voluntary_other", "interim_ended"

_GIVEN_START = "Ba Bo Da De Fe Ga Jo Ka Ki La Lu Ma Mi Na No Ra Ro Sa Ti"
_GIVEN_END = "bel can dor fin gal hem jun kar lan mir nel pon ran ric sen tal ton vel win xan zor"
_FAMILY_START = "Be Bu Ca Ce Du Fa Go Ha He Ja Ke Lo Mo Ne Pe Re Su"
_FAMILY_MIDDLE = "ba da fi ve ho ki la lo ma mi po ra ro sa ti vu"
_FAMILY_END = "ber dan der fel gan ham kin ler lin man mer nard nson rick san ser ster ton vic wood"
_GIVEN = [a + b for a, b in product(_GIVEN_START.split(), _GIVEN_END.split())]
_FAMILY_PARTS = (_FAMILY_START.split(), _FAMILY_MIDDLE.split(), _FAMILY_END.split())
_FAMILY = ["".join(parts) for parts in product(*_FAMILY_PARTS)]


def text(values: Sequence[str], codes: IntArray) -> pd.Series:
    """Return text by code; code -1 is missing."""
    array = pd.array(list(values) or [""], dtype="str")
    return pd.Series(array.take(codes, allow_fill=True))


def person_names(first: int, n: int) -> list[str]:
    """Return the made-up names of n persons; no two of the first two million share one."""
    number = np.arange(first, first + n)
    given, family = (number * 83) % len(_GIVEN), (number * 1237) % len(_FAMILY)
    return [f"{_GIVEN[g]} {_FAMILY[f]}" for g, f in zip(given, family, strict=True)]


@dataclass(frozen=True)
class PostTable:
    """Posts together with the text that names them.

    Parameters
    ----------
    posts : Posts
    unit_ids, roles : sequence of str
        One a post.
    prefix : str
        First letter of the leaders' ids.
    first_name : int
        Where the leaders' names begin among all names.
    reasons : (n, m) array
        Code of the reason for which a holder who leaves in that year leaves.
    """

    posts: Posts
    unit_ids: Sequence[str]
    roles: Sequence[str]
    prefix: str
    first_name: int
    reasons: IntArray

    def leader_ids(self) -> list[str]:
        """Return the ids of all persons by their number."""
        return [f"{self.prefix}{i:06d}" for i in range(self.posts.n_persons)]

    def leader_names(self) -> list[str]:
        """Return the names of all persons by their number."""
        return person_names(self.first_name, self.posts.n_persons)


def district_ids(n_districts: int, n_states: int) -> list[str]:
    """Return ids of seven characters: two of the state, then the district's number in it."""
    state = np.arange(n_districts) * n_states // n_districts
    number = np.arange(n_districts) - np.searchsorted(state, state) + 1
    return [f"{s + 1:02d}{k:05d}" for s, k in zip(state, number, strict=True)]


def school_ids(districts: Sequence[str], n_schools: int) -> list[str]:
    """Return ids of twelve characters, the district's first."""
    return [f"{d}{s + 1:05d}" for d in districts for s in range(n_schools)]


def units_table(districts: Sequence[str], schools: Sequence[str]) -> pd.DataFrame:
    """Return unit_id, level and parent_id of districts and schools."""
    n, k = len(districts), len(schools)
    parent = np.concatenate([np.full(n, -1), np.repeat(np.arange(n), k // n)])
    level = np.repeat([0, 1], [n, k])
    ids = text([*districts, *schools], np.arange(n + k))
    levels, parents = text(["district", "school"], level), text(districts, parent)
    return pd.DataFrame({"unit_id": ids, "level": levels, "parent_id": parents})


def tenures_of(table: PostTable, first_year: int, left_censored: bool) -> pd.DataFrame:
    """Return the spells that reach into the window, by post and time, without ids yet."""
    posts = table.posts
    begins = posts.changed.copy()
    begins[:, 0] = True
    row, column = np.nonzero(begins)
    last = np.append(row[1:] != row[:-1], True) if row.size else np.zeros(0, dtype=bool)
    after = np.append(column[1:], 0)
    start = posts.began_at[row, column]
    stop = np.where(last, posts.years[-1] + 1.0, posts.left_at[row, after])
    interim, moved = posts.interim[row, column], posts.moved_on[row, after]
    reason = np.where(moved, len(EXIT_REASONS), table.reasons[row, after])
    reason = np.where(last, -1, np.where(interim, len(EXIT_REASONS) + 1, reason))
    early = start < first_year
    entry = np.where(early, first_year, start)
    spells = pd.DataFrame(
        {
            "unit_id": text(table.unit_ids, row),
            "role": text(table.roles, row),
            "leader_id": text(table.leader_ids(), posts.holder[row, column]),
            "start": entry if left_censored else start,
            "stop": stop,
            "entry": entry,
            "left_censored": early & left_censored,
            "right_censored": last,
            "exit_reason": text([*EXIT_REASONS, MOVED, INTERIM_ENDED], reason),
            "interim": interim,
        }
    )
    seen: pd.DataFrame = spells.loc[stop > first_year]
    return seen


def number_spells(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put spells below one another and give each its id."""
    spells = pd.concat(parts, ignore_index=True)
    ids = [f"spell-{i:06d}" for i in range(1, len(spells) + 1)]
    spells.insert(0, "spell_id", text(ids, np.arange(len(ids))))
    return spells


def roster_of(table: PostTable, parameters: SimulationParameters) -> pd.DataFrame:
    """Return one row a post and observed year with its holder at the snapshot."""
    seen = parameters.observed
    holder = table.posts.holder_at(parameters.recording.snapshot_at)[:, seen]
    row, column = np.nonzero(holder >= 0)
    person = holder[row, column]
    return pd.DataFrame(
        {
            "unit_id": text(table.unit_ids, row),
            "role": text(table.roles, row),
            "school_year_end": parameters.years[seen][column],
            "leader_id": text(table.leader_ids(), person),
            "leader_name": text(table.leader_names(), person),
        }
    )


def _unit_years(unit_ids: Sequence[str], years: IntArray) -> dict[str, pd.Series | IntArray]:
    n = len(unit_ids)
    unit = text(unit_ids, np.repeat(np.arange(n), years.size))
    return {"unit_id": unit, "school_year_end": np.tile(years, n)}


def outcomes_of(unit_ids: Sequence[str], years: IntArray, a: Achievement) -> pd.DataFrame:
    """Return the outcome estimates of units in long form."""
    return pd.DataFrame(
        {
            **_unit_years(unit_ids, years),
            "measure": text(["achievement"], np.zeros(a.estimate.size, dtype=np.int64)),
            "estimate": a.estimate.ravel(),
            "std_error": a.std_error.ravel(),
            "n_obs": a.n_obs.ravel(),
        }
    )


def components_of(unit_ids: Sequence[str], years: IntArray, a: Achievement) -> pd.DataFrame:
    """Return the parts of each true mean."""
    return pd.DataFrame(
        {
            **_unit_years(unit_ids, years),
            "unit_effect": a.unit_effect.ravel(),
            "year_effect": a.year_effect.ravel(),
            "shock": a.shock.ravel(),
            "leader_effect": a.leader_effect.ravel(),
            "event_effect": a.event_effect.ravel(),
            "principal_effect": a.principal_effect.ravel(),
            "true_mean": a.true_mean.ravel(),
        }
    )


def events_of(
    table: PostTable, effects: EventEffects, parameters: SimulationParameters
) -> pd.DataFrame:
    """Return the superintendent changes of the observed years with their effects."""
    posts = table.posts
    changed = posts.changed & (posts.years >= parameters.first_year)
    row, column = np.nonzero(changed)
    visible = changed & (posts.left_at > parameters.first_year)
    order = np.cumsum(visible, axis=1) * visible
    multiplier, deviation = effects.multiplier[row, column], effects.deviation[row, column]
    ids = table.leader_ids()
    return pd.DataFrame(
        {
            "unit_id": text(table.unit_ids, row),
            "school_year_end": posts.years[column],
            "event_order": order[row, column],
            "start": posts.began_at[row, column],
            "leader_id": text(ids, posts.holder[row, column]),
            "predecessor_id": text(ids, posts.before[row, column]),
            "middle_stability": effects.stability[row, column],
            "deviation": deviation,
            "multiplier": multiplier,
            "event_effect": multiplier * (parameters.effect.values[0] + deviation),
        }
    )


def leaders_of(table: PostTable, effects: FloatArray, seen: slice) -> pd.DataFrame:
    """Return the effects of the superintendents who serve in the observed years."""
    posts = table.posts
    served = np.zeros(posts.n_persons, dtype=bool)
    in_window = posts.changed[:, seen] & (posts.left_at > posts.years)[:, seen]
    served[posts.holder[:, seen]] = True
    served[posts.before[:, seen][in_window]] = True
    person = np.flatnonzero(served)
    return pd.DataFrame({"leader_id": text(table.leader_ids(), person), "effect": effects[person]})


def programs_of(
    programs: Programs,
    superintendents: PostTable,
    directors: PostTable,
    first_year: int,
) -> pd.DataFrame:
    """Return program spells; times are whole school years."""
    n = programs.start.size
    persons = [*superintendents.leader_ids(), *directors.leader_ids()]
    by_director: BoolArray = programs.director >= 0
    sponsor = programs.sponsor + by_director * superintendents.posts.n_persons
    n_directors = int(programs.director.max(initial=-1)) + 1
    roles = ["superintendent", *(f"director_{j + 1}" for j in range(n_directors))]
    n_partners = int(programs.partner.max(initial=-1)) + 1
    partners = [f"partner-{i + 1:02d}" for i in range(n_partners)]
    return pd.DataFrame(
        {
            "program_id": text([f"program-{i:06d}" for i in range(1, n + 1)], np.arange(n)),
            "unit_id": text(superintendents.unit_ids, programs.district),
            "start": programs.start,
            "stop": programs.stop,
            "entry": np.maximum(programs.start, first_year),
            "right_censored": programs.end == RUNNING,
            "end_reason": text(["abandoned", "completed"], programs.end),
            "sponsor_id": text(persons, sponsor),
            "sponsor_role": text(roles, programs.director + 1),
            "partner_id": text(partners, programs.partner),
        }
    )
