"""Keys, secrets, users, and what filters requests."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, LIFE, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import count


def key(resource: Resource, bill: Bill) -> None:
    """A key of one's own."""
    bill.charge(Number.IDLE, "key", "awskms", "key", 1)
    if resource.get("enableKeyRotation", False):
        bill.note("its first and its second rotation add the price of a key each")


def replica_key(_: Resource, bill: Bill) -> None:
    """A key's copy in another region bills as the key does."""
    bill.charge(Number.IDLE, "key", "awskms", "key", 1)


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


BOTS = "AWSManagedRulesBotControlRuleSet"
# The other groups of AWS's that bill beside their rule (WAF pricing: fraud control, DDoS protection).
PAID = ("AWSManagedRulesATPRuleSet", "AWSManagedRulesACFPRuleSet", "AWSManagedRulesAntiDDoSRuleSet")


def web_acl(resource: Resource, bill: Bill) -> None:
    """A web ACL bills by the month, as each of its rules does, and some of AWS's groups beside that; and requests."""
    bill.charge(Number.IDLE, "web ACL", "awswaf", "acl", 1)
    if resource.shown("ruleJson") is not None:
        bill.not_priced("its rules, which are written as JSON (ruleJson)", Number.IDLE)
    if rules := count(resource, "rules"):
        bill.charge(Number.IDLE, f"{rules} rules", "awswaf", "rule", rules)
    for at in range(rules):
        if resource.shown(f"rules.{at}.statement.ruleGroupReferenceStatement") is not None:
            # Rules in a group of one's own bill beside the rule that names it (WAF pricing).
            bill.not_priced("the rules of a group of its own, which bill each by the month here too", Number.IDLE)
        group = f"rules.{at}.statement.managedRuleGroupStatement"
        name, vendor = resource.get(f"{group}.name"), resource.get(f"{group}.vendorName", "AWS")
        if name == BOTS:
            bill.charge(Number.IDLE, "group of Bot Control", "awswaf", "bot-control", 1)
        elif name in PAID or vendor != "AWS":
            bill.not_priced(f"the group {name} of {vendor}, by the month and the request: there is no row for it")
    bill.note(f"requests bill {bill.rate('awswaf', 'requests')}")


PRICERS: dict[str, Pricer] = {
    "aws:kms/key:Key": key,
    "aws:kms/replicaKey:ReplicaKey": replica_key,
    "aws:secretsmanager/secret:Secret": secret,
    "aws:acm/certificate:Certificate": certificate,
    "aws:cognito/userPoolClient:UserPoolClient": user_pool_client,
    "aws:wafv2/webAcl:WebAcl": web_acl,
}

_OVERRIDES = "rules[].statement.managedRuleGroupStatement.ruleActionOverrides[].actionToUse"
INPUTS: dict[str, Inputs] = {
    "aws:kms/key:Key": Inputs(
        "enableKeyRotation",
        {
            NAMES: "description",
            ACCESS: "policy bypassPolicyLockoutSafetyCheck",
            LIFE: "deletionWindowInDays isEnabled rotationPeriodInDays",
            "its replicas bill where they are": "multiRegion",
        },
        {
            "keys other than symmetric ones bill more by the request": "customerMasterKeySpec keyUsage",
            "a store of one's own bills where it is": "customKeyStoreId xksKeyId",
        },
    ),
    "aws:kms/replicaKey:ReplicaKey": Inputs(
        free={
            NAMES: "description",
            PLACE: "primaryKeyArn",
            ACCESS: "policy bypassPolicyLockoutSafetyCheck",
            LIFE: "deletionWindowInDays enabled",
        },
    ),
    "aws:secretsmanager/secret:Secret": Inputs(
        "replicas.*",
        {
            NAMES: "name namePrefix description",
            ACCESS: "policy kmsKeyId",
            LIFE: "forceOverwriteReplicaSecret recoveryWindowInDays",
            BEHAVIOUR: "type",
        },
    ),
    "aws:wafv2/webAcl:WebAcl": Inputs(
        """rules[].statement.managedRuleGroupStatement.name rules[].statement.managedRuleGroupStatement.vendorName
        rules[].statement.ruleGroupReferenceStatement.* ruleJson rules.*""",
        {
            NAMES: "name namePrefix description",
            PLACE: "scope",
            BEHAVIOUR: "captchaConfig.* challengeConfig.* customResponseBodies.* dataProtectionConfig.* "
            "defaultAction.* monetizationConfig.* tokenDomains[] visibilityConfig.*",
        },
        {
            "a puzzle or a challenge bills by the attempt": "rules[].action.captcha.* rules[].action.challenge.* "
            f"{_OVERRIDES}.captcha.* {_OVERRIDES}.challenge.*",
            "bodies beyond what is looked into by default bill more by the request": "associationConfig.*",
        },
    ),
    "aws:acm/certificate:Certificate": Inputs(
        "options.export",
        {
            NAMES: "domainName subjectAlternativeNames[]",
            ACCESS: """certificateBody certificateChain privateKey privateKeyWo privateKeyWoVersion
            certificateAuthorityArn keyAlgorithm""",
            BEHAVIOUR: "validationMethod validationOptions.* earlyRenewalDuration options.*",
        },
    ),
    "aws:cognito/userPoolClient:UserPoolClient": Inputs(
        "allowedOauthFlows[]",
        {
            NAMES: "name",
            PLACE: "userPoolId callbackUrls[] defaultRedirectUri logoutUrls[] supportedIdentityProviders[]",
            ACCESS: """accessTokenValidity allowedOauthFlowsUserPoolClient allowedOauthScopes[] authSessionValidity
            enableTokenRevocation explicitAuthFlows[] generateSecret idTokenValidity preventUserExistenceErrors
            readAttributes[] writeAttributes[] refreshTokenRotation.* refreshTokenValidity tokenValidityUnits.*""",
            BEHAVIOUR: "enablePropagateAdditionalUserContextData",
        },
        {"what Pinpoint takes in bills there": "analyticsConfiguration.*"},
    ),
}
