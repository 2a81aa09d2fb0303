"""What an account may have and a model needs: quotas, a token, room to be served in; before anything is billed."""

import json

import pytest

from tests.unit.cli import test_finetune as finetune
from tests.unit.cli.test_finetune import HUB, RECORD, STACK, run

aws, check, stack_file = finetune.aws, finetune.check, finetune.stack_file


@pytest.mark.faults
def test_spot_training_has_a_quota_of_its_own(aws, check):
    aws.envelope["spot"] = True
    aws.quotas["ml.g6e.2xlarge for spot training job usage"] = 1.0
    assert check()[0] == 0
    aws.envelope["instance_count"] = 2
    code, text = check()
    assert code == 1 and "1 mistake" in text
    assert "the account's 'ml.g6e.2xlarge for spot training job usage' is 1, and the run needs 2" in text
    # The evaluation is never on spot capacity.
    aws.envelope["instance_count"], aws.quotas["ml.g6e.2xlarge for training job usage"] = 1, 0.0
    code, text = check()
    assert code == 1 and "'ml.g6e.2xlarge for training job usage' is 0, and the run needs 1" in text


def test_a_quota_that_is_not_listed_is_said_not_to_be_checked(aws, check):
    aws.envelope["instance_type"] = "ml.g6e.4xlarge"
    code, text = check()
    assert code == 0, text
    unlisted = text.partition("Quotas are not checked that Service Quotas doesn't list: ")[2]
    assert "'ml.g6e.4xlarge for training job usage'" in unlisted
    # What is 0 for each, or known for all, is not taken for one of them.
    assert "'ml.g6e.2xlarge for training job usage'" not in unlisted


@pytest.mark.faults
@pytest.mark.parametrize(
    ("limit", "most", "changes", "needs"),
    [
        ("Number of instances across all training jobs", 4.0, {"instance_count": 8}, "8"),
        ("Maximum number of instances per training job", 4.0, {"instance_count": 8}, "8"),
        ("Longest run time for a training job", 86_400.0, {"max_runtime_seconds": 432_000}, "432000"),
    ],
)
def test_limits_of_all_jobs_count_too(aws, check, limit, most, changes, needs):
    aws.quotas |= {"ml.g6e.2xlarge for training job usage": 20.0, limit: most}
    aws.envelope |= changes
    code, text = check(**HUB)
    assert code == 1 and f"the account's {limit!r} is {most:.0f}, and the run needs {needs}" in text


CONFIGURED = {"tandem:environment": "finetuning"}


@pytest.fixture
def configured(monkeypatch):
    """The stack's configuration, as `pulumi config` has it."""
    found = dict(CONFIGURED)
    monkeypatch.setattr("tandem.cli.finetune.configuration", lambda *_: found)
    return found


@pytest.mark.faults
@pytest.mark.parametrize(
    ("mode", "instances", "most", "needs"),
    [("steady", 1, 1.0, 2), ("steady", 2, 3.0, 4), ("zero", 3, 3.0, 4), ("steady", 1, 2.0, 0), ("zero", 3, 4.0, 0)],
)
def test_the_endpoint_that_the_model_is_for_is_checked_before_the_run(
    aws, check, configured, mode, instances, most, needs
):
    """Both models are there for a while, or one instance more."""
    configured |= {"tandem:endpointMode": mode, "tandem:endpointInstances": str(instances)}
    aws.quotas["ml.g6e.xlarge for endpoint usage"] = most
    code, text = check()
    assert code == 0
    said = f"the account's 'ml.g6e.xlarge for endpoint usage' is {most:.0f}, and a new model needs {needs}"
    assert (said in text) is bool(needs) and ("a new model needs" in text) is bool(needs)


@pytest.mark.faults
@pytest.mark.parametrize(("deployed", "most", "refused"), [(False, 0.0, 1), (False, 1.0, 0), (True, 1.0, 2)])
def test_promote_refuses_an_endpoint_that_the_account_may_not_have(
    aws, project, configured, stack_file, deployed, most, refused
):
    """`pulumi up` would end with ResourceLimitExceeded, after the run was paid for."""
    outputs = {"modelPackageGroup": "tandem-models", "region": "us-east-1"}
    project.has(**(outputs | ({"endpointName": "finetune-1"} if deployed else {})))
    aws.record = json.loads(json.dumps(RECORD))
    aws.quotas["ml.g6e.xlarge for endpoint usage"] = most
    result = run("finetune", "promote", "walls-1", "--approve", "--config", stack_file)
    said = f"is {most:.0f}, and the endpoint with a new model needs {refused}"
    assert (said in result.output) is bool(refused), result.output
    assert (stack_file.read_text() == STACK) is bool(refused)


@pytest.mark.faults
def test_a_gated_model_needs_a_token(check, configured):
    gated = HUB | {"base_model": "meta-llama/Llama-3.2-1B-Instruct"}
    code, text = check(**gated)
    assert code == 1 and "meta-llama/Llama-3.2-1B-Instruct is gated" in text and "tandem:hubTokenSecret" in text
    configured["tandem:hubTokenSecret"] = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf"
    assert check(**gated)[0] == 0
    configured.clear()  # another program, whose own setting nobody knows here
    code, text = check(**gated)
    assert code == 0 and "is gated" in text


@pytest.mark.faults
def test_a_model_that_cannot_be_served_with_the_recipes_length_is_refused_before_it_is_trained(aws, check, configured):
    long = HUB | {"max_sequence_tokens": 32_768, "batch_size": 1, "method": "qlora"}
    aws.envelope["evaluation_instance_type"] = configured["tandem:endpointInstance"] = "ml.g6.xlarge"
    code, text = check(**long)
    assert code == 1 and "tandem:evaluationInstance: the evaluation takes" in text
    assert (
        "tandem:endpointInstance: serving takes" in text
        and "with 32784 tokens, and a L4 of ml.g6.xlarge has 24" in text
    )
    assert "Set it to ml.g6e.xlarge. Or lower max_sequence_tokens" in text
    # With short rows it fits, although the model's whole context wouldn't.
    assert check(**HUB | {"method": "qlora"})[0] == 0


@pytest.mark.faults
@pytest.mark.parametrize(
    ("base", "settings", "said"),
    [
        ("Qwen/Qwen3-14B", {"Instance": "ml.g6.12xlarge"}, ""),
        ("Qwen/Qwen3-32B", {"Instance": "ml.g6.12xlarge", "Mode": "zero", "Gpus": "2"}, "GB of each of 2 GPUs with"),
        ("Qwen/Qwen3-14B", {"Instance": "ml.g6.12xlarge", "Mode": "zero"}, "serving takes 35.4 GB of one GPU with"),
        ("Qwen/Qwen3-14B", {"Instance": "ml.g6.12xlarge", "Mode": "zero", "Gpus": "2"}, ""),
        (
            "Qwen/Qwen2.5-7B",
            {"Instance": "ml.g6.48xlarge"},
            "serving takes 8 GPUs, which can't share 28 attention heads",
        ),
    ],
)
def test_gpus_that_share_a_served_model_are_sized(aws, check, configured, base, settings, said):
    configured |= {f"tandem:endpoint{key}": value for key, value in settings.items()}
    aws.envelope |= {"instance_type": "ml.g6e.48xlarge", "evaluation_instance_type": "ml.p5.4xlarge"}
    aws.quotas |= {f"{settings['Instance']} for endpoint usage": 9.0}
    _, text = check(**HUB | {"base_model": base, "method": "qlora"})
    found = "tandem:endpointInstance:" in text
    assert found is bool(said) and said in text, text


@pytest.mark.faults
def test_a_machine_with_less_memory_than_the_weights_is_told(aws, check, configured):
    aws.envelope["evaluation_instance_type"] = "ml.g6.xlarge"
    told = "Memory of the evaluation: ml.g6.xlarge has 17.2 GB beside its GPUs, and the weights 16.4."
    assert told in check(**HUB | {"base_model": "Qwen/Qwen3-8B", "method": "qlora"})[1]
    aws.envelope["evaluation_instance_type"] = "ml.m5.large"
    assert "Memory of the evaluation is not checked: ml.m5.large" in check(**HUB)[1]


@pytest.mark.faults
def test_quota_zero_is_refused_with_the_quota_to_ask_for(aws, check):
    aws.quotas["ml.g6e.2xlarge for training job usage"] = 0.0  # that for endpoints, another one, is 9
    code, text = check()
    assert code == 1
    assert "is 0, and the run needs 1" in text
    assert "'ml.g6e.2xlarge for training job usage'" in text


@pytest.mark.faults
def test_unreadable_quotas_are_said_not_to_be_checked(aws, check):
    aws.quotas = None
    code, text = check()
    assert code == 0
    assert "Quotas are not checked" in text
