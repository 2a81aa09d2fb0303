"""What the tests of the managed back end share: a local service, a run for it, and a registry."""

import unicodedata

import botocore.session
from botocore.validate import validate_parameters
from tandem_contract.run_record import Run

from tandem.finetuning import recipe as recipes
from tandem.finetuning.backends.managed.dialects import CANCELLED, DIALECTS, FAILED, SUCCEEDED
from tandem.finetuning.backends.managed.finish import finish
from tandem.finetuning.backends.managed.service import Service
from tandem.finetuning.dataset.rows import Row, encoded
from tandem.runtime.secret import Key

GROUP, DIGEST = "tandem-models", "d" * 64
MODELS = {"openai": "gpt-4.1-mini-2025-04-14", "together": "Qwen/Qwen3-8B"}
JOBS = {name: dialect.jobs for name, dialect in DIALECTS.items()}


def rows(count, file="train.jsonl"):
    made = ((("user", f"What is {at} in Züri?"), ("assistant", f"Answer: {at}\u2028.")) for at in range(count))
    return [Row(messages, file, line) for line, messages in enumerate(made, start=1)]


TRAIN, VALIDATION, TEST = encoded(rows(12)), encoded(rows(3)), rows(20, "test.jsonl")


def make_run(backend, name="faq-20261124-101500-ab12", **changes):
    raw = {
        "base_model": MODELS[backend],
        "backend": backend,
        "evaluation": {"max_rows": 20, "max_new_tokens": 64, "format": {"regex": r"Answer: .+"}},
        "gate": {"format_adherence": {"at_least": 0.8, "gain": 0.1}},
    }
    recipe = recipes.check(raw | changes)
    prices = {"expected": "NOT PRICED", "ceiling": "NOT PRICED"}
    return Run(name, "datasets/faq/x/", DIGEST, recipes.digest(recipe), recipe, {}, prices, "2026-11-24T10:15:00Z")


def speak(model, messages):
    """The tuned model has learned the form, its base hasn't."""
    return "Answer: yes" if ":faq" in model else "Well, yes."


def connect(api, value=None):
    dialect = DIALECTS[api.dialect]
    return Service(dialect, Key(dialect.secret, value or api.key), api.url)


def to_the_end(service, job):
    seen = [service.status(job)]
    while seen[-1].state not in (SUCCEEDED, FAILED, CANCELLED):
        seen.append(service.status(job))
    return seen


class Registry:
    """SageMaker's model packages in memory; a request has to fit the API's model and the patterns of its strings."""

    def __init__(self):
        self.shape = botocore.session.get_session().get_service_model("sagemaker")
        self.described = {}

    def create_model_package(self, **request):
        validate_parameters(request, self.shape.operation_model("CreateModelPackage").input_shape)
        assert len(request["ClientToken"]) <= 36
        for value in request["CustomerMetadataProperties"].values():
            assert 0 < len(value) <= 256
            assert all(unicodedata.category(each)[0] in "LZN" or each in "_.:/=+-@" for each in value), value
        arn = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{GROUP}/{len(self.described) + 1}"
        self.described[arn] = request
        return {"ModelPackageArn": arn}

    def describe_model_package(self, ModelPackageName):
        return self.described[ModelPackageName]

    def get_paginator(self, operation):
        assert operation == "list_model_packages"
        return self

    def paginate(self, **request):
        assert request["ModelPackageGroupName"] == GROUP
        yield {"ModelPackageSummaryList": [{"ModelPackageArn": arn} for arn in reversed(self.described)]}


def tune(api, run, registry, **options):
    service = connect(api)
    job = service.start(run, TRAIN, VALIDATION)
    model = to_the_end(service, job)[-1].model
    if api.dialect == "together" and "served" not in options:
        api.served.add(model)
    return finish(service, run, model, TEST, DIGEST, registry, GROUP, **options)
