"""prefens: ensembles that predict which of two LLM responses a person prefers."""

__version__ = "0.1.0"
