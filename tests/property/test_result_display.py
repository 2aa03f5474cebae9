"""What a reader sees of a Result: tables in four formats, maketables, and pictures."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import churnstats as cs
from churnstats.designs.design import Continuous
from churnstats.display.tables import format_number, format_p
from churnstats.estimators.linear import fit_linear
from churnstats.inference.fit import Fit
from churnstats.inference.result import Description, infer
from support import SURVIVAL, Recipe, example_rows, examples, random_design

RESULTS = examples()
every_result = pytest.mark.parametrize("name", RESULTS)


def awkward() -> cs.Result:
    """Return a result whose every word has to be escaped somewhere."""
    rows = example_rows().rename(columns={"x": "a_<b>&", "y": "y_%"})
    result = cs.linear_model(rows, "y_% ~ `a_<b>&` + z", vcov=cs.Classical())
    return result.lincom({"a_<b>&": {"a_<b>&": 1}, "p|q": {"z": 1}, "r": {"Intercept": 1}})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1234567, "1,234,567"),
        (np.int64(3), "3"),
        (0.12345, "0.123"),
        (-1234.5, "-1,234.500"),
        (0.00012, "1.2e-04"),
        (-0.00012, "-1.2e-04"),
        (0.0, "0.000"),
        (0.001, "0.001"),
        (np.nan, "–"),
        (None, "–"),
        (pd.NA, "–"),
        (True, "yes"),
        (np.False_, "no"),
        ("word", "word"),
    ],
)
def test_format_number(value: object, shown: str) -> None:
    assert format_number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0009, "<.001"),
        (0.001, ".001"),
        (0.0454, ".045"),
        (1.0, "1.000"),
        (np.nan, "–"),
    ],
)
def test_format_p(value: float, shown: str) -> None:
    assert format_p(value) == shown


@every_result
def test_every_format_holds_every_number(name: str) -> None:
    result = RESULTS[name]
    texts = {
        "summary": result.summary(),
        "markdown": result.to_markdown(),
        "html": result.to_html(),
        "latex": result.to_latex(),
    }
    for row in result.tidy().itertuples():
        interval = f"[{format_number(row.conf_low)}, {format_number(row.conf_high)}]"
        cells = [format_number(row.estimate), format_number(row.std_error), interval]
        line = r"[^-\d\[]+".join(map(re.escape, cells))
        for form, text in texts.items():
            assert re.search(line, text), form
    for text in texts.values():
        for words in ("clustered by a", "9 a clusters", "small-sample rule"):
            assert words in text


@every_result
def test_summary_says_which_error_rows_and_losses(name: str) -> None:
    result = RESULTS[name]
    text = result.summary()
    n = result.glance()["n_rows"].iloc[0]
    survival = name != "linear_model"
    rule, law = ("clusters", "normal") if survival else ("nonnested", "t(8)")
    assert text.startswith(result.description.title + "\n")
    assert f"small-sample rule: {rule}; reference: {law}." in text
    assert f"{n} rows" in text
    assert ("1 rows without x" in text) == (name in ("linear_model", "cox"))
    assert str(result) == text
    assert result.description.title in repr(result)
    assert f"{len(result.names)} terms" in repr(result)
    assert result._repr_html_() == result.to_html()


def test_columns_of_the_table() -> None:
    def heads(result: cs.Result) -> list[str]:
        line = result.to_markdown().splitlines()[0]
        return [cell.strip() for cell in line.strip("|").split("|")]

    plain = ["Term", "Estimate", "Std. error"]
    assert heads(RESULTS["cox"]) == [*plain, "95% interval", "p"]
    assert heads(RESULTS["kaplan_meier"]) == [*plain, "95% interval", "At risk", "Events"]
    assert heads(examples(0.9)["linear_model"]) == [*plain, "90% interval", "p"]


def test_text_is_aligned() -> None:
    lines = RESULTS["cox"].summary().splitlines()
    head, rule, *body = lines[2:]
    assert set(rule) == {"-"}
    rows = body[: body.index(rule)]
    assert {len(line) for line in [head, *rows]} == {len(rule)}
    assert all(line.startswith(name) for line, name in zip(rows, RESULTS["cox"].names, strict=True))


def test_markdown_is_one_table_with_bars_escaped() -> None:
    text = awkward().to_markdown()
    table = text.split("\n\n")[0].splitlines()
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert columns == {6}
    assert r"p\|q" in text


def test_html_is_escaped_and_complete() -> None:
    text = awkward().to_html()
    assert "a_&lt;b&gt;&amp;" in text
    assert "<b>" not in text
    assert "&lt;.001" in text
    assert "<caption>Linear model</caption>" in text
    for tag in ("table", "caption", "thead", "tbody", "div", "tr", "td", "th"):
        assert len(re.findall(rf"<{tag}\b", text)) == text.count(f"</{tag}>") > 0
    assert text.count("<tr") == 1 + len(awkward().names)
    assert "Outcome: y_%" in text


def test_latex_is_escaped_and_balanced() -> None:
    text = awkward().to_latex(label="tab:one")
    assert r"\label{tab:one}" in text
    assert r"\label" not in awkward().to_latex()
    assert r"\caption{Linear model}" in text
    assert re.search(r"a\\_(<|\\textless\{\})b(>|\\textgreater\{\})\\&", text)
    assert r"y\_\%" in text
    assert r"95\% interval" in text
    for kind in ("table", "tabular", "minipage"):
        assert text.count(rf"\begin{{{kind}}}") == text.count(rf"\end{{{kind}}}") == 1
    assert text.index(r"\end{tabular}") < text.index(r"\begin{minipage}")
    assert text.rstrip().endswith(r"\end{table}")
    assert not re.search(r"(?<!\\)[%#_]", text)
    undefined = cs.kaplan_meier(
        pd.DataFrame({"t": [1.0, 2.0], "e": [1, 1]}), exit="t", event="e"
    ).to_latex()
    assert "--" in undefined
    assert "–" not in undefined


def test_maketables_reads_results() -> None:
    maketables = pytest.importorskip("maketables")
    clustered = RESULTS["linear_model"]
    plain = clustered.with_vcov(cs.Classical())
    table = maketables.ETable([clustered, plain])
    cells = table.df.map(str)
    for column, result in enumerate((clustered, plain)):
        tidy = result.tidy().set_index("term")
        for term in ("x", "z"):
            (row,) = cells[cells.index.get_level_values(-1) == term].to_numpy()
            assert f"{tidy.loc[term, 'estimate']:.3f}" in row[column]
            assert f"({tidy.loc[term, 'std_error']:.3f})" in row[column]
    (n,) = cells[cells.index.get_level_values(-1) == "Observations"].to_numpy()
    assert list(n) == ["89", "89"]
    assert "y" in table.make(type="tex")
    assert clustered.__maketables_stat__("se_type") == "clustered by a"
    assert clustered.__maketables_stat__("n_clusters") is None
    assert clustered.__maketables_vcov_info__["small_sample"] == "nonnested"
    coefficients = clustered.__maketables_coef_table__
    np.testing.assert_array_equal(coefficients["p"], clustered.tidy()["p_value"])
    np.testing.assert_array_equal(coefficients["t"], clustered.tidy()["statistic"])


def segments(axes: object) -> np.ndarray:
    """Return the ends of error bars, (terms, 2 ends, 2 coordinates)."""
    (bars,) = axes.containers
    return np.array(bars[2][0].get_segments())


@pytest.mark.parametrize("name", ["linear_model", "cox"])
def test_coefficients_are_drawn_with_their_intervals(name: str) -> None:
    result = examples(0.9)[name]
    figure, tidy = result.plot(), result.tidy()
    assert isinstance(figure, Figure)
    (axes,) = figure.axes
    (bars,) = axes.containers
    np.testing.assert_allclose(bars[0].get_xdata(), tidy["estimate"])
    np.testing.assert_allclose(bars[0].get_ydata(), [0, 1])
    ends = segments(axes)[:, :, 0]
    np.testing.assert_allclose(ends, tidy[["conf_low", "conf_high"]])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["x", "z"]
    what = "effect on y" if name == "linear_model" else "log hazard ratio"
    assert axes.get_xlabel().startswith(what)
    assert "90%" in axes.get_xlabel()
    assert axes.get_title(loc="left") == result.description.title
    pd.testing.assert_frame_equal(result.plot_data(), tidy)


def at_risk(rows: pd.DataFrame, time: float, weights: str | None = None) -> float:
    inside = (rows["entry"] <= time) & (time < rows["exit"])
    return float(inside.sum() if weights is None else rows.loc[inside, weights].sum())


@pytest.mark.parametrize("survival", [True, False])
def test_curves_are_drawn_with_bands_and_numbers_at_risk(survival: bool) -> None:
    rows, estimate = example_rows(), cs.kaplan_meier if survival else cs.nelson_aalen
    rows["half"] = rows["b"] % 2
    result = estimate(rows, by=("half",), time_label="years", **SURVIVAL)
    figure, tidy, start = result.plot(), result.tidy(), float(survival)
    curves, table = figure.axes
    groups = ["half=0", "half=1"]
    assert curves.get_ylabel() == ("Share still there" if survival else "Cumulative hazard")
    assert table.get_xlabel() == "years"
    assert [t.get_text() for t in curves.get_legend().get_texts()] == groups
    for group, line, band in zip(groups, curves.lines, curves.collections, strict=True):
        mine = tidy[tidy["group"] == group]
        np.testing.assert_allclose(line.get_xdata(), [0, *mine["time"]])
        np.testing.assert_allclose(line.get_ydata(), [start, *mine["estimate"]])
        assert line.get_drawstyle() == "steps-post"
        edges = band.get_paths()[0].vertices[:, 1]
        for bound in [*mine["conf_low"], *mine["conf_high"]]:
            assert np.isnan(bound) or np.isclose(edges, bound).any()
    ticks = table.get_xticks()
    shown = {(t.get_position()[0], t.get_position()[1]): t.get_text() for t in table.texts}
    assert len(shown) == 2 * len(ticks)
    for j, group in enumerate(groups):
        part = rows[rows["half"] == int(group[-1])]
        for tick in ticks:
            assert shown[(tick, j)] == f"{at_risk(part, tick):.0f}"
    assert [t.get_text() for t in table.get_yticklabels()] == groups


def test_risk_table_weighs_rows_and_has_round_times() -> None:
    rows = example_rows()
    result = cs.kaplan_meier(rows, weights="w", **SURVIVAL)
    risk = result.frames["risk_table"]
    assert risk["time"].tolist() == [0, 2, 4, 6, 8, 10, 12]
    np.testing.assert_allclose(risk["n_risk"], [at_risk(rows, t, "w") for t in risk["time"]])
    assert risk["n_risk"].iloc[-1] == 0


@pytest.mark.parametrize("longest", [0.03, 0.9, 1, 8, 16, 17, 99, 4000.5, 2e8])
def test_ticks_are_round_and_about_eight(longest: float) -> None:
    rows = pd.DataFrame({"t": [longest / 2, longest], "e": [1, 0]})
    ticks = cs.kaplan_meier(rows, exit="t", event="e").frames["risk_table"]["time"].to_numpy()
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0])
    assert ticks[0] == 0
    assert ticks[-1] <= longest * (1 + 1e-9) < ticks[-1] + steps[0] * (1 + 1e-6)
    assert 4 <= len(ticks) <= 9
    leading = steps[0] / 10 ** np.floor(np.log10(steps[0] * (1 + 1e-9)))
    assert np.isclose(leading, [1, 2, 5]).any()


def path(base: bool) -> cs.Result:
    """Return an event study made by hand: event times -3, -2, 0 and 1 around the base, -1."""
    design = random_design(Continuous, Recipe(5, n=60, n_effects=1))
    x = np.column_stack([design.x, design.x[:, :1] ** 2, design.x[:, 1:] ** 3])
    names = ("k=-3", "k=-2", "k=+0", "k=+1")
    made = fit_linear(
        type(design)(design.response, x, names, design.weights, design.effects, design.clusters)
    )
    keys = pd.DataFrame({"event_time": [1, -3, 0, -2], "n_events": 17, "in_base": False})
    reference = pd.DataFrame({"event_time": [-1], "n_events": 17, "in_base": True})
    fit = Fit(
        **{
            **vars(made),
            "keys": keys,
            "frames": {"base": reference if base else reference.iloc[:0]},
        }
    )
    return infer(fit, cs.Cluster("a"), Description("event_study", "Study", "scores", {}), 0.8)


@pytest.mark.parametrize("base", [True, False])
def test_event_path_is_drawn_in_order_with_its_base(base: bool) -> None:
    result = path(base)
    data = result.plot_data()
    assert data["event_time"].tolist() == ([-3, -2, -1, 0, 1] if base else [-3, -2, 0, 1])
    (axes,) = result.plot().axes
    (bars,) = axes.containers
    tidy = result.tidy().sort_values("event_time")
    np.testing.assert_allclose(bars[0].get_xdata(), tidy["event_time"])
    np.testing.assert_allclose(bars[0].get_ydata(), tidy["estimate"])
    np.testing.assert_allclose(segments(axes)[:, :, 1], tidy[["conf_low", "conf_high"]])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), data["estimate"])
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    at = [(x, y) for line in hollow for x, y in line.get_xydata()]
    assert at == ([(-1.0, 0.0)] if base else [])
    labels = [t.get_text() for t in axes.get_xticklabels()]
    assert labels[-2:] == ["0\n17", "+1\n17"]
    assert axes.get_ylabel() == "Effect on scores"
    assert axes.get_title(loc="right") == "80% intervals"
