"""A cluster over HTTPS, a bucket in memory, and a run that has its record."""

import json

import pytest

from tandem.finetuning.dataset import manifest as manifests
from tandem.finetuning.functions import cluster, records
from tandem.runtime import kubernetes
from tests.support import kubernetes_api
from tests.unit.finetuning.buckets import FakeBucket
from tests.unit.finetuning.cluster_setting import cluster_setting
from tests.unit.finetuning.test_pipeline_functions import ENVIRONMENT, MANIFEST

from .runs import ENVELOPE, NOW, RUN


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    with kubernetes_api.serve(tmp_path_factory.mktemp("api")) as served:
        yield served


@pytest.fixture
def bucket():
    return FakeBucket()


@pytest.fixture(autouse=True)
def there(api, bucket, monkeypatch):
    """A cluster, a run that has its record and its data set, and the time of the play."""
    for name, value in (ENVIRONMENT | {"TANDEM_ENVELOPE": json.dumps(ENVELOPE)}).items():
        monkeypatch.setenv(name, value)
    api.objects.clear()
    api.asked.clear()
    api.answer, api.lingering = lambda _method, _path: None, False
    clients = {"s3": bucket}
    cluster_setting(api, clients, monkeypatch)
    for module in (cluster, records, kubernetes):
        monkeypatch.setattr(module, "client", clients.get)
    monkeypatch.setattr(cluster, "_now", lambda: NOW)
    bucket.put_object(Bucket="artifacts", Key=f"runs/{RUN.name}/run.json", Body=RUN.to_json())
    bucket.put_object(Bucket="datasets", Key=f"{RUN.dataset}manifest.json", Body=manifests.encoded(MANIFEST))
