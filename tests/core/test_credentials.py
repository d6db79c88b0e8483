"""A password in an address is found wherever it stands, and nothing else is taken for one."""

import os

import pytest

from prefens.core.credentials import keep_login, mask, without_login


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("tracking.uri=http://ann:se%40cret@host:5000", "tracking.uri=http://***@host:5000"),
        ("tracking.uri='http://ann:se@c/ret@host/path'", "tracking.uri='http://***@host/path'"),
        ("a postgresql+psycopg://ann:secret@/db?host=/tmp of", "a postgresql+psycopg://***@/db?host=/tmp of"),
        ("postgresql://host/db?user=ann&password=secret&x=1", "postgresql://host/db?user=ann&password=***&x=1"),
        ("http://:secret@host", "http://***@host"),
    ],
)
def test_names_and_passwords_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked == mask(masked)


@pytest.mark.parametrize("text", ["http://host:5000", "models:/prefens@best", "http://***@host", "a@b", "C:/x", ""])
def test_other_texts_stay(text: str) -> None:
    assert mask(text) == text


def test_a_login_goes_into_the_variables_that_mlflow_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "other")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "other")
    address = keep_login("https://ann:se%40cret@host:5000")
    assert without_login(address) == "https://host:5000"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("ann", "se@cret")
    for other in ("https://host:5000", "postgresql://bob:hidden@host/db"):
        keep_login(other)
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "se@cret"
