"""Experiment tracking that can't end a run: what the tracker raises is a line in the log, and it isn't asked again."""

import functools
import importlib.util
import os
from collections.abc import Callable
from typing import Any

from . import models
from .layout import Say

# A server that is away would hold each report up for minutes (mlflow's own: 7 tries of 120 seconds, with pauses).
LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
METRICS_STAY = "metrics go to metrics.jsonl only"


class Tracked:
    """A trainer's callback that passes all that it is told on to a tracker's, until that fails."""

    def __init__(self, tracker: Any, say: Say) -> None:
        self._tracker, self._say = tracker, say

    def __getattr__(self, event: str) -> Callable[..., None]:
        if not event.startswith("on_"):
            raise AttributeError(event)
        return functools.partial(self._tell, event)

    def _tell(self, event: str, *arguments: Any, **options: Any) -> None:
        if self._tracker is None:
            return
        try:
            getattr(self._tracker, event)(*arguments, **options)
        except Exception as error:  # any at all: it is not what was paid for
            self._tracker = None
            self._say(f"MLflow failed, and isn't told more: {models.first_line(error)} From here on {METRICS_STAY}")


def tracker(say: Say) -> list[Tracked]:
    """The callback for the MLflow that the job is told of; none without one, or where it can't be used, and says so."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not address:
        return []
    # An ARN is SageMaker's MLflow, which mlflow reaches through that plugin.
    needed = ["mlflow", "sagemaker_mlflow"] if address.startswith("arn:") else ["mlflow"]
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        say(f"MLflow is set up and this image lacks {' and '.join(missing)}: {METRICS_STAY}")
        return []
    for name, value in {"MLFLOW_EXPERIMENT_NAME": "tandem", **LIMITS}.items():
        os.environ.setdefault(name, value)
    try:
        from transformers.integrations import MLflowCallback

        return [Tracked(MLflowCallback(), say)]
    except Exception as error:  # of a package that doesn't fit the others
        say(f"MLflow is set up and can't be used: {models.first_line(error)} So {METRICS_STAY}")
        return []
