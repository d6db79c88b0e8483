"""torch.compile: the same states and gradients, and no second compilation for a second fold."""

import pytest
import torch

from prefens.members.nn.encoder_forward import forward_states
from tests.helpers.encoders import batch_of, gradients, has_types, tiny

CALM = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("family", ["bert"])  # the C++ of a DeBERTa takes minutes to compile
def test_compiled_encoders_compute_the_same_and_are_compiled_once(family: str) -> None:
    from torch._dynamo.utils import counters

    compiled = []
    for fold, lengths in enumerate([[5, 12, 12, 30], [7, 9, 20, 6], [28, 31]]):
        encoder, batch = tiny(family, num_hidden_layers=1, **CALM).train(), batch_of(lengths)
        torch.manual_seed(fold)
        for weight in encoder.parameters():
            weight.data.normal_(std=0.1)  # another fold's weights
        exact = forward_states(encoder, batch, has_types(encoder))
        same = forward_states(encoder, batch, has_types(encoder), compiled=True)
        torch.testing.assert_close(same, exact, atol=1e-4, rtol=1e-4)
        for gradient, expected in zip(gradients(encoder, same), gradients(encoder, exact), strict=True):
            torch.testing.assert_close(gradient, expected, atol=1e-3, rtol=1e-3)
        compiled.append(counters["stats"]["unique_graphs"])
    assert compiled[0] > 0
    assert len(set(compiled)) == 1
