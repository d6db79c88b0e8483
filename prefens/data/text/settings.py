"""Settings of the text that an encoder reads."""

from dataclasses import dataclass

from prefens.core.errors import ConfigError


@dataclass
class TextSettings:
    """How texts are cut to the length of a sequence.

    Attributes
    ----------
    max_length : int
        Tokens of a sequence, at least 16.
    prompt_share : float
        The share of the room that a prompt gets where the responses need the rest, in (0, 1).
    head_share : float
        The share of a cut text that is kept from its beginning, in (0, 1).

    Raises
    ------
    ConfigError
        Where one is out of range.
    """

    max_length: int = 512
    prompt_share: float = 0.35
    head_share: float = 0.6

    def __post_init__(self) -> None:
        if self.max_length < 16:
            raise ConfigError(f"text.max_length={self.max_length}", "at least 16 tokens", "set text.max_length=512")
        for name in ("prompt_share", "head_share"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(
                    f"text.{name}={getattr(self, name)}", "a share between 0 and 1", f"correct text.{name}"
                )
