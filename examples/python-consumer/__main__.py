"""Another team's program: it feeds a service and may ask it, and knows of it the outputs of its stack alone."""

import pulumi
import pulumi_aws as aws

# An output that the other stack doesn't have is named in the preview.
service = pulumi.StackReference("service", stack_name=pulumi.Config().require("service"))

# A document is an object of the bucket: made, changed or deleted here, it is so in the answers a moment later.
aws.s3.BucketObjectv2(
    "warranty",
    bucket=service.require_output("documentsBucket"),
    key="team/warranty.md",
    content="# Warranty\n\nThe pump comes with a warranty of three years.\n",
)

# For the team's own roles, which sign their requests (docs/query-api.md).
invoke_arn = service.require_output("queryInvokeArn")
asking = aws.iam.Policy(
    "asking",
    description="Ask the handbook's service",
    policy=pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": invoke_arn}],
        }
    ),
)

pulumi.export("url", service.require_output("queryUrl"))
pulumi.export("policy", asking.arn)
