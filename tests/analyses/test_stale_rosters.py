"""Stale years: in a real roster with a published turnover table, in simulations, by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from pandas.testing import assert_frame_equal
from scipy import stats

import churnstats as cs
from churnstats.core.provenance import frame_sha256
from churnstats.datasets import simulate_districts
from churnstats.diagnostics import stale
from churnstats.diagnostics.stale import AFTER, FLAGS, StaleYears, find_stale_years
from churnstats.inference.infer import both_small, count_tails, false_discovery
from churnstats.panel.turnover import mask_transitions, turnover_by_group
from churnstats.records.readers import read_broad_center

SUPERINTENDENTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "superintendents"
ROSTER = SUPERINTENDENTS / "broad_center_v1_ten_states.parquet"
PUBLISHED = SUPERINTENDENTS / "published_turnover_percent_ten_states.csv"
needs_rosters = pytest.mark.skipif(not ROSTER.exists(), reason="these rosters are not shipped")
COLUMNS = {"unit_id": "leaid", "leader_id": "super_id", "group_id": "state"}


def published() -> list[tuple[str, int, float]]:
    """Return every cell of the published table, also the empty ones: state, spring, percent."""
    if not PUBLISHED.exists():
        return []
    table = pd.read_csv(PUBLISHED).melt("state", var_name="year")
    return [(s.lower(), int(y) + 1, float(v)) for s, y, v in table.itertuples(index=False)]


@pytest.fixture(scope="module")
def roster() -> pd.DataFrame:
    """Return the roster with the spring of its school years; it has their fall."""
    rows = pd.read_parquet(ROSTER)
    return rows.assign(school_year_end=rows["year"] + 1)


@pytest.fixture(scope="module")
def turnover(roster: pd.DataFrame) -> pd.DataFrame:
    return turnover_by_group(roster, columns=COLUMNS)


@pytest.fixture(scope="module")
def found(turnover: pd.DataFrame) -> StaleYears:
    return find_stale_years(turnover)


@needs_rosters
@pytest.mark.parametrize(("state", "year", "percent"), published())
def test_published_cell(turnover: pd.DataFrame, state: str, year: int, percent: float) -> None:
    row = turnover[(turnover["group"] == state) & (turnover["school_year_end"] == year)]
    if np.isnan(percent):
        assert row["turnover_share"].isna().all()
    else:
        assert round(100 * row["turnover_share"].item(), 1) == percent


@needs_rosters
def test_nothing_is_computed_that_was_not_published(turnover: pd.DataFrame) -> None:
    shares = [cell for cell in published() if not np.isnan(cell[2])]
    assert len(shares) == turnover["turnover_share"].notna().sum() == 155
    known = turnover[turnover["n_units"] > 0]
    assert known["coverage_share"].between(0.83, 1).all()


@needs_rosters
def test_from_the_file_to_masked_transitions_it_is_four_calls(turnover: pd.DataFrame) -> None:
    panel = cs.Panel.build(read_broad_center(ROSTER))
    table = turnover_by_group(panel)
    counts = ["group", "school_year_end", "n_units", "n_changed", "turnover_share"]
    assert_frame_equal(table[counts].dropna(), turnover[counts].dropna())
    masked = mask_transitions(panel, find_stale_years(table).unknown_transitions())
    assert masked.ledger.steps[-1].lost == {"rebound": 1_621, "stale": 2_404}


@needs_rosters
def test_known_stale_years_and_their_rebounds_are_flagged(found: StaleYears) -> None:
    flags = found.frame.set_index(["group", "school_year_end"])["flag"]
    low = [("ok", 2021), ("ok", 2022), ("in", 2018), ("in", 2020), ("ar", 2025)]
    high = [("in", 2019), ("in", 2021), ("ok", 2023)]
    assert (flags[low] == "stale").all()
    assert (flags[high] == "rebound").all()
    besides = flags[flags.isin(FLAGS)].drop([*low, *high])
    assert len(besides) <= 0.05 * found.frame["turnover_share"].notna().sum()
    assert besides.to_dict() == {
        ("ar", 2013): "stale",
        ("ar", 2014): "rebound",
        ("ks", 2014): "bunched",
        ("oh", 2013): "bunched",
    }


@needs_rosters
def test_the_dating_changes_the_years_and_not_the_transitions(
    roster: pd.DataFrame, found: StaleYears
) -> None:
    table = turnover_by_group(roster, columns=COLUMNS, dating="lead")
    lead = find_stale_years(table, dating="lead")
    assert_frame_equal(lead.unknown_transitions(), found.unknown_transitions())
    years, moved = lead.flagged()["school_year_end"], found.flagged()["school_year_end"] - 1
    assert years.tolist() == moved.tolist()


@needs_rosters
def test_masked_transitions_are_those_of_the_table(roster: pd.DataFrame, found: StaleYears) -> None:
    names = {"unit_id": "leaid", "leader_id": "super_id"}
    panel = cs.Panel.build(cs.Tenures.from_roster(roster, columns=names, role="superintendent"))
    state = roster.groupby("leaid")["state"].first().astype("str").to_dict()
    unknown = found.unknown_transitions()
    made = mask_transitions(panel, unknown, state)
    step = made.ledger.steps[-1]
    n_units = found.frame.set_index(["group", "school_year_end"])["n_units"]
    hidden = pd.MultiIndex.from_frame(unknown[["group", "to_year"]])
    wanted = n_units.loc[hidden].groupby(unknown["reason"].to_numpy()).sum()
    assert step.lost == wanted.to_dict()
    assert step.n_in == n_units.sum()
    assert made.frame["turnover_lead"].notna().sum() == step.n_out
    again = turnover_by_group(made, groups=state).set_index(["group", "school_year_end"])
    assert (again.loc[hidden, "n_units"] == 0).all()
    assert again["n_units"].drop(hidden).equals(n_units.drop(hidden))
    lost = len(panel.events.query("is_date_known")) - len(made.events.query("is_date_known"))
    assert (
        lost
        == turnover_by_group(roster, columns=COLUMNS)
        .set_index(["group", "school_year_end"])
        .loc[hidden, "n_changed"]
        .sum()
    )


@dataclass(frozen=True)
class World:
    """Groups with a level each, years with an effect each, and rates that vary beyond both."""

    n_units: int
    n_groups: int = 10
    n_years: int = 16
    share: float = 0.17
    correlation: float = 0.005
    group_sd: float = 0.15
    year_sd: float = 0.04

    def draw(
        self, rng: np.random.Generator, n_stale: int = 0, leak: float = 0.0
    ) -> tuple[pd.DataFrame, np.ndarray]:
        """Return a turnover table and its stale cells, one a group, each with a year after it.

        A stale year shows ``leak`` of its changes; the rest is seen in the next.
        """
        shape, size = (self.n_groups, self.n_years), 1 / self.correlation - 1
        angle = 2 * np.arcsin(np.sqrt(self.share)) + self.year_sd * rng.standard_normal(shape[1])
        mean = np.sin((angle + self.group_sd * rng.standard_normal((shape[0], 1))) / 2) ** 2
        rate = rng.beta(mean * size, (1 - mean) * size)
        marked = np.zeros(shape, dtype=bool)
        for g in rng.permutation(shape[0])[:n_stale]:
            t = rng.integers(1, shape[1] - 1)
            marked[g, t] = True
            hidden = rate[g, t] * (1 - leak)
            rate[g, t] *= leak
            rate[g, t + 1] = 1 - (1 - hidden) * (1 - rate[g, t + 1])
        groups, years = np.indices(shape)
        table = pd.DataFrame({
            "group": groups.ravel().astype("str"), "school_year_end": 2005 + years.ravel(),
            "n_units": self.n_units,
            "turnover_share": rng.binomial(self.n_units, rate).ravel() / self.n_units,
        })  # fmt: skip
        return table, marked


def flags_of(table: pd.DataFrame, shape: tuple[int, ...], rate: float = 0.05) -> np.ndarray:
    made = find_stale_years(table, false_flag_rate=rate).frame
    made = made.astype({"group": "int"}).sort_values(["group", "school_year_end"])
    return made["flag"].to_numpy().reshape(shape)


def false_alarms(world: World, n_tables: int, seed: int) -> int:
    """Return how many tables without a defect have any flag."""
    rng = np.random.default_rng(seed)
    drawn = (world.draw(rng)[0] for _ in range(n_tables))
    return sum(find_stale_years(table).frame["flag"].isin(FLAGS).any() for table in drawn)


def power(
    world: World, n_tables: int, seed: int, leak: float = 0.0, rate: float = 0.05
) -> tuple[float, float, float]:
    """Return the shares found: of stale cells, of cells after them, and (falsely) of others."""
    rng = np.random.default_rng(seed)
    drawn = [world.draw(rng, n_stale=3, leak=leak) for _ in range(n_tables)]
    flags = np.array([flags_of(table, marked.shape, rate) for table, marked in drawn])
    marked = np.array([cells for _, cells in drawn])
    after = np.roll(marked, 1, axis=2)
    wrong = np.isin(flags, FLAGS) & ~marked & ~after
    return (float((flags == "stale")[marked].mean()), float((flags == "rebound")[after].mean()),
            float(wrong[~marked & ~after].mean()))  # fmt: skip


NULLS = {
    "as real states": World(370, n_years=20, correlation=0.004),
    "no year effects": World(200, year_sd=0.0),
    "binomial": World(100, correlation=1e-6, year_sd=0.0),
    "small groups": World(30),
    "few groups": World(100, n_groups=4, n_years=8),
    "one group": World(200, n_groups=1, n_years=20),
    "short": World(200, n_years=5),
}


@pytest.mark.parametrize("name", NULLS)
def test_sound_tables_are_flagged_as_seldom_as_asked(name: str) -> None:
    n = 80
    limit = stats.binom(n, 0.05).ppf(0.999)
    assert false_alarms(NULLS[name], n, seed=11) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("name", NULLS)
def test_sound_tables_at_length(name: str) -> None:
    n = 1000
    assert false_alarms(NULLS[name], n, seed=12) <= stats.binom(n, 0.05).ppf(0.999)


@pytest.mark.parametrize(
    ("n_units", "leak", "stale_share", "rebound_share"),
    [(400, 0.1, 0.93, 0.8), (200, 0.0, 0.95, 0.75), (100, 0.0, 0.8, 0.6), (60, 0.0, 0.42, 0.3)],
)
def test_stale_years_are_found(
    n_units: int, leak: float, stale_share: float, rebound_share: float
) -> None:
    low, high, wrong = power(World(n_units), 40, seed=n_units, leak=leak)
    assert low >= stale_share
    assert high >= rebound_share
    assert wrong < 0.004


def test_groups_of_thirty_ask_for_a_higher_rate_of_false_flags() -> None:
    strict, lenient = (power(World(30), 40, seed=30, rate=rate) for rate in (0.05, 0.5))
    assert strict[0] >= 0.05
    assert strict[2] < 0.001
    assert lenient[0] >= 0.3
    assert lenient[1] >= 0.3
    assert lenient[2] < 0.01


@pytest.mark.slow
def test_power_at_length() -> None:
    cases = [(n, leak, rate) for n in (30, 60, 100, 200, 400) for leak in (0.0, 0.1, 0.3)
             for rate in (0.05, 0.5)]  # fmt: skip
    rows = [(*case, *power(World(case[0]), 300, 13, *case[1:])) for case in cases]
    columns = ["n_units", "leak", "false_flag_rate", "stale", "rebound", "wrong"]
    print(pd.DataFrame(rows, columns=columns).round(4).to_string(index=False))
    assert max(row[-1] for row in rows) < 0.02


def test_planted_years_of_synthetic_districts_are_found_and_no_others() -> None:
    planted, flagged, after = set(), set(), set()
    for seed in range(6):
        sim = simulate_districts(
            800, 16, seed=seed, defects={"stale_year": 3}, n_schools=0, n_directors=0
        )
        truth = sim.truth.defects.drop_duplicates("number")
        planted |= {(seed, g, y) for g, y in truth[["detail", "school_year_end"]].to_numpy()}
        rows = sim.roster.assign(state=sim.roster["unit_id"].str[:2])
        table = turnover_by_group(rows, columns={"group_id": "state"})
        made = find_stale_years(table)
        keys = made.flagged()[["group", "school_year_end", "flag"]].to_numpy()
        flagged |= {(seed, g, y) for g, y, flag in keys if flag == "stale"}
        after |= {(seed, g, y - 1) for g, y, flag in keys if flag == "rebound"}
        unknown = made.unknown_transitions()
        assert set(zip(unknown["group"], unknown["to_year"], strict=True)) == {
            (g, y + k) for s, g, y in flagged if s == seed for k in (0, 1) if y + k <= 2020
        }
    assert len(planted) == 18
    assert planted == flagged
    assert after <= planted
    assert len(after) >= 8


def test_districts_without_defects_have_no_stale_year() -> None:
    sim = simulate_districts(800, 16, seed=7, n_schools=0, n_directors=0)
    rows = sim.roster.assign(state=sim.roster["unit_id"].str[:2])
    table = turnover_by_group(rows, columns={"group_id": "state"})
    assert find_stale_years(table).flagged().empty


PLAIN = [0.17, 0.20, 0.15, 0.18, 0.16, 0.19, 0.14, 0.17, 0.21, 0.16]


def one_group(changes: dict[int, float | None], n_units: int = 300) -> pd.DataFrame:
    """Return a group of ten years from 2010 with some shares replaced."""
    table = pd.DataFrame({"group": "KS", "school_year_end": range(2010, 2020), "n_units": n_units,
                          "turnover_share": PLAIN})  # fmt: skip
    for year, share in changes.items():
        table.loc[table["school_year_end"] == year, "turnover_share"] = (
            np.nan if share is None else share
        )
    return table


def flags(table: pd.DataFrame) -> dict[int, str]:
    made = find_stale_years(table).frame
    marked = made[made["flag"] != ""]
    return dict(zip(marked["school_year_end"], marked["flag"], strict=True))


def test_each_flag_where_it_belongs() -> None:
    assert flags(one_group({})) == {}
    assert flags(one_group({2014: 0.01, 2015: 0.33})) == {2014: "stale", 2015: "rebound"}
    two = {2014: 0.0, 2015: 0.01, 2016: 0.45}
    assert flags(one_group(two)) == {2014: "stale", 2015: "stale", 2016: "rebound"}
    assert flags(one_group({2015: 0.40})) == {2015: "bunched"}
    assert flags(one_group({2014: None, 2015: 0.40})) == {2014: "no data", 2015: "rebound"}
    assert flags(one_group({2010: None, 2011: 0.40})) == {2010: "no data", 2011: "bunched"}
    assert flags(one_group({2019: 0.01})) == {2019: "stale"}
    assert flags(one_group({2010: 0.01})) == {2010: "stale"}


def test_a_low_year_that_alone_proves_nothing_is_stale_if_the_next_is_high() -> None:
    assert flags(one_group({2014: 0.08})) == {}
    assert flags(one_group({2014: 0.08, 2016: 0.29})) == {}
    assert flags(one_group({2014: 0.08, 2015: 0.29})) == {2014: "stale", 2015: "rebound"}
    assert flags(one_group({2014: 0.29, 2015: 0.08})) == {}


def test_years_left_out_are_years_without_a_share() -> None:
    table = one_group({2014: None, 2015: 0.40})
    short = find_stale_years(table.dropna())
    assert_frame_equal(short.flagged(), find_stale_years(table).flagged())
    assert short.flagged()["flag"].tolist() == ["rebound"]


def test_the_year_after_a_stale_one_is_unknown_too_unless_it_is_without_a_share() -> None:
    made = find_stale_years(one_group({2014: 0.005, 2015: 0.20, 2018: 0.005, 2019: None}))
    assert made.flagged()["school_year_end"].tolist() == [2014, 2018]
    unknown = made.unknown_transitions()
    assert unknown[["from_year", "to_year", "reason"]].to_numpy().tolist() == [
        [2013, 2014, "stale"], [2014, 2015, AFTER], [2017, 2018, "stale"]]  # fmt: skip
    lead = find_stale_years(one_group({2014: 0.005, 2015: 0.20}), dating="lead")
    assert lead.unknown_transitions()["from_year"].tolist() == [2014, 2015]
    bunched = find_stale_years(one_group({2015: 0.40}))
    assert bunched.unknown_transitions().empty


def test_a_common_shock_is_no_stale_year() -> None:
    states = []
    for g in range(8):
        table = one_group({2014: 0.08 + 0.005 * (g % 3)}).assign(group=f"S{g}")
        table["turnover_share"] += 0.01 * (g % 4) - 0.015
        states.append(table)
    assert find_stale_years(pd.concat(states)).flagged().empty
    alone = pd.concat([states[0], *(s.assign(turnover_share=PLAIN) for s in states[1:])])
    alone.loc[(alone["group"] == "S0") & (alone["school_year_end"] == 2014), "turnover_share"] = (
        0.02
    )
    assert find_stale_years(alone).flagged()["group"].tolist() == ["S0"]


def test_groups_with_too_few_years_are_untested_and_keep_their_rows() -> None:
    young = one_group({}).iloc[:4].assign(group="AA")
    made = find_stale_years(pd.concat([one_group({2014: 0.01, 2015: 0.33}), young]))
    assert made.frame["group"].tolist() == ["AA"] * 4 + ["KS"] * 10
    assert made.frame["flag"].tolist()[:4] == ["untested"] * 4
    assert made.frame["expected_share"].isna().sum() == 4
    assert "4 could not" in made.summary()
    with pytest.raises(cs.IdentificationError, match="no group has 5 years"):
        find_stale_years(young)


def test_a_group_of_five_years_keeps_its_flags_in_the_second_pass() -> None:
    few = one_group({2012: 0.0, 2013: 0.36}, n_units=500).iloc[:5].assign(group="AA")
    many = [one_group({}, n_units=500).assign(group=f"S{g}") for g in range(6)]
    made = find_stale_years(pd.concat([few, *many])).flagged()
    assert made[["school_year_end", "flag"]].to_numpy().tolist() == [
        [2012, "stale"],
        [2013, "rebound"],
    ]


def test_order_and_labels_say_nothing_and_the_table_is_left_alone() -> None:
    table, _ = World(100).draw(np.random.default_rng(3), n_stale=3)
    before = frame_sha256(table)
    made = find_stale_years(table)
    assert frame_sha256(table) == before
    shuffled = find_stale_years(table.sample(frac=1, random_state=1))
    assert_frame_equal(shuffled.frame, made.frame)
    named = find_stale_years(
        table.assign(group="x" + table["group"], school_year_end=table["school_year_end"] + 50)
    )
    columns = ["expected_share", "score", "flag"]
    assert_frame_equal(named.frame[columns], made.frame[columns])
    assert made.overdispersion == shuffled.overdispersion == named.overdispersion


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"turnover_share": 17.0}, "no_share"),
        ({"turnover_share": -0.1}, "no_share"),
        ({"n_units": 0}, "no_count"),
        ({"n_units": np.nan}, "no_count"),
        ({"school_year_end": 2012}, "duplicate_row"),
        ({"school_year_end": np.nan}, "missing_value"),
        ({"group": None}, "missing_value"),
        ({"school_year_end": 2012.5}, "not_a_year"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(change: dict[str, object], rule: str) -> None:
    table = one_group({}).astype({"n_units": float, "school_year_end": float})
    for column, value in change.items():
        table.loc[4, column] = value
    with pytest.raises(cs.DataError) as caught:
        find_stale_years(table)
    assert [fault.rule for fault in caught.value.faults] == [rule]


def test_choices_that_make_no_sense_are_refused() -> None:
    with pytest.raises(cs.DataError, match="no column n_units"):
        find_stale_years(one_group({}).drop(columns="n_units"))
    with pytest.raises(cs.SpecError, match="'lag' or 'lead'"):
        find_stale_years(one_group({}), dating="later")  # type: ignore[arg-type]
    for rate in (0.0, 1.0, np.nan):
        with pytest.raises(cs.SpecError, match="is no rate"):
            find_stale_years(one_group({}), false_flag_rate=rate)


def test_constants_and_medians_are_what_they_say() -> None:
    square = stats.chi2(1)
    inside = stats.chi2(3).cdf(stale.CAP**2)
    mean = inside + stale.CAP**2 * square.sf(stale.CAP**2)
    fourth = 3 * stats.chi2(5).cdf(stale.CAP**2) + stale.CAP**4 * square.sf(stale.CAP**2)
    assert np.isclose(stale.CAPPED_MEAN, mean)
    assert round((fourth - mean**2) / inside**2, 2) == stale.SCALE_VARIANCE
    values = np.random.default_rng(0).random((6, 9))
    values[0, ::2] = values[1, 1:] = np.nan
    without = stale._without_each(values)
    for i in range(6):
        assert np.isclose(stale._median(values)[i], np.nanmedian(values[i]))
        for j in range(9):
            rest = pd.Series(np.delete(values[i], j)).median()
            assert np.isclose(without[i, j], rest, equal_nan=True)


def test_overdispersion_is_recovered_with_the_error_of_the_prediction_and_the_margin() -> None:
    drawn = World(300, n_groups=40, n_years=25, correlation=0.01)
    table, _ = drawn.draw(np.random.default_rng(5))
    prediction = (0.01 + 1 / 300) * np.pi / 2 / 24
    margin = np.sqrt(stale.SCALE_VARIANCE / 1000) * (0.01 + prediction + 1 / 300)
    wanted = 0.01 + prediction + margin
    assert abs(find_stale_years(table).overdispersion - wanted) < 0.0015


def test_tails_are_those_of_the_sum_of_probabilities() -> None:
    size = 1 / 0.02 - 1
    chances = stats.betabinom(25, 0.2 * size, 0.8 * size).pmf(np.arange(26))
    counts = np.arange(26.0)
    fixed = [np.full(26, value) for value in (25.0, 0.2, 0.02)]
    low, high = count_tails(counts, *fixed)
    assert np.allclose(low, np.cumsum(chances))
    assert np.allclose(high, np.cumsum(chances[::-1])[::-1])
    assert np.isnan(count_tails(np.array([np.nan]), *(f[:1] for f in fixed))).all()
    drawn = np.random.default_rng(2).random((2, 100_000))
    assert abs((both_small(*drawn) <= 0.05).mean() - 0.05) < 0.003
    assert np.isnan(false_discovery(np.array([np.nan]))).all()
    assert np.allclose(false_discovery(np.array([0.04, 0.01, 0.03])), [0.04, 0.03, 0.04])


def test_the_picture_frames_what_is_flagged() -> None:
    made = find_stale_years(one_group({2012: None, 2014: 0.01, 2015: 0.33}))
    figure = made.plot()
    ax = figure.axes[0]
    framed = {round(p.get_x() + p.get_width() / 2) for p in ax.patches if isinstance(p, Rectangle)}
    assert framed == {2014, 2015}
    assert [t.get_text() for t in ax.texts] == ["17", "20", "18", "1", "33", "14", "17", "21", "16"]
    entries = [t.get_text() for t in figure.legends[0].get_texts()]
    assert entries == ["stale (1)", "rebound (1)", "no share"]
    assert "later" in ax.get_title(loc="right")
    sound = find_stale_years(one_group({})).plot()
    assert not sound.axes[0].patches
    assert not sound.legends


def test_the_summary_tells_every_flag() -> None:
    text = str(find_stale_years(one_group({2014: 0.01, 2015: 0.33})))
    assert "2 of 10 group-years" in text
    assert "rebound" in text
    assert "KS                2014      300           0.010" in text
