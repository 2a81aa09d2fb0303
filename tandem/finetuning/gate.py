"""The gate: whether an evaluation lets a tuned model be registered."""

from collections.abc import Mapping
from typing import Any

from tandem_contract.run_record import Run


def failing(evaluation: Mapping[str, Any], run: Run) -> list[str]:
    """Why the model may not be registered; empty if it may."""
    reasons = [
        f"the evaluation is of another {what}: {evaluation.get(what)!r}, not {getattr(run, what)!r}"
        for what in ("manifest_digest", "recipe_digest")
        if evaluation.get(what) != getattr(run, what)
    ]
    for metric, limits in run.recipe["gate"].items():
        found = evaluation["metrics"].get(metric)
        if found is None:
            reasons.append(f"{metric} was not measured")
            continue
        tuned, (low, high) = found["tuned"], found["interval"]
        least, gain = limits.get("at_least"), limits.get("gain")
        # Asked this way round, so that what is no number fails.
        if least is not None and not tuned >= least:
            reasons.append(f"{metric} is {tuned:.3f}, below {least}")
        # A gain that noise could explain is no progress, however large it looks.
        if gain is not None and not (found["difference"] >= gain and low > 0):
            text = (
                f"{metric} gains {found['difference']:.3f} over the base model (95 % interval {low:.3f} to {high:.3f})"
            )
            reasons.append(f"{text}; {gain} is asked for, with an interval above zero")
    return reasons
