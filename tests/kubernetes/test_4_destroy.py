"""After all that was done in the cluster, destroying its stack leaves nothing."""

import os

import pytest

from tests.kubernetes.conftest import CONTROLLERS, controller, pulumi
from tests.local.conftest import until

pytestmark = pytest.mark.kubernetes


def test_destroy_ends_the_controllers_and_leaves_nothing(charts, kubernetes):
    pids = {name: controller(charts, name)["pid"] for name in CONTROLLERS}
    pulumi(charts, "destroy", "--yes", "--skip-preview")
    until(lambda: not any(controller(charts, name) for name in CONTROLLERS), 30, "no controller runs")
    for pid in pids.values():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    until(lambda: not kubernetes.items("/api/v1/nodes"), 60, "its nodes are gone")
    assert charts.tandem("local", "audit").stdout.strip() == "nothing left"
