"""The same panel, changes and measures in plain pandas, as an analyst would write them.

Years are exploded, neighbours are compared by ``shift``, tables are merged, and what needs the
history of a leader or a district goes through ``groupby.apply``. It leans on what these records
are: no shared posts, no late entries, no schools that change their district.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

POST = ["unit_id", "role"]
CELL = ["home", "year"]
CASCADE = (
    "n_exits", "n_at_risk", "n_expected", "exit_rate", "own_rate", "excess_rate", "coverage_share",
)  # fmt: skip
FAMILY = {"superintendent": "superintendent", "principal": "principal", "director": "cabinet"}


def spell_years(spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a spell and school year, with the share of the year."""
    years = [
        list(range(int(np.floor(a)), int(np.ceil(b))))
        for a, b in zip(spells["start"], spells["stop"], strict=True)
    ]
    rows = spells.assign(year=years).explode("year").astype({"year": "int64"})
    rows["share"] = np.minimum(rows["stop"], rows["year"] + 1) - np.maximum(
        rows["start"], rows["year"]
    )
    return rows


def post_panel(rows: pd.DataFrame, spells: pd.DataFrame) -> pd.DataFrame:
    """Return one row a post and school year, with its holder and what changed."""
    key = [*POST, "year"]
    holder = rows.groupby([*key, "leader_id"], as_index=False).agg(
        exposure_share=("share", "sum"), seen=("start", "min")
    )
    holder = holder.sort_values(
        [*key, "exposure_share", "seen"], ascending=[True] * 3 + [False, True]
    )
    holder = holder.drop_duplicates(key)
    best = rows.sort_values(["share", "start"], ascending=[False, True]).drop_duplicates(
        [*key, "leader_id"]
    )
    holder = holder.merge(
        best[[*key, "leader_id", "spell_id", "start", "stop", "left_censored", "title"]],
        on=[*key, "leader_id"], how="left",
    )  # fmt: skip
    total = rows.groupby(key, as_index=False).agg(
        led=("share", "sum"), n_leaders=("leader_id", "nunique")
    )
    panel = total.merge(holder.drop(columns="seen"), on=key, how="left")
    panel["vacancy_share"] = 1 - panel.pop("led")
    end = np.minimum(panel["stop"], panel["year"] + 1)
    panel["elapsed_tenure_years"] = (end - panel["start"]).where(~panel["left_censored"])
    entries = spells[~spells["left_censored"]].assign(year=lambda s: s["start"].astype(int))
    exits = spells[~spells["right_censored"]].assign(
        year=lambda s: np.ceil(s["stop"]).astype(int) - 1
    )
    for name, moves in (("n_entries", entries), ("n_exits", exits)):
        counts = moves.groupby(key).size().rename(name).reset_index()
        panel = panel.merge(counts, on=key, how="left")
        panel[name] = panel[name].fillna(0).astype(int)
    panel = panel.sort_values(key, ignore_index=True)
    groups = panel.groupby(POST)
    before, after = groups["leader_id"].shift(), groups["leader_id"].shift(-1)
    panel["turnover_lag"] = (panel["leader_id"] != before).where(before.notna()).astype("boolean")
    panel["turnover_lead"] = (panel["leader_id"] != after).where(after.notna()).astype("boolean")
    return panel


def date_of(time: float) -> pd.Timestamp:
    """Return the date of school-year time."""
    year = int(np.floor(time))
    first, last = pd.Timestamp(year - 1, 7, 1), pd.Timestamp(year, 7, 1)
    return first + pd.Timedelta(days=round((time - year) * (last - first).days))


def events_of(spells: pd.DataFrame, role: str) -> pd.DataFrame:
    """Return one row a change of leader of a role."""
    own = spells[spells["role"] == role].sort_values(["unit_id", "start"])
    before = own.groupby("unit_id")[
        ["leader_id", "spell_id", "start", "stop", "left_censored"]
    ].shift()
    events = pd.concat([own, before.add_prefix("before_")], axis=1)
    events = events[
        events["before_leader_id"].notna() & (events["before_leader_id"] != events["leader_id"])
    ]
    events = events.reset_index(drop=True)
    events["year"] = events["start"].astype(int)
    events["vacancy_years"] = events["start"] - events["before_stop"]
    events["is_mid_year"] = events["start"] != events["year"]
    events["successor_share"] = np.minimum(events["stop"], events["year"] + 1) - events["start"]
    events["change_date"] = events["start"].apply(date_of)
    left = events["before_stop"].apply(date_of)
    events["vacancy_days"] = (events["change_date"] - left).dt.days
    turn = pd.to_datetime({"year": events["year"] - 1, "month": 7, "day": 1})
    following = pd.to_datetime({"year": events["year"], "month": 7, "day": 1})
    since, to = events["change_date"] - turn, following - events["change_date"]
    events["is_summer"] = np.minimum(since.dt.days, to.dt.days) <= 31
    tenure = events["before_stop"] - events["before_start"]
    events["predecessor_tenure_years"] = tenure.where(events["before_left_censored"].eq(False))
    events["event_order"] = events.groupby("unit_id").cumcount() + 1
    events["gap_since_last_years"] = events.groupby("unit_id")["start"].diff()
    past = events.reset_index(names="event").merge(spells, on="leader_id", suffixes=("", "_past"))
    past = past[past["start_past"] < past["start"]]
    past["rank"] = np.where(
        past["unit_id_past"] != past["unit_id"],
        1,
        np.where(past["role_past"] == past["role"], 3, 2),
    )
    rank = past.groupby("event")["rank"].max().reindex(events.index, fill_value=0)
    events["successor_origin"] = rank.map(
        {0: "unknown", 1: "external", 2: "internal", 3: "returning"}
    )
    same = past[past["role_past"] == past["role"]].sort_values(["event", "start_past"])
    years = same.groupby("event")[["start_past", "stop_past", "start"]].apply(years_covered)
    events["successor_experience_years"] = years.reindex(events.index, fill_value=0.0)
    return events


def years_covered(rows: pd.DataFrame) -> float:
    """Return the length of the union of stretches before a time."""
    total, reach = 0.0, -np.inf
    for begin, end, time in rows.itertuples(index=False):
        end = min(end, time)
        total += max(end - max(begin, reach), 0.0)
        reach = max(reach, end)
    return total


def turnover(panel: pd.DataFrame) -> pd.DataFrame:
    """Return turnover of each family by district and year, and churn of all of them."""
    lag = panel["turnover_lag"].astype(float)
    lead = panel["turnover_lead"].astype(float)
    marks = panel[[*CELL, "family"]].assign(lag=lag, lead=lead)
    made = marks.groupby([*CELL, "family"]).agg(
        n_posts=("lag", "size"), turnover_lag_share=("lag", "mean"),
        lag_coverage_share=("lag", lambda x: x.notna().mean()),
        turnover_lead_share=("lead", "mean"),
        lead_coverage_share=("lead", lambda x: x.notna().mean()),
    )  # fmt: skip
    wide = made.unstack("family")
    wide.columns = [f"{family}_{name}" for name, family in wide.columns]
    return wide


def multi_role(wide: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return churn of all families over a moving window."""
    shares = wide[[c for c in wide.columns if c.endswith("turnover_lag_share")]]
    total, known = shares.sum(axis=1, skipna=False), shares.notna().sum(axis=1)
    level = total.groupby("home").rolling(window).sum().droplevel(0)
    told = known.groupby("home").rolling(window, min_periods=1).sum().droplevel(0)
    return pd.DataFrame(
        {
            "multi_role_churn_shares": level,
            "multi_role_churn_sd": (level - level.mean()) / level.std(),
            "multi_role_churn_coverage_share": told / (shares.shape[1] * window),
        }
    )


def with_the_head(panel: pd.DataFrame, rows: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return synchrony and cascade, district by district."""
    last = rows["year"].max()
    head = panel[panel["family"] == "superintendent"].set_index(CELL)["turnover_lag"]
    other = panel[panel["family"] != "superintendent"]
    changes = other.groupby(CELL)["turnover_lag"].agg(["sum", "count", "size"])
    spells = rows[rows["role"] != "superintendent"]
    stays = spells.groupby([*CELL, *POST, "leader_id"], as_index=False).agg(
        stop=("stop", "max"), censored=("right_censored", "max")
    )
    stays["seen"] = ~(stays["year"] == last)
    stays["gone"] = (stays["stop"] <= stays["year"] + 1) & stays["seen"]
    # who holds the post again at once, in a spell of its own, has not gone
    again = (
        spells[[*POST, "leader_id", "start"]].rename(columns={"start": "stop"}).drop_duplicates()
    )
    back = stays.merge(again.assign(again=True), on=[*POST, "leader_id", "stop"], how="left")[
        "again"
    ]
    stays["gone"] &= back.isna()
    people = stays.groupby(CELL).agg(
        exits=("gone", "sum"), at_risk=("seen", "sum"), n=("seen", "size")
    )
    both = changes.join(head.rename("head")).join(people).reset_index()
    made = both.groupby("home", group_keys=True)[list(both.columns)].apply(of_district, window)
    return made.set_index("year", append=True).droplevel(1)


def of_district(rows: pd.DataFrame, window: int) -> pd.DataFrame:
    """Return synchrony and cascade of one district, whose rows are its years."""
    rows = rows.sort_values("year", ignore_index=True)
    made = []
    quiet_exits = quiet_risk = 0.0
    for i in range(window - 1, len(rows)):
        if rows["head"].iloc[i - window + 1 : i + 1].eq(False).fillna(False).all():
            quiet_exits += rows["exits"].iloc[i]
            quiet_risk += rows["at_risk"].iloc[i]
    own = quiet_exits / quiet_risk if quiet_risk else np.nan
    for i in range(len(rows)):
        past, ahead = rows.iloc[max(i - window + 1, 0) : i + 1], rows.iloc[i : i + window]
        known = past[past["head"].notna()]
        every = known["sum"].sum()
        together = known.loc[known["head"].astype(bool), "sum"].sum()
        row = {
            "year": rows["year"].iloc[i],
            "synchrony_share": together / every if every else np.nan,
            "synchrony_coverage_share": (known["count"] / known["size"]).sum() / window,
        }
        row |= {f"cascade_{name}": np.nan for name in CASCADE}
        if not pd.isna(rows["head"].iloc[i]) and rows["head"].iloc[i]:
            row["cascade_own_rate"] = own
            row["cascade_coverage_share"] = (ahead["at_risk"] / ahead["n"]).sum() / window
            if len(ahead) == window and (ahead["at_risk"] > 0).all():
                exits, risk = ahead["exits"].sum(), ahead["at_risk"].sum()
                row["cascade_n_exits"], row["cascade_n_at_risk"] = exits, risk
                row["cascade_n_expected"] = own * risk
                row["cascade_exit_rate"] = exits / risk
                row["cascade_excess_rate"] = exits / risk - own
        made.append(row)
    return pd.DataFrame(made)


def middle(panel: pd.DataFrame) -> pd.DataFrame:
    """Return the stability and the tenure of the middle level."""
    own = panel[panel["family"] != "superintendent"].assign(
        lag=lambda p: p["turnover_lag"].astype(float)
    )
    groups = own.groupby(CELL)
    return pd.DataFrame(
        {
            "middle_stability_share": 1 - groups["lag"].mean(),
            "middle_stability_coverage_share": groups["lag"].count() / groups.size(),
            "middle_tenure_years": groups["elapsed_tenure_years"].mean(),
            "middle_tenure_coverage_share": groups["elapsed_tenure_years"].count() / groups.size(),
        }
    )


def number_stays(spells: pd.DataFrame) -> pd.DataFrame:
    """Return the stays of one leader in one district: spells between which no time lies."""
    spells = spells.sort_values("start")
    opens = spells["start"] > spells["stop"].cummax().shift()
    stays = []
    for _, part in spells.groupby(opens.cumsum()):
        begin, end = part["start"].min(), part["stop"].max()
        unknown = part.loc[part["start"] == begin, "left_censored"].any()
        cut = part.loc[part["stop"] == end, "right_censored"].any()
        stays.append((begin, end, unknown, not cut, list(part["spell_id"])))
    return pd.DataFrame(stays, columns=["began", "until", "unknown", "ended", "spell_id"])


def experience(rows: pd.DataFrame, spells: pd.DataFrame) -> pd.DataFrame:
    """Return local experience and what of it is lost."""
    columns = ["spell_id", "start", "stop", "left_censored", "right_censored"]
    repeated = spells.duplicated(["leader_id", "home"], keep=False)
    several = spells[repeated].groupby(["leader_id", "home"])[columns].apply(number_stays)
    several = several.reset_index(drop=True).rename_axis("stay").reset_index().explode("spell_id")
    alone = spells[~repeated].assign(
        stay=lambda s: -1 - np.arange(len(s)),
        began=lambda s: s["start"],
        until=lambda s: s["stop"],
        unknown=lambda s: s["left_censored"],
        ended=lambda s: ~s["right_censored"],
    )
    stays = pd.concat([several, alone[several.columns]])
    cut = rows["right_censored"] & (rows["stop"] <= rows["year"] + 1)
    rows = rows.assign(here=rows["start"] <= rows["year"], cut=cut)
    rows["cut"] = rows.groupby([*POST, "year"])["cut"].transform("any")
    rows = rows.merge(stays, on="spell_id")
    who = rows.groupby([*CELL, "stay"], as_index=False).agg(
        here=("here", "any"), cut=("cut", "any"), began=("began", "first"),
        until=("until", "first"), unknown=("unknown", "first"), ended=("ended", "first"),
    )  # fmt: skip
    who["left"] = who["ended"] & (who["until"] <= who["year"] + 1)
    who["so_far"] = (who["year"] - who["began"]).clip(lower=0)
    who["lost"] = who["until"] - who["began"]
    return who.groupby(CELL)[list(who.columns)].apply(of_district_year)


def of_district_year(who: pd.DataFrame) -> pd.Series:
    """Return the experience of one district and year, from its leaders."""
    stock = who[who["here"]]
    told = stock[~stock["unknown"] & ~stock["cut"]]
    gone = who[who["left"]]
    unsure, undated = who["cut"].any(), gone["unknown"].any()
    had = told["so_far"].sum()
    return pd.Series(
        {
            "experience_stock_years": np.nan if stock["unknown"].any() else stock["so_far"].sum(),
            "experience_n_left": np.nan if unsure else len(gone),
            "experience_lost_years": np.nan if unsure or undated else gone["lost"].sum(),
            "experience_lost_share": told.loc[told["left"], "so_far"].sum() / had
            if had
            else np.nan,
            "experience_coverage_share": len(told) / len(stock) if len(stock) else np.nan,
        }
    )


def titles(panel: pd.DataFrame) -> pd.DataFrame:
    """Return the share of holders who stay under another title."""
    before = panel.groupby(POST)["title"].shift()
    stayed = panel[panel["turnover_lag"].eq(False).fillna(False)]
    other = (stayed["title"] != before.loc[stayed.index]).astype(float)
    share = other.groupby([stayed[c] for c in CELL]).mean()
    return pd.DataFrame(
        {"title_churn_share": share, "title_coverage_share": share.notna().astype(float)}
    )


def everything(spells: pd.DataFrame, units: pd.DataFrame, window: int) -> dict[str, pd.DataFrame]:
    """Return panel, changes and measures of churn."""
    spells = spells.sort_values([*POST, "start"]).reset_index(drop=True)
    number = spells.groupby(POST).cumcount() + 1
    spells["spell_id"] = spells["unit_id"] + "-" + spells["role"] + "-" + number.astype("str")
    parent = units.set_index("unit_id")["parent_id"]
    spells["home"] = spells["unit_id"].map(parent).fillna(spells["unit_id"])
    spells["family"] = spells["role"].str.split("_").str[0].map(FAMILY)
    rows = spell_years(spells)
    every = post_panel(rows, spells)
    homes = spells.drop_duplicates(POST)[[*POST, "home", "family"]]
    every = every.merge(homes, on=POST, how="left")
    wide = turnover(every)
    parts = [
        wide, multi_role(wide, window), with_the_head(every, rows, window), middle(every),
        experience(rows, spells), titles(every),
    ]  # fmt: skip
    churn = pd.concat(parts, axis=1)
    panel = every[every["role"] == "principal"].drop(columns=["start", "stop", "left_censored"])
    return {"panel": panel, "events": events_of(spells, "principal"), "churn": churn}
