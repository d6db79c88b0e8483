"""Interpretable features of a pair, for a model that cannot tell which response is shown first.

Odd features are differences A - B between the responses, and change sign when A and B change places. Even features are
sums, absolute differences, similarities and what the prompt asks for, and stay. Logarithms, shares and indicators bound
the influence of outliers; nothing is standardized.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from prefens.core.types import Floats, PairFeatures, Pairs, Strings
from prefens.data.text.style_counts import (
    COUNTS,
    LEXICONS,
    PROMPT_COUNTS,
    SCRIPTS,
    Words,
    content_word_count,
    prompt_counts,
    response_counts,
    words_of,
)

Columns = dict[str, Floats]  # name -> (n,)

TASKS = {
    "list": "list ideas examples names suggest recommend tips ways steps items bullet points",
    "code": "code function python javascript java sql html css script program programming api regex bash algorithm",
    "brief": "brief briefly short concise sentence summarize summarise summary headline title name tweet",
    "detail": "detailed detail details essay article blog explain describe comprehensive long paragraphs story",
    "choice": "classify categorize choose identify which select true false categories category determine",
    "rewriting": "rewrite rephrase paraphrase translate convert correct edit fix complete improve grammar format",
    "creative": "story poem song joke lyrics imagine creative novel dialogue slogan motto",
    "sums": "calculate solve equation sum many much probability percent total math",
}
TASK_WORDS = tuple(frozenset(words.split()) for words in TASKS.values())
LENGTH_TASKS = ("list", "code", "brief", "detail", "choice")  # those that decide how long an answer should be
NUMBER_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}

RELATIONS = ("prompt_used", "from_prompt", "prompt_pairs_used", "pairs_from_prompt", "new_words", "own_words")
RESPONSE = (*COUNTS, *RELATIONS)
PROMPT = (*PROMPT_COUNTS, *TASKS, "number")
SIMILARITIES = ("words_shared", "content_shared", "pairs_shared", "shorter_covered", "same_words", "same_start")

LOGGED = (
    "chars", "words", "lines", "paragraphs", "content_words", "bullets", "numbered", "headings", "bold", "code_blocks",
    "code_chars", "inline_code", "table_rows", "links", "math", "questions", "exclamations", "quotes", "colons",
    "parentheses", "hashtags", *LEXICONS, "new_words", "own_words",
)  # fmt: skip
FLAGS = ("refusals", "self_references", "openers", "greetings", "closers", "unfinished", "ends_asking", "starts_lower")
SUMS = ("log_words", "prompt_used", "pairs_from_prompt", "repeated_pairs", "refusals", "has_list", "unfinished")
GAPS = (*SUMS, "log_own_words")


def extract_features(pairs: Pairs) -> PairFeatures:
    """Return the features of n pairs; a row depends on its own texts only."""
    prompt, first, second, similarity = _count(pairs.prompt, pairs.response_a, pairs.response_b)
    a, b = _style(first, prompt), _style(second, prompt)
    difference = {name: a[name] - b[name] for name in a}
    odd = difference | _interactions(difference, np.minimum(a["log_words"], b["log_words"]), prompt)
    near_copies = {"near_copies": similarity["pairs_shared"] ** 2}
    even = _even(difference, a, b) | similarity | near_copies | _prompt_features(prompt)
    matrices = [np.column_stack(list(columns.values())) for columns in (odd, even)]
    return PairFeatures(tuple(odd), tuple(even), *matrices)


@cache
def n_features() -> tuple[int, int]:
    """Return the numbers of odd and of even features."""
    one = np.empty(1, dtype=object)
    one[0] = ("",)
    features = extract_features(Pairs(np.array(["0"], dtype=object), one, one, one))
    return len(features.names_odd), len(features.names_even)


def _count(prompt: Strings, response_a: Strings, response_b: Strings) -> tuple[Columns, Columns, Columns, Columns]:
    """Return counts of prompts and of both responses, and similarities of the responses: the only loop over texts."""
    names = (PROMPT, RESPONSE, RESPONSE, SIMILARITIES)
    tables = [np.empty((len(prompt), len(columns))) for columns in names]
    for row, (question, a, b) in enumerate(zip(prompt, response_a, response_b, strict=True)):
        p, x, y = words_of(question), words_of(a), words_of(b)
        shared = x.distinct & y.distinct
        common = content_word_count(shared)
        tables[0][row] = (*prompt_counts(question, p), *_tasks(p))
        tables[1][row] = (*response_counts(a, x), *_relations(p, x, common))
        tables[2][row] = (*response_counts(b, y), *_relations(p, y, common))
        starts = {"".join(turns[:1])[:20] for turns in (a, b)}
        tables[3][row] = (*_similarity(x, y, len(shared), common), len(starts) == 1)
    prompts, first, second, similarity = (
        dict(zip(columns, table.T, strict=True)) for columns, table in zip(names, tables, strict=True)
    )
    return prompts, first, second, similarity


def _tasks(prompt: Words) -> tuple[int, ...]:
    """Return whether each of `TASKS` is asked for, and the prompt's only number from 2 to 30 (0: none or several)."""
    numbers = {int(word) for word in filter(str.isdecimal, prompt.distinct) if len(word) <= 2}
    numbers |= {NUMBER_WORDS[word] for word in prompt.distinct & NUMBER_WORDS.keys()}
    plausible = [number for number in numbers if 2 <= number <= 30]
    return (
        *(not prompt.distinct.isdisjoint(words) for words in TASK_WORDS),
        plausible[0] if len(plausible) == 1 else 0,
    )


def _relations(prompt: Words, response: Words, common: int) -> tuple[float, ...]:
    """Return the values of `RELATIONS`; `common` is the number of content words shared with the other response."""
    used = content_word_count(prompt.distinct & response.distinct)
    pairs = len(prompt.pairs & response.pairs)
    return (
        _share(used, prompt.content), _share(used, response.content), _share(pairs, len(prompt.pairs)),
        _share(pairs, len(response.pairs)), response.content - used, response.content - common,
    )  # fmt: skip


def _similarity(x: Words, y: Words, shared: int, common: int) -> tuple[float, ...]:
    """Return the values of `SIMILARITIES` but the last; `shared` and `common` count shared words and content words."""
    pairs = len(x.pairs & y.pairs)
    return (
        _share(shared, len(x.distinct) + len(y.distinct) - shared), _share(common, x.content + y.content - common),
        _share(pairs, len(x.pairs) + len(y.pairs) - pairs), _share(common, min(x.content, y.content)),
        x.distinct == y.distinct and x.pairs == y.pairs,
    )  # fmt: skip


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _style(c: Columns, prompt: Columns) -> Columns:
    """Return the features of one response of each pair, from its counts and the prompt's."""
    words, marks = c["words"], ("periods", "full_stops", "questions", "exclamations")
    sentences = np.maximum(np.sum([c[name] for name in marks], axis=0), c["lines"])
    letters, scripts, expected = _letters(c), _scripts(c), _scripts(prompt)
    items = c["bullets"] + c["numbered"]
    listed = np.where(items > 1, items, c["lines"])
    out = {f"log_{name}": np.log1p(c[name]) for name in LOGGED}
    out |= {name: np.minimum(c[name], 1.0) for name in FLAGS}
    out |= {name: c[name] for name in RELATIONS if name not in LOGGED}
    out |= {f"{name}_share": scripts[name] for name in SCRIPTS[1:]}
    out |= {f"{name}_share": _divide(c[name], c["chars"]) for name in ("punctuation", "symbols", "digits")}
    mismatch = np.sum([np.abs(scripts[name] - expected[name]) for name in SCRIPTS], axis=0) / 2.0
    out |= {
        "wordless": (words == 0) * 1.0,
        "terse": (words <= 3) * 1.0,
        "log_words_over_200": np.maximum(np.log1p(words) - np.log1p(200.0), 0.0),
        "log_sentences": np.log1p(sentences),
        "log_words_per_sentence": np.log1p(_divide(words, sentences)),
        "log_word_length": np.log1p(_divide(letters + c["digits"], words)),
        "distinct_share": _divide(c["distinct_words"], words),
        "repeated_pairs": np.where(words > 1, 1.0 - _divide(c["distinct_pairs"], words - 1), 0.0),
        "repeated_lines": np.where(c["lines"] > 0, 1.0 - _divide(c["distinct_lines"], c["lines"]), 0.0),
        "has_list": (items > 1) * 1.0,
        "comma_share": _divide(c["commas"], c["chars"]),
        "capital_share": _divide(c["capitals"], letters),
        "breaks_off": c["unfinished"] * (words > 20),
        "other_script": mismatch * (words > 0),
        "items_missed": np.where(prompt["number"] > 0, np.abs(np.log1p(listed) - np.log1p(prompt["number"])), 0.0),
    }
    return out


def _divide(part: Floats, whole: Floats) -> Floats:
    quotient: Floats = part / np.maximum(whole, 1.0)
    return quotient


def _letters(c: Columns) -> Floats:
    total: Floats = np.sum([c[name] for name in SCRIPTS], axis=0)
    return total


def _scripts(c: Columns) -> Columns:
    return {name: _divide(c[name], _letters(c)) for name in SCRIPTS}


def _interactions(difference: Columns, shorter: Floats, prompt: Columns) -> Columns:
    """Return how much length counts: less and less as the ratio grows, and depending on the task."""
    longer = np.tanh(difference["log_words"])
    out = {
        "longer": longer,
        "clearly_longer": np.tanh(3.0 * difference["log_words"]),
        "says_more": np.tanh(difference["log_own_words"]),
        "longer_after_long_prompt": longer * (np.log1p(prompt["words"]) - 4.0),
        "longer_than_long": longer * (shorter - 3.5),
    }
    return out | {f"longer_for_{task}": longer * prompt[task] for task in LENGTH_TASKS}


def _even(difference: Columns, a: Columns, b: Columns) -> Columns:
    """Return absolute differences between the responses, and sums over both."""
    shorter = np.minimum(a["log_words"], b["log_words"])
    out = {f"gap_{name}": np.abs(difference[name]) for name in GAPS}
    out |= {f"sum_{name}": a[name] + b[name] for name in SUMS}
    return out | {
        "longer_by_far": np.tanh(out["gap_log_words"]),
        "shorter_log_words": shorter,
        "shorter_log_words_over_50": np.maximum(shorter - np.log1p(50.0), 0.0),
    }


def _prompt_features(prompt: Columns) -> Columns:
    return {
        "prompt_log_words": np.log1p(prompt["words"]),
        "prompt_log_turns": np.log1p(prompt["turns"]),
        "prompt_has_code": np.minimum(prompt["code_blocks"], 1.0),
        "prompt_has_question": np.minimum(prompt["questions"], 1.0),
        "prompt_has_number": np.minimum(prompt["number"], 1.0),
        **{f"prompt_{task}": prompt[task] for task in TASKS},
    }
