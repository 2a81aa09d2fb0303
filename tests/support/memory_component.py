"""What is created for the store of `memory_store`: a component in the tests' own folder, and its row.

`python -m tests.support.memory_component '{"tandem:...": "..."}'` registers the row, records what a stack with this
configuration registers, and prints it as JSON; in a process of its own, since environments read the table at import.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pulumi
from pulumi_aws import ssm
from pulumi_tandem.foundation.arguments import InvalidArguments, valid
from pulumi_tandem.foundation.arns import bucket_arn
from pulumi_tandem.foundation.data_bucket import DataBucket
from pulumi_tandem.foundation.names import LONGEST
from pulumi_tandem.foundation.outputs import register
from pulumi_tandem.foundation.policy import allow
from pulumi_tandem.rag.stores import STORES, Store
from pulumi_tandem.rag.stores.base import EVERY_INDEX, Grant, Permission, StoreAccess, VectorStore, store_table
from tandem_contract.checks import Checks
from tandem_contract.fields import Field

from tests.support.memory_store import SERVICE

ACTIONS = {
    Permission.READ: ["s3:GetObject"],
    Permission.WRITE: ["s3:PutObject", "s3:DeleteObject"],
    Permission.CREATE_INDEX: ["s3:PutObject"],
}
FIELDS = {"memory_shelves": Field(1, "Shelves of store `memory`.", low=1, high=9, unit="shelves", remedy="1 will do.")}


def _no_rules(_checks: Checks, _args: Mapping[str, Any]) -> None:
    pass


TABLE = store_table("MemoryVectorStore", FIELDS, _no_rules)


class MemoryAccess(StoreAccess):
    """Which role may touch them is written into a parameter of the role's own."""

    def grant(self, *permissions: Permission) -> Grant:
        def listed(
            component: pulumi.ComponentResource, name: str, role_arn: pulumi.Input[str]
        ) -> list[pulumi.Resource]:
            opts = pulumi.ResourceOptions(parent=component)
            return [ssm.Parameter(f"{name}-reader", type="String", insecure_value=role_arn, opts=opts)]

        actions = sorted({action for permission in permissions for action in ACTIONS[permission]})
        return Grant([allow(actions, pulumi.Output.concat(self.arn, "/", self.indices))], listed)


class MemoryVectorStore(VectorStore):
    """Vectors in a bucket."""

    def __init__(self, name: str, args: Any, opts: pulumi.ResourceOptions | None = None):
        settings = valid("MemoryVectorStore", name, TABLE, args, opts=opts)
        super().__init__("test:index:MemoryVectorStore", name, {}, opts)
        shelves = [
            DataBucket(
                f"{name}-shelf-{number}",
                {"retention": settings["retention"], "tags": settings["tags"]},
                opts=pulumi.ResourceOptions(parent=self),
            )
            for number in range(settings["memory_shelves"])
        ]
        self.endpoint = pulumi.Output.concat("https://memory.example/", shelves[0].bucket_name)
        access = MemoryAccess(name, bucket_arn(f"{name}-shelf-*", self), EVERY_INDEX)
        self._ensured_index(name, settings, access, SERVICE)
        register(self)


ROW = Store(
    MemoryVectorStore,
    TABLE,
    MemoryAccess,
    "(the tests' own) keeps vectors on shelves",
    FIELDS,
    usage={"index": {"service": "AmazonS3", "storage": "storage:standard", "search": "searches of the shelves"}},
)


def main(configuration: dict[str, str]) -> None:
    STORES[SERVICE], LONGEST["MemoryVectorStore"] = ROW, 31
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
