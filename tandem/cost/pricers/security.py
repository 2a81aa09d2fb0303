"""Keys, secrets, users."""

from ..bill import Bill, Pricer
from ..model import Number, Resource
from .inputs import count


def key(resource: Resource, bill: Bill) -> None:
    """A key of one's own."""
    bill.charge(Number.IDLE, "key", "awskms", "key", 1)
    if resource.get("enableKeyRotation", False):
        bill.note("its first and its second rotation add the price of a key each")


def secret(resource: Resource, bill: Bill) -> None:
    """A secret, and each replica of it."""
    bill.charge(Number.IDLE, "secret", "AWSSecretsManager", "secret", 1)
    if count(resource, "replicas"):
        bill.not_priced("its replicas, at the prices of their regions")


def user_pool_client(resource: Resource, bill: Bill) -> None:
    """A client of a user pool; only machines' tokens bill."""
    if "client_credentials" in resource.get("allowedOauthFlows", []):
        bill.not_priced("tokens for machines: there is no row for them")
    else:
        bill.free("a client of a user pool")


def certificate(resource: Resource, bill: Bill) -> None:
    """A certificate for what AWS runs; one that leaves AWS with its key bills (AWS Certificate Manager pricing)."""
    if resource.get("options.export", "DISABLED") == "ENABLED":
        bill.not_priced("a certificate that can be exported bills by its names, when it is issued and renewed")
    else:
        bill.free("certificates that stay within AWS cost nothing; a private authority bills")


PRICERS: dict[str, Pricer] = {
    "aws:kms/key:Key": key,
    "aws:kms/replicaKey:ReplicaKey": key,
    "aws:secretsmanager/secret:Secret": secret,
    "aws:acm/certificate:Certificate": certificate,
    "aws:cognito/userPoolClient:UserPoolClient": user_pool_client,
}
