"""Model families are known by the models' names."""

from prefens.reporting.bias.model_families import model_family, own_names


def test_families() -> None:
    names = [
        "gpt-4-0314",
        "gpt35",
        "chatgpt",
        "13b-alpaca",
        "tulu_human_only_65B",
        "palm-2",
        "llama-2-70b-chat",
        "unknown",
    ]
    assert [model_family(name) for name in names] == ["gpt", "gpt", "gpt", "alpaca", "tulu", "google", "llama", ""]
    assert "openai" in own_names("gpt4")
    assert own_names("unknown") == ()
