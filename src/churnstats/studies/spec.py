"""What a study says about itself: ``study.yaml``, read with every fault listed at once.

A study is a directory::

    study.yaml      title, question, seed, options, inputs with their hashes, licence
    run.py          def run(study: Study) -> None
    README.md       for people
    expected.json   the recorded numbers, each with its tolerance
    results/        all that a run writes

The keys of ``study.yaml``::

    name: mlb-managers                  # lower case, digits, - and _
    title: Does a new manager change a team's season?
    question: One or two sentences.
    authors: [A. Writer]                # optional
    seed: 20240901
    licence: BSD-3-Clause
    registration: osf.io/abcde, 2024-05-01      # optional
    options:                            # optional; text, numbers, true or false, lists, maps
      window: [-3, 5]
    inputs:                             # optional
      tenures:
        dataset: mlb/tenures.csv        # a file that ships with churnstats, or
        sha256: ...
      roster:
        path: data/roster.csv           # a file in the study's directory
        sha256: ...
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml

from churnstats.core.errors import SpecError

REQUIRED = ("name", "title", "question", "seed", "licence")
OPTIONAL = ("authors", "options", "inputs", "registration")
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class InputFile:
    """A file that a study reads.

    Parameters
    ----------
    key : str
        Its name in the study.
    kind : {"path", "dataset"}
        Whether it lies in the study's directory or ships with churnstats.
    location : str
        Relative, with slashes.
    sha256 : str
        Of the bytes that the study was written for.
    """

    key: str
    kind: Literal["path", "dataset"]
    location: str
    sha256: str

    def resolve(self, directory: Path) -> Path:
        """Return where the file is (it need not exist)."""
        if self.kind == "path":
            return directory / self.location
        return Path(str(files("churnstats").joinpath("datasets", self.location)))

    def __str__(self) -> str:
        return self.location if self.kind == "path" else f"churnstats.datasets/{self.location}"


@dataclass(frozen=True)
class StudySpec:
    """A study as it describes itself.

    Parameters
    ----------
    directory : Path
    name, title, question, licence : str
    seed : int
    authors : tuple of str
    options : mapping
    inputs : mapping of str to InputFile
    registration : str or None
    """

    directory: Path
    name: str
    title: str
    question: str
    licence: str
    seed: int
    authors: tuple[str, ...]
    options: Mapping[str, Any]
    inputs: Mapping[str, InputFile]
    registration: str | None


def read_spec(directory: str | Path) -> StudySpec:
    """Read and check a study's directory.

    Parameters
    ----------
    directory : str or Path
        Where ``study.yaml`` is.

    Returns
    -------
    StudySpec

    Raises
    ------
    SpecError
        One, with every fault of the directory and of ``study.yaml``.
    """
    at = Path(os.path.abspath(directory))
    if not at.is_dir():
        raise SpecError("study", f"there is no directory '{directory}'")
    faults = [
        f"{name} is missing"
        for name in ("study.yaml", "run.py", "README.md")
        if not (at / name).is_file()
    ]
    raw = _read_yaml(at / "study.yaml") if (at / "study.yaml").is_file() else None
    if raw is None:
        raise _error(at, faults)
    faults += _check_keys(raw) + _check_words(raw) + _check_options(raw.get("options", {}))
    inputs, found = _read_inputs(raw.get("inputs", {}))
    faults += found
    if faults:
        raise _error(at, faults)
    return StudySpec(
        directory=at,
        name=raw["name"],
        title=raw["title"].strip(),
        licence=raw["licence"],
        question=" ".join(raw["question"].split()),
        seed=raw["seed"],
        authors=tuple(raw.get("authors", ())),
        options=raw.get("options", {}),
        inputs=inputs,
        registration=raw.get("registration"),
    )


def _error(directory: Path, faults: Sequence[str]) -> SpecError:
    n = len(faults)
    head = f"{n} fault{'s' if n != 1 else ''} in the study '{directory.name}'"
    return SpecError(
        "study",
        "\n    - ".join([head, *faults]),
        how="see `churnstats.studies.spec` for what study.yaml holds",
    )


class _Loader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key_node.value}' stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        # the loader is a SafeLoader: it makes no objects
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError("study", "study.yaml is no YAML", where=str(error).splitlines()) from error
    if not isinstance(raw, dict):
        raise SpecError("study", "study.yaml holds no keys", how="write `name: ...`, `title: ...`")
    return raw


def _check_keys(raw: Mapping[Any, Any]) -> list[str]:
    known = (*REQUIRED, *OPTIONAL)
    faults = [f"'{key}' is missing" for key in REQUIRED if key not in raw]
    for key in raw:
        if key not in known:
            hint = "; it is spelled 'licence'" if key == "license" else ""
            faults.append(f"'{key}' is unknown{hint} (known: {', '.join(known)})")
    return faults


def _check_words(raw: Mapping[str, Any]) -> list[str]:
    faults = [
        f"'{key}' must be text"
        for key in ("name", "title", "question", "licence", "registration")
        if key in raw and not (isinstance(raw[key], str) and raw[key].strip())
    ]
    if isinstance(raw.get("name"), str) and not SLUG.fullmatch(raw["name"]):
        faults.append(f"'name' is '{raw['name']}': use lower case letters, digits, - and _")
    seed = raw.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        faults.append(f"'seed' is {seed!r}: give a whole number from 0 on")
    authors = raw.get("authors", [])
    if not isinstance(authors, list) or not all(isinstance(a, str) for a in authors):
        faults.append("'authors' must be a list of names")
    return faults


def _check_options(options: Any, where: str = "options") -> list[str]:
    if isinstance(options, dict):
        faults = [
            f"'{where}': the key {key!r} must be text (quote it)"
            for key in options
            if not isinstance(key, str)
        ]
        return faults + [
            f for key, value in options.items() for f in _check_options(value, f"{where}.{key}")
        ]
    if where == "options":
        return ["'options' must be a map of names to values"]
    if isinstance(options, list):
        return [f for i, v in enumerate(options) for f in _check_options(v, f"{where}[{i}]")]
    if isinstance(options, float) and not math.isfinite(options):
        return [f"'{where}' is {options}, which is no number to work with"]
    if options is None or isinstance(options, (str, int, float)):
        return []
    return [
        f"'{where}' is a {type(options).__name__}: only text, numbers, true or false, lists "
        "and maps (quote a date)"
    ]


def _read_inputs(raw: Any) -> tuple[dict[str, InputFile], list[str]]:
    if not isinstance(raw, dict):
        return {}, ["'inputs' must be a map of names to files"]
    inputs, faults = {}, []
    for key, entry in raw.items():
        found = _check_input(key, entry)
        faults += [f"input '{key}': {fault}" for fault in found]
        if not found:
            kind: Literal["path", "dataset"] = "path" if "path" in entry else "dataset"
            inputs[key] = InputFile(key, kind, entry[kind], entry["sha256"])
    return inputs, faults


def _check_input(key: Any, entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["must be a map with 'path' or 'dataset', and 'sha256'"]
    faults = [f"'{k}' is unknown" for k in entry if k not in ("path", "dataset", "sha256")]
    if not isinstance(key, str) or not SLUG.fullmatch(key):
        faults.append("names are made of lower case letters, digits, - and _")
    if ("path" in entry) == ("dataset" in entry):
        faults.append("give one of 'path' and 'dataset'")
    for kind in ("path", "dataset"):
        if kind in entry:
            faults += _check_location(entry[kind], kind)
    sha256 = entry.get("sha256")
    if not isinstance(sha256, str) or not HEX.fullmatch(sha256):
        faults.append("'sha256' must be 64 digits of 0-9 and a-f, quoted")
    return faults


def _check_location(location: Any, kind: str) -> list[str]:
    if not isinstance(location, str) or not location.strip():
        return [f"'{kind}' must be text"]
    parts = PurePosixPath(location).parts
    outside = location.startswith(("/", "~")) or ".." in parts or "\\" in location
    if outside or re.match(r"[A-Za-z]:", location):
        home = "the study's directory" if kind == "path" else "the datasets of churnstats"
        return [f"'{location}' must lie within {home}: relative, with /, without '..'"]
    if kind == "path" and parts and parts[0] == "results":
        return [f"'{location}' lies in results/, which a run replaces"]
    return []
