"""The card of an exported model: what it is, and code that scores answers exactly as prefens does."""

from __future__ import annotations

from string import Template
from typing import Any

from prefens.members.encoder import EncoderMember
from prefens.members.export.reward_model import RewardModel
from prefens.members.export.texts import ExportedTexts

CARD = Template("""---
library_name: transformers
pipeline_tag: text-classification
tags: [reward-model, prefens]
---

# $title

A reward model: one number for each answer to a prompt, in natural log odds. The difference of two rewards is the log
odds of the first answer being preferred to the second. The origin is arbitrary.$scale

It is $source of the member `$name` that prefens $version trained on the backbone `$backbone`, as transformers'
`$kind`, with all weights in fp32. It loads without prefens.

## Scores as prefens computes them

prefens tokenizes the prompt and the answer on their own, and puts the same tokens around them each time. Run this in
the folder of this file:

```python
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

FOLDER = "."
BEFORE, BETWEEN, AFTER = $before, $between, $after
PREFIXES = $prefixes  # before the prompt, and before the answer
RESERVED, UNKNOWN = $reserved, $unknown  # special tokens never come from a text

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER$attention).eval()


def tokens(text):
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [UNKNOWN if each in RESERVED else each for each in ids]


def rewards(prompt, answers):
    start = [*BEFORE, *tokens(PREFIXES[0] + prompt), *BETWEEN]
    rows = [{"input_ids": [*start, *tokens(PREFIXES[1] + answer), *AFTER]} for answer in answers]
    with torch.no_grad():
        return model(**tokenizer.pad(rows, return_tensors="pt")).logits[:, 0].tolist()


print(rewards("Name a prime number.", ["7", "Four."]))
```

- Several turns are joined by a blank line: all of the prompt, then all of the answer.
- The model was trained on sequences of at most $max_length tokens. prefens cuts longer texts in their middle; this code
  reads them whole.
- On machines that multiply bf16 fast, prefens itself may round to bf16; these scores are those of
  training.precision=fp32.
- The chat template of the tokenizer prints the same text:
  `tokenizer.apply_chat_template([{"role": "user", "content": ...}, {"role": "assistant", "content": ...}])`.
  It is tokenized as one text then, so the tokens where two parts meet can be others, and the reward differs a little.
- The padding token is `$padding`. The class takes it for padding wherever it stands: set none that ends a sequence.

## Probabilities

$probabilities
""")
SCALE = """ On answers that it was trained on,
the rewards have the mean {0.mean:.6g} and the standard deviation {0.spread:.6g}; `python -m prefens.score`
subtracts the one and divides by the other."""
TIES = """With rewards a and b, the logits of "A wins", "B wins" and "tie" are a, b and (a + b) / 2 + $log_nu
(Davidson 1970)."""
NO_TIES = "With rewards a and b, A wins with the probability 1 / (1 + exp(b - a)); the data had no ties."


def render_card(
    member: EncoderMember,
    name: str,
    source: str,
    model: RewardModel,
    texts: ExportedTexts,
    tokenizer: Any,
    version: str,
) -> str:
    """Return the card, in Markdown.

    Parameters
    ----------
    member : EncoderMember
        What is exported.
    name, source : str
        The member's name in the store, and which of its models it is.
    model : RewardModel
        Its classifier.
    texts : ExportedTexts
        How its texts become tokens.
    tokenizer : transformers tokenizer
        As it is exported.
    version : str
        That of prefens.
    """
    unknown, scale = tokenizer.unk_token_id, member.reward_scale
    reserved = set() if unknown is None else {*tokenizer.all_special_ids} - {unknown}
    probabilities = NO_TIES if model.log_nu is None else Template(TIES).substitute(log_nu=f"{model.log_nu:.6g}")
    return CARD.substitute(
        title=f"Reward model {name}",
        name=name,
        source=source,
        version=version,
        backbone=member.name,
        kind=model.kind.__name__,
        before=[*texts.frame.before],
        between=[*texts.frame.between],
        after=[*texts.frame.after],
        prefixes=texts.prefixes,
        reserved=sorted(reserved),
        unknown=unknown,
        attention=', attn_implementation="eager"' if _softcapped(model.config) else "",
        max_length=member.text.max_length,
        padding=tokenizer.pad_token,
        probabilities=probabilities,
        scale="" if scale is None else SCALE.format(scale),
    )


def _softcapped(config: Any) -> bool:
    """Whether attention has a soft cap, which other implementations than "eager" leave out."""
    return getattr(config, "attn_logit_softcapping", None) is not None
