"""The tables of images and versions."""

import botocore.session
import pytest
from pulumi_tandem.kubernetes import versions
from pulumi_tandem.kubernetes.cluster_checks import AMI_TYPES
from tandem_contract.checks import Checks
from tandem_contract.kubernetes_versions import SUPPORT


def test_images_are_of_the_services_list():
    model = botocore.session.get_session().get_service_model("eks")
    assert set(AMI_TYPES) <= set(model.shape_for("AMITypes").enum)


def test_the_default_version_is_the_newest_that_all_parts_allow():
    chosen = {
        "karpenter": versions.CHARTS["karpenter"].version,
        "kueue": versions.CHARTS["kueue"].version,
        "trainer": versions.CHARTS["kubeflow-trainer"].version,
        "jobset": "0.12.0",
    }
    versions.check_together(checks := Checks(), "versions", chosen | {"kubernetes": versions.KUBERNETES})
    assert not checks.mistakes
    newer = [each for each in SUPPORT if each > versions.KUBERNETES]
    for version in newer:
        versions.check_together(checks := Checks(), "versions", chosen | {"kubernetes": version})
        assert checks.mistakes
    assert versions.CHARTS["karpenter-crd"].version == chosen["karpenter"]


@pytest.mark.faults
def test_releases_that_do_not_go_together():
    chosen = {"kubernetes": "1.35", "kueue": "0.19.0", "trainer": "2.3.0", "jobset": "0.11.1"}
    versions.check_together(checks := Checks(), "versions", chosen)
    told = [str(each) for each in checks.mistakes]
    assert told == [
        "versions.kueue: '0.19.0' goes with jobset 0.12.0, and 0.11.1 is chosen. Take jobset 0.12.0.",
        "versions.trainer: '2.3.0' goes with jobset 0.12.0, and 0.11.1 is chosen. Take jobset 0.12.0.",
    ]
    versions.check_together(checks := Checks(), "versions", {"kubernetes": "1.36", "kueue": "0.17.0"})
    assert "Take Kubernetes 1.35, or take kueue 0.19.0." in str(checks.mistakes[0])
