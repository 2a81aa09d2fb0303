"""The policy pack on stacks with a cluster."""

import pytest

from tests.local.test_6_policies import ON_A_CLUSTER, PACK

pytestmark = pytest.mark.kubernetes


@pytest.mark.parametrize("stack", ON_A_CLUSTER)
def test_every_stack_file_passes_at_its_own_level(cloud, stack):
    output = cloud.pulumi("preview", "--stack", stack, *PACK).stdout
    assert "tandem@v" in output and "[mandatory]" not in output
