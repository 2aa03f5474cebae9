"""The one class of results: estimates, their covariance, and how they came to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from churnstats.core.errors import SpecError
from churnstats.core.provenance import RowLedger, environment
from churnstats.core.types import FloatArray
from churnstats.display import tables
from churnstats.inference import storage
from churnstats.inference.fit import Fit, combine_fit
from churnstats.inference.infer import WaldTest, estimates_table, hotelling_test, wald_test
from churnstats.inference.vcov import Covariance, Vcov, covariance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = Literal["regression", "hazard", "event_study", "survival", "cumulative_hazard"]


@dataclass(frozen=True)
class Description:
    """What a result is about: how it is printed and drawn.

    Parameters
    ----------
    kind : str
    title, outcome : str
    stats : mapping
        Figures for ``glance()`` and the summary, beside those that every fit has.
    notes : tuple of str
        Sentences that are always printed.
    """

    kind: Kind
    title: str
    outcome: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """Estimates with their standard errors, and what is needed to defend them.

    Made by the estimators, never by hand. It is immutable: `with_vcov` and `lincom` return new
    results.

    Attributes
    ----------
    names : tuple of str
        Terms.
    coef : (k,) array
    vcov : (k, k) array
    choice : Covariance
        The variance that was chosen, in words, with its rule and degrees of freedom.
    keys : DataFrame
        One row a term: event time, group, counts.
    frames : mapping of str to DataFrame
        Tables that belong to it, such as support by event time or numbers at risk.
    ledger : RowLedger
        The way from the rows given to the rows used.
    fit : Fit or None
        None for a result that was loaded from disk.
    retell : callable or None
        Takes the result under another variance choice, and the choice, and returns it with the
        notes and tables that hold errors made anew.
    """

    description: Description
    names: tuple[str, ...]
    coef: FloatArray
    choice: Covariance
    keys: pd.DataFrame
    frames: Mapping[str, pd.DataFrame]
    glance_values: Mapping[str, Any]
    ledger: RowLedger
    interval: str = "identity"
    level: float = 0.95
    provenance: Mapping[str, str] = field(default_factory=dict)
    fit: Fit | None = None
    retell: Callable[[Result, Vcov], Result] | None = None

    @property
    def vcov(self) -> FloatArray:
        """Covariance of the estimates, (k, k)."""
        return self.choice.matrix

    def tidy(self, exponentiate: bool = False) -> pd.DataFrame:
        """Return one row a term.

        Parameters
        ----------
        exponentiate : bool
            Turn estimates and intervals into ratios (hazard ratios for Cox). The standard
            error is then that of the ratio, by the delta method.

        Returns
        -------
        DataFrame
            ``term, estimate, std_error, statistic, p_value, conf_low, conf_high, df`` and keys.
        """
        variance = np.diag(self.vcov)
        std_error = np.sqrt(np.where(variance >= 0, variance, np.nan))
        table = estimates_table(self.coef, std_error, self.choice.df, self.level, self.interval)
        if exponentiate:
            if self.interval != "identity":
                raise SpecError("exponentiate", f"a {self.description.kind} has no ratios")
            table["std_error"] = table["std_error"] * np.exp(table["estimate"])
            for column in ("estimate", "conf_low", "conf_high"):
                table[column] = np.exp(table[column])
        table.insert(0, "term", list(self.names))
        return pd.concat([table, self.keys.reset_index(drop=True)], axis=1)

    def glance(self) -> pd.DataFrame:
        """Return one row about the whole fit: counts, variance choice, rule, likelihood.

        ``df`` is the smallest where degrees of freedom are by term.
        """
        row: dict[str, Any] = {
            "title": self.description.title,
            "outcome": self.description.outcome,
            **self.glance_values,
            "vcov": self.choice.label,
            "small_sample": self.choice.small_sample,
            "df": float(np.min(self.choice.df)),
        }
        row.update({f"n_clusters_{name}": n for name, n in self.choice.n_clusters.items()})
        return pd.DataFrame([row])

    def augment(self) -> pd.DataFrame:
        """Return one row a row of the sample: its position in the input, fitted, residual.

        Raises
        ------
        SpecError
            For a loaded result, and for estimators without fitted values by row.
        """
        fit = self._live("augment")
        if fit.fitted is None or fit.residuals is None:
            raise SpecError("augment", f"{fit.estimator} has no fitted values by row")
        rows = fit.design.rows if fit.design.rows is not None else np.arange(fit.design.n)
        return pd.DataFrame({"row": rows, "fitted": fit.fitted, "residual": fit.residuals})

    def with_vcov(self, vcov: Vcov) -> Result:
        """Return the same estimates under another choice of variance."""
        fit = self._live("with_vcov")
        result = replace(self, choice=covariance(fit, vcov))
        return result if self.retell is None else self.retell(result, vcov)

    def lincom(self, combinations: Mapping[str, Mapping[str, float]]) -> Result:
        """Return linear combinations of the estimates as a new result.

        Parameters
        ----------
        combinations : mapping
            Name of each combination to its weights by term.

        Raises
        ------
        SpecError
            For a term that there is not, or a result on a transformed scale.

        Examples
        --------
        >>> import pandas as pd, churnstats as cs
        >>> data = pd.DataFrame({"y": [1., 2., 4., 3.], "x": [0., 1., 2., 3.]})
        >>> fit = cs.linear_model(data, "y ~ x", vcov=cs.Classical())
        >>> fit.lincom({"at x = 2": {"Intercept": 1, "x": 2}}).coef.round(3).tolist()
        [2.9]
        """
        if not combinations:
            raise SpecError("lincom", "no combination is given", how="name: {term: weight}")
        unknown = sorted({t for w in combinations.values() for t in w} - set(self.names))
        if unknown:
            raise SpecError(
                "lincom",
                "no such terms",
                where=unknown,
                how=f"the terms are: {', '.join(self.names)}",
            )
        matrix = np.array(
            [[float(w.get(name, 0.0)) for name in self.names] for w in combinations.values()]
        )
        names = tuple(combinations)
        choice = self.choice.contrast(matrix)
        kind: Kind = "hazard" if self.description.kind == "hazard" else "regression"
        return replace(
            self,
            description=replace(self.description, kind=kind),
            names=names,
            coef=matrix @ self.coef,
            choice=choice,
            keys=pd.DataFrame(index=range(len(names))),
            frames={},
            retell=None,
            interval="identity",
            fit=None if self.fit is None else combine_fit(self.fit, matrix, names),
        )

    def wald_test(self, terms: Sequence[str] | None = None) -> WaldTest:
        """Test jointly that terms (by default all) are zero.

        Under CR2 and CR3 the test is Hotelling's, of Pustejovsky and Tipton (2018).
        """
        chosen = list(self.names) if terms is None else list(terms)
        unknown = sorted(set(chosen) - set(self.names))
        if unknown:
            raise SpecError("wald_test", "no such terms", where=unknown)
        at = [self.names.index(t) for t in chosen]
        choice = self.choice.contrast(np.eye(len(self.names))[at])
        if isinstance(choice.df, np.ndarray):
            return hotelling_test(self.coef[at], choice.matrix, choice.joint_df())
        return wald_test(self.coef[at], self.vcov[np.ix_(at, at)], choice.df)

    def plot_data(self) -> pd.DataFrame:
        """Return what `plot` draws."""
        data = self.tidy()
        if self.description.kind != "event_study":
            return data
        data = data[data["event_time"].notna()]
        base = self.frames["base"].assign(estimate=0.0)
        rows = pd.concat([data, base], ignore_index=True) if len(base) else data
        return rows.sort_values("event_time", ignore_index=True)

    def plot(self) -> Figure:
        """Draw the result: a path, curves with a risk table, or coefficients."""
        from churnstats.display import figures

        about, data = self.description, self.plot_data()
        if about.kind == "event_study" and len(data):
            return figures.event_study_figure(data, about.title, about.outcome, self.level)
        if about.kind in ("survival", "cumulative_hazard"):
            label = "Share still there" if about.kind == "survival" else "Cumulative hazard"
            return figures.survival_figure(
                data, self.frames["risk_table"], about.title, label, about.outcome, self.level
            )
        if about.kind == "event_study":
            data = self.tidy()
        unit = "log hazard ratio" if about.kind == "hazard" else f"effect on {about.outcome}"
        return figures.coefficient_figure(data, about.title, unit, self.level)

    def summary(self) -> str:
        """Return a table with counts, the variance choice and every note, as text."""
        return f"{self.description.title}\n\n{tables.to_text(self._cells(), self._notes())}"

    def to_markdown(self) -> str:
        """Return the table as markdown."""
        return tables.to_markdown(self._cells(), self._notes())

    def to_html(self) -> str:
        """Return the table as HTML."""
        return tables.to_html(self._cells(), self._notes(), self.description.title)

    def to_latex(self, label: str = "") -> str:
        """Return the table as LaTeX (booktabs)."""
        return tables.to_latex(self._cells(), self._notes(), self.description.title, label)

    def save(self, directory: str | Path) -> Path:
        """Write the result to a directory: parquet and JSON, no pickle."""
        return storage.write(vars(self), Path(directory))

    @classmethod
    def load(cls, directory: str | Path) -> Result:
        """Read what `save` wrote. The rows are not kept, so `with_vcov` then raises."""
        return cls(**storage.read(Path(directory), Description))

    def _live(self, method: str) -> Fit:
        if self.fit is None:
            raise SpecError(method, "a loaded result has no rows", how="fit it again")
        return self.fit

    def _cells(self) -> pd.DataFrame:
        return tables.format_estimates(self.tidy(), self.level)

    def _notes(self) -> list[str]:
        counts = ", ".join(
            f"{tables.format_number(v)} {k.removeprefix('n_').replace('_', ' ')}"
            for k, v in self.glance_values.items()
            if k.startswith("n_")
        )
        sizes = [f"{n:,} {name}" for name, n in self.choice.n_clusters.items()]
        clusters = f"{', '.join(sizes)} clusters" if sizes else ""
        df = _reference(self.choice.df)
        errors = f"Standard errors: {self.choice.label}" + (f" ({clusters})" if clusters else "")
        lost = [f"{n:,} {s.unit} {why}" for s in self.ledger.steps for why, n in s.lost.items()]
        notes = [
            f"Outcome: {self.description.outcome}. {counts}.",
            f"{errors}; small-sample rule: {self.choice.small_sample}; reference: {df}.",
            *self.choice.notes,
            *self.description.notes,
        ]
        return [*notes, "Left out: " + "; ".join(lost) + "."] if lost else notes

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Result {self.description.title!r}: {len(self.names)} terms, {self.choice.label}>"

    def _repr_html_(self) -> str:
        return self.to_html()

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        tidy = self.tidy().set_index("term")[["estimate", "std_error", "statistic", "p_value"]]
        return tidy.set_axis(["b", "se", "t", "p"], axis=1).rename_axis("Coefficient")

    @property
    def __maketables_depvar__(self) -> str:
        return self.description.outcome

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": self.choice.label, "small_sample": self.choice.small_sample}

    def __maketables_stat__(self, key: str) -> Any:
        values = {"N": self.glance_values.get("n_rows"), "se_type": self.choice.label}
        return values.get(key, self.glance_values.get(key))


def _reference(df: float | FloatArray) -> str:
    """Name the distribution of the statistics."""
    if isinstance(df, np.ndarray):
        known = df[np.isfinite(df)]
        span = f" ({known.min():.1f} to {known.max():.1f})" if known.size else ""
        return f"t, degrees of freedom by term{span}"
    return "normal" if np.isinf(df) else f"t({df:.0f})"


def infer(fit: Fit, vcov: Vcov, description: Description, level: float = 0.95) -> Result:
    """Turn a fit and a choice of variance into a Result.

    Parameters
    ----------
    fit : Fit
    vcov : Classical, Robust, Cluster, TwoWay, CR2 or CR3
    description : Description
    level : float
        Coverage of intervals.
    """
    if not 0 < level < 1:
        raise SpecError("level", f"{level} is no coverage", how="give a share such as 0.95")
    values: dict[str, Any] = {"n_rows": fit.design.n, **description.stats}
    if np.isfinite(fit.loglik):
        values["loglik"] = fit.loglik
    return Result(
        description=description,
        names=fit.names,
        coef=fit.coef,
        choice=covariance(fit, vcov),
        keys=fit.keys,
        frames=fit.frames,
        glance_values=values,
        ledger=fit.design.ledger,
        interval=fit.interval,
        level=level,
        provenance=environment(),
        fit=fit,
    )
