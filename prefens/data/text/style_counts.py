"""Counts of words, characters, layout and phrases in one text.

All steps are linear in the length of the text, and nearly all time is spent in loops written in C: one split into
words, one histogram of characters, substring counts, and set operations.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

EDGE = 250  # characters at either end of a turn in which openers, refusals and closers are looked for
CODE_POINTS = 0x20000  # that have a kind of their own; the few beyond count like the last one
ASCII_WORDS = str.maketrans({chr(code): " " for code in range(128) if not chr(code).isalnum()})
# Scripts without spaces are split into characters, since hardly any of their sentences occurs twice.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
SIGNS = (  # in ranges; all other characters are parts of words, such as the vowel signs of Indic scripts
    "\0- !-/:-@\\[-`{-\u00bf\u060c\u061b\u061f\u0964\u2000-\u2bff\u3000-\u303f\ud800-\udfff\ufe10-\ufe6f"
    "\uff00-\uff0f\uff1a-\uff20\U0001f000-\U0001faff"
)
WORD = re.compile(rf"[{UNSPACED}]|[^\s{SIGNS}{UNSPACED}]+")
LINE_MARK = re.compile(  # the first character of a bullet, heading, table row or numbered line
    r"\n[ \t]*([-*+\u2022\u2013\u25cf\u25e6](?=\s)|#(?=#{0,5}\s)|\||\d(?=\d{0,2}[.)]\s)|[a-zA-Z](?=[.)]\s))"
)
BULLETS = "-*+\u2022\u2013\u25cf\u25e6"
PERIODS = (". ", ".\n")  # but not the periods in numbers and names
TERMINAL = ".!?\"')]}`*|>:;\u2026\u3002\uff01\uff1f\u300d\u300f\uff09\u0964\u061f\u201d\u2019"
LINKS = ("http", "](")
MATHS = ("$$", "\\")  # a backslash outside code is nearly always LaTeX

# Words and phrases are written as they look in lower case and without apostrophes.
STOP_WORDS = (
    "a an and are as at be been but by can did do does for from had has have he her his i if in into is it its me my "
    "no not of on or our she so than that the their them then there these they this to was we were what when which "
    "who will with would you your"
)
STOP = frozenset(STOP_WORDS.split())
LEXICONS = {
    "hedges": "may might could perhaps possibly probably likely generally usually often sometimes typically seems "
    "appears maybe approximately roughly around depending depends",
    "first_person": "i im ill ive id me my mine myself",
    "second_person": "you your youre youll youve yours yourself",
    "apologies": "sorry apologize apologise apologies apology unfortunately regret afraid",
    "connectives": "because therefore thus hence however although though while whereas since moreover furthermore "
    "additionally finally firstly secondly overall instead",
}
WORD_LISTS = tuple(frozenset(words.split()) for words in LEXICONS.values())
REFUSALS = (
    "cannot", "i cant", "i can not", "unable to", "not able to", "i wont", "i will not", "sorry, ", "must decline",
    "have access to", "have the ability", "have enough info", "have personal", "not sure", "not understand",
    "dont understand", "i dont know", "not know", "not appropriate", "please provide", "more information", "nooutput",
)  # fmt: skip
SELF_REFERENCES = ("as an ai", "language model", "ai assistant", "im an ai", "i am an ai", "openai")
OPENERS = ("sure", "certainly", "of course", "absolutely", "great question", "here is", "heres", "here are", "okay")
GREETINGS = ("hello", "hi ", "hi,", "hi!", "hey", "dear ", "good morning", "thank you for", "thanks for", "welcome")
CLOSERS = (
    "hope this helps", "hope that helps", "let me know", "feel free", "if you have any", "happy to help",
    "would you like", "do you have any", "is there anything",
)  # fmt: skip

SCRIPTS = ("other_letters", "latin", "cyrillic", "arabic", "han", "kana", "hangul")
SCRIPT_OF = {"LATIN": 1, "CYRILLIC": 2, "ARABIC": 3, "CJK": 4, "HIRAGANA": 5, "KATAKANA": 5, "HANGUL": 6}
MARKS = {
    "questions": "?\uff1f\u061f", "exclamations": "!\uff01", "commas": ",\uff0c\u3001\u060c", "colons": ":\uff1a",
    "parentheses": "(\uff08", "quotes": '"\u201c\u300c\u00ab', "hashtags": "#", "full_stops": "\u3002\uff0e\u0964",
}  # fmt: skip
KINDS = (*SCRIPTS, "capitals", *MARKS, "punctuation", "symbols", "digits", "spaces")

PROMPT_COUNTS = ("turns", "words", "code_blocks", *KINDS)
LAYOUT = (
    "lines", "distinct_lines", "paragraphs", "periods", "bullets", "headings", "table_rows", "numbered", "bold",
    "code_blocks", "code_chars", "inline_code", "links", "math",
)  # fmt: skip
COUNTS = (
    "turns", "chars", "words", "distinct_words", "content_words", "distinct_pairs", *LAYOUT,
    *LEXICONS, "refusals", "self_references", "openers", "greetings", "closers", "unfinished", "ends_asking",
    "starts_lower", *KINDS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a prompt or of a response.

    Attributes
    ----------
    total : int
        The number of words.
    content : int
        The number of distinct words that are no function words.
    distinct : frozenset of str
        The distinct words.
    pairs : frozenset of int
        Hashes of pairs of neighboring words (a set of tuples would keep the garbage collector busy).
    """

    total: int
    content: int
    distinct: frozenset[str]
    pairs: frozenset[int]


def words_of(turns: tuple[str, ...]) -> Words:
    """Return the words of all turns."""
    words = split_words("\n\n".join(turns))
    distinct = frozenset(words)
    return Words(len(words), content_word_count(distinct), distinct, frozenset(map(hash, pairwise(words))))


def prompt_counts(turns: tuple[str, ...], words: Words) -> tuple[int, ...]:
    """Return the counts that `PROMPT_COUNTS` names, for the turns of a prompt and its words."""
    text = "\n\n".join(turns)
    return (len(turns), words.total, text.count("```") // 2, *character_counts(text))


def response_counts(turns: tuple[str, ...], words: Words) -> tuple[int, ...]:
    """Return the counts that `COUNTS` names, for the turns of a response and its words."""
    text = "\n\n".join(turns)
    sizes = (len(turns), len(text), words.total, len(words.distinct), words.content, len(words.pairs))
    lexical = [len(words.distinct & entries) for entries in WORD_LISTS]
    return (*sizes, *layout_counts(text), *lexical, *_edge_counts(turns), *character_counts(text))


def split_words(text: str) -> list[str]:
    """Return the lower-cased words without apostrophes; single characters in scripts that use no spaces."""
    lowered = normalize(text)
    return lowered.translate(ASCII_WORDS).split() if lowered.isascii() else WORD.findall(lowered)


def content_word_count(words: frozenset[str]) -> int:
    """Return the number of words that are no function words."""
    return len(words) - len(words & STOP)


def normalize(text: str) -> str:
    """Return a text in lower case and without apostrophes, as the word lists are written."""
    return text.lower().replace("'", "").replace("\u2019", "")


def layout_counts(text: str) -> tuple[int, ...]:
    """Return the counts that `LAYOUT` names."""
    blocks = text.split("```")
    prose = "\n" + "\n".join(blocks[::2])  # a comment in a code block is no heading
    lines = list(filter(str.strip, prose.split("\n")))
    marks = "".join(LINE_MARK.findall(prose))
    bullets, headings, rows = sum(map(marks.count, BULLETS)), marks.count("#"), marks.count("|")
    return (
        len(lines), len(set(lines)), text.count("\n\n"), sum(map(prose.count, PERIODS)),
        bullets, headings, rows, len(marks) - bullets - headings - rows, prose.count("**") // 2,
        len(blocks) // 2, sum(map(len, blocks[1::2])), prose.count("`") // 2,
        sum(map(prose.count, LINKS)), sum(map(prose.count, MATHS)),
    )  # fmt: skip


def _edge_counts(turns: tuple[str, ...]) -> tuple[int, ...]:
    starts = [normalize(turn.lstrip()[:EDGE]) for turn in turns]
    head = "\n".join(starts)
    end = turns[-1].strip() if turns else ""
    tail = normalize(end[-EDGE:])
    return (
        sum(phrase in head for phrase in REFUSALS), sum(phrase in head for phrase in SELF_REFERENCES),
        sum(start.startswith(OPENERS) for start in starts), sum(start.startswith(GREETINGS) for start in starts),
        sum(phrase in tail for phrase in CLOSERS), end[-1:] not in TERMINAL, end[-1:] in ("?", "\uff1f", "\u061f"),
        end[:1].islower(),
    )  # fmt: skip


def character_counts(text: str) -> tuple[int, ...]:
    """Return the number of characters of each of `KINDS`; capitals are counted with their script too."""
    encoding, size = ("ascii", np.uint8) if text.isascii() else ("utf-32-le", np.uint32)
    codes: NDArray[Any] = np.frombuffer(text.encode(encoding, "replace"), dtype=size)
    kinds = _kinds().take(codes, mode="clip")
    counts: list[int] = np.bincount(kinds, minlength=len(KINDS) + len(SCRIPTS)).tolist()
    capitals = counts[len(KINDS) :]
    scripts = [small + capital for small, capital in zip(counts, capitals, strict=False)]
    return (*scripts, sum(capitals), *counts[len(SCRIPTS) + 1 : len(KINDS)])


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return the kind of each code point, (CODE_POINTS,): its index in `KINDS`, or len(KINDS) + script for capitals."""
    kinds = np.full(CODE_POINTS, KINDS.index("spaces"), dtype=np.uint8)
    classes = {"P": KINDS.index("punctuation"), "S": KINDS.index("symbols"), "N": KINDS.index("digits")}
    for code in range(CODE_POINTS):
        category = unicodedata.category(chr(code))
        if category[0] == "L":
            script = SCRIPT_OF.get(unicodedata.name(chr(code), "").split(" ")[0], 0)
            kinds[code] = script + (len(KINDS) if category == "Lu" else 0)
        elif category[0] in classes:
            kinds[code] = classes[category[0]]
    for name, marks in MARKS.items():
        kinds[[ord(mark) for mark in marks]] = KINDS.index(name)
    return kinds
