"""How long managers stay, what a change does, and what outlives it."""

from __future__ import annotations

import pandas as pd

import churnstats as cs
from churnstats.studies.study import Study

ESTIMATE = 1e-6


def run(study: Study) -> None:
    """Run the study from the shipped records to every table, figure and number."""
    study.step("reading records")
    data = cs.datasets.load_mlb()
    panel = cs.Panel.build(data.tenures, data.outcomes)
    records(study, data, panel)
    study.step("how long managers stay")
    tenure(study, data)
    study.step("what a change does")
    change(study, panel)
    study.step("what outlives the champion")
    initiatives(study, data, panel)


def records(study: Study, data: cs.datasets.ExampleData, panel: cs.Panel) -> None:
    """Count what there is."""
    study.text(
        "Records",
        "Spells of managers in the franchises of the American and National League, 1901 to 2020. "
        "Seasons are clocked by games, so that a mid-season change is a real handover.",
    )
    several = int((panel.frame["n_leaders"] > 1).sum())
    counts = {
        "spells": (data.tenures.n_spells, "Spells"),
        "managers": (int(data.tenures.frame["leader_id"].nunique()), "Managers"),
        "franchises": (int(panel.frame["unit_id"].nunique()), "Franchises"),
        "team_seasons": (len(panel.frame), "Team-seasons"),
        "team_seasons_several": (several, "Team-seasons with more than one manager"),
        "changes": (len(panel.events), "Changes of manager"),
        "changes_mid_season": (int(panel.events["is_mid_year"].sum()), "Changes in mid-season"),
    }
    for name, (value, label) in counts.items():
        study.number(f"count.{name}", value, label, key=name in ("spells", "changes"))
    table = pd.DataFrame(
        [(label, value) for value, label in counts.values()], columns=["what", "n"]
    )
    study.table("counts", table, "What the records hold")
    study.ledger("flow_panel", panel.ledger, "From records to the panel")


def tenure(study: Study, data: cs.datasets.ExampleData) -> None:
    """Four averages, and the curve behind the only one that uses every spell."""
    study.text(
        "How long managers stay",
        "Four figures are each quoted as average tenure. They differ because spells that still "
        "run are long, and because spells that run at any one moment are longer than spells in "
        "general.",
    )
    summary = cs.tenure_summary(data.tenures)
    study.table("tenure_averages", summary.averages, "Four averages of the same records (years)")
    for row in summary.averages.itertuples():
        name = f"tenure.{row.average}.{row.statistic}".replace(",", "").replace(" ", "_").lower()
        study.number(
            name,
            row.years,
            f"Tenure, {row.average}, {row.statistic} (years)",
            rtol=ESTIMATE,
            key=row.average.startswith(("Kaplan", "completed")),
        )
    curve = summary.survival
    study.figure(
        "tenure_survival",
        curve.plot(),
        "Share of managers still in post (Kaplan-Meier, late entry, errors clustered by franchise)",
    )
    tidy = curve.tidy()
    for years in study.options["survival_years"]:
        row = tidy[tidy["time"] <= years].iloc[-1]
        study.number(
            f"tenure.survival.{years}",
            row["estimate"],
            f"Share still in post after {years} years",
            rtol=ESTIMATE,
            result=curve,
            key=False,
        )
        study.number(
            f"tenure.survival.{years}.se",
            row["std_error"],
            f"Its standard error ({years} years)",
            rtol=ESTIMATE,
            key=False,
        )


def change(study: Study, panel: cs.Panel) -> None:
    """The effect of a change on the win share, with what isolation costs and three bases."""
    window = study.options["window"]
    design = cs.Stacked(pre=window["pre"], post=window["post"])
    study.text(
        "What a change does to the win share",
        "Teams change managers after bad seasons, and often. So each change is compared with "
        "teams that change nothing in the same seasons, only changes that stand alone in their "
        "window are used, and the effect is shown on three bases.",
    )
    study.table(
        "isolation",
        isolation(study, panel),
        "How many changes each window can use (unit-years with a change)",
    )
    bases = cs.three_bases(panel, design, "win_share", lags=study.options["lags"])
    study.figure(
        "win_share_three_bases",
        bases.plot(),
        "Effect of a change of manager on the win share, on three bases",
    )
    study.text("What a change does to the win share", bases.regression_to_the_mean())
    for name, result in bases.results.items():
        slug = name.replace("-", "_").replace(" ", "_")
        study.table(f"win_share_base_{slug}", result, f"Win share, base {name}")
        numbers_of(
            study,
            cs.pooled_effect(result),
            f"win_share.{slug}",
            f"Change of win share after a change of manager, base {name}",
            "mean over events and event times from 0 on",
        )
    numbers_of(
        study,
        bases.dip,
        "win_share.dip",
        "Win share in the last season before a change, against the team's own early level",
        "regression to the mean",
    )
    first = bases.results["t-1"]
    study.number(
        "win_share.n_events",
        int(first.glance()["n_events"].iloc[0]),
        "Changes that stand alone",
        result=first,
    )
    study.ledger("flow_change", first.ledger, "From changes to isolated events")
    run_difference(study, panel, design)


def run_difference(study: Study, panel: cs.Panel, design: cs.Stacked) -> None:
    """Repeat the comparison for a finer measure of a season."""
    runs = cs.three_bases(panel, design, "run_difference", lags=study.options["lags"])
    study.table(
        "run_difference_pooled",
        runs.pooled().drop(columns=["df"]),
        "The same for runs a game: pooled effect by base",
    )
    for name, result in runs.results.items():
        slug = name.replace("-", "_")
        numbers_of(
            study,
            cs.pooled_effect(result),
            f"run_difference.{slug}",
            f"Change of run difference a game, base {name}",
            "as for the win share",
            key=False,
        )


def isolation(study: Study, panel: cs.Panel) -> pd.DataFrame:
    """Return the fate of every change for several windows, one row a window."""
    rows = []
    for pre, post in study.options["windows_compared"]:
        sample = cs.Stacked(pre=pre, post=post).build(panel, "win_share")
        fates = sample.fates["fate"].value_counts()
        rows.append(
            {
                "window": f"-{pre}..+{post}",
                "n_changes": len(sample.fates),
                "n_observed": len(sample.fates) - int(fates.filter(like="leave the time").sum()),
                "n_used": int(fates["used"]),
                "used_share": fates["used"] / len(sample.fates),
                "n_stayer_windows": int(sample.support["n_stayers"].sum()),
            }
        )
        study.number(
            f"isolation.{pre}_{post}",
            int(fates["used"]),
            f"Changes that stand alone in -{pre}..+{post}",
            key=False,
        )
    return pd.DataFrame(rows)


def initiatives(study: Study, data: cs.datasets.ExampleData, panel: cs.Panel) -> None:
    """Whether initiatives end sooner once their champion has left."""
    study.text(
        "Do initiatives outlive their champion?",
        "An analogue, and no more: a player who becomes a regular stands for an initiative, the "
        "manager of that season for its champion, and the initiative ends when he stops being a "
        "regular. Whether the champion is gone is known on opening day, before the season that "
        "shows whether the initiative goes on.",
    )
    rows = cs.program_rows(data.programs, panel)
    frame = rows.frame.assign(
        new_manager=(rows.frame["years_since_change"] == 0).astype(float),
        decade=rows.frame["school_year_end"] // 10 * 10,
    )
    study.ledger("flow_initiatives", rows.ledger, "From initiatives to rows at risk")
    clock = {"entry": "entry_years", "exit": "exit_years", "event": "event"}
    by_team = cs.Cluster("unit_id")
    plain = cs.cox(frame, "champion_gone", vcov=by_team, clusters=("school_year_end",), **clock)
    by_decade = cs.cox(frame, "champion_gone", vcov=by_team, strata=("decade",), **clock)
    both = cs.cox(frame, "champion_gone + new_manager", vcov=by_team, **clock)
    curve = cs.kaplan_meier(
        frame,
        by=("champion_gone",),
        vcov=by_team,
        time_label="seasons since the player became a regular",
        **clock,
    )
    study.figure(
        "initiatives_survival",
        curve.plot(),
        "Share of initiatives that go on, by "
        "whether the champion was gone at the start of the season (time-varying groups)",
    )
    for name, result, what in (
        ("champion_gone", plain, "champion gone"),
        ("champion_gone_decades", by_decade, "champion gone, baseline by decade"),
        ("champion_gone_new", both, "champion gone, next to a manager in his first season"),
    ):
        study.table(f"cox_{name}", result, f"Hazard of an initiative's end: {what}")
        numbers_of(
            study,
            result,
            f"initiatives.{name}",
            f"Log hazard ratio, {what}",
            "hazard ratio of the end of an initiative",
            key=name == "champion_gone",
        )
    hazard_ratio(study, plain)


def hazard_ratio(study: Study, plain: cs.Result) -> None:
    """Record the ratio, and what two-way clusters make of its error."""
    two_way = plain.with_vcov(cs.TwoWay("unit_id", "school_year_end"))
    study.number(
        "initiatives.champion_gone.se_two_way",
        two_way.tidy()["std_error"].iloc[0],
        "Its standard error clustered by team and season",
        rtol=ESTIMATE,
        key=False,
    )
    ratio = plain.tidy(exponentiate=True).iloc[0]
    study.number(
        "initiatives.hazard_ratio",
        ratio["estimate"],
        "Hazard ratio of an initiative's end once its champion has left",
        rtol=ESTIMATE,
        result=plain,
    )
    study.text(
        "Do initiatives outlive their champion?",
        f"Once its champion has left, an initiative ends at {ratio['estimate']:.2f} times the "
        f"rate (95% interval {ratio['conf_low']:.2f} to {ratio['conf_high']:.2f}). This is a "
        "description: players and managers age together, and both leave teams that lose.",
    )


def numbers_of(
    study: Study, result: cs.Result, name: str, label: str, estimand: str, key: bool = True
) -> None:
    """Record estimate and standard error of every term of a result."""
    tidy = result.tidy()
    for row in tidy.itertuples():
        suffix = "" if len(tidy) == 1 else f".{row.term}"
        words = label if len(tidy) == 1 else f"{label}: {row.term}"
        study.number(
            f"{name}{suffix}",
            row.estimate,
            words,
            rtol=ESTIMATE,
            atol=1e-12,
            estimand=estimand,
            result=result,
            key=key,
        )
        study.number(
            f"{name}{suffix}.se",
            row.std_error,
            f"{words}, standard error",
            rtol=ESTIMATE,
            estimand=estimand,
            key=False,
        )
