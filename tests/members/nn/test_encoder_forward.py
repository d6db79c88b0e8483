"""However an encoder is run, its states and gradients are those of the padded batch."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prefens.members.nn import packed_attention
from prefens.members.nn.encoder_forward import MIN_LENGTH_RATIO, forward_states, length_groups
from prefens.members.nn.packed_attention import ATTENTION_NAME, MODEL_TYPES, Scores, Segments
from prefens.members.nn.textcnn import TextCnn
from tests.helpers.encoders import KINDS, batch_of, gradients, has_types, padded, tiny


@pytest.mark.parametrize("family", KINDS)
def test_states_and_gradients_are_those_of_the_padded_batch(family: str) -> None:
    encoder, batch = tiny(family), batch_of([5, 12, 12, 3, 30, 12, 20, 1])
    expected = padded(encoder, batch)
    slopes = gradients(encoder, expected)
    states = forward_states(encoder, batch, has_types(encoder))
    assert (encoder.config._attn_implementation == ATTENTION_NAME) == (family in MODEL_TYPES)
    torch.testing.assert_close(states, expected, atol=1e-5, rtol=1e-5)
    for slope, same in zip(slopes, gradients(encoder, states), strict=True):
        torch.testing.assert_close(same, slope, atol=1e-4, rtol=1e-4)  # sums over all tokens
    torch.testing.assert_close(padded(encoder, batch), expected, atol=1e-5, rtol=1e-5)  # padded callers go on as before


def test_a_padding_token_in_the_text_takes_no_position_as_before() -> None:
    encoder, batch = tiny("roberta"), batch_of([6, 9])
    batch["input_ids"][1, 4] = 1
    torch.testing.assert_close(forward_states(encoder, batch, True), padded(encoder, batch), atol=1e-5, rtol=1e-5)


def test_textcnn_is_computed_in_groups_too() -> None:
    torch.manual_seed(0)
    encoder, batch = TextCnn(50, 1, 8, 4, [1, 3], 0.0).eval(), batch_of([5, 12, 3, 30])
    torch.testing.assert_close(forward_states(encoder, batch, False), padded(encoder, batch), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("family", ["bert", "modernbert"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_attention_dropout_is_honoured(family: str, dtype: torch.dtype) -> None:
    name = "attention_dropout" if family == "modernbert" else "attention_probs_dropout_prob"
    calm = {"hidden_dropout_prob": 0.0} if family == "bert" else {}
    batch = batch_of([5, 12, 9])
    for share in (0.0, 0.5):
        encoder = tiny(family, **calm, **{name: share}).train()
        once, again = (forward_states(encoder, batch, has_types(encoder), dtype) for _ in range(2))
        assert torch.equal(once, again) == (share == 0.0)


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_order_of_the_sequences_changes_no_bit(family: str, dtype: torch.dtype) -> None:
    encoder, batch = tiny(family), batch_of([5, 12, 12, 3, 30, 12, 20, 1])
    places = torch.tensor([4, 5, 6, 7, 0, 1, 2, 3])
    reordered = {name: tensor[places] for name, tensor in batch.items()}
    with torch.inference_mode():
        states = forward_states(encoder, batch, has_types(encoder), dtype)
        assert states.dtype is torch.float32
        assert torch.equal(forward_states(encoder, reordered, has_types(encoder), dtype), states[places])


@pytest.mark.parametrize("family", ["bert", "modernbert", "deberta-v2"])
def test_bf16_differs_by_rounding_only(family: str) -> None:
    encoder, batch = tiny(family), batch_of([5, 12, 9, 30])
    with torch.inference_mode():
        exact = forward_states(encoder, batch, has_types(encoder))
        rounded = forward_states(encoder, batch, has_types(encoder), torch.bfloat16)
    assert 0 < (exact - rounded).abs().mean() < 0.02


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_nested_tensors_give_what_groups_give(dropout: float) -> None:
    """The way of GPUs, run on the CPU: the same values without dropout, other draws with it."""
    torch.manual_seed(0)
    lengths = (7, 4, 4, 2)
    segments = Segments(lengths, torch.tensor([0, 7, 11, 15, 17], dtype=torch.int32))
    parts = [torch.randn(17, 2, 8, requires_grad=True) for _ in range(3)]
    grouped = packed_attention.grouped_attention(parts, segments, 0.0, Scores(0.3))
    nested = packed_attention.nested_attention(parts, segments, dropout, 0.3)
    assert torch.allclose(nested, grouped, atol=1e-5) == (dropout == 0.0)
    (slope,) = torch.autograd.grad(nested.square().sum(), parts[0])
    assert slope.shape == parts[0].shape
    assert torch.isfinite(slope).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("reach", [None, 3])
def test_the_flash_kernel_gives_what_groups_give(reach: int | None, causal: bool) -> None:
    torch.manual_seed(0)
    segments = Segments((70, 41, 41, 2), torch.tensor([0, 70, 111, 152, 154], dtype=torch.int32, device="cuda"))
    parts = [torch.randn(154, 2, 32, device="cuda", dtype=torch.bfloat16) for _ in range(3)]
    kernel = packed_attention.varlen_attention(parts, segments, Scores(0.3, causal, reach))
    reference = packed_attention.grouped_attention(parts, segments, 0.0, Scores(0.3, causal, reach))
    torch.testing.assert_close(kernel, reference, atol=2e-2, rtol=2e-2)


def test_a_torch_without_the_kernel_for_packed_sequences_is_recognized(monkeypatch: pytest.MonkeyPatch) -> None:
    packed_attention.varlen_kernel.cache_clear()
    assert packed_attention.varlen_kernel() is not None
    for older in (None, SimpleNamespace(varlen_attn=lambda query, key, value, is_causal=False: query)):
        monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", older)
        packed_attention.varlen_kernel.cache_clear()
        assert packed_attention.varlen_kernel() is None
    packed_attention.varlen_kernel.cache_clear()


@given(st.lists(st.integers(1, 100), min_size=1, max_size=60))
def test_padded_groups_hold_each_sequence_once_and_little_padding(lengths: list[int]) -> None:
    ordered = np.sort(np.array(lengths))[::-1]
    slices = list(length_groups(ordered))
    assert np.concatenate([ordered[rows] for rows in slices]).tolist() == ordered.tolist()
    for rows in slices:
        assert ordered[rows.stop - 1] >= MIN_LENGTH_RATIO * ordered[rows.start]


def test_the_choice_of_attention_is_not_saved(tmp_path: Path) -> None:
    encoder = tiny("bert")
    forward_states(encoder, batch_of([3, 4]), True)
    encoder.save_pretrained(tmp_path)
    assert ATTENTION_NAME not in (tmp_path / "config.json").read_text()
