"""Settings of the text that an encoder reads."""

import re
from dataclasses import dataclass, field, replace

from prefens.core.errors import ConfigError
from prefens.core.hashing import neutral

PLACEHOLDER = re.compile(r"\{(?:prompt|response|first|second)\}")
ORDERS = {"siamese": ["{prompt}", "{response}"], "cross": ["{prompt}", "{first}", "{second}"]}


@dataclass
class TemplateSettings:
    """The literal text around the parts of a sequence; all None for the pattern of the tokenizer.

    Attributes
    ----------
    siamese : str or None
        With {prompt} and {response}, in this order.
    cross : str or None
        With {prompt}, {first} and {second}, in this order.
    chat : bool
        Whether the parts go into the model's own chat template: a siamese sequence as the user's question and the
        assistant's answer, a cross one, filled in, as the user's question.

    Raises
    ------
    ConfigError
        A template lacks a part, or has another order.
    """

    siamese: str | None = None
    cross: str | None = None
    chat: bool = False

    def __post_init__(self) -> None:
        for name, order in ORDERS.items():
            text = getattr(self, name)
            if text is not None and PLACEHOLDER.findall(text) != order:
                raise ConfigError(
                    f"text.template.{name}={text!r}", f"a text with {', '.join(order)}, each once", "correct it"
                )

    @property
    def is_default(self) -> bool:
        """Whether there is no template."""
        return self.siamese is None and self.cross is None


PLAIN = TemplateSettings(
    "Prompt:\n{prompt}\n\nResponse:\n{response}\n",
    "Prompt:\n{prompt}\n\nResponse A:\n{first}\n\nResponse B:\n{second}\n\nThe better response:",
)
REWARD = TemplateSettings("{prompt}{response}", None, chat=True)
PROMPT_SHARE, CAUSAL_PROMPT_SHARE = 0.35, 0.2  # of encoders and of causal models


@dataclass
class TextSettings:
    """How texts are cut to the length of a sequence.

    Attributes
    ----------
    max_length : int
        Tokens of a sequence, at least 16.
    prompt_share : float or None
        The share of the room that a prompt gets where the responses need the rest, in (0, 1); None for 0.2 where the
        backbone is causal, else 0.35.
    head_share : float
        The share of a cut text that is kept from its beginning, in (0, 1).
    template : TemplateSettings
        The literal text around the parts.

    Raises
    ------
    ConfigError
        Where one is out of range.
    """

    max_length: int = 512
    prompt_share: float | None = None
    head_share: float = 0.6
    template: TemplateSettings = field(
        default_factory=TemplateSettings, metadata=neutral({"siamese": None, "cross": None, "chat": False})
    )

    def __post_init__(self) -> None:
        if self.max_length < 16:
            raise ConfigError(f"text.max_length={self.max_length}", "at least 16 tokens", "set text.max_length=512")
        for name, share in (("prompt_share", self.share_of_prompt), ("head_share", self.head_share)):
            if not 0.0 < share < 1.0:
                raise ConfigError(f"text.{name}={share}", "a share between 0 and 1", f"correct text.{name}")

    @property
    def share_of_prompt(self) -> float:
        """`prompt_share`, or that of encoders where it is None."""
        return PROMPT_SHARE if self.prompt_share is None else self.prompt_share

    def resolved(self, causal: bool, reward: bool = False) -> "TextSettings":
        """Return the settings without None, and with a template where the backbone is causal.

        The tokenizer of a causal backbone has no pattern for pairs.
        """
        share = CAUSAL_PROMPT_SHARE if causal and self.prompt_share is None else self.share_of_prompt
        needs_template = causal and self.template.is_default
        template = (REWARD if reward else PLAIN) if needs_template else self.template
        return replace(self, prompt_share=share, template=template)
