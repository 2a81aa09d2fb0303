"""Resources are found by their tags, as what a killed `up` made has to be."""

import json

import pytest

pytestmark = pytest.mark.local


def test_things_with_a_tag_are_found_by_it_until_they_are_gone(aws):
    """What a killed `up` made has ids that AWS drew: its tag alone tells them."""
    tags = {"tandem:stack": "found"}
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    api, logs, ec2, collections = aws("apigateway"), aws("logs"), aws("ec2"), aws("opensearchserverless")

    def found() -> set[str]:
        wanted = [{"Key": "tandem:stack", "Values": ["found"]}]
        pages = aws("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=wanted)
        arns = [row["ResourceARN"] for page in pages for row in page["ResourceTagMappingList"]]
        return {arn.split(":", 5)[5] for arn in arns}

    rest = api.create_rest_api(name="found", tags=tags)["id"]
    logs.create_log_group(logGroupName="/aws/found", tags=tags)
    made = {f"/restapis/{rest}", "log-group:/aws/found"}
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": pairs}])
    network = vpc["Vpc"]["VpcId"]
    made.add(f"vpc/{network}")
    policy = {"Rules": [{"ResourceType": "collection", "Resource": ["collection/found"]}], "AWSOwnedKey": True}
    collections.create_security_policy(name="found", type="encryption", policy=json.dumps(policy))
    small = [{"key": pair["Key"], "value": pair["Value"]} for pair in pairs]
    store = collections.create_collection(name="found", type="VECTORSEARCH", tags=small)["createCollectionDetail"]["id"]
    made.add(f"collection/{store}")
    assert found() == made
    api.delete_rest_api(restApiId=rest)
    logs.delete_log_group(logGroupName="/aws/found")
    ec2.delete_vpc(VpcId=network)
    collections.delete_collection(id=store)
    collections.delete_security_policy(name="found", type="encryption")
    assert not found()
