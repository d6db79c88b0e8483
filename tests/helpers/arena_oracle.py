"""A planted set of votes, and what arena-rank 0.1.1, the arena's own program, makes of it.

arena-rank pins another numpy, so it runs in an environment of its own:

    python -m venv oracle
    oracle/bin/pip install arena-rank==0.1.1
    oracle/bin/python tests/helpers/arena_oracle.py > tests/helpers/arena_oracle.json

Its features are scaled and not centered, and its coefficients have no penalty: then its models are ours.
"""

import json
import math
import random
from typing import Any

STRENGTHS = {"ada": 0.9, "bob": 0.4, "cy": 0.1, "dee": -0.5, "eve": -0.9}
NU = 0.7
EFFECTS = (0.5, -0.3)


def planted(rows: int = 1500) -> list[dict[str, Any]]:
    """Return votes that follow Davidson's model with style effects; the same on every machine."""
    draws = random.Random(7)
    votes = []
    for _ in range(rows):
        a, b = draws.sample(sorted(STRENGTHS), 2)
        style = [draws.uniform(-1, 1) for _ in EFFECTS]
        d = STRENGTHS[a] - STRENGTHS[b] + sum(x * y for x, y in zip(style, EFFECTS, strict=True))
        weights = (math.exp(d / 2), math.exp(-d / 2), NU)
        winner = draws.choices(("model_a", "model_b", "tie"), weights)[0]
        votes.append({"model_a": a, "model_b": b, "winner": winner, "x": style[0], "y": style[1]})
    return votes


def main() -> None:
    """Print the numbers of arena-rank as JSON."""
    import pandas as pd
    from arena_rank.models.bradley_terry import BradleyTerry  # type: ignore[import-not-found]
    from arena_rank.models.contextual_bradley_terry import ContextualBradleyTerry  # type: ignore[import-not-found]
    from arena_rank.utils.data_utils import ContextualPairDataset, PairDataset  # type: ignore[import-not-found]

    frame = pd.DataFrame(planted())
    exact = {"ftol": 0.0, "gtol": 1e-12}
    plain = BradleyTerry(n_competitors=len(STRENGTHS), **exact)
    numbers = {"plain": plain.compute_ratings_and_cis(PairDataset.from_pandas(frame))}
    columns = ["x", "y"]
    frame[columns] /= (frame[columns] ** 2).mean() ** 0.5
    data = ContextualPairDataset.from_pandas(frame, columns, reweighted=False, normalize_features=False)
    styled = ContextualBradleyTerry(len(STRENGTHS), len(columns), reg=0.0, **exact)
    numbers["style_control"] = styled.compute_ratings_and_cis(data)
    keys = ("competitors", "ratings", "rating_lower", "rating_upper", "coeffs")
    lists = {
        name: {key: own[key] if key == "competitors" else own[key].tolist() for key in keys if key in own}
        for name, own in numbers.items()
    }
    print(json.dumps(lists, indent=1))


if __name__ == "__main__":
    main()
