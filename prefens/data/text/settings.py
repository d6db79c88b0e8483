"""What of a pair's text an encoder reads."""

from dataclasses import dataclass

from prefens.core.errors import ConfigError


@dataclass
class TextSettings:
    """max_length: tokens of a sequence, 16 or more; prompt_share of them go to the prompt, head_share to beginnings."""

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
