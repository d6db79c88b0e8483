"""A guess at the language of a text: by its script, and by function words where the script is Latin.

It is right for most texts of more than a dozen words, says "unclear" rather than guess where no function word is met,
and knows no other Latin languages than those of `STOP_WORDS`: the texts of others go to the closest, or are unclear.
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
WORDS = tuple(frozenset(words.split()) for words in STOP_WORDS.values())
OF_SCRIPT = {"cyrillic": "Cyrillic script", "arabic": "Arabic script", "han": "Chinese", "hangul": "Korean"}
UNCLEAR, NO_LETTERS, JAPANESE, OTHER = "unclear", "no letters", "Japanese", "other scripts"
LANGUAGES = (UNCLEAR, NO_LETTERS, *STOP_WORDS, *OF_SCRIPT.values(), JAPANESE, OTHER)
PLACE = {name: place for place, name in enumerate(LANGUAGES)}
START = 300  # characters that are looked at
KANA = 0.05  # share of the letters from which a text of Chinese characters is Japanese


def main_script(letters: Sequence[int]) -> int:
    """Return the place in SCRIPTS of the script with the most letters, or -1; `letters` in the order of SCRIPTS."""
    most = max(letters)
    return letters.index(most) if most else -1


def language(text: str, letters: Sequence[int]) -> int:
    """Return the place in LANGUAGES of a text's language; `letters` are its letters by script."""
    script = main_script(letters)
    if script < 0:
        return PLACE[NO_LETTERS]
    name = SCRIPTS[script]
    if name == "kana" or (name == "han" and letters[SCRIPTS.index("kana")] > KANA * sum(letters)):
        return PLACE[JAPANESE]
    if name != "latin":
        return PLACE[OF_SCRIPT.get(name, OTHER)]
    words = set(split_words(text[:START]))
    met = [len(words & known) for known in WORDS]
    most = max(met)
    return PLACE[UNCLEAR] if most == 0 or met.count(most) > 1 else 2 + met.index(most)
