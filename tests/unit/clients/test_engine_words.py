"""What a preview that failed says to a person; the texts are what engine and provider said of real failures."""

import pytest

from tandem.clients import engine_words

USER = "User: arn:aws:iam::123456789012:user/ada is not authorized to perform"
ZONES = (
    "error: [ERROR] : fetching Availability Zones: operation error EC2: DescribeAvailabilityZones, https response "
    "error StatusCode: 403, RequestID: x, api error UnauthorizedOperation: You are not authorized to perform this "
    "operation. "
    f"{USER}: ec2:DescribeAvailabilityZones because no identity-based policy allows the action\n"
)
VERSIONS = (
    "error: [ERROR] : reading EKS Add-On version info ({}, 1.36): operation error EKS: DescribeAddonVersions, https "
    f"response error StatusCode: 403, RequestID: , api error AccessDeniedException: {USER} this action\n"
)
QUOTA = (
    "error: [ERROR] : getting Default Service Quota for (ec2/L-DB2E81BA): operation error Service Quotas: "
    "GetAWSDefaultServiceQuota, https response error StatusCode: 400, RequestID: , AccessDeniedException: No\n"
)
MISTAKE = (
    "error: GpuCluster 'tuning-cluster' has 1 mistake:\n"
    "  - zones: is missing. AWS doesn't say which there are: name two or three.\n"
)
OWN = "error: an unhandled error occurred: Program exited with non-zero exit code: 1\n"
INVOKED = (
    "invoke of aws:index/getRegion:getRegion failed: invocation of aws:index/getRegion:getRegion returned an error: "
)
TRACEBACK = """error: Program failed with an unhandled exception:
Traceback (most recent call last):
  File "/home/ada/shop/__main__.py", line 21, in <module>
    made = RagEnvironment("rag", wanted.arguments["rag"])
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/ada/shop/.venv/lib/python3.11/site-packages/pulumi/runtime/invoke.py", line 417, in do_rpc
    raise error
"""


@pytest.mark.faults
def test_what_aws_refuses_is_named_first_and_once():
    errors = [ZONES, QUOTA, VERSIONS.format("vpc-cni"), VERSIONS.format("coredns"), MISTAKE, OWN]
    first, *rest = engine_words.told(errors).splitlines()
    actions = "ec2:DescribeAvailabilityZones, servicequotas:GetAWSDefaultServiceQuota, eks:DescribeAddonVersions"
    assert first == f"not allowed: {actions}: allow it to these credentials, or use others (AWS_PROFILE)."
    assert rest == MISTAKE.removeprefix("error: ").splitlines()


@pytest.mark.faults
@pytest.mark.parametrize(
    ("errors", "told"),
    [
        (
            ["error: [ERROR] : invalid AWS Region: \n", f"{TRACEBACK}Exception: {INVOKED}invalid AWS Region: : \n\n"],
            "There is no AWS region: set AWS_REGION, or give your AWS profile one.",
        ),
        (
            [
                "error: [ERROR] Please see https://registry.terraform.io/providers/hashicorp/aws\nfor more information "
                "about providing credentials.\n\nError: failed to refresh cached credentials, no EC2 IMDS role found\n"
                ": No valid credential sources found\n",
                f"{TRACEBACK}Exception: {INVOKED}No valid credential sources found: Please see\n\n",
            ],
            "There are no AWS credentials: set AWS_PROFILE, or sign in with `aws sso login`.",
        ),
        (
            [
                "error: [ERROR] : Retrieving AWS account details: validating provider credentials: retrieving caller "
                "identity from STS: operation error STS: GetCallerIdentity, https response error StatusCode: 403, "
                "RequestID: x, api error ExpiredToken: The security token included in the request is expired\n",
                TRACEBACK + "Exception: it\n",
            ],
            "The AWS credentials have expired: sign in again (`aws sso login`), or get a new session and set its keys "
            "and AWS_SESSION_TOKEN.",
        ),
        ([f"{TRACEBACK}KeyError: 'dimension'\n", OWN], "KeyError: 'dimension'"),
        ([f"{TRACEBACK}Exception: {INVOKED}no such thing\n"], "Exception: no such thing"),
    ],
    ids=["no region", "no credentials", "expired", "a bug of the program", "an invoke"],
)
def test_a_traceback_is_told_by_its_cause(errors, told):
    assert engine_words.told(errors) == told
