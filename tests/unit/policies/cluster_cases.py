"""Cases of the rules on clusters, node groups and Karpenter's pools, as on one day."""

from datetime import date, datetime
from typing import Any

from tandem_policies import clusters

from tests.unit.policies.judging import UNKNOWN, Case, Thing, things

CLUSTER, NODES = "aws:eks/cluster:Cluster", "aws:eks/nodeGroup:NodeGroup"
TEMPLATE, GROUP = "aws:ec2/launchTemplate:LaunchTemplate", "aws:autoscaling/group:Group"
POOL, CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
ADMIN = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
POD, DAEMONS, SERVICE = "kubernetes:core/v1:Pod", "kubernetes:apps/v1:DaemonSet", "kubernetes:core/v1:Service"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole"
TODAY = date(2026, 11, 30)


def set_day(monkeypatch, day: date) -> None:
    class Day(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(day.year, day.month, day.day, tzinfo=tz)

    monkeypatch.setattr(clusters, "datetime", Day)


def pool(*kinds: str, disruption: Any = None, **limits: Any) -> Thing:
    named = [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": list(kinds)}] if kinds else []
    empty = {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5m"}
    spec = {"template": {"spec": {"requirements": named}}, "disruption": disruption or empty, "limits": limits}
    return Thing(POOL, {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "spec": spec})


def gpus(number: Any) -> dict[str, Any]:
    return {"nvidia.com/gpu": number}


def disk(**ebs: Any) -> dict[str, Any]:
    return {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": ebs}]}


def metadata(**options: Any) -> dict[str, Any]:
    return {"metadataOptions": options}


def container(**context: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", "securityContext": context}]}}


# fmt: off
CASES = [
    Case("node-group-to-zero", "scalingConfig.minSize is 1", things(NODES, {"scalingConfig": {"minSize": 1}}),
         things(NODES, {"scalingConfig": {"minSize": 0}}, {}), "scalingConfig.minSize",
         things(NODES, {"scalingConfig": {"minSize": UNKNOWN}})),
    Case("node-group-to-zero", "scalingConfig.desiredSize is 4",  # EKS starts them, whatever minSize is
         things(NODES, {"instanceTypes": ["p4d.24xlarge"], "scalingConfig": {"minSize": 0, "desiredSize": 4}}),
         things(NODES, {"instanceTypes": ["m7i.large"], "scalingConfig": {"minSize": 2, "desiredSize": 2}}),
         "scalingConfig.desiredSize", things(NODES, {"scalingConfig": {"minSize": 0, "desiredSize": UNKNOWN}})),
    Case("node-group-to-zero", "scalingConfig.minSize is 1",
         things(NODES, {"instanceTypes": ["m7i.large", "g6.xlarge"], "scalingConfig": {"minSize": 1}}),
         [Thing(NODES, {"scalingConfig": {"minSize": 1}}, refers={"launchTemplate": ["other"]}),
          Thing(TEMPLATE, {"instanceType": "t3.large"}, "other")],
         "instanceTypes.0", things(NODES, {"instanceTypes": [UNKNOWN], "scalingConfig": {"minSize": 1}})),
    Case("node-group-to-zero", "desiredCapacity is 2",
         things(GROUP, {"minSize": 0, "desiredCapacity": 2}),
         things(GROUP, {"minSize": 0, "desiredCapacity": 0}), "minSize",
         things(GROUP, {"minSize": UNKNOWN})),
    Case("instance-allowed", "p5.48xlarge is not among", [pool("g6e.2xlarge", "p5.48xlarge")], [pool("g6e.2xlarge")],
         "spec.template.spec.requirements.0.values.0", [pool(UNKNOWN)]),
    Case("instance-allowed", "it names no instance types", [pool()], [pool("g6e.xlarge")],
         "spec", things(POOL, {"spec": UNKNOWN})),
    Case("encrypted-at-rest", "blockDeviceMappings.ebs.encrypted is not true",
         things(TEMPLATE, disk(volumeSize=100)),
         things(TEMPLATE, disk(encrypted="true"), disk(encrypted=True)),
         "blockDeviceMappings.0.ebs.encrypted", things(TEMPLATE, disk(encrypted=UNKNOWN))),
    Case("encrypted-at-rest", "blockDeviceMappings.ebs is not set", things(TEMPLATE, {}),
         things(CLASS, {"spec": {}}, {"spec": disk(encrypted=True)}), "blockDeviceMappings",
         things(TEMPLATE, {"blockDeviceMappings": UNKNOWN})),
    Case("encrypted-at-rest", "spec.blockDeviceMappings.ebs.encrypted is not true",
         things(CLASS, {"spec": disk(volumeSize="100Gi")}),
         things(NODES, {"launchTemplate": UNKNOWN}), "spec", things(CLASS, {"spec": UNKNOWN})),
    Case("encrypted-at-rest", "it has no launch template", things(NODES, {"diskSize": 100}),
         things(NODES, {"launchTemplate": {"id": UNKNOWN}}), "encrypted",
         things("aws:ebs/volume:Volume", {"encrypted": UNKNOWN})),
    Case("cluster-access-entries", "authenticationMode is CONFIG_MAP", things(CLUSTER, {}),
         things(CLUSTER, {"accessConfig": {"authenticationMode": "API"}}), "accessConfig.authenticationMode",
         things(CLUSTER, {"accessConfig": {"authenticationMode": UNKNOWN}})),
    Case("cluster-access-entries", "authenticationMode is API_AND_CONFIG_MAP",
         things(CLUSTER, {"accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"}}),
         things(CLUSTER, {"accessConfig": {"authenticationMode": "API"}}), "accessConfig",
         things(CLUSTER, {"accessConfig": UNKNOWN})),
    Case("cluster-secrets-encrypted", "doesn't name secrets", things(CLUSTER, {}),
         things(CLUSTER, {"encryptionConfig": {"provider": {"keyArn": UNKNOWN}, "resources": ["secrets"]}}),
         "encryptionConfig", things(CLUSTER, {"encryptionConfig": UNKNOWN})),
    Case("cluster-audited", "has no audit", things(CLUSTER, {"enabledClusterLogTypes": ["api"]}),
         things(CLUSTER, {"enabledClusterLogTypes": ["api", "audit"]}),
         "enabledClusterLogTypes", things(CLUSTER, {"enabledClusterLogTypes": UNKNOWN})),
    Case("cluster-version-supported", "is past all support", things(CLUSTER, {"version": "1.28"}),
         things(CLUSTER, {"version": "1.36"}, {}), "version", things(CLUSTER, {"version": UNKNOWN})),
    Case("cluster-version-supported", "in extended support since 2026-07-29", things(CLUSTER, {"version": "1.33"}),
         things(CLUSTER, {"version": "1.99"}), "version", things(CLUSTER, {"version": UNKNOWN})),
    Case("cluster-version-supported", "'latest' is not a version", things(CLUSTER, {"version": "latest"}),
         things(CLUSTER, {}), "version", things(CLUSTER, {"version": UNKNOWN})),
    Case("node-metadata-locked", "metadataOptions.httpTokens is optional",
         things(TEMPLATE, metadata(httpTokens="optional", httpPutResponseHopLimit=1)),
         things(TEMPLATE, metadata(httpTokens="required", httpPutResponseHopLimit=1),
                metadata(httpEndpoint="disabled")),
         "metadataOptions", things(TEMPLATE, {"metadataOptions": UNKNOWN})),
    Case("node-metadata-locked", "httpPutResponseHopLimit is not set",
         things(TEMPLATE, metadata(httpTokens="required")),
         things(CLASS, {"spec": {}}, {"spec": metadata(httpTokens="required")}),
         "metadataOptions.httpPutResponseHopLimit",
         things(TEMPLATE, metadata(httpTokens="required", httpPutResponseHopLimit=UNKNOWN))),
    Case("node-metadata-locked", "httpPutResponseHopLimit is 2: Pods reach it",
         things(CLASS, {"spec": metadata(httpPutResponseHopLimit=2.0)}), things(CLASS, {"spec": {"role": UNKNOWN}}),
         "spec.metadataOptions", things(CLASS, {"spec": {"metadataOptions": UNKNOWN}})),
    Case("node-group-bounded", "scalingConfig.maxSize is 50, and 4 are the most",
         things(NODES, {"scalingConfig": {"maxSize": 50.0}}), things(NODES, {"scalingConfig": {"maxSize": 4}}),
         "scalingConfig.maxSize", things(NODES, {"scalingConfig": {"maxSize": UNKNOWN}})),
    Case("node-group-bounded", "maxSize is not set", things(GROUP, {}),
         things(GROUP, {"maxSize": 2}),
         "maxSize", things(GROUP, {"maxSize": UNKNOWN})),
    Case("node-pool-limited", "spec.limits has no nvidia.com/gpu", [pool("g6e.2xlarge", cpu="64")],
         [pool("g6e.2xlarge", **gpus("8")), pool("m7i.large", cpu="64")],
         "spec.limits.nvidia.com/gpu", [pool("g6e.2xlarge", **gpus(UNKNOWN))]),
    Case("node-pool-limited", "spec.limits.nvidia.com/gpu is 16, and 8 are the most",
         [pool("p5.48xlarge", **gpus("16"))],
         [pool("p5.48xlarge", **gpus(8))], "spec", things(POOL, {"spec": UNKNOWN})),
    Case("node-pool-limited", "is 8k, not a whole number", [pool("g6e.2xlarge", **gpus("8k"))],
         [pool("g6e.2xlarge", **gpus("1"))], "spec", things(POOL, {"spec": UNKNOWN})),
    Case("node-pool-limited", "has no cpu, memory or nodes", [pool("m7i.large")], [pool("m7i.large", nodes="3")],
         "spec.limits", things(POOL, {"spec": {"limits": UNKNOWN}})),
    Case("node-pool-when-empty", "consolidationPolicy is WhenEmptyOrUnderutilized",
         [pool("g6e.2xlarge", disruption={"consolidateAfter": "1m"})],
         [pool("g6e.2xlarge"), pool("m7i.large", disruption={"consolidationPolicy": "WhenEmptyOrUnderutilized"})],
         "spec.disruption", [pool("g6e.2xlarge", disruption=UNKNOWN)]),
    Case("node-pool-when-empty", "consolidateAfter is Never: nodes on which nothing runs bill on",
         [pool(disruption={"consolidationPolicy": "WhenEmpty", "consolidateAfter": "Never"}, **gpus("4"))],
         [pool(**gpus("4"))], "spec", things(POOL, {"spec": UNKNOWN})),
    Case("cluster-endpoint-private", "0.0.0.0/0 may use it", things(CLUSTER, {"vpcConfig": {"subnetIds": []}}),
         things(CLUSTER, {"vpcConfig": {"endpointPublicAccess": False}},
                {"vpcConfig": {"publicAccessCidrs": ["203.0.113.0/24"]}}),
         "vpcConfig.publicAccessCidrs.0", things(CLUSTER, {"vpcConfig": {"publicAccessCidrs": [UNKNOWN]}})),
    Case("cluster-admins-told", "AmazonEKSClusterAdminPolicy is associated",
         things(ADMIN, {"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"}),
         things(ADMIN, {"policyArn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"}),
         "policyArn", things(ADMIN, {"policyArn": UNKNOWN})),
    Case("workload-unprivileged", "the container a is privileged", things(POD, container(privileged=True)),
         [*things(POD, container(privileged=False)),
          Thing(DAEMONS, {"metadata": {"namespace": "kube-system"}, "spec": {}})],
         "spec.containers.0.securityContext.privileged", things(POD, container(privileged=UNKNOWN))),
    Case("cluster-roles-narrow", "a rule allows * on pods of '*'",
         things(ROLE, {"rules": [{"apiGroups": ["*"], "resources": ["pods"], "verbs": ["*"]}]}),
         things(ROLE, {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]}),
         "rules.0.verbs.0", things(ROLE, {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": [UNKNOWN]}]})),
    Case("cluster-roles-narrow", "a rule allows impersonate",
         things(ROLE, {"rules": [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]}),
         things(f"{ROLE}Binding", {"roleRef": {"name": "view"}, "subjects": [{"name": "developers"}]}),
         "roleRef.name", things(f"{ROLE}Binding", {"roleRef": {"name": UNKNOWN}})),
    Case("cluster-roles-narrow", "it is for system:authenticated",
         things(f"{ROLE}Binding", {"roleRef": {"name": "edit"}, "subjects": [{"name": "system:authenticated"}]}),
         things("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
                {"roleRef": {"name": "versions"}, "subjects": [{"name": "system:authenticated"}]}),
         "subjects.0.name", things(f"{ROLE}Binding", {"subjects": [{"name": UNKNOWN}]})),
    Case("service-internal", "reached by the world", things(SERVICE, {"spec": {"type": "LoadBalancer"}}),
         things(SERVICE, {"spec": {"type": "LoadBalancer", "loadBalancerClass": "eks.amazonaws.com/nlb"}}, {}),
         "spec.type", things(SERVICE, {"spec": {"type": UNKNOWN}})),
]
# fmt: on
