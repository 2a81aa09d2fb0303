"""A RAG service in another region than the rest of the program, by a provider of one's own."""

import pulumi
import pulumi_aws as aws
from pulumi_tandem import RagEnvironment, Retention

# The rest of the program is where the stack's `aws:region` or AWS_REGION says. A provider may also assume a role in
# another account (`assume_roles`), or tag all that it makes (`default_tags`).
frankfurt = aws.Provider("frankfurt", region="eu-central-1")

# All of it is there, and what depends on the region is chosen for it: the answers' model, by its European profile.
handbook = RagEnvironment("handbook", {"retention": Retention.ERASE}, pulumi.ResourceOptions(provider=frankfurt))

pulumi.export("region", handbook.region)  # where `tandem` asks for the rest
pulumi.export("queryUrl", handbook.query_url)
pulumi.export("documentsBucket", handbook.documents_bucket)
pulumi.export("ledgerTable", handbook.ledger_table)
