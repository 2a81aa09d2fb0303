"""What `FineTuningEnvironment` registers, and refuses, where runs train on EKS."""

import json

import pytest
from pulumi_tandem import FineTuningEnvironment
from pulumi_tandem.environments.finetuning_fields import FINETUNING, cluster_arguments
from pulumi_tandem.foundation.arguments import InvalidArguments
from tandem_contract.checks import Checks
from tandem_contract.names import Variable

from scripts.recorder import record_stack

CONFIG = {"tandem:environment": "finetuning", "tandem:retention": "erase", "tandem:trainingBackend": "eks"}


@pytest.fixture(scope="module")
def stack():
    return record_stack(CONFIG)


def refused(**arguments) -> list:
    with pytest.raises(InvalidArguments) as caught:
        FineTuningEnvironment("tuning", {"training_backend": "eks", **arguments})
    return caught.value.mistakes


def pool(**arguments) -> dict:
    """What the environment asks of its cluster."""
    checks = Checks()
    settings = FINETUNING.read(checks, {"training_backend": "eks", **arguments})
    assert checks.mistakes == []
    (made,) = cluster_arguments(settings, arguments.get("cluster", {}))["node_pools"]
    return made


def test_the_default_instance_is_the_same_machine_by_ec2s_name(stack):
    envelope = json.loads(stack.one("Parameter", "envelope").inputs["insecureValue"])
    assert (envelope["instance_type"], envelope["evaluation_instance_type"]) == ("g6e.2xlarge", "g6e.2xlarge")
    assert (stack.outputs["trainingBackend"], bool(stack.outputs["clusterName"])) == ("eks", True)


def test_it_has_no_job_of_sagemakers_and_a_function_that_knows_the_cluster(stack):
    definition = json.loads(stack.one("StateMachine").inputs["definition"])
    assert "createTrainingJob" not in json.dumps(definition)
    assert not [each for each in stack.of("Role") if "job-role" in each.name]
    told = stack.one("aws:lambda/function:Function", "training-cluster").inputs["environment"]["variables"]
    assert told[Variable.CLUSTER] == stack.outputs["clusterName"]
    assert told[Variable.CLUSTER_NAMESPACE] == "tandem-training"
    assert told[Variable.CLUSTER_RUNTIME] == stack.one("TrainingRuntime").inputs["metadata"]["name"]
    assert told[Variable.ENVELOPE] == stack.one("Parameter", "envelope").inputs["insecureValue"]
    assert ("huggingface-pytorch" in told[Variable.TRAINING_IMAGE], "djl" in told[Variable.SERVING_IMAGE]) == (
        True,
        True,
    )
    assert {Variable.ARTIFACT_BUCKET, Variable.DATASET_BUCKET, Variable.CODE, Variable.STACK} <= set(told)


def test_pods_alone_read_the_hubs_token_and_no_other_secret():
    secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf"
    stack = record_stack(CONFIG | {"tandem:hubTokenSecret": secret})
    told = stack.one("aws:lambda/function:Function", "training-cluster").inputs["environment"]["variables"]
    assert told[Variable.HUB_TOKEN_ARN] == secret
    policies = [role.inputs["policy"] for role in stack.of("RolePolicy") if "secretsmanager" in role.inputs["policy"]]
    (statements,) = [json.loads(each)["Statement"] for each in policies]
    assert [each["Resource"] for each in statements if "secretsmanager:GetSecretValue" in each["Action"]] == [secret]
    # Nothing of the cluster's own: neither the Pods nor whoever may list its Secrets have it.
    (runtime,) = [each for each in stack.resources if each.inputs.get("kind") == "TrainingRuntime"]
    assert "secretKeyRef" not in json.dumps(runtime.inputs)


def test_the_guard_looks_at_the_cluster_too(stack):
    (target,) = [each for each in stack.of("EventTarget") if "input" in each.inputs]
    assert json.loads(target.inputs["input"]) == {"action": "guard"}
    assert "training-cluster" in target.inputs["arn"]


def test_everything_survives_a_preview_in_which_nothing_is_known(stack):
    assert len(record_stack(CONFIG, preview=True).resources) == len(stack.resources)


def test_the_pool_is_what_the_runs_take():
    made = pool(training_instance="g6e.12xlarge", training_instances=2, spot=True, volume_gigabytes=300)
    assert made == {
        "instance_types": ["g6e.12xlarge"],
        "gpus": 8,
        "spot": True,
        "one_zone": True,
        "volume_gigabytes": 400,
        "instance_store": True,
    }
    assert pool(volume_gigabytes=500)["instance_store"] is False  # g6e.2xlarge has 450 GB
    assert pool(cluster_training={"quotas": [{"instance_type": "g6e.2xlarge", "gpus": 4}]})["gpus"] == 4


@pytest.mark.parametrize("there", [{"autoscaler": "present"}, {}])
def test_an_existing_cluster_gets_the_pool_of_the_runs(there):
    """With `present` it got g6e.2xlarge, and the run's own type was refused."""
    made = pool(training_instance="g6e.12xlarge", training_instances=2, cluster={"existing_cluster": "theirs", **there})
    assert (made["instance_types"], made["gpus"]) == (["g6e.12xlarge"], 8)


def test_no_pools_are_none():
    settings = FINETUNING.read(Checks(), {"training_backend": "eks"})
    for given in ({"node_pools": []}, {"autoscaler": "none"}):
        assert cluster_arguments(settings, given) == given


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "where", "said"),
    [
        ({"training_instance": "ml.g5.xlarge"}, "training_instance", "On a cluster it is g5.xlarge."),
        ({"evaluation_instance": "t3.large"}, "evaluation_instance", "with GPUs"),
        ({"cluster": {"existing_kubeconfig": "{}"}}, "cluster.existing_kubeconfig", "Set `existing_cluster`"),
        ({"cluster": {"node_pools": [{"gpus": 0}]}}, "cluster.node_pools[0].gpus", "from 1"),
        (
            {"training_instance": "g5.12xlarge", "cluster": {"node_pools": [{"instance_types": ["g5.xlarge"]}]}},
            "training_instance",
            "have 0 at most",
        ),
        (
            {"training_instances": 9, "cluster": {"node_pools": [{"instance_types": ["g6e.2xlarge"], "gpus": 8}]}},
            "training_instance",
            "takes 9 of its GPUs at once",
        ),
        (
            {"cluster_training": {"quotas": [{"instance_type": "g6e.2xlarge", "gpus": 1}]}, "training_instances": 2},
            "training_instance",
            "the quota is 1",
        ),
        (
            {"volume_gigabytes": 400, "cluster": {"node_pools": [{"instance_types": ["g6e.2xlarge"]}]}},
            "training_instance",
            "'g6e.2xlarge' has 450 GB of disk in `gpu` of `cluster`, and a run may use 400 beside 100 for images. Give "
            "`gpu` `volume_gigabytes` of 500 and no `instance_store`, or let a run use less.",
        ),
        ({"volume_gigabytes": 16_300}, "training_instance", "has 16384 GB of disk in `gpu`"),
        (
            {"cluster_training": {"quotas": [{"instance_type": "g6e.2xlarge", "gpus": 9000}]}},
            "cluster.node_pools[0].gpus",
            "from 1 to 8192",
        ),
        ({"cluster": {"node_pools": []}}, "training_instance", "have 0 at most"),
        ({"cluster_training": {"trainer_version": "2.2.0"}}, "cluster_training.trainer_version", "1.33 to 1.35"),
    ],
)
def test_a_run_that_could_never_start_is_refused_before_anything_is_made(arguments, where, said):
    (mistake,) = refused(**arguments)
    assert mistake.where == where
    assert said in f"{mistake.problem}. {mistake.remedy}"


@pytest.mark.faults
def test_sagemaker_takes_its_own_names_and_no_cluster():
    with pytest.raises(InvalidArguments) as caught:
        FineTuningEnvironment("tuning", {"training_instance": "g6e.12xlarge", "cluster": {"admins": []}})
    assert [(each.where, each.remedy) for each in caught.value.mistakes] == [
        ("training_instance", "With SageMaker it is ml.g6e.12xlarge."),
        ("cluster", "Remove it, or set `training_backend` to eks."),
    ]
