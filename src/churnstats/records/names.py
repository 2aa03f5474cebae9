"""Names as rosters write them, to names that can be compared.

`parse_name` undoes what files and typists do to a name (encoding, case, order, titles, stray
digits) and tells cells that name nobody, or two people. `compare_names` says by which rule two
names could be one person's; whether they are is for `churnstats.records.links`, which also knows
the years.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import pandas as pd

HONORIFICS = frozenset("mr mrs ms mx miss dr dra prof professor rev reverend hon mssrs".split())
LEADING_HONORIFICS = frozenset("sr fr br sister brother father col maj capt lt".split())
SUFFIXES = {"jr": "jr", "jnr": "jr", "sr": "sr", "snr": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
DEGREES = frozenset("phd edd eds psyd med mba mpa jd cpa esq dds dvm md".split())
SPACED_DEGREES = (["ed", "d"], ["ph", "d"], ["ed", "s"])
PARTICLES = frozenset(
    "van von der den de del dela della di du da dos la le el st saint san mc mac ten ter vander".split()
)
INTERIM = frozenset("interim acting temporary".split())
POSTS = frozenset("superintendent supt principal director position administrator".split())
NOBODY = frozenset("vacant vacancy tbd tba tbh unfilled".split())
NO_NAME = NOBODY | POSTS | INTERIM | frozenset("na n a none null nan unknown open pending".split())
NO_NAME_TEXT = re.compile(
    r"(to be (named|determined|announced|hired|filled|decided)|no[tn]? (yet )?"
    r"(named|known|applicable|available|assigned|filled|reported|listed)|no (one|name|data)|x+)"
)
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_MARKS = str.maketrans(
    dict.fromkeys("‘’ʼʻ`´′", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("‐‑‒–—−", "-")
)
_GARBLED = re.compile("[ÂÃÄÅâ][\u0080-\u00bf\u0152-\u0192\u02c6-\u02dc\u2013-\u2122]")
_ORDINALS = {"2nd": "ii", "3rd": "iii", "4th": "iv"}


@dataclass(frozen=True)
class PersonName:
    """A name in its parts, in small letters without accents.

    Attributes
    ----------
    given, middle, family, suffix : str
        Empty where the cell has none. Middle names are parted by blanks; the suffix is one of
        jr, sr, ii, iii and iv.
    key : str
        All parts: two spellings with the same key differ in case, accents, punctuation, order
        about a comma, titles, degrees and digits at most. Empty where the cell doesn't name one
        person.
    is_placeholder : bool
        The cell names nobody: "NA NA", "To Be Named", "Vacant", or it is empty.
    is_two_people : bool
        The cell names several people.
    is_interim : bool
        The cell says that the holder is temporary.
    """

    given: str = ""
    middle: str = ""
    family: str = ""
    suffix: str = ""
    key: str = ""
    is_placeholder: bool = False
    is_two_people: bool = False
    is_interim: bool = False


def parse_name(text: Any) -> PersonName:
    """Take a name apart.

    Parameters
    ----------
    text : str or missing

    Returns
    -------
    PersonName

    Examples
    --------
    >>> name = parse_name("O\\u2019HARA-LIND, Mar\\u00c3\\u00ada T., Ed.D. (Interim)")
    >>> name.given, name.middle, name.family, name.is_interim
    ('maria', 't', 'ohara-lind', True)
    """
    if text is None or (not isinstance(text, str) and pd.isna(text)):
        return PersonName(is_placeholder=True)
    plain = _plain(str(text))
    words = re.findall(r"[^\W\d_]+", plain)
    phrase = " ".join(w for w in words if w not in INTERIM)
    is_interim = len(phrase.split()) < len(words)
    if NOBODY & set(words) or set(words) <= NO_NAME or NO_NAME_TEXT.fullmatch(phrase):
        return PersonName(is_placeholder=True, is_interim=is_interim)
    if _names_two(plain):
        return PersonName(is_two_people=True, is_interim=is_interim)
    return _from_pieces(_pieces(plain), is_interim)


def parse_names(series: pd.Series) -> pd.DataFrame:
    """Take every name of a column apart; each spelling is worked on once.

    Parameters
    ----------
    series : Series of str

    Returns
    -------
    DataFrame
        The attributes of `PersonName` as columns, under the index of the series.

    Examples
    --------
    >>> import pandas as pd
    >>> parse_names(pd.Series(["Ana B. Reyes", "REYES, ANA B", "Vacant"]))["key"].tolist()
    ['ana b reyes', 'ana b reyes', '']
    """
    codes, spellings = pd.factorize(series, use_na_sentinel=True)
    parsed = [parse_name(text) for text in spellings] + [parse_name(None)]
    columns = {f.name: [getattr(p, f.name) for p in parsed] for f in fields(PersonName)}
    table = pd.DataFrame(
        {n: pd.array(v, dtype="bool" if n[:3] == "is_" else "str") for n, v in columns.items()}
    )
    return table.take(codes).set_axis(series.index)


def _plain(text: str) -> str:
    """Return text in small letters without accents, its encoding mended."""
    text = unicodedata.normalize("NFKC", _mend_encoding(text)).translate(_MARKS)
    text = "".join(
        " " if unicodedata.category(c) == "Cc" and c != "\n" else c
        for c in text
        if unicodedata.category(c) != "Cf"
    )
    text = unicodedata.normalize("NFKD", text.casefold()).translate(_LETTERS)
    return "".join(c for c in text if unicodedata.category(c) != "Mn")


def _mend_encoding(text: str) -> str:
    """Undo UTF-8 that was read as Windows-1252 or Latin-1, up to twice; drop lost characters."""
    for _ in range(2):
        if not _GARBLED.search(text):
            break
        text = re.sub(r"[^\x00-\x7f]+", _mend_run, text)
    return text.replace("\ufffd", "")


def _mend_run(run: re.Match[str]) -> str:
    try:
        return b"".join(_byte(c) for c in run.group()).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return run.group()


def _byte(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")


def _names_two(plain: str) -> bool:
    """Tell whether a cell names several people: parted by a sign, by "and" or by a line's end."""
    parts = re.split(r"[/&;+|]|\band\b", plain)
    named = [p for p in parts if set(re.findall(r"[^\W\d_]{2,}", p)) - NO_NAME - DEGREES]
    lines = [line for line in plain.split("\n") if len(re.findall(r"[^\W\d_]{2,}", line)) > 1]
    return len(named) > 1 or len(lines) > 1


def _pieces(plain: str) -> list[list[str]]:
    """Return the words of each piece between commas, interim marks and posts taken out."""
    text = re.sub(r"\b([od])\s*'\s*(?=[^\W\d_])", r"\1", plain).replace("'", "")
    text = re.sub(r"\b(ph\. ?|ed\. ?|psy\.|m\.)(d|s|ed)\b(?!\w)", _joined, text)
    text = re.sub(r"\b[234](nd|rd|th)\b", lambda m: _ORDINALS.get(m.group(), ""), text)
    text = re.sub(rf"\b({'|'.join(INTERIM | POSTS)})\b", " ", re.sub(r"[\d_]", "", text))
    text = re.sub(r"[^\w\s,-]", " ", text)
    text = re.sub(r"\s+-\s+|(?<!\w)-|-(?!\w)", " ", re.sub(r"(?<=\w)\s?-\s?(?=\w{3})", "-", text))
    return [words for piece in text.split(",") if (words := piece.split())]


def _joined(degree: re.Match[str]) -> str:
    return re.sub(r"\W", "", degree.group()) + " "


def _from_pieces(pieces: list[list[str]], is_interim: bool) -> PersonName:
    """Name the parts: pieces that hold only titles are no names, a comma turns the order."""
    stripped = [_strip(piece, first=i == 0) for i, piece in enumerate(pieces)]
    suffix = next((found for _, found in stripped if found), "")
    named = [kept for kept, _ in stripped if kept]
    if len(named) == 1 and len(_families(named[0])) == 1 and len(pieces) > 1:
        named += [words for p in pieces[1:] if (words := [w for w in p if w not in HONORIFICS])]
        suffix = "" if len(named) > 1 else suffix
    if not named:
        return PersonName(is_placeholder=True, is_interim=is_interim)
    words = _families(named[0])
    if len(named) > 1:
        words = [w for piece in named[1:] for w in piece] + [" ".join(named[0])]
    given, middle, family = words[:-1][:1], words[1:-1], words[-1]
    if given and len(given[0]) == 2 and not set(given[0]) & set("aeiouy"):
        given, middle = [given[0][0]], [given[0][1], *middle]
    parts = ["".join(given), " ".join(middle), family, suffix]
    key = " ".join(p for p in (squeeze(parts[0]), parts[1], squeeze(family), suffix) if p)
    return PersonName(*parts, key=key, is_interim=is_interim)


def _strip(words: list[str], first: bool) -> tuple[list[str], str]:
    """Take titles, degrees and suffixes from a piece; the first piece keeps a word."""
    kept, suffix, least = list(words), "", 1 if first else 0
    before = HONORIFICS | (LEADING_HONORIFICS if first else frozenset())
    after = HONORIFICS | DEGREES | set(SUFFIXES)
    while len(kept) > least and kept[0] in before:
        kept.pop(0)
    while len(kept) > least and kept[-1] in after:
        suffix = SUFFIXES.get(kept.pop(), suffix)
    if not first and kept in SPACED_DEGREES:
        return [], suffix
    return kept, suffix


def _families(words: list[str]) -> list[str]:
    """Join particles to the family name that they begin: van, der, berg is one word."""
    at = len(words) - 1
    while at > 1 and words[at - 1] in PARTICLES:
        at -= 1
    return [*words[:at], " ".join(words[at:])]


@cache
def squeeze(text: str) -> str:
    """Return text without blanks and hyphens."""
    return text.replace(" ", "").replace("-", "")
