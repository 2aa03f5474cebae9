"""One job by one program, in a process of its own: ``python jobs.py <job> <program> <data> <n>``.

Prints JSON: CPU seconds of each of n runs after a first one that does not count, the peak of
memory above what the process held before, the estimates, and the program's version. A program that
is not installed prints nothing and ends with status 3. Imports stay inside, so that no program
pays for another.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from panel.churn_jobs import churn_churnstats, churn_floor, churn_pandas  # noqa: F401

NOT_INSTALLED = 3
Numbers = dict[str, float]
Prepared = Callable[[], Any]


# --- linear model with unit and year effects, clustered by unit -----------------------------------


def linear_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    rows = pd.read_parquet(data / "linear.parquet")

    def run() -> Any:
        return cs.linear_model(rows, "y ~ x + z | unit + year", vcov=cs.Cluster("unit"))

    return run, lambda r: _numbers(r.names, r.coef, np.sqrt(np.diag(r.vcov)))


def linear_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One sweep of means by unit and by year (exact, as the panel is balanced) and one Gram."""
    rows = pd.read_parquet(data / "linear.parquet")

    def run() -> Any:
        values = rows[["y", "x", "z"]].to_numpy()
        unit, year = rows["unit"].to_numpy(), rows["year"].to_numpy() - 2001
        for codes in (unit, year):
            n = np.bincount(codes)
            means = np.column_stack([np.bincount(codes, v) / n for v in values.T])
            values = values - means[codes]
        x = values[:, 1:]
        bread = np.linalg.inv(x.T @ x)
        coef = bread @ (x.T @ values[:, 0])
        scores = x * (values[:, 0] - x @ coef)[:, None]
        sums = np.column_stack([np.bincount(unit, s) for s in scores.T])
        return coef, bread @ (sums.T @ sums) @ bread

    return run, lambda r: _numbers(("x", "z"), r[0], None)


def linear_pyfixest(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import pyfixest as pf

    rows = pd.read_parquet(data / "linear.parquet")

    def run() -> Any:
        return pf.feols("y ~ x + z | unit + year", rows, vcov={"CRV1": "unit"})

    return run, lambda r: _numbers(("x", "z"), r.coef().to_numpy(), r.se().to_numpy())


def linear_linearmodels(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    from linearmodels.panel import PanelOLS

    rows = pd.read_parquet(data / "linear.parquet").set_index(["unit", "year"])

    def run() -> Any:
        model = PanelOLS(rows["y"], rows[["x", "z"]], entity_effects=True, time_effects=True)
        return model.fit(cov_type="clustered", cluster_entity=True)

    return run, lambda r: _numbers(("x", "z"), r.params.to_numpy(), None)


# --- Cox with start-stop rows, strata and clusters ------------------------------------------------

TERMS = ("change", "capacity")


def cox_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    rows = pd.read_parquet(data / "programs.parquet")

    def run() -> Any:
        return cs.cox(
            rows, "change + capacity", entry="start", exit="stop", event="event",
            strata=("state",), vcov=cs.Cluster("district", "none"),
        )  # fmt: skip

    return run, lambda r: _numbers(TERMS, r.coef, None)


def cox_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One sort by stratum and time, one exponential and one Gram an iteration, five of them."""
    rows = pd.read_parquet(data / "programs.parquet")

    def run() -> Any:
        x = rows[list(TERMS)].to_numpy()
        order = np.lexsort([rows["stop"].to_numpy(), rows["state"].to_numpy()])
        x = x[order]
        beta = np.zeros(len(TERMS))
        for _ in range(5):
            gram = x.T @ (x * np.exp(x @ beta)[:, None])
            beta = beta + np.diag(gram) / gram.sum() / 10
        return beta

    return run, lambda r: {}


def cox_lifelines(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    from lifelines import CoxPHFitter

    rows = pd.read_parquet(data / "programs.parquet")

    def run() -> Any:
        return CoxPHFitter().fit(
            rows, duration_col="stop", event_col="event", entry_col="start", strata=["state"],
            cluster_col="district",
        )  # fmt: skip

    return run, lambda r: _numbers(TERMS, r.params_[list(TERMS)].to_numpy(), None)


# --- Kaplan-Meier ---------------------------------------------------------------------------------


def survival_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    rows = pd.read_parquet(data / "spells.parquet")

    def run() -> Any:
        return cs.kaplan_meier(rows, entry="entry", exit="stop", event="ended")

    def numbers(result: Any) -> Numbers:
        table = result.tidy().set_index("time")
        return _numbers(("12", "60"), table.loc[[12, 60], "estimate"], None)

    return run, numbers


def survival_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One sort of the exits and three counts."""
    rows = pd.read_parquet(data / "spells.parquet")

    def run() -> Any:
        entry, stop = rows["entry"].to_numpy(), rows["stop"].to_numpy()
        times, at = np.unique(stop, return_inverse=True)
        events = np.bincount(at, rows["ended"].to_numpy())
        leaving = np.bincount(at)
        entering = np.bincount(np.searchsorted(times, entry, side="right"), minlength=times.size)
        at_risk = np.cumsum(entering[: times.size]) - np.r_[0, np.cumsum(leaving)[:-1]]
        return times, np.cumprod(1 - events / at_risk)

    return run, lambda r: _numbers(("12", "60"), r[1][np.searchsorted(r[0], [12, 60])], None)


def survival_lifelines(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    from lifelines import KaplanMeierFitter

    rows = pd.read_parquet(data / "spells.parquet")

    def run() -> Any:
        return KaplanMeierFitter().fit(rows["stop"], rows["ended"], entry=rows["entry"])

    return run, lambda r: _numbers(("12", "60"), r.survival_function_at_times([12, 60]), None)


def survival_statsmodels(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    from statsmodels.duration.survfunc import SurvfuncRight

    rows = pd.read_parquet(data / "spells.parquet")

    def run() -> Any:
        return SurvfuncRight(
            rows["stop"].to_numpy(), rows["ended"].to_numpy(), entry=rows["entry"].to_numpy()
        )

    def numbers(result: Any) -> Numbers:
        at = np.searchsorted(result.surv_times, [12, 60])
        return _numbers(("12", "60"), result.surv_prob[at], None)

    return run, numbers


# --- the stacked event study ----------------------------------------------------------------------


def _panel(data: Path, name: str) -> Any:
    import churnstats as cs

    tenures = cs.Tenures.from_spells(pd.read_parquet(data / f"{name}_spells.parquet"))
    return cs.Panel.build(
        tenures, cs.Outcomes.from_frame(pd.read_parquet(data / f"{name}_outcomes.parquet"))
    )


def stacked_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    panel, design = _panel(data, "stacked"), cs.Stacked(pre=3, post=2)

    def run() -> Any:
        return cs.event_study(panel, design, "score")

    return run, lambda r: _numbers(r.names, r.coef, np.sqrt(np.diag(r.vcov)))


def stacked_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One pass over unit-by-year arrays: windows by cumulative sums, means by stack."""
    panel = _panel(data, "stacked")

    def run() -> Any:
        units = pd.factorize(panel.frame["unit_id"])[0]
        year = panel.frame["school_year_end"].to_numpy() - 2001
        shape = (units.max() + 1, year.max() + 1)
        y, change = np.empty(shape), np.zeros(shape)
        y[units, year] = panel.frame["score"].to_numpy()
        at = pd.Index(panel.frame["unit_id"].unique()).get_indexer(panel.events["unit_id"])
        change[at, panel.events["school_year_end"].to_numpy() - 2001] = 1
        total = np.cumsum(np.hstack([np.zeros((shape[0], 1)), change]), axis=1)
        window = total[:, 6:] - total[:, :-6]
        effects, n_events = np.zeros(6), 0
        for t in range(window.shape[1]):
            event = (window[:, t] == 1) & (change[:, t + 3] == 1)
            stays = window[:, t] == 0
            path = y[event, t : t + 6].mean(axis=0) - y[stays, t : t + 6].mean(axis=0)
            effects += event.sum() * (path - path[2])
            n_events += event.sum()
        return effects / n_events

    names = [f"k={k:+d}" for k in (-3, -2, 0, 1, 2)]
    return run, lambda r: _numbers(names, np.delete(r, 2), None)


def stacked_pyfixest(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """The regression alone, on the rows of the stacks that churnstats built."""
    import pyfixest as pf

    import churnstats as cs

    rows = cs.Stacked(pre=3, post=2).build(_panel(data, "stacked"), "score").frame
    keys = {"su": ["stack", "unit_id"], "sy": ["stack", "school_year_end"], "u": ["unit_id"]}
    rows = rows.assign(**{k: rows.groupby(c).ngroup() for k, c in keys.items()})
    times = (-3, -2, 0, 1, 2)
    for j, k in enumerate(times):
        rows[f"d{j}"] = rows["treated"] * (rows["event_time"] == k)
    names = [f"k={k:+d}" for k in times]
    formula = f"y ~ {' + '.join(f'd{j}' for j in range(len(times)))} | su + sy"

    def run() -> Any:
        return pf.feols(formula, rows, vcov={"CRV1": "u"}, weights="weight")

    return run, lambda r: _numbers(names, r.coef().to_numpy(), r.se().to_numpy())


# --- a roster to validated spells -----------------------------------------------------------------


def roster_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    rows = pd.read_parquet(data / "roster.parquet")

    def run() -> Any:
        return cs.Tenures.from_roster(rows, role="superintendent")

    return run, lambda t: _spell_numbers(t.frame)


def roster_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """Codes of units and leaders, one sort, and one comparison with the row before."""
    rows = pd.read_parquet(data / "roster.parquet")

    def run() -> Any:
        unit, leader = (pd.factorize(rows[c])[0] for c in ("unit_id", "leader_id"))
        year = rows["school_year_end"].to_numpy()
        order = np.argsort(unit * 100 + (year - year.min()), kind="stable")
        unit, leader, year = unit[order], leader[order], year[order]
        same = (unit[1:] == unit[:-1]) & (leader[1:] == leader[:-1]) & (np.diff(year) == 1)
        at = np.flatnonzero(np.r_[True, ~same])
        last = np.r_[at[1:] - 1, unit.size - 1]
        return unit[at], leader[at], year[at], year[last] + 1

    return run, lambda r: {"spells": float(r[0].size), "years": float((r[3] - r[2]).sum())}


def roster_pandas(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """The plain way: refuse duplicates, then groupby.apply with a function of one unit's rows."""
    rows = pd.read_parquet(data / "roster.parquet")

    def spells(unit: pd.DataFrame) -> pd.DataFrame:
        unit = unit.sort_values("school_year_end")
        year, leader = unit["school_year_end"], unit["leader_id"]
        gap = year.diff() > 1
        opens = (leader != leader.shift()) | gap
        at = opens.cumsum()
        found = unit.groupby(at).agg(
            leader_id=("leader_id", "first"), start=("school_year_end", "min"),
            stop=("school_year_end", "max"),
        )  # fmt: skip
        unseen = (gap | (year == year.iloc[0]))[opens].to_numpy()
        found["left_censored"] = unseen
        found["right_censored"] = np.r_[unseen[1:], True]
        return found.assign(stop=found["stop"] + 1)

    def run() -> Any:
        if rows.duplicated(["unit_id", "school_year_end"]).any() or rows.isna().any(axis=None):
            raise ValueError("bad rows")
        return rows.groupby("unit_id")[["school_year_end", "leader_id"]].apply(spells)

    return run, _spell_numbers


def _spell_numbers(spells: pd.DataFrame) -> Numbers:
    return {
        "spells": float(len(spells)),
        "years": float((spells["stop"] - spells["start"]).sum()),
        "left": float(spells["left_censored"].sum()),
        "right": float(spells["right_censored"].sum()),
    }


# --- the road to the panel, and the simulation ----------------------------------------------------


def panel_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    import churnstats as cs

    spells = pd.read_parquet(data / "panel_spells.parquet")

    def run() -> Any:
        return cs.Panel.build(cs.Tenures.from_spells(spells))

    return run, lambda r: {"rows": float(len(r.frame)), "changes": float(len(r.events))}


def panel_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """One sort of the spells, one row a unit and year, one comparison with the row before."""
    spells = pd.read_parquet(data / "panel_spells.parquet")

    def run() -> Any:
        unit = pd.factorize(spells["unit_id"])[0]
        order = np.lexsort([spells["start"].to_numpy(), unit])
        years = (spells["stop"] - spells["start"]).to_numpy()[order].astype(int)
        leader = np.repeat(pd.factorize(spells["leader_id"])[0][order], years)
        owner = np.repeat(unit[order], years)
        return leader.size, int(((leader[1:] != leader[:-1]) & (owner[1:] == owner[:-1])).sum())

    return run, lambda r: {"rows": float(r[0]), "changes": float(r[1])}


def simulate_churnstats(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    from churnstats.datasets.districts import simulate_districts

    n = max(len(pd.read_parquet(data / "linear.parquet", columns=["unit"])) // 24, 40)

    def run() -> Any:
        return simulate_districts(n, 12, n_schools=0, n_directors=0)

    return run, lambda r: {}


def simulate_floor(data: Path) -> tuple[Prepared, Callable[[Any], Numbers]]:
    """As many random numbers as districts and years need, burn-in included."""
    n = max(len(pd.read_parquet(data / "linear.parquet", columns=["unit"])) // 24, 40)

    def run() -> Any:
        rng = np.random.default_rng(0)
        return rng.normal(size=(n, 42)), rng.random((n, 42)), rng.normal(size=(n, 12))

    return run, lambda r: {}


# --- the process ----------------------------------------------------------------------------------


def _numbers(names: Any, coef: Any, errors: Any) -> Numbers:
    found = {f"{n} estimate": float(b) for n, b in zip(names, coef, strict=True)}
    if errors is not None:
        found |= {f"{n} error": float(s) for n, s in zip(names, errors, strict=True)}
    return found


def _status_kb(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def _output_mb(result: Any) -> float:
    """Return the memory of a result that is a mapping of frames, else nothing."""
    frames = result.values() if isinstance(result, dict) else ()
    return sum(frame.memory_usage(deep=True).sum() for frame in frames) / 2**20


def _give_back() -> None:
    """Return memory that was freed to the system, so that it does not hide the next run's."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except OSError:
        return


def _peak_of(run: Prepared) -> float:
    """Return by how many MB a run's peak is above what is held before it."""
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        before = _status_kb("VmRSS")
        run()
        return (_status_kb("VmHWM") - before) / 1024
    except OSError:  # no /proc: the peak of the process so far, an upper bound
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main(job: str, program: str, data: str, n_runs: str) -> int:
    warnings.simplefilter("ignore")
    try:
        run, numbers = globals()[f"{job}_{program}"](Path(data))
    except ImportError:
        return NOT_INSTALLED
    result = run()
    found, output_mb = numbers(result), _output_mb(result)
    del result
    seconds = []
    for _ in range(int(n_runs)):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    name = "numpy" if program == "floor" else program
    print(json.dumps({"seconds": seconds, "peak_mb": _peak_of(run), "numbers": found,
                      "output_mb": output_mb, "version": f"{name} {version(name)}"}))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
