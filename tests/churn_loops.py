"""Every measure of churn once more, by loops over spells: slow, obvious and written apart.

The definitions are those of GLOSSARY.md. Posts that several share at one time are not in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

NAN = float("nan")
Spell = dict[str, Any]
Row = dict[str, Any]


def over(top: float, bottom: float) -> float:
    return top / bottom if bottom else NAN


class ChurnByLoops:
    """All measures of some spells.

    ``home(unit, year)`` is the district of a unit, ``family(role)`` the family of a role. Titles
    by year may be given as (spell_id, year); else they are the spells'.
    """

    def __init__(
        self,
        spells: pd.DataFrame,
        home: Callable[[str, int], str],
        family: Callable[[str], str],
        window: int,
        head: str = "superintendent",
        middle: tuple[str, ...] = ("principal", "cabinet", "central_office"),
        titles: dict[tuple[str, int], str] | None = None,
    ) -> None:
        self.home, self.family, self.window = home, family, window
        self.head, self.middle_families, self.titles = head, middle, titles
        self.spells: list[Spell] = spells.sort_values("start").to_dict("records")
        for s in self.spells:
            last = int(np.ceil(s["stop"])) - 1
            s["years"] = range(int(np.floor(s["entry"])), last + 1)
            s["post"] = (s["unit_id"], s["role"])
            s["last_home"] = home(s["unit_id"], last)
        self.posts: dict[tuple[str, str], list[Spell]] = {}
        for s in self.spells:
            self.posts.setdefault(s["post"], []).append(s)
        self.in_post = self._stays(lambda s: s["post"])
        # each is asked for many times
        self._years_of = cache(self._years_of)
        self.holder = cache(self.holder)
        self.posts_of = cache(self.posts_of)
        self.exits = cache(self.exits)
        self.families = sorted({family(role) for _, role in self.posts})
        seen = [y for post in self.posts for y in self._years_of(post)]
        self.years = range(min(seen), max(seen) + 1)
        self.in_post = self._stays(lambda s: s["post"])
        self.in_district = self._stays(lambda s: s["last_home"])

    # ---------------------------------------------------------------- posts

    def _stretches(self, post: tuple[str, str]) -> list[tuple[float, float]]:
        """Return the stretches in which somebody watched the post."""
        spells = self.posts[post]
        found = [(s["entry"], s["stop"]) for s in spells]
        for a, b in pairwise(spells):
            if not a["right_censored"] and not b["left_censored"] and b["start"] > a["stop"]:
                found.append((a["stop"], b["start"]))
        return found

    def _years_of(self, post: tuple[str, str]) -> list[int]:
        stretches = self._stretches(post)
        first = int(min(a for a, _ in stretches))
        last = int(max(b for _, b in stretches)) + 1
        return [y for y in range(first, last) if self._observed(post, y) > 0]

    def _observed(self, post: tuple[str, str], year: int) -> float:
        return sum(max(0.0, min(b, year + 1) - max(a, year)) for a, b in self._stretches(post))

    def holder(self, post: tuple[str, str], year: int) -> Spell | None:
        """Return the longest spell of whoever led most of the year."""
        parts = []
        for s in self.posts[post]:
            share = min(s["stop"], year + 1) - max(s["entry"], year)
            if share > 0:
                parts.append((share, max(s["entry"], year), s))
        led: dict[str, float] = {}
        first: dict[str, float] = {}
        for share, seen, s in parts:
            led[s["leader_id"]] = led.get(s["leader_id"], 0.0) + share
            first[s["leader_id"]] = min(first.get(s["leader_id"], np.inf), seen)
        if not led:
            return None
        who = min(led, key=lambda i: (-led[i], first[i]))
        if self._observed(post, year) - sum(led.values()) > led[who]:
            return None
        own = [p for p in parts if p[2]["leader_id"] == who]
        return min(own, key=lambda p: (-p[0], p[1]))[2]

    def changed(self, post: tuple[str, str], year: int) -> bool | None:
        """Return whether the holder of a year is not that of the year before."""
        if not {year - 1, year} <= set(self._years_of(post)):
            return None
        before, now = self.holder(post, year - 1), self.holder(post, year)
        if before is None or now is None:
            return None
        return before["leader_id"] != now["leader_id"]

    def posts_of(self, home: str, year: int, *families: str) -> list[tuple[str, str]]:
        return [
            post
            for post in self.posts
            if year in self._years_of(post)
            and self.home(post[0], year) == home
            and (not families or self.family(post[1]) in families)
        ]

    def flags(self, home: str, year: int, *families: str) -> list[bool]:
        found = [self.changed(post, year) for post in self.posts_of(home, year, *families)]
        return [f for f in found if f is not None]

    def others(self) -> list[str]:
        return [f for f in self.families if f != self.head] or ["nobody"]

    # ---------------------------------------------------------------- turnover and what it adds to

    def turnover(self, home: str, year: int) -> Row:
        row: Row = {"n_posts": len(self.posts_of(home, year))}
        for f in self.families:
            posts = self.posts_of(home, year, f)
            lag = [x for p in posts if (x := self.changed(p, year)) is not None]
            lead = [x for p in posts if (x := self.changed(p, year + 1)) is not None]
            row |= {
                f"{f}_n_posts": len(posts),
                f"{f}_turnover_lag_share": over(sum(lag), len(lag)),
                f"{f}_lag_coverage_share": over(len(lag), len(posts)),
                f"{f}_turnover_lead_share": over(sum(lead), len(lead)),
                f"{f}_lead_coverage_share": over(len(lead), len(posts)),
            }
        return row

    def multi_role(self, home: str, year: int) -> Row:
        span = range(year - self.window + 1, year + 1)
        shares = [
            over(sum(flags), len(flags))
            for y in span
            for f in self.families
            for flags in [self.flags(home, y, f) if y in self.years else []]
        ]
        return {
            "multi_role_churn_shares": sum(shares),
            "multi_role_churn_coverage_share": float(np.mean(np.isfinite(shares))),
        }

    def head_changed(self, home: str, year: int) -> bool | None:
        posts = self.posts_of(home, year, self.head)
        found = [self.changed(p, year) for p in posts]
        if True in found:
            return True
        return False if posts and None not in found else None

    def synchrony(self, home: str, year: int) -> Row:
        together = every = told = 0.0
        for y in range(year - self.window + 1, year + 1):
            head = self.head_changed(home, y)
            if head is None:
                continue
            flags = self.flags(home, y, *self.others())
            every += sum(flags)
            together += sum(flags) * head
            posts = self.posts_of(home, y, *self.others())
            told += len(flags) / len(posts) if posts else 0.0
        return {
            "synchrony_share": over(together, every),
            "synchrony_coverage_share": told / self.window,
        }

    def middle(self, home: str, year: int) -> Row:
        posts = self.posts_of(home, year, *self.middle_families)
        flags = self.flags(home, year, *self.middle_families)
        held = [h for p in posts if (h := self.holder(p, year)) is not None]
        stays = [next(stay for stay in self.in_post if h in stay) for h in held]
        tenure = [
            min(max(s["stop"] for s in stay), year + 1) - stay[0]["start"]
            for stay in stays
            if not stay[0]["left_censored"]
        ]
        return {
            "middle_stability_share": over(len(flags) - sum(flags), len(flags)),
            "middle_stability_coverage_share": over(len(flags), len(posts)),
            "middle_tenure_years": over(sum(tenure), len(tenure)),
            "middle_tenure_coverage_share": over(len(tenure), len(posts)),
        }

    # ---------------------------------------------------------------- leaders

    def _stays(self, place: Callable[[Spell], Any]) -> list[list[Spell]]:
        """Return lists of one leader's spells at one place between which no time lies."""
        found: dict[Any, list[list[Spell]]] = {}
        for s in self.spells:
            stays = found.setdefault((s["leader_id"], place(s)), [])
            if stays and s["start"] <= max(x["stop"] for x in stays[-1]):
                stays[-1].append(s)
            else:
                stays.append([s])
        return [stay for stays in found.values() for stay in stays]

    def _lost_sight(self, post: tuple[str, str], year: int) -> bool:
        return any(
            s["right_censored"] and year in s["years"] and s["stop"] <= year + 1
            for s in self.posts[post]
        )

    def leaders(self, stays: list[list[Spell]], home: str, year: int) -> list[Row]:
        rows = []
        for stay in stays:
            here = [s for s in stay if year in s["years"] and self.home(s["unit_id"], year) == home]
            if not here:
                continue
            began, stop = min(s["start"] for s in stay), max(s["stop"] for s in stay)
            unknown = any(s["left_censored"] for s in stay if s["start"] == began)
            cut = any(s["right_censored"] for s in stay if s["stop"] == stop)
            rows.append(
                {
                    "began": NAN if unknown else began,
                    "dated": not unknown,
                    "stop": stop,
                    "left": stop <= year + 1 and not cut,
                    "known": not any(self._lost_sight(s["post"], year) for s in here),
                    "at_start": any(s["entry"] <= year for s in here),
                }
            )
        return rows

    def experience(self, home: str, year: int) -> Row:
        who = self.leaders(self.in_district, home, year)
        stock = [w for w in who if w["at_start"]]
        gone = [w for w in who if w["left"]]
        sure, dated = all(w["known"] for w in who), all(w["dated"] for w in gone)
        told = [w for w in stock if w["dated"] and w["known"]]
        so_far = [max(year - w["began"], 0.0) for w in told]
        left = sum(x for x, w in zip(so_far, told, strict=True) if w["left"])
        whole = all(w["dated"] for w in stock)
        stock_years = sum(max(year - w["began"], 0.0) for w in stock)
        lost_years = sum(w["stop"] - w["began"] for w in gone)
        return {
            "experience_stock_years": stock_years if whole else NAN,
            "experience_n_left": len(gone) if sure else NAN,
            "experience_lost_years": lost_years if sure and dated else NAN,
            "experience_lost_share": over(left, sum(so_far)),
            "experience_coverage_share": over(len(told), len(stock)),
        }

    def exits(self, home: str, year: int) -> tuple[int, int, int]:
        """Return exits, leaders at risk and leaders in posts of other families."""
        other = [s for s in self.in_post if self.family(s[0]["role"]) != self.head]
        who = self.leaders(other, home, year)
        at_risk = [w for w in who if w["known"]]
        return sum(w["left"] for w in at_risk), len(at_risk), len(who)

    def cascade(self, home: str, year: int) -> Row:
        names = (
            "n_exits", "n_at_risk", "n_expected", "exit_rate", "own_rate", "excess_rate",
            "coverage_share",
        )  # fmt: skip
        row: Row = {f"cascade_{name}": NAN for name in names}
        if not self.head_changed(home, year):
            return row
        quiet = [
            self.exits(home, y)
            for y in self.years
            if all(
                s in self.years and self.head_changed(home, s) is False
                for s in range(y - self.window + 1, y + 1)
            )
        ]
        own = over(sum(q[0] for q in quiet), sum(q[1] for q in quiet))
        ahead = [
            self.exits(home, y) if y in self.years else (0, 0, 0)
            for y in range(year, year + self.window)
        ]
        row["cascade_own_rate"] = own
        row["cascade_coverage_share"] = (
            sum(a[1] / a[2] if a[2] else 0.0 for a in ahead) / self.window
        )
        if all(a[1] > 0 for a in ahead):
            exits, at_risk = sum(a[0] for a in ahead), sum(a[1] for a in ahead)
            row |= {
                "cascade_n_exits": exits,
                "cascade_n_at_risk": at_risk,
                "cascade_n_expected": own * at_risk,
                "cascade_exit_rate": exits / at_risk,
                "cascade_excess_rate": exits / at_risk - own,
            }
        return row

    # ---------------------------------------------------------------- titles

    def _title(self, spell: Spell, year: int) -> str | None:
        if self.titles is not None:
            return self.titles.get((spell["spell_id"], year))
        title = spell.get("title")
        return None if title is None or title != title else " ".join(title.lower().split())

    def title_churn(self, home: str, year: int) -> Row:
        n_stayed, told = 0, []
        for post in self.posts_of(home, year):
            if self.changed(post, year) is not False:
                continue
            n_stayed += 1
            before, now = self.holder(post, year - 1), self.holder(post, year)
            assert before is not None
            assert now is not None
            titles = self._title(before, year - 1), self._title(now, year)
            if None not in titles:
                told.append(titles[0] != titles[1])
        return {
            "title_churn_share": over(sum(told), len(told)),
            "title_coverage_share": over(len(told), n_stayed),
        }

    def measures(self) -> pd.DataFrame:
        """Return one row a district and year in which a post was seen."""
        homes = sorted({self.home(unit, y) for unit, _ in self.posts for y in self.years})
        rows = [
            {"unit_id": h, "school_year_end": y}
            | self.turnover(h, y)
            | self.multi_role(h, y)
            | self.synchrony(h, y)
            | self.middle(h, y)
            | self.experience(h, y)
            | self.cascade(h, y)
            | self.title_churn(h, y)
            for h in homes
            for y in self.years
            if self.posts_of(h, y)
        ]
        made = pd.DataFrame(rows)
        level = made["multi_role_churn_shares"]
        n = level.notna().sum()
        mean = level.sum() / n if n else NAN
        spread = (((level - mean) ** 2).sum() / (n - 1)) ** 0.5 if n > 1 else 0.0
        made["multi_role_churn_sd"] = (level - mean) / spread if spread > 1e-12 else NAN
        return made
