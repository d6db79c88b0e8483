"""A guess at the language of a text: by its script, and by function words where the script is Latin.

It is right for most texts of more than a dozen words. A Latin text without a known function word is "unclear". Latin
languages that are not in `STOP_WORDS` are taken for the closest one, or are unclear.
"""

from __future__ import annotations

from collections.abc import Sequence

from prefens.data.text.style_counts import SCRIPTS, split_words

STOP_WORDS = {
    "English": "the and is of to in that it you for are with this what how not can be have from a an do my me write",
    "Spanish": "el la los las de que y en un una es por con para se del como mi qué cómo cuál dime pero más",
    "French": "le la les de des et un une est que pour dans du en qui je ce il sur pas vous quel quelle au avec",
    "German": "der die das und ist nicht ein eine zu den mit von für auf ich wie was sich dem im es wer sind",
    "Portuguese": "o a os as de que e em um uma é por com para não do da como se mais você qual dos eu meu",
    "Italian": "il lo la gli di che e in un una è per con non del della come si più mi qual dei sono cosa",
    "Dutch": "de het een en van is dat niet op te zijn voor met die in ik wat hoe je aan er wie",
    "Polish": "i w na nie się jest to z do że jak co o po czy dla od przez jaki jakie napisz",
}
STOP_WORD_SETS = tuple(frozenset(words.split()) for words in STOP_WORDS.values())
LANGUAGE_OF_SCRIPT = {"cyrillic": "Cyrillic script", "arabic": "Arabic script", "han": "Chinese", "hangul": "Korean"}
UNCLEAR, NO_LETTERS, JAPANESE, OTHER = "unclear", "no letters", "Japanese", "other scripts"
LANGUAGES = (UNCLEAR, NO_LETTERS, *STOP_WORDS, *LANGUAGE_OF_SCRIPT.values(), JAPANESE, OTHER)
LANGUAGE_INDEX = {name: index for index, name in enumerate(LANGUAGES)}
FIRST_LATIN = LANGUAGE_INDEX["English"]
MAX_CHARS = 300  # at the start of the text, in which function words are looked for
MIN_KANA_SHARE = 0.05  # of the letters of a text in Chinese characters that is Japanese


def main_script(letters: Sequence[int]) -> int:
    """Return the index in SCRIPTS of the script with the most letters, -1 for none; `letters` are counts by script."""
    most = max(letters)
    return letters.index(most) if most else -1


def guess_language(text: str, letters: Sequence[int]) -> int:
    """Return the index in LANGUAGES of a text's language.

    Parameters
    ----------
    text : str
        The text.
    letters : sequence of int
        The number of its letters in each of SCRIPTS.
    """
    index = main_script(letters)
    if index < 0:
        return LANGUAGE_INDEX[NO_LETTERS]
    script = SCRIPTS[index]
    if script == "kana" or (script == "han" and letters[SCRIPTS.index("kana")] > MIN_KANA_SHARE * sum(letters)):
        return LANGUAGE_INDEX[JAPANESE]
    if script != "latin":
        return LANGUAGE_INDEX[LANGUAGE_OF_SCRIPT.get(script, OTHER)]
    words = set(split_words(text[:MAX_CHARS]))
    hits = [len(words & stop_words) for stop_words in STOP_WORD_SETS]
    most = max(hits)
    return LANGUAGE_INDEX[UNCLEAR] if most == 0 or hits.count(most) > 1 else FIRST_LATIN + hits.index(most)
