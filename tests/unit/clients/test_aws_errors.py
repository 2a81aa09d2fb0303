"""What errors of the AWS SDK mean to a person."""

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from tandem.clients.aws_errors import sentence

FAR = "https://dynamodb.us-east-1.amazonaws.com/"


def refusal(code: str, message: str = "Sorry.") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.NoCredentialsError(), "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"), ": set all of AWS_ACC"),
        (exceptions.ProfileNotFound(profile="ada"), "The config profile (ada) could not be found: set AWS_PROFILE"),
        (exceptions.UnauthorizedSSOTokenError(), "The AWS credentials have expired: sign in again (`aws sso login`)"),
        (refusal("ExpiredTokenException"), "The AWS credentials have expired: sign in again"),
        (
            refusal("SignatureDoesNotMatch", "Signature expired: 2026 is earlier"),
            ": set this machine's clock.",
        ),
        (
            refusal("UnrecognizedClientException"),
            "Sorry: check AWS_PROFILE or the keys; a region that is off by default",
        ),
        (refusal("AccessDeniedException", "ada may not do it."), "(ada may not do it): allow it to these credentials"),
        (
            refusal(
                "AccessDenied",
                "User: arn:x is not authorized to perform: s3:PutObject on resource: arn:y with an "
                "explicit deny in a service control policy.",
            ),
            "not allowed: s3:PutObject, by an explicit deny in a service control policy: allow it to these credentials",
        ),
        (refusal("ThrottlingException", "Slow down."), "Slow down."),
        (exceptions.SSLError(endpoint_url=FAR, error="self-signed"), ": set AWS_CA_BUNDLE to the certificates"),
    ],
)
def test_each_kind_has_its_remedy(error, said):
    assert said in sentence(error)
    assert sentence(error).endswith(".") and "\n" not in sentence(error)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (exceptions.EndpointConnectionError(endpoint_url=FAR), f"Can't reach {FAR}: check the network, and the proxy"),
        (
            exceptions.EndpointConnectionError(endpoint_url="https://docs.s3.eu-cenral-1.amazonaws.com/"),
            "'eu-cenral-1' is no region that this AWS SDK knows: Did you mean `eu-central-1`?",
        ),
        (exceptions.InvalidRegionError(region_name="eu_west_1"), "'eu_west_1' is no region: give one, e.g. us-east-1."),
        (exceptions.NoRegionError(), "You must specify a region: set AWS_REGION to a region, e.g. us-east-1."),
        (
            exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9999/"),
            "Nothing answers at http://127.0.0.1:9999/: start the local cloud (`tandem local up`).",
        ),
        (
            exceptions.ReadTimeoutError(endpoint_url="http://abc.us-east-1.aoss.localhost:4566/"),
            "Nothing answers at http://abc.us-east-1.aoss.localhost:4566/: start the local cloud (`tandem local up`).",
        ),
        (refusal("ResourceNotFoundException", "Requested resource not found"), "the account that the stack is in?"),
    ],
)
def test_none_names_credentials_where_the_cause_is_another(error, said, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert said in sentence(error)
    assert "credential" not in sentence(error).lower()


@pytest.mark.faults
@pytest.mark.parametrize(
    "host",
    [
        "s3.amazonaws.com",
        "docs.s3.amazonaws.com",  # where the SDK looks for a bucket in us-east-1
        "my-docs-1.s3.amazonaws.com",
        "iam.amazonaws.com",
        "abc.us-east-1.aoss.amazonaws.com",
        "vpce-1-a.s3.us-east-1.vpce.amazonaws.com",
        "s3.dualstack.us-gov-west-1.amazonaws.com",
        "sts.cn-north-1.amazonaws.com.cn",
        "api.my-team-1.example.com",
    ],
)
def test_without_a_network_no_part_of_a_host_is_taken_for_a_region(host):
    url = f"https://{host}/x"
    assert sentence(exceptions.EndpointConnectionError(endpoint_url=url)).startswith(f"Can't reach {url}: check the n")
    wrong = url.replace("-east-", "-esat-").replace("-west-", "-wset-").replace("-north-", "-nroth-")
    if wrong != url:
        assert "is no region" in sentence(exceptions.ConnectTimeoutError(endpoint_url=wrong))


@pytest.mark.faults
def test_whose_region_is_none_is_said(monkeypatch, tmp_path):
    error = exceptions.InvalidRegionError(region_name="Europe West")
    (tmp_path / "config").write_text("[default]\nregion = Europe West\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert sentence(error).startswith("'Europe West', the region of the AWS profile, is none: give the profile one")
    monkeypatch.setenv("AWS_REGION", "Europe West")
    assert sentence(error) == "AWS_REGION='Europe West' is no region: set it to one, e.g. us-east-1."


@pytest.mark.faults
def test_whoever_chose_the_local_cloud_is_told_the_way_back(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9999")
    error = exceptions.EndpointConnectionError(endpoint_url="http://127.0.0.1:9999/")
    assert sentence(error).endswith("(`tandem local up`), or unset AWS_ENDPOINT_URL to use AWS.")
    assert 'run `eval "$(tandem local env)"`' in sentence(refusal("InvalidClientTokenId"))
