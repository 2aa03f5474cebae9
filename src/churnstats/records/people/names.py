"""Names as rosters write them, to names that can be compared.

`parse_name` undoes what files and typists do to a name (encoding, case, order, titles, stray
digits) and tells cells that name nobody, or two people. `compare_names` says by which rule two
names could be one person's; whether they are is for `churnstats.records.people.links`, which also
knows the years.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import Any

import numpy as np
import pandas as pd

from churnstats.core.types import IntArray


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HONORIFICS = _words("mr mrs ms mx miss dr dra prof professor rev reverend hon")
LEADING_HONORIFICS = _words("sr fr br sister brother father col maj capt lt")
SUFFIXES = {"jr": "jr", "jnr": "jr", "sr": "sr", "snr": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
DEGREES = _words("phd edd eds psyd med mba mpa jd cpa esq dds dvm md")
SPACED_DEGREES = (["ed", "d"], ["ph", "d"], ["ed", "s"])
PARTICLES = _words(
    "van von der den de del dela della di du da dos la le el st saint san mc mac ten ter vander"
)
INTERIM = _words("interim acting temporary")
POSTS = _words("superintendent supt principal director position administrator")
NOBODY = _words("vacant vacancy tbd tba tbh unfilled")
NO_NAME = NOBODY | POSTS | INTERIM | _words("na n a none null nan unknown open pending")
NO_NAME_TEXT = re.compile(
    r"(to be (named|determined|announced|hired|filled|decided)|no[tn]? (yet )?"
    r"(named|known|applicable|available|assigned|filled|reported|listed)|"
    r"no (one|name|data)|t b [adh]|x+)"
)
_BEFORE = HONORIFICS | LEADING_HONORIFICS
_AFTER = _words("mr mrs ms mx miss dr phd edd eds psyd") | set(SUFFIXES)
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
)
_MARKS = str.maketrans(
    dict.fromkeys("‘’ʼʻ`´′", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("‐‑‒–—−", "-")
)
_GARBLED = re.compile("[ÂÃÄÅâ][\u0080-\u00bf\u0152-\u0192\u02c6-\u02dc\u2013-\u2122]")
_WORD, _LONG_WORD = re.compile(r"[^\W\d_]+"), re.compile(r"[^\W\d_]{2,}")
_AND, _INITIAL = re.compile(r"[/&;+|]|\band\b"), re.compile(r"\b[an]\b")
_MAY_BE_TWO = re.compile(r"[/&;+|\n]|\band\b")
_SIMPLE = re.compile(r"[a-z ,]*")
_POST = re.compile(rf"\b({'|'.join(sorted(INTERIM | POSTS))})\b")
_ELISION = re.compile(r"\b([od])\s*'\s*(?=[^\W\d_])")
_DEGREE = re.compile(r"\b(ph\. ?|ed\. ?|psy\.|m\.)(d|s|ed)\b(?!\w)")
_ORDINAL = re.compile(r"\b[234](nd|rd|th)\b")
_HYPHEN = re.compile(r"(?<=\w)\s?-\s?(?=\w{3})")
_LOOSE_HYPHEN = re.compile(r"\s+-\s+|(?<!\w)-|-(?!\w)")
_ORDINALS = {"2nd": "ii", "3rd": "iii", "4th": "iv"}


RULES = (
    "same_key",
    "initial",
    "nickname",
    "typo",
    "order",
    "suffix",
    "middle",
    "hyphenated_family",
    "married",
    "other_given",
)
MIN_SCORE, CONTRARY = 0.8, 0.75
DOUBTED = ("typo", "nickname")
FEMININE = _words("a le elle ine ina ene ette")


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
    r"""Take a name apart.

    Parameters
    ----------
    text : str or missing

    Returns
    -------
    PersonName

    Examples
    --------
    >>> name = parse_name("O\u2019HARA-LIND, Mar\u00c3\u00ada T., Ed.D. (Interim)")
    >>> name.given, name.middle, name.family, name.is_interim
    ('maria', 't', 'ohara-lind', True)
    """
    if text is None or (not isinstance(text, str) and pd.isna(text)):
        return PersonName(is_placeholder=True)
    plain = _plain(str(text))
    words = _WORD.findall(plain)
    phrase = " ".join(w for w in words if w not in INTERIM)
    is_interim = len(phrase.split()) < len(words)
    if NOBODY & set(words) or set(words) <= NO_NAME or NO_NAME_TEXT.fullmatch(phrase):
        return PersonName(is_placeholder=True, is_interim=is_interim)
    if _MAY_BE_TWO.search(plain) and _names_two(plain):
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
    codes, parsed = distinct_names(series)
    columns = {f.name: [getattr(p, f.name) for p in parsed] for f in fields(PersonName)}
    table = pd.DataFrame(
        {n: pd.array(v, dtype="bool" if n[:3] == "is_" else "str") for n, v in columns.items()}
    )
    return table.take(codes).set_axis(series.index)


def distinct_names(series: pd.Series) -> tuple[IntArray, list[PersonName]]:
    """Return the number of each cell's name, and the names; the last is that of an empty cell."""
    codes, spellings = pd.factorize(series, use_na_sentinel=True)
    parsed = [parse_name(text) for text in spellings] + [PersonName(is_placeholder=True)]
    return np.where(codes < 0, len(spellings), codes).astype(np.int64), parsed


def _plain(text: str) -> str:
    """Return text in small letters without accents, its encoding mended."""
    if text.isascii() and text.isprintable():
        return text.translate(_MARKS).lower()
    kept = []
    for c in unicodedata.normalize("NFKD", _mend_encoding(text)).translate(_MARKS):
        kind = unicodedata.category(c)
        if kind not in ("Cf", "Mn"):
            kept.append(" " if kind == "Cc" and c != "\n" else c)
    return "".join(kept).casefold().translate(_LETTERS)


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
    parts = _AND.split(plain.replace("n/a", ""))
    named = [p for p in parts if set(_WORD.findall(p)) - NO_NAME - DEGREES or _INITIAL.search(p)]
    lines = [line for line in plain.split("\n") if len(_LONG_WORD.findall(line)) > 1]
    return len(named) > 1 or len(lines) > 1


def _pieces(plain: str) -> list[list[str]]:
    """Return the words of each piece between commas, interim marks and posts taken out."""
    text = _POST.sub(" ", plain)
    if not _SIMPLE.fullmatch(text):
        text = _ELISION.sub(r"\1", text).replace("'", "")
        text = _DEGREE.sub(lambda m: re.sub(r"\W", "", m.group()) + " ", text)
        text = _ORDINAL.sub(lambda m: _ORDINALS.get(m.group(), ""), text)
        text = re.sub(r"[^\w\s,-]", " ", re.sub(r"[\d_]", "", text))
        text = _HYPHEN.sub("-", text)
        text = _LOOSE_HYPHEN.sub(" ", text)
    return [words for piece in text.split(",") if (words := piece.split())]


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
    first, between = "".join(given), " ".join(middle)
    key = " ".join(p for p in (squeeze(first), between, squeeze(family), suffix) if p)
    return PersonName(first, between, family, suffix, key, is_interim=is_interim)


def _strip(words: list[str], first: bool) -> tuple[list[str], str]:
    """Take titles, degrees and suffixes from a piece.

    The first piece keeps a word, and two if a degree could be a family name.
    """
    kept, suffix, least = list(words), "", 1 if first else 0
    if kept[-2:] in SPACED_DEGREES and not (first and len(kept) < 4):
        kept = kept[:-2]
    before = _BEFORE if first else HONORIFICS
    while len(kept) > least and kept[0] in before:
        kept.pop(0)
    while len(kept) > least and kept[-1] in _AFTER | DEGREES:
        if first and len(kept) < 3 and kept[-1] not in _AFTER:
            break
        suffix = SUFFIXES.get(kept.pop(), suffix)
    return kept, suffix


def _families(words: list[str]) -> list[str]:
    """Join particles to the family name that they begin: van, der, berg is one word."""
    at = len(words) - 1
    while at > 1 and words[at - 1] in PARTICLES:
        at -= 1
    return [*words[:at], " ".join(words[at:])]


@lru_cache(maxsize=1 << 16)
def squeeze(text: str) -> str:
    """Return text without blanks and hyphens."""
    return text.replace(" ", "").replace("-", "")


@dataclass(frozen=True)
class Likeness:
    """How two different names could be one person's.

    Attributes
    ----------
    rule : str
        What they differ in most: one of `RULES`.
    score : float
        From 0 to 1: an order of likeness, not a probability.
    least : float
        The least of the likenesses that the score is the product of.
    contradicts : bool
        The names speak against one person: other given names, middle initials or suffixes, or
        a doubtful difference, so that no third name may join the two.
    """

    rule: str
    score: float
    least: float
    contradicts: bool = False


def compare_names(a: PersonName, b: PersonName) -> Likeness | None:
    """Tell by which rule two names could be one person's.

    The score is the product of four likenesses: of the given, middle and family names and of the
    suffix. The rule is that of the least of them.

    Parameters
    ----------
    a, b : PersonName

    Returns
    -------
    Likeness or None
        None where the names have too little in common.

    Examples
    --------
    >>> compare_names(parse_name("Bradley Osgood"), parse_name("Osgood, Brad"))
    Likeness(rule='nickname', score=0.95, least=0.95, contradicts=False)
    """
    if a.key == b.key:
        return Likeness("same_key", 1.0, 1.0)
    if a.suffix == b.suffix and _letters(a) == _letters(b):
        return Likeness("same_key", 0.99, 0.99)
    turned = [_compare(_turned(a), b)] if _turned(a).family == squeeze(b.family) else []
    turned += [_compare(a, _turned(b))] if _turned(b).family == squeeze(a.family) else []
    orders = [t for t in turned if t is not None and not t.contradicts]
    if orders and squeeze(a.family) != squeeze(b.family):
        best = max(orders, key=lambda t: (t.score, t.least))
        return Likeness("order", round(0.92 * best.score, 3), min(0.92, best.least))
    return _compare(a, b)


def _letters(name: PersonName) -> str:
    return squeeze(name.given + name.middle + name.family)


def _turned(name: PersonName) -> PersonName:
    """Return the name as if it had been written last, first, middle without a comma."""
    given, *middle = [*name.middle.split(), name.family]
    return PersonName(given, " ".join(middle), squeeze(name.given), name.suffix)


def _compare(a: PersonName, b: PersonName) -> Likeness | None:
    given_rule, given = _like_given(a, b)
    family_rule, family = _like_family(a, b)
    if not family:
        same = given == 1.0 and len(squeeze(a.given)) > 1
        return Likeness("married", 0.3, 0.3) if same else None
    if not given:
        return Likeness("other_given", 0.3, 0.3, True) if family == 1.0 else None
    middle = 1.0 if "middle" in (given_rule, family_rule) else _like_middle(a, b)
    suffix = 1.0 if a.suffix == b.suffix else 0.96 if not (a.suffix and b.suffix) else 0.0
    parts = [(suffix, "suffix"), (given, given_rule), (family, family_rule), (middle, "middle")]
    least, rule = min(parts, key=lambda part: part[0])
    rule = "hyphenated_family" if rule == "middle" and family_rule == "middle" else rule
    doubtful = (given_rule in DOUBTED and given < MIN_SCORE) or (
        family_rule in DOUBTED and family < MIN_SCORE
    )
    contradicts = doubtful or suffix == 0.0 or middle == CONTRARY
    score = round(given * family * middle * suffix, 3)
    return Likeness(rule, score, least, contradicts)


def _like_given(a: PersonName, b: PersonName) -> tuple[str, float]:
    """Return how alike two given names are, 0 for not at all, and by which rule."""
    one, other = squeeze(a.given), squeeze(b.given)
    if one == other:
        return "", 1.0
    if not (one and other):
        return "initial", 0.7
    crossed = [(one, m) for m in b.middle.split()] + [(other, m) for m in a.middle.split()]
    if any(other == one + m for m in a.middle.split()) or any(
        one == other + m for m in b.middle.split()
    ):
        return "middle", 0.99
    short, long = sorted((one, other), key=lambda g: (len(g), g))
    if len(short) == 1 and long[0] == short:
        return "initial", 0.86
    if known := _nickname(short, long):
        return "nickname", known
    if any(given == m and len(m) > 1 for given, m in crossed):
        return "middle", 0.93
    if len(short) > 2 and long.startswith(short):
        return "nickname", 0.75 if long[len(short) :] in FEMININE else 0.86
    if any(len(m) > 1 and _nickname(given, m) for given, m in crossed):
        return "middle", 0.85
    if typo := _like_letters(short, long):
        return "typo", typo
    return ("middle", 0.7) if any(given[0] == m for given, m in crossed) else ("", 0.0)


def _like_family(a: PersonName, b: PersonName) -> tuple[str, float]:
    """Return how alike two family names are, 0 for not at all, and by which rule."""
    one, other = squeeze(a.family), squeeze(b.family)
    if one == other:
        return "", 1.0
    words = [set(n.family.replace("-", " ").split()) - PARTICLES for n in (a, b)]
    if words[0] and words[1] and (words[0] <= words[1] or words[1] <= words[0]):
        return "hyphenated_family", 0.93
    if (len(one) > 2 and one in b.middle.split()) or (len(other) > 2 and other in a.middle.split()):
        return "middle", 0.9
    return "typo", _like_letters(one, other)


def _like_middle(a: PersonName, b: PersonName) -> float:
    if a.middle == b.middle:
        return 1.0
    if not (a.middle and b.middle):
        return 0.98
    one, other = a.middle.split()[0], b.middle.split()[0]
    if one == other or (min(len(one), len(other)) == 1 and one[0] == other[0]):
        return 0.99
    return 0.97 if _like_letters(one, other) > MIN_SCORE else CONTRARY


@lru_cache(maxsize=1 << 16)
def _like_letters(one: str, other: str) -> float:
    """Return how alike two words are that differ in one or two letters, 0 for others.

    A word of five letters may have one wrong, one of eight two; shorter ones, and a wrong first
    letter, are doubtful.
    """
    from rapidfuzz.distance import OSA

    n, wrong = min(len(one), len(other)), OSA.distance(one, other, score_cutoff=2)
    if wrong == 1 and n > 3:
        return 0.91 if n > 4 and one[0] == other[0] else 0.75
    if wrong == 2 and n > 4:
        return 0.86 if n > 7 and one[0] == other[0] else 0.6
    return 0.0


@lru_cache(maxsize=1 << 16)
def _nickname(one: str, other: str) -> float:
    """Return 0.95 for a name and its nickname, 0.9 for two nicknames of one name.

    0.86 for two ways to write a name, which share a nickname and most letters; 0 for others.
    """
    from rapidfuzz.distance import OSA

    long_of, short_of = _nicknames()
    if other in short_of.get(one, ()) or one in short_of.get(other, ()):
        return 0.95
    if long_of.get(one, set()) & long_of.get(other, set()):
        return 0.9
    shared = short_of.get(one, set()) & short_of.get(other, set())
    return 0.86 if shared and OSA.normalized_similarity(one, other) >= 0.6 else 0.0


@cache
def _nicknames() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the names that a nickname stands for, and the nicknames of a name."""
    from nicknames import NickNamer

    namer = NickNamer()
    return namer.canonical_lookup, namer.nickname_lookup
