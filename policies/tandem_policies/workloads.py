"""Rules on what runs in a Kubernetes cluster, also of a chart: Pods, roles, and what leads to them from outside."""

from collections.abc import Iterator, Mapping
from typing import Any

from .levels import ADVISORY, MANDATORY, Levels
from .networks import narrow
from .rules import Findings, Properties, Resource, Rule, Settings, at, one

POD, DAEMONS = "kubernetes:core/v1:Pod", "kubernetes:apps/v1:DaemonSet"
TEMPLATES = {  # where a Pod's spec stands
    POD: "spec",
    DAEMONS: "spec.template.spec",
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:ReplicaSet": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:core/v1:ReplicationController": "spec.template.spec",
}
SYSTEM = "kube-system"
CAPABILITIES = {  # that the profile Baseline of the Pod Security Standards lets a container add
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
}
CONFINED = {  # what of a security context Baseline limits, of a Pod as of a container: the values that it lets be
    "appArmorProfile.type": ("RuntimeDefault", "Localhost"),
    "procMount": ("Default",),
    "seccompProfile.type": ("RuntimeDefault", "Localhost"),
    "seLinuxOptions.role": ("",),
    "seLinuxOptions.type": ("", *(f"container_{kind}t" for kind in ("", "init_", "kvm_", "engine_"))),
    "seLinuxOptions.user": ("",),
    "sysctls.name": (
        "kernel.shm_rmid_forced",
        *(f"net.ipv4.ip_{what}" for what in ("local_port_range", "local_reserved_ports", "unprivileged_port_start")),
        *(f"net.ipv4.tcp_{what}" for what in ("fin_timeout", "rmem", "syncookies", "wmem")),
        *(f"net.ipv4.tcp_keepalive_{what}" for what in ("intvl", "probes", "time")),
        "net.ipv4.ping_group_range",
    ),
    "windowsOptions.hostProcess": (False,),
}
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
ROLES = ("kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "kubernetes:rbac.authorization.k8s.io/v1:Role")
BINDINGS = tuple(f"{role}Binding" for role in ROLES)
ALMIGHTY = ("escalate", "bind", "impersonate")
ANYBODY = ("system:anonymous", "system:unauthenticated")
ANY_USER = "system:authenticated"  # in one namespace that may be meant, as of a setting that all may read
SERVICE, INGRESS = "kubernetes:core/v1:Service", "kubernetes:networking.k8s.io/v1:Ingress"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
ALB = "alb.ingress.kubernetes.io/"
BALANCER = "service.beta.kubernetes.io/aws-load-balancer-"
INTERNAL_BY_DEFAULT = ("service.k8s.aws/nlb", "eks.amazonaws.com/nlb")


def containers(resource: Resource) -> Iterator[Properties]:
    """All containers of a workload, those that run first and those for a look included."""
    for spec in at(resource.properties, TEMPLATES.get(resource.type, "-")):
        for kind in ("initContainers", "containers", "ephemeralContainers"):
            yield from at(spec, kind)


def workload_unprivileged(resource: Resource, _: Settings) -> Findings:
    """What gives a Pod the node that it runs on."""
    if resource.type == DAEMONS and one(resource.properties, "metadata.namespace") == SYSTEM:
        return  # an agent of nodes, made to reach them
    for spec in at(resource.properties, TEMPLATES[resource.type]):
        yield _of_node(spec)
        yield _unconfined(spec, "it")
    for annotations in at(resource.properties, f"{TEMPLATES[resource.type].removesuffix('spec')}metadata.annotations"):
        yield _without_apparmor(annotations)
    yield from map(_of_container, containers(resource))


def cluster_roles_narrow(resource: Resource, _: Settings) -> Findings:
    """Roles for everything, and bindings of the almighty one or for everybody."""
    if resource.type in ROLES:
        yield from map(_too_wide, at(resource.properties, "rules"))
        return
    if one(resource.properties, "roleRef.name") == "cluster-admin":
        yield "it binds cluster-admin"
    for name in at(resource.properties, "subjects.name"):
        if name in ANYBODY or (name == ANY_USER and resource.type == BINDINGS[0]):
            yield f"it is for {name}"


def service_internal(resource: Resource, _: Settings) -> Findings:
    """Load balancers that the world reaches."""
    annotations = one(resource.properties, "metadata.annotations", {})
    if resource.type == INGRESS:
        groups = annotations.get(f"{ALB}security-groups")  # with which the controller leaves the ranges aside
        ranges = [] if groups else _listed(annotations.get(f"{ALB}inbound-cidrs"))
        if annotations.get(f"{ALB}scheme") == "internet-facing" and not (ranges and narrow(ranges)):
            yield "its load balancer is internet-facing"
        return
    if one(resource.properties, "spec.type") != "LoadBalancer":
        return
    ranges = [str(each) for each in at(resource.properties, "spec.loadBalancerSourceRanges")]
    ranges = ranges or _listed(annotations.get(RANGES))
    scheme, internal = annotations.get(f"{BALANCER}scheme"), annotations.get(f"{BALANCER}internal")
    by_controller = one(resource.properties, "spec.loadBalancerClass") in INTERNAL_BY_DEFAULT
    inside = scheme == "internal" or str(internal).lower() in ("true", "0.0.0.0/0") or (by_controller and not scheme)
    if not inside and not (ranges and narrow(ranges)):
        yield "its load balancer is reached by the world"


def _listed(text: Any) -> list[str]:
    return [each.strip() for each in str(text or "").split(",") if each.strip()]


def _unconfined(of: Properties, whose: str) -> Iterator[str]:
    for path, allowed in CONFINED.items():
        for value in at(of, f"securityContext.{path}"):
            if value not in allowed:
                yield f"{whose} has {path} {value}"


def _without_apparmor(annotations: Properties) -> Iterator[str]:
    for name in annotations:
        if str(name).startswith(APPARMOR) and not str(annotations.get(name)).startswith(
            ("runtime/default", "localhost/")
        ):
            yield f"the container {str(name).removeprefix(APPARMOR)} has AppArmor {annotations.get(name)}"


def _of_node(spec: Properties) -> Iterator[str]:
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{key} is true"
    for volume in at(spec, "volumes"):
        if isinstance(volume, Mapping) and volume.get("hostPath") is not None:
            yield f"the volume {volume.get('name')} is {one(volume, 'hostPath.path')} of the node"


def _of_container(container: Properties) -> Iterator[str]:
    name = container.get("name")
    if one(container, "securityContext.privileged"):
        yield f"the container {name} is privileged"
    yield from _unconfined(container, f"the container {name}")
    for capability in at(container, "securityContext.capabilities.add"):
        if str(capability).removeprefix("CAP_") not in CAPABILITIES:
            yield f"the container {name} adds {capability}"
    for port in at(container, "ports.hostPort"):
        if port:
            yield f"the container {name} takes port {port:g} of the node"


def _too_wide(rule: Properties) -> Iterator[str]:
    verbs, groups, kinds = (list(_names(rule, key)) for key in ("verbs", "apiGroups", "resources"))
    for verb in verbs:
        if verb in ALMIGHTY:
            yield f"a rule allows {verb}"
    if "*" in verbs and ("*" in kinds or "*" in groups or "secrets" in kinds):
        yield f"a rule allows * on {', '.join(kinds) or '*'} of {', '.join(map(repr, groups)) or '*'}"


def _names(rule: Properties, key: str) -> Iterator[Any]:
    yield from map(str, at(rule, key))


RULES = [
    Rule(
        name="workload-unprivileged",
        severity="high",
        what=(
            "Pods meet the profile Baseline of the Pod Security Standards: no privilege, no namespaces, paths or ports "
            "of the node, no added capabilities, nothing unconfined. A DaemonSet in kube-system, where administrators "
            "alone may create, is an agent of nodes and is passed."
        ),
        why="Whoever gets into such a Pod has the node, and the roles of all that runs there.",
        url="https://kubernetes.io/docs/concepts/security/pod-security-standards/",
        remedy="Take it away, or make it a DaemonSet in kube-system if it is an agent of nodes.",
        types=tuple(TEMPLATES),
        check=workload_unprivileged,
    ),
    Rule(
        name="cluster-roles-narrow",
        severity="high",
        levels=Levels(ADVISORY, MANDATORY),
        what=(
            "No role of a cluster allows every verb on every kind, group or secret, nor to raise itself; none is bound "
            "to cluster-admin or to everybody."
        ),
        why="It is the cluster; Kubernetes' good practices of RBAC name these first.",
        url="https://kubernetes.io/docs/concepts/security/rbac-good-practices/",
        remedy="Name the verbs, the groups and the resources; bind a role of a namespace.",
        types=(*ROLES, *BINDINGS),
        check=cluster_roles_narrow,
    ),
    Rule(
        name="service-internal",
        severity="high",
        levels=Levels(ADVISORY, MANDATORY),
        what="Services and ingresses make no load balancer that the world reaches.",
        why="A Service of type LoadBalancer is on the internet unless an annotation says otherwise, and bills.",
        url="https://docs.aws.amazon.com/eks/latest/userguide/network-load-balancing.html",
        remedy=(
            "Set the annotation of the scheme to internal, or name the addresses in loadBalancerSourceRanges, of an "
            "Ingress in the annotation inbound-cidrs."
        ),
        types=(SERVICE, INGRESS),
        check=service_internal,
    ),
]
