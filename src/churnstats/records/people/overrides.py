"""What a person decided about pairs of spellings: a CSV file that wins over every rule.

The file holds names of people; messages about it show line numbers and units, no names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.errors import Fault
from churnstats.core.issues import raise_faults
from churnstats.core.types import BoolArray
from churnstats.records.ingest import row_fault, source_name, to_pandas
from churnstats.records.people.clusters import persons

TABLE = "overrides"
REQUIRED = ["name_a", "name_b", "unit_id", "decision"]
COLUMNS = [*REQUIRED, "reason", "unit_id_b"]
SHOWN = ("unit_id", "unit_id_b", "decision")
SAME, DIFFERENT = "same", "different"


@dataclass(frozen=True, eq=False, repr=False)
class Overrides:
    """Decisions by the numbers of the spellings that they are about.

    Attributes
    ----------
    frame : DataFrame
        ``a, b, decision, reason``: one row a decision.
    n_undecided : int
        Rows whose decision was left empty.
    """

    frame: pd.DataFrame
    n_undecided: int

    def pairs(self, decision: str) -> list[tuple[int, int]]:
        """Return the pairs of spellings with a decision."""
        rows = self.frame[self.frame["decision"] == decision]
        return list(zip(rows["a"].tolist(), rows["b"].tolist(), strict=True))


def no_overrides() -> Overrides:
    """Return overrides that decide nothing."""
    return Overrides(pd.DataFrame(columns=["a", "b", "decision", "reason"]), 0)


def read_overrides(data: Any, spellings: pd.DataFrame) -> Overrides:
    """Read decisions and find the spellings that they name.

    Parameters
    ----------
    data : frame or path
        ``name_a, name_b, unit_id, decision`` ("same" or "different"; empty for undecided) and,
        if there are such columns, ``reason`` and ``unit_id_b``, the second name's unit where it
        is another.
    spellings : DataFrame
        ``unit_id, name, key``: the key is empty where the spelling names no one person.

    Raises
    ------
    DataError
        With all faults: unknown decisions and spellings, and decisions that contradict.
    """
    frame = to_pandas(data, TABLE)
    source = source_name(data)
    missing = [c for c in REQUIRED if c not in frame.columns]
    if missing:
        how = f"a file of overrides has the columns {', '.join(COLUMNS)}"
        fault = Fault("missing_column", TABLE, f"no column {', '.join(missing)}", how, 0)
        raise_faults([fault], source)
    made = frame.reindex(columns=COLUMNS).astype("str").fillna("")
    made = made.apply(lambda column: column.str.strip())
    made["decision"] = made["decision"].str.lower()
    undecided = (made["decision"] == "").to_numpy()
    made = made[~undecided]
    made["unit_id_b"] = made["unit_id_b"].mask(made["unit_id_b"] == "", made["unit_id"])
    made["a"] = _find(made["unit_id"], made["name_a"], spellings)
    made["b"] = _find(made["unit_id_b"], made["name_b"], spellings)
    raise_faults(_faults(made, spellings), source)
    made["a"], made["b"] = made[["a", "b"]].min(axis=1), made[["a", "b"]].max(axis=1)
    return Overrides(made[["a", "b", "decision", "reason"]], int(undecided.sum()))


def _find(unit: pd.Series, name: pd.Series, spellings: pd.DataFrame) -> pd.Series:
    """Return the number of each spelling, -1 for one that the roster does not have."""
    known = pd.MultiIndex.from_frame(spellings[["unit_id", "name"]])
    asked = pd.MultiIndex.from_arrays([unit, name])
    return pd.Series(known.get_indexer(asked), index=name.index)


def _faults(made: pd.DataFrame, spellings: pd.DataFrame) -> list[Fault]:
    a, b = made["a"].to_numpy(), made["b"].to_numpy()
    unknown = (a < 0) | (b < 0)
    key = np.append(spellings["key"].to_numpy(dtype=object), "-")
    nobody = ~unknown & ((key[a] == "") | (key[b] == ""))
    other = ~made["decision"].isin([SAME, DIFFERENT]).to_numpy()
    itself = ~unknown & (a == b)
    usable = ~(unknown | nobody | other | itself)
    faults: list[Fault] = []
    for rule, message, how, bad in (
        (
            "unknown_decision",
            "decision must be 'same' or 'different'",
            "write one of the two, or leave it empty for undecided",
            other,
        ),
        (
            "unknown_spelling",
            "the roster has no such name in that unit",
            "write names and unit ids exactly as the roster has them",
            unknown,
        ),
        (
            "not_a_person",
            "a name that stands for nobody, or for two people, can't be decided about",
            "take the row out",
            nobody,
        ),
        (
            "same_spelling",
            "name_a and name_b are one spelling",
            "tell the two people apart in the roster first, by a middle name or a suffix",
            itself,
        ),
        (
            "contradictory_overrides",
            "other decisions make the two one person, and this one keeps them apart",
            "keep one of the decisions that contradict",
            _contradict(made, usable, len(spellings)),
        ),
    ):
        faults += row_fault(rule, TABLE, message, how, made, bad, SHOWN)
    return faults


def _contradict(made: pd.DataFrame, usable: BoolArray, n: int) -> BoolArray:
    """Mark decisions "different" about two whom decisions "same" make one."""
    same = usable & (made["decision"] == SAME).to_numpy()
    a, b = made["a"].to_numpy(), made["b"].to_numpy()
    person = persons(n, list(zip(a[same].tolist(), b[same].tolist(), strict=True)))
    apart = usable & ~same
    return np.asarray(apart & (person[np.where(apart, a, 0)] == person[np.where(apart, b, 0)]))


def write_questions(ledger: pd.DataFrame, path: Path) -> None:
    """Write the questions of a ledger, names and all, as overrides with empty decisions."""
    asked = ledger[ledger["decision"] == "question"].assign(decision="", reason="")
    asked = asked.rename(columns={"unit_id_a": "unit_id"})
    asked[[*COLUMNS, "years_a", "years_b", "rule", "score", "evidence"]].to_csv(
        path, index=False, lineterminator="\n"
    )
