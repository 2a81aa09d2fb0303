"""What bills for its use alone: queues, topics, APIs, pools of users. `Bill.by_use` says whose use is counted."""

from ..bill import Bill, Pricer
from ..considered import ACCESS, BEHAVIOUR, NAMES, PLACE, Inputs
from ..model import Number, Resource
from .inputs import text


def queue(_: Resource, bill: Bill) -> None:
    """A queue bills for requests; a function's polls of it, empty or not, are with the event source."""
    bill.by_use("requests", "polls are with their event source, a changed document's are in no number")


def topic(_: Resource, bill: Bill) -> None:
    """A topic bills for what is published to it."""
    bill.by_use("requests", "none of a question or a run")


def subscription(resource: Resource, bill: Bill) -> None:
    """Deliveries to queues and functions cost nothing; all others bill, text messages the most (SNS's price page)."""
    protocol = text(resource, "protocol")
    if protocol in ("sqs", "lambda"):
        bill.free("deliveries to queues and functions cost nothing")
    else:
        bill.not_priced(f"deliveries by {protocol}: there is no row for them", Number.QUERIES)


def rest_api(_: Resource, bill: Bill) -> None:
    """A REST API bills for requests."""
    bill.by_use("requests", "a question's is in the 1,000 queries")


def http_api(resource: Resource, bill: Bill) -> None:
    """An HTTP or WebSocket API bills for requests or messages, which no environment assumes: ours are REST APIs."""
    kind = resource.get("protocolType", "HTTP")
    if kind == "HTTP":
        rate = bill.rate("AmazonApiGateway", "requests:http")
    else:
        rate = "messages and minutes of connection, for which there are no rows"
    bill.not_priced(f"requests to an API of type {kind}, which no usage assumption counts: {rate}", Number.QUERIES)


def user_pool(_: Resource, bill: Bill) -> None:
    """A user pool bills for the users who sign in in a month, beyond those that the account has free."""
    bill.by_use("users who sign in", "in no number")


PRICERS: dict[str, Pricer] = {
    "aws:sqs/queue:Queue": queue,
    "aws:sns/topic:Topic": topic,
    "aws:sns/topicSubscription:TopicSubscription": subscription,
    "aws:apigateway/restApi:RestApi": rest_api,
    "aws:apigatewayv2/api:Api": http_api,
    "aws:cognito/userPool:UserPool": user_pool,
}

_MESSAGES = "how messages are kept, sent and reported costs nothing beside their requests"
INPUTS: dict[str, Inputs] = {
    "aws:sqs/queue:Queue": Inputs(
        free={
            NAMES: "name namePrefix",
            ACCESS: "policy kmsMasterKeyId kmsDataKeyReusePeriodSeconds sqsManagedSseEnabled",
            _MESSAGES: """contentBasedDeduplication deduplicationScope delaySeconds fifoThroughputLimit maxMessageSize
            messageRetentionSeconds receiveWaitTimeSeconds redriveAllowPolicy redrivePolicy visibilityTimeoutSeconds""",
            "its requests, at another price, are counted nowhere": "fifoQueue",
        },
    ),
    "aws:sns/topic:Topic": Inputs(
        free={
            NAMES: "name namePrefix displayName",
            ACCESS: "policy kmsMasterKeyId signatureVersion",
            _MESSAGES: """applicationFailureFeedbackRoleArn applicationSuccessFeedbackRoleArn
            applicationSuccessFeedbackSampleRate contentBasedDeduplication deliveryPolicy fifoThroughputScope fifoTopic
            firehoseFailureFeedbackRoleArn firehoseSuccessFeedbackRoleArn firehoseSuccessFeedbackSampleRate
            httpFailureFeedbackRoleArn httpSuccessFeedbackRoleArn httpSuccessFeedbackSampleRate
            lambdaFailureFeedbackRoleArn lambdaSuccessFeedbackRoleArn lambdaSuccessFeedbackSampleRate
            maximumMessageSize sqsFailureFeedbackRoleArn sqsSuccessFeedbackRoleArn sqsSuccessFeedbackSampleRate""",
        },
        ignored={"an archive bills by the GB": "archivePolicy", "traces bill by the trace": "tracingConfig"},
    ),
    "aws:sns/topicSubscription:TopicSubscription": Inputs(
        "protocol",
        {
            PLACE: "topic endpoint",
            ACCESS: "subscriptionRoleArn",
            _MESSAGES: """confirmationTimeoutInMinutes deliveryPolicy endpointAutoConfirms filterPolicy
            filterPolicyScope rawMessageDelivery redrivePolicy""",
        },
        {"a replay bills what the archive delivers": "replayPolicy"},
    ),
    "aws:apigateway/restApi:RestApi": Inputs(
        free={
            NAMES: "name description",
            PLACE: "endpointConfiguration.* endpointAccessMode disableExecuteApiEndpoint",
            ACCESS: "apiKeySource policy securityPolicy",
            BEHAVIOUR: "binaryMediaTypes[] body failOnWarnings minimumCompressionSize parameters.* putRestApiMode",
        },
    ),
    "aws:apigatewayv2/api:Api": Inputs(
        "protocolType",
        {
            NAMES: "name description version",
            PLACE: "disableExecuteApiEndpoint ipAddressType target",
            ACCESS: "apiKeySelectionExpression corsConfiguration.* credentialsArn",
            BEHAVIOUR: "body failOnWarnings routeKey routeSelectionExpression",
        },
    ),
    "aws:cognito/userPool:UserPool": Inputs(
        free={
            NAMES: "name",
            ACCESS: """accountRecoverySetting.* adminCreateUserConfig.* mfaConfiguration passwordPolicy.* signInPolicy.*
            softwareTokenMfaConfiguration.* webAuthnConfiguration.* deviceConfiguration.*""",
            BEHAVIOUR: """aliasAttributes[] autoVerifiedAttributes[] deletionProtection emailMfaConfiguration.*
            emailVerificationMessage emailVerificationSubject schemas.* smsAuthenticationMessage smsVerificationMessage
            userAttributeUpdateSettings.* usernameAttributes[] usernameConfiguration.* verificationMessageTemplate.*""",
            "what it starts bills where it is": "lambdaConfig.*",
        },
        ignored={
            "decides what each user who signs in costs": "userPoolTier userPoolAddOns.*",
            "messages bill by the message": "smsConfiguration.* emailConfiguration.*",
        },
    ),
}
