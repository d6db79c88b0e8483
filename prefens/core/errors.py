"""Errors a user can act on: each says what came, what was expected and what to do."""

import re

BLEND_AGAIN = "blend again: python -m prefens.blend"  # the way out that several modules name
# A terminal obeys control characters, and letters after a mark of direction are shown in another order.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return a text for a terminal: control characters other than newline and tab become U+FFFD."""
    return CONTROL.sub("\ufffd", text)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for one: 1 file, 1,234 files."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


class PrefensError(Exception):
    """Base of all errors that prefens raises on purpose.

    Parameters
    ----------
    came : str
        What was read, with its place (file, row, member).
    expected : str
        What should have been there.
    do : str
        The way out, as a command or an edit where there is one.
    """

    exit_code = 1  # of a command that ends with it

    def __init__(self, came: str, expected: str, do: str) -> None:
        self.came, self.expected, self.do = map(printable, (came, expected, do))
        super().__init__(f"{self.came}\n  expected: {self.expected}\n  to do:    {self.do}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        # Exception pickles only its message; launchers send errors between processes.
        return type(self), (self.came, self.expected, self.do)


class DataError(PrefensError):
    """Input rows that cannot be read as pairs."""


class ConfigError(PrefensError):
    """Settings that contradict each other or the data."""


class BackboneError(PrefensError):
    """A backbone whose files are missing, unreachable or not what they should be."""


class TrainingError(PrefensError):
    """A fold run that cannot go on (a loss that is not finite, say)."""


class CollapseError(TrainingError):
    """A training that has learned nothing by half of its schedule."""


class StoreError(PrefensError):
    """Stored results that are missing, damaged or not comparable."""


class IncompleteError(StoreError):
    """Members of the stored blend that are not complete: another blend was made of the others, and is not stored."""

    exit_code = 3


class BlendError(PrefensError):
    """A blend that can't be fitted, or whose fit fails its certificate."""


def not_installed(package: str, purpose: str, extra: str) -> ConfigError:
    """Return the error about a package that an extra of prefens brings, and that `purpose` needs."""
    return ConfigError(
        f"the package {package} is not installed", f"it, for {purpose}", f"pip install 'prefens[{extra}]'"
    )
