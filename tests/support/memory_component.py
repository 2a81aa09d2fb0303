"""What is created for the store of `memory_store`: a component in the tests' own folder, and its row.

`python -m tests.support.memory_component '{"tandem:...": "..."}'` registers the row, records what a stack with this
configuration registers, and prints it as JSON; in a process of its own, since environments read the table at import.
"""

import json
import re
import sys
from dataclasses import asdict

import pulumi
from pulumi_aws import ssm
from pulumi_tandem.foundation.arguments import InvalidArguments
from pulumi_tandem.foundation.data_bucket import DataBucket
from pulumi_tandem.foundation.policy import allow
from pulumi_tandem.rag.ledger import Ledger
from pulumi_tandem.rag.stores import STORES, Store
from pulumi_tandem.rag.stores.base import Grant, Permission, VectorStore, VectorStoreArgs
from tandem_contract.fields import Field

from tests.support.memory_store import SERVICE

ACTIONS = {
    Permission.READ: ["s3:GetObject"],
    Permission.WRITE: ["s3:PutObject", "s3:DeleteObject"],
    Permission.CREATE_INDEX: ["s3:PutObject"],
}
FIELDS = {"memory_shelves": Field(1, "Shelves of store `memory`.", low=1, high=9, unit="shelves", remedy="1 will do.")}


class MemoryVectorStoreArgs(VectorStoreArgs):
    """Arguments of `MemoryVectorStore`."""

    memory_shelves: int
    """How many it has."""


class MemoryVectorStore(VectorStore):
    """Vectors in a bucket; which role may touch them is written into a parameter of the role's own."""

    def __init__(
        self, name: str, ledger: Ledger, args: MemoryVectorStoreArgs, opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("test:index:MemoryVectorStore", name, {}, opts)
        shelves = [
            DataBucket(
                f"{name}-shelf-{number}",
                {"retention": args["retention"], "tags": args.get("tags") or {}},
                opts=pulumi.ResourceOptions(parent=self),
            )
            for number in range(args["memory_shelves"])
        ]
        self.arns = [shelf.bucket_arn for shelf in shelves]
        self.endpoint = pulumi.Output.concat("https://memory.example/", shelves[0].bucket_name)
        self.index_name = self._ensured_index(name, ledger, args, SERVICE)
        self.register_outputs({"endpoint": self.endpoint, "indexName": self.index_name})

    def grant(self, *permissions: Permission) -> Grant:
        def listed(
            component: pulumi.ComponentResource, name: str, role_arn: pulumi.Input[str]
        ) -> list[pulumi.Resource]:
            opts = pulumi.ResourceOptions(parent=component)
            return [ssm.Parameter(f"{name}-reader", type="String", insecure_value=role_arn, opts=opts)]

        actions = sorted({action for permission in permissions for action in ACTIONS[permission]})
        return Grant([allow(actions, pulumi.Output.concat(arn, "/*")) for arn in self.arns], listed)


ROW = Store(
    MemoryVectorStore,
    "(the tests' own) keeps vectors on shelves",
    FIELDS,
    usage={"index": {"service": "AmazonS3", "storage": "storage:standard", "search": "searches of the shelves"}},
)


def main(configuration: dict[str, str]) -> None:
    STORES[SERVICE] = ROW
    # The environments have read the table already: whatever one imports of the package imports them first.
    for name in [
        name for name in sys.modules if re.fullmatch(r"pulumi_tandem(\.(environments|configuration).*)?", name)
    ]:
        del sys.modules[name]

    from scripts.recorder import record_stack

    try:
        print(json.dumps(asdict(record_stack(configuration)), default=str))
    except InvalidArguments as error:
        print(json.dumps({"refused": str(error)}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
