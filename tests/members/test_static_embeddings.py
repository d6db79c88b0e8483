"""Features from static embeddings: equal bits in any batch, antisymmetric under a swap, words split once."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from threadpoolctl import threadpool_limits
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from prefens.core.errors import BackboneError
from prefens.core.types import Pairs
from prefens.data.text.turns import joined
from prefens.members.backbone_files import find_wordllama
from prefens.members.static_embeddings import EmbeddedPairs, Tokens, embed_pairs, load_embeddings
from tests.helpers.examples import WORDS, column, make_pairs

TEXTS = [
    "", "\n\n", "two  spaces,   three", " leading and trailing  ", "tabs\tand\nlines\n\n  indented", "日本語 です",
    "🙂 emoji", "a" * 300, "def f(x):\n    return x ** 2  # code", "a word" * 400, "\x00\ufffe",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return weights and tokenizer as those of the package: random vectors, and a tokenizer of a few words."""
    folder = tmp_path_factory.mktemp("embeddings")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁+[^▁]*"), "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))], show_progress=False
    )
    tokenizer.train_from_iterator([*(" ".join(WORDS[start:]) for start in range(9)), *TEXTS[3:6]], trainer)
    tokenizer.pre_tokenizer = None
    tokenizer.save(str(folder / "tokenizer.json"))
    matrix = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 256)).astype(np.float16)
    save_file({"embedding.weight": matrix}, folder / "weights.safetensors")
    return folder / "weights.safetensors", folder / "tokenizer.json"


@pytest.fixture(scope="module")
def pairs() -> Pairs:
    some = make_pairs(40)
    turns = [(text,) for text in TEXTS] + [(), ("several", "", "turns")]
    any_text = Pairs(
        ids=column([str(row) for row in range(len(turns))]),
        prompt=column(turns),
        response_a=column(turns[::-1]),
        response_b=column(turns[3:] + turns[:3]),
    )
    return Pairs.concatenate([some.unlabelled(), any_text])


def rows_of(features: EmbeddedPairs, rows: np.ndarray | slice) -> list[np.ndarray]:
    return [values[rows] for side in (features.odd, features.even) for values in side.values()]


def test_bits_depend_on_a_pair_alone(files: tuple[Path, Path], pairs: Pairs) -> None:
    """In one batch, in another order, pair by pair and with other threads."""
    whole = embed_pairs([pairs], *files)
    order = np.random.default_rng(1).permutation(len(pairs))
    for left, right in zip(
        rows_of(embed_pairs([pairs.take(order)], *files), slice(None)), rows_of(whole, order), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    for row in range(len(pairs)):
        with threadpool_limits(1 + row % 3):
            alone = embed_pairs([pairs.take(np.array([row]))], *files)
        for left, right in zip(rows_of(alone, slice(None)), rows_of(whole, slice(row, row + 1)), strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_swap_changes_signs_and_nothing_else(files: tuple[Path, Path], pairs: Pairs) -> None:
    features, swapped = (embed_pairs([each], *files) for each in (pairs, pairs.swapped()))
    for name, values in features.odd.items():
        assert np.isfinite(values).all()
        assert np.abs(values).max() > 0
        np.testing.assert_array_equal(swapped.odd[name], -values)
    for name, values in features.even.items():
        assert np.isfinite(values).all()
        np.testing.assert_array_equal(swapped.even[name], values)


def test_features_are_what_they_are_called(files: tuple[Path, Path]) -> None:
    embeddings = load_embeddings(*files)
    texts = ["good answer the green", "things", "no good thanks good"]
    prompt, a, b = (embeddings.tokens([text]).ids for text in texts)
    pair = Pairs(column(["1"]), *(column([(text,)]) for text in texts))
    odd = embed_pairs([pair], *files).odd

    def direction(vectors: np.ndarray) -> np.ndarray:
        total = vectors.sum(axis=0, dtype=np.float64)
        return total / np.linalg.norm(total)

    vectors = embeddings.directions
    np.testing.assert_allclose(odd["mean"][0], direction(vectors[a]) - direction(vectors[b]), atol=1e-6)
    highest = vectors[a, :128].max(axis=0) - vectors[b, :128].max(axis=0)
    np.testing.assert_array_equal(odd["highest"][0], highest)
    cosine = direction(vectors[prompt]) @ (direction(vectors[a]) - direction(vectors[b]))
    np.testing.assert_allclose(odd["scalars"][0, 0], cosine, atol=1e-6)
    np.testing.assert_allclose(odd["scalars"][0, 2], np.log1p(len(a)) - np.log1p(len(b)), atol=1e-6)


def test_edges_of_texts() -> None:
    tokens = Tokens(np.arange(7, dtype=np.int32), np.array([0, 0, 2, 7]))
    first, last = tokens.edges(3)
    assert first.ids.tolist() == [0, 1, 2, 3, 4]
    assert last.ids.tolist() == [0, 1, 4, 5, 6]
    assert first.starts.tolist() == last.starts.tolist() == [0, 0, 2, 5]


def test_splitting_each_word_once_gives_the_tokenizers_own_tokens(files: tuple[Path, Path]) -> None:
    check_tokens(files)


def test_the_packages_tokenizer_splits_at_words_too() -> None:
    try:
        files = find_wordllama()
    except BackboneError as error:
        pytest.skip(error.came)
    check_tokens(files)


def check_tokens(files: tuple[Path, Path]) -> None:
    embeddings = load_embeddings(*files)
    assert embeddings.tokens(["word "]).ids.tolist() == embeddings.tokens(["word"]).ids.tolist()  # the one exception
    texts = TEXTS + [joined(turns) for turns in make_pairs(20).response_a]
    tokens = embeddings.tokens(texts)
    expected = [encoding.ids for encoding in embeddings.tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert [part.tolist() for part in np.split(tokens.ids, tokens.starts[1:-1])] == expected


def test_the_features_need_no_torch() -> None:
    program = (
        "import prefens.members.wordllama, prefens.members.static_embeddings, sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
