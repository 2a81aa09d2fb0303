"""Region and account of a component, asked for before it is registered."""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws


def invoke_options(opts: pulumi.ResourceOptions | None) -> pulumi.InvokeOptions:
    """How to ask AWS what a component with these options would, before there is one."""
    opts = opts or pulumi.ResourceOptions()
    given = opts.providers.values() if isinstance(opts.providers, Mapping) else opts.providers or []
    own = [each for each in (opts.provider, *given) if each and each.package == "aws"]
    return pulumi.InvokeOptions(parent=opts.parent, provider=own[0] if own else None)


def region_of(opts: pulumi.ResourceOptions | None) -> str:
    """The region that a component with these options is put into; empty where its provider doesn't know it yet."""
    return aws.get_region(opts=invoke_options(opts)).region or ""


def region_for(parent: pulumi.Resource) -> pulumi.Output[str]:
    """The region that a component's children are put into."""
    return aws.get_region_output(opts=pulumi.InvokeOutputOptions(parent=parent)).region


def account_of(opts: pulumi.ResourceOptions | None) -> str:
    """The account that a component with these options is put into; empty where its provider doesn't know it yet."""
    return aws.get_caller_identity(opts=invoke_options(opts)).account_id or ""
