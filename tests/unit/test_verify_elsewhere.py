"""`make verify-aws` where something but the account that it asks about would answer."""

import pytest

from scripts.verify import __main__ as verify
from tests.unit import test_verify_aws
from tests.unit.test_verify_aws import called, configuration

here = test_verify_aws.here

ALL, ONE = "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER"
LOCAL = "http://127.0.0.1:4566"
PROFILE = {
    "endpoint_url of the profile default": f"[default]\nendpoint_url = {LOCAL}\n",
    "s3 endpoint_url of the profile default": f"[default]\nservices=x\n[services x]\ns3 =\n  endpoint_url={LOCAL}\n",
}


@pytest.mark.faults
@pytest.mark.parametrize(
    ("set_", "options", "named"),
    [
        ({ALL: LOCAL}, [], ALL),
        ({ALL: "https://stand-in.example.org"}, [], ALL),
        ({ONE: LOCAL}, [], ONE),
        ({"TF_AWS_S3_ENDPOINT": LOCAL}, [], "TF_AWS_S3_ENDPOINT"),
        ({ALL: LOCAL, "AWS_STS_ENDPOINT": "https://stand-in.example.org"}, ["--rehearse"], "local cloud"),
        *(({"AWS_CONFIG_FILE": text}, [], name) for name, text in PROFILE.items()),
        ({}, ["--rehearse"], "local cloud"),
        ({ALL: "https://stand-in.example.org"}, ["--rehearse"], "local cloud"),
        ({ALL: LOCAL, ONE: "https://stand-in.example.org"}, ["--rehearse"], "local cloud"),
    ],
)
def test_a_rehearsal_is_for_the_local_cloud_and_nothing_else_is(here, monkeypatch, set_, options, named):
    """What asks SageMaker or S3 alone elsewhere isn't AWS either; a shell keeps what `tandem local env` once set."""
    if text := set_.pop("AWS_CONFIG_FILE", ""):
        set_ = {"AWS_CONFIG_FILE": str(here / "config")}
        (here / "config").write_text(text)
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=rf"(?i)(?s){named}.*rehears|rehears.*{named}"):
        verify.main(options)
    assert not (here / "calls").exists()


@pytest.mark.faults
@pytest.mark.parametrize("options", [[], ["--remove"]])
@pytest.mark.parametrize("key", ["endpoints", "skipRequestingAccountId", "profile", "secretKey", "assumeRoles"])
def test_a_stack_that_has_pulumi_be_elsewhere_isnt_deployed(here, monkeypatch, key, options):
    """The provider follows these, and nothing else that is asked here does; AWS_ENDPOINT_URL isn't set at all."""
    given = {"endpoints": f'[{{"s3": "{LOCAL}"}}]', "secretKey": ""}
    monkeypatch.setenv("CONFIGURATION", configuration(**{key: given.get(key, "x"), "defaultTags": "{}"}))
    with pytest.raises(SystemExit, match=rf"^aws:{key} of rag-dev may have Pulumi deploy elsewhere"):
        verify.main(options)
    assert called(here) == []


@pytest.mark.faults
def test_an_environment_of_pulumis_may_have_it_be_elsewhere(here, monkeypatch):
    monkeypatch.setattr(
        verify, "file_of", lambda stack: {"environment": ["credentials"], "config": {"tandem:retention": "erase"}}
    )
    with pytest.raises(SystemExit, match=r"^environment of rag-dev may have Pulumi deploy elsewhere"):
        verify.main([])
    assert called(here) == []
