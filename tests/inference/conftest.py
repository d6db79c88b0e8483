"""A store that tests of scores share."""

import pytest

from prefens.data.corpus import make_corpus
from prefens.data.folds import FoldSettings
from prefens.data.sources import FileSource
from prefens.data.text.settings import TextSettings
from prefens.members.nn.heads import HeadKind, HeadSettings
from prefens.members.style import StyleMember
from prefens.members.textcnn import TextCnnMember
from prefens.members.training.settings import Save, TrainingSettings
from prefens.runner.trainer import Trainer
from prefens.store.member_spec import MemberSpec
from prefens.store.oof_store import OOFStore
from prefens.store.split_store import SplitStore
from prefens.store.tracking.tracker import NoTracker
from tests.helpers.examples import make_pairs, write_csv


@pytest.fixture(scope="session")
def rewarding(tmp_path_factory: pytest.TempPathFactory) -> SplitStore:
    """Members of two folds: one of style, without rewards, and two seeds of a siamese network with rewards."""
    folder = tmp_path_factory.mktemp("rewarding")
    corpus = make_corpus(FileSource(path=str(write_csv(folder / "train.csv", make_pairs(40)))), FoldSettings(k=2))
    stored = OOFStore(folder).put_folds(corpus.folds)
    digests = corpus.folds.data_digest, corpus.folds.digest
    training = TrainingSettings(lr=1e-2, head_lr=1e-2, epochs=1, batch_pairs=8, token_budget=2000, save=Save.fp32)
    head = HeadSettings(HeadKind.davidson, hidden=0, style=False)
    trainer = Trainer(corpus, stored, NoTracker(), folder)
    style = MemberSpec("style", "style", {}, 0, *digests)
    trainer.train_member(style, lambda: StyleMember("style", strengths=[0.01]), range(2))
    for seed in (0, 1):
        make = lambda: TextCnnMember("textcnn", TextSettings(max_length=64), head=head, training=training)  # noqa: E731
        trainer.train_member(MemberSpec("textcnn", "textcnn", {}, seed, *digests), make, range(2))
    return stored
