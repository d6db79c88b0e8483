"""All ratings of a data set: by the votes and by predictors, and how well they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefens.core.errors import counted
from prefens.core.types import Floats, Pairs, Strings
from prefens.data.text.style_differences import STYLE_DIFFERENCES, style_differences
from prefens.ensemble.ratings.agreement import Agreement, agreements
from prefens.ensemble.ratings.comparisons import Votes, make_comparisons
from prefens.ensemble.ratings.paired_model import Kind
from prefens.ensemble.ratings.rating import Ratings, rate_sources


@dataclass(frozen=True, eq=False)
class RatingSummary:
    """All ratings of a data set.

    Attributes
    ----------
    votes : Votes
        What was rated, and what was left out.
    ratings : sequence of Ratings
        By the votes and by each predictor; without style control first.
    agreements : sequence of Agreement
        Of each predictor's ratings with those by the votes.
    """

    votes: Votes
    ratings: Sequence[Ratings]
    agreements: Sequence[Agreement]

    def find(self, kind: Kind, styled: bool = False) -> list[Ratings]:
        """Return the ratings of a kind by the votes and by each predictor."""
        return [each for each in self.ratings if each.kind is kind and each.styled is styled]

    def agreement(self, kind: Kind, styled: bool = False) -> list[Agreement]:
        """Return the agreement of each predictor with the votes, of a kind of ratings."""
        return [each for each in self.agreements if each.kind == kind.value and each.styled is styled]

    def notes(self) -> Iterator[str]:
        """Yield a sentence on each thing that was left out."""
        for reason, count in self.votes.skipped.items():
            yield f"{counted(count, 'pair')} left out: {reason}."
        if self.votes.left_out:
            models, names = counted(len(self.votes.left_out), "model"), ", ".join(self.votes.left_out)
            yield f"{models} without a finite rating, having won all, lost all, or met none of the others: {names}."

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per model and ratings, for tables."""
        rows = []
        for each in self.ratings:
            for row in each.rows:
                bounds = row.bootstrap or (None, None)
                rows.append({
                    "source": each.source, "kind": each.kind.value, "style_control": each.styled, "model": row.model,
                    "rank": row.rank, "rating": row.rating, "low": row.sandwich[0], "high": row.sandwich[1],
                    "bootstrap_low": bounds[0], "bootstrap_high": bounds[1], "comparisons": row.comparisons,
                })  # fmt: skip
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Return all but the resamples as JSON values."""
        return {
            "pairs": len(self.votes.rows),
            "models": len(self.votes.comparisons.models),
            "left_out": dict(self.votes.left_out),
            "skipped": dict(self.votes.skipped),
            "ratings": [each.as_dict() for each in self.ratings],
            "agreement": [each.as_dict() for each in self.agreements],
        }


def rate_models(
    pairs: Pairs,
    group: Strings,
    predictions: Mapping[str, Floats],
    style_control: bool = True,
    resamples: int = 300,
    kinds: Sequence[Kind] = tuple(Kind),
) -> RatingSummary:
    """Return the ratings of the models in labelled pairs.

    Parameters
    ----------
    pairs : Pairs
        Labelled pairs with model_a and model_b, n of them.
    group : array of str, shape (n,)
        Their prompt groups.
    predictions : mapping of str to array, shape (n, K)
        From a predictor to its honest probabilities.
    style_control : bool
        Whether the models are rated at equal style too.
    resamples : int, 0 or more
        Of the bootstrap over prompts.
    kinds : sequence of Kind
        The models of paired comparisons; Davidson's is left out where no vote is a tie.

    Raises
    ------
    DataError
        Where the pairs don't name their models, or where fewer than two can be rated.
    BlendError
        Where a fit fails.
    """
    names = STYLE_DIFFERENCES if style_control else ()
    votes = make_comparisons(pairs, group, style_differences(pairs)[:, : len(names)], names)
    rated = {name: own[votes.rows] for name, own in predictions.items()}
    ratings = rate_sources(votes.comparisons, rated, style_control, resamples, kinds)
    return RatingSummary(votes, ratings, agreements(ratings))
