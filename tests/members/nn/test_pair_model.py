"""Pair models of every pairing, head and pooling: swap-symmetric, blind to padding, and all weights learn."""

from itertools import product
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from prefens.core.errors import ConfigError
from prefens.core.types import SWAP
from prefens.data.text.settings import PLAIN, TextSettings
from prefens.data.text.tokens import PairTokens, tokenize_pairs
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.nn.pair_model import PairModel, pair_batch
from prefens.members.nn.pairing import Pairing
from prefens.members.nn.pooling import Pooling, pool
from prefens.members.nn.pretrained import load_encoder, load_tokenizer
from prefens.members.style import all_features
from tests.helpers.decoders import FAMILIES as DECODERS
from tests.helpers.decoders import make_tiny_decoder
from tests.helpers.examples import make_pairs, make_tiny_encoder

ROWS = np.arange(6)
DESIGNS = [
    *product(Pairing, HeadKind, Pooling, (False,)),
    *product(Pairing, HeadKind, (Pooling.mean,), (True,)),
]
SIZES = {"hidden": 8, "filters": 16, "widths": [1, 3]}


@pytest.fixture(scope="module", params=("bert", "roberta", "deberta-v2"))
def tiny_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One encoder of each kind of separators and segments: what a head sees of the others is the same."""
    return make_tiny_encoder(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def parts(tiny_encoder: Path) -> dict[Pairing, PairTokens]:
    """Tokens for either pairing, of tiny_encoder's tokenizer, with style features that are not yet scaled."""
    pairs, tokenizer = make_pairs(6), load_tokenizer(tiny_encoder)
    style = all_features(pairs)
    tokens_of = {}
    for pairing in Pairing:
        tokens = tokenize_pairs(tokenizer, pairs, TextSettings(max_length=120), "", "", pairing is Pairing.cross)
        tokens_of[pairing] = PairTokens(tokens.a, tokens.b, tokens.audit, style)
    return tokens_of


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> Any:
    """An encoder whose states depend on all tokens: with weights as small as fresh ones they hardly do."""
    encoder = load_encoder(tiny_encoder).eval()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.mul_(10.0 if weight.ndim > 1 else 1.0)
    return encoder


def shaken(encoder: Any, tokens: PairTokens, pairing: Pairing, kind: HeadKind, pooling: Pooling, style: bool) -> Any:
    """Return a model whose head has large random weights, and tokens with style features only where it reads them."""
    torch.manual_seed(0)
    sizes = (tokens.style.odd.shape[1], tokens.style.even.shape[1]) if style and tokens.style is not None else (0, 0)
    model = PairModel(encoder, HeadSettings(kind, pooling, style=style, **SIZES), pairing, sizes)  # type: ignore[arg-type]
    for weight in model.head.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model.eval(), tokens if style else PairTokens(tokens.a, tokens.b, tokens.audit)


@torch.inference_mode()
@pytest.mark.parametrize(("pairing", "kind", "pooling", "style"), DESIGNS)
def test_swapped_pairs_have_swapped_probabilities(
    encoder: Any, parts: dict[Pairing, PairTokens], pairing: Pairing, kind: HeadKind, pooling: Pooling, style: bool
) -> None:
    model, tokens = shaken(encoder, parts[pairing], pairing, kind, pooling, style)
    original = model.log_probabilities(pair_batch(tokens, ROWS, 1)).exp()
    exchanged = model.log_probabilities(pair_batch(tokens, ROWS, 1, swapped=np.ones(6, dtype=bool))).exp()
    assert torch.isfinite(original).all()
    np.testing.assert_allclose(original, exchanged[:, SWAP.tolist()], atol=1e-6)
    np.testing.assert_allclose(original.sum(dim=1), 1.0, atol=1e-12)
    assert original.std(dim=0).max() > 1e-4  # the law is not kept by saying the same of every pair
    some = np.array([True, False, False, True, True, False])
    mixed = model.log_probabilities(pair_batch(tokens, ROWS, 1, swapped=some)).exp()
    np.testing.assert_allclose(mixed, torch.where(torch.from_numpy(some)[:, None], exchanged, original), atol=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize(("pairing", "kind", "pooling", "style"), DESIGNS)
def test_a_row_alone_is_the_row_in_a_padded_batch(
    encoder: Any, parts: dict[Pairing, PairTokens], pairing: Pairing, kind: HeadKind, pooling: Pooling, style: bool
) -> None:
    model, tokens = shaken(encoder, parts[pairing], pairing, kind, pooling, style)
    assert len({*tokens.a.lengths, *tokens.b.lengths}) > 2
    together = model(pair_batch(tokens, ROWS, 1)), model.log_probabilities(pair_batch(tokens, ROWS, 1))
    for row in ROWS[::2]:
        batch = pair_batch(tokens, [row], 1)
        torch.testing.assert_close(model(batch)[0], together[0][row], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model.log_probabilities(batch)[0], together[1][row], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("family", DECODERS)
def test_causal_models_keep_both_laws_with_every_pairing_head_and_pooling(family: str, tmp_path: Path) -> None:
    """But with cls, which `HeadSettings.resolved` refuses. Three rows of other lengths are enough."""
    path, pairs, rows = make_tiny_decoder(family, tmp_path), make_pairs(3), np.arange(3)
    encoder, tokenizer = load_encoder(path).eval(), load_tokenizer(path)
    text, padding = TextSettings(96, 0.2, template=PLAIN), tokenizer.pad_token_id
    for pairing in Pairing:
        tokens = tokenize_pairs(tokenizer, pairs, text, "", "", pairing is Pairing.cross)
        assert len({*tokens.a.lengths, *tokens.b.lengths}) > 1
        for kind, pooling in product(HeadKind, {*Pooling} - {Pooling.cls}):
            design = f"{pairing.name} {kind.name} {pooling.name}"
            model, _ = shaken(encoder, tokens, pairing, kind, pooling, False)
            original = model.log_probabilities(pair_batch(tokens, rows, padding)).exp()
            exchanged = model.log_probabilities(pair_batch(tokens, rows, padding, swapped=rows >= 0)).exp()
            alone = model.log_probabilities(pair_batch(tokens, rows[:1], padding)).exp()
            assert original.std(dim=0).max() > 1e-4, design
            np.testing.assert_allclose(original, exchanged[:, SWAP.tolist()], atol=1e-6, err_msg=design)
            np.testing.assert_allclose(alone[0], original[0], atol=1e-5, err_msg=design)


@pytest.mark.parametrize(("pairing", "kind", "pooling", "style"), DESIGNS)
def test_every_weight_of_the_head_learns(
    encoder: Any, parts: dict[Pairing, PairTokens], pairing: Pairing, kind: HeadKind, pooling: Pooling, style: bool
) -> None:
    model, tokens = shaken(encoder, parts[pairing], pairing, kind, pooling, style)
    cross_entropy(
        model(pair_batch(tokens, ROWS, 1, both=model.needs_both)), torch.tensor([0, 1, 2, 0, 0, 2])
    ).backward()
    for name, weight in model.head.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 1e-9, name


@torch.inference_mode()
@pytest.mark.parametrize("kind", HeadKind)
@pytest.mark.parametrize("pairing", Pairing)
def test_a_new_head_predicts_the_prior_that_it_is_initialized_to(
    encoder: Any, parts: dict[Pairing, PairTokens], pairing: Pairing, kind: HeadKind
) -> None:
    torch.manual_seed(0)
    model, tokens = PairModel(encoder, HeadSettings(kind), pairing).eval(), parts[pairing]
    batch = pair_batch(PairTokens(tokens.a, tokens.b, tokens.audit), ROWS, 1)
    np.testing.assert_allclose(model.log_probabilities(batch), -log(3), atol=1e-6)
    model.head.init_to_prior([log(0.45), log(0.45), log(0.1)])
    np.testing.assert_allclose(model.log_probabilities(batch).exp(), [[0.45, 0.45, 0.1]] * len(ROWS), atol=1e-6)


@torch.inference_mode()
@pytest.mark.parametrize("kind", HeadKind)
@pytest.mark.parametrize("pairing", Pairing)
def test_two_outcomes(encoder: Any, parts: dict[Pairing, PairTokens], pairing: Pairing, kind: HeadKind) -> None:
    model = PairModel(encoder, HeadSettings(kind, **SIZES), pairing, n_outcomes=2).eval()  # type: ignore[arg-type]
    tokens = PairTokens(parts[pairing].a, parts[pairing].b, parts[pairing].audit)
    model.head.init_to_prior([log(0.5), log(0.5)])
    np.testing.assert_allclose(model.log_probabilities(pair_batch(tokens, ROWS, 1)).exp(), 0.5, atol=1e-6)
    torch.manual_seed(0)
    for weight in model.head.parameters():
        torch.nn.init.normal_(weight, std=0.2)  # with larger ones, both orders of the cnn are sure of one side
    original = model.log_probabilities(pair_batch(tokens, ROWS, 1)).exp()
    exchanged = model.log_probabilities(pair_batch(tokens, ROWS, 1, swapped=np.ones(6, dtype=bool))).exp()
    assert original.shape == (6, 2)
    assert original.std(dim=0).max() > 1e-4
    np.testing.assert_allclose(original.sum(dim=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(original, exchanged.flip(1), atol=1e-6)
    assert not any("nu" in name for name, _ in model.head.named_parameters())


@torch.inference_mode()
@pytest.mark.parametrize("kind", HeadKind)
def test_cross_learns_from_one_order_unless_its_head_is_symmetric(
    encoder: Any, parts: dict[Pairing, PairTokens], kind: HeadKind
) -> None:
    model, tokens = shaken(encoder, parts[Pairing.cross], Pairing.cross, kind, Pooling.mean, True)
    assert model.needs_both == (kind in (HeadKind.equivariant, HeadKind.davidson))
    for swapped in (None, np.arange(6) % 2 == 0):
        alone, whole = (pair_batch(tokens, ROWS, 1, swapped, both) for both in (model.needs_both, True))
        assert len(alone["input_ids"]) == (12 if model.needs_both else 6)
        torch.testing.assert_close(model(alone), model(whole), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bad", [{"hidden": -1}, {"dropout": 1.0}, {"filters": 0}, {"widths": []}, {"widths": [3, 0]}])
def test_bad_settings(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        HeadSettings(**bad)


@torch.inference_mode()
def test_the_last_real_token_is_pooled_by_the_mask() -> None:
    states, mask = torch.randn(3, 5, 2), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 0]])
    expected = torch.stack([states[0, 2], states[1, 4], states[2, 3]])
    assert torch.equal(pool(states, mask, Pooling.last), expected)


@torch.inference_mode()
def test_a_davidson_head_without_hidden_units_is_a_linear_reward(
    encoder: Any, parts: dict[Pairing, PairTokens]
) -> None:
    settings = HeadSettings(HeadKind.davidson, hidden=0, dropout=0.0)
    head = PairModel(encoder, settings, Pairing.siamese).head
    assert [weight.shape for weight in head.body.parameters()] == [(1, head.size)]
