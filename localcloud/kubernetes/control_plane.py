"""The Kubernetes control plane as parts of the local cloud: what each runs as, in which order, how it is reached."""

import base64
import hashlib
import json
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from tandem_contract import cluster
from tandem_contract.errors import TandemError

from localcloud import files, paths
from localcloud.kubernetes import builds
from localcloud.kubernetes.api import Api
from localcloud.kubernetes.controllers import CONTROLLERS
from localcloud.services import TOKEN_REVIEW, supervisor
from localcloud.services.supervisor import EMULATOR, Command, Part, Report

AUTHORITY = paths.KUBERNETES / "ca.crt"
TOKEN = paths.KUBERNETES / "token"
KUBECONFIG = paths.KUBERNETES / "kubeconfig"
CLUSTER = paths.KUBERNETES / "cluster.json"
"""What EKS tells of every cluster: the endpoint and its authority."""
SOCKET = "@tandem-" + hashlib.sha256(str(paths.KUBERNETES).encode()).hexdigest()[:16]
"""The API server's way to webhooks; a name and no file, whose path might be too long for a socket's."""

ETCD = Part("etcd", "TANDEM_LOCAL_ETCD_PORT", 16379, "/health", 60)
API_SERVER = Part("kube-apiserver", "TANDEM_LOCAL_KUBERNETES_PORT", 16443, "/readyz", 120, AUTHORITY)
CONTROLLER_MANAGER = Part(
    "kube-controller-manager", "TANDEM_LOCAL_CONTROLLER_MANAGER_PORT", 16257, "/healthz", 60, AUTHORITY
)
SCHEDULER = Part("kube-scheduler", "TANDEM_LOCAL_SCHEDULER_PORT", 16259, "/healthz", 60, AUTHORITY)
KWOK = Part("kwok", "TANDEM_LOCAL_KWOK_PORT", 16247, "/healthz", 60)
PODS = Part("kubernetes", "TANDEM_LOCAL_PODS_PORT", 16444, "/health", 60)
"""`python -m localcloud.kubernetes`: runs the containers of our Pods, and takes the API server to webhooks."""
CONTROLLER_RUNNER = Part("controllers", "TANDEM_LOCAL_CONTROLLERS_PORT", 16445, "/health", 60)
PARTS = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, PODS, CONTROLLER_RUNNER)
PLUGIN = paths.PULUMI / "plugins" / f"resource-kubernetes-v{builds.PLUGIN_VERSION}" / "pulumi-resource-kubernetes"

OWN = {
    *(("namespaces", name) for name in ("default", "kube-node-lease", "kube-public", "kube-system")),
    ("customresourcedefinitions", "kwoknodeclasses.karpenter.kwok.sh"),
    ("services", "kubernetes"),
}
"""Kind and name of what is there before any stack."""
SERVICES = "10.100.0.0/16"  # as EKS has them
ISSUER = "https://kubernetes.default.svc"
# The API server's own address in the cluster, where nothing listens: no container is there to ask for it.
ADVERTISED = "192.0.2.1"
DAYS = 3650


def wanted() -> bool:
    """Whether it was started, and not stopped."""
    with suppress(OSError):  # where its folder can't even be looked for, which whoever needs it will tell
        return any(part.record.exists() for part in PARTS)
    return False


def known() -> tuple[Part, ...]:
    """All parts of this local cloud."""
    return (*supervisor.PARTS, *(PARTS if wanted() else ()))


def up(report: Report) -> None:
    """Build what is missing, and start what doesn't answer. Raises TandemError where this machine can't have it."""
    install(report)
    prepare()
    _start((ETCD,), report)
    _start((API_SERVER,), report)
    _apply_own()
    _start(PARTS[2:], report)


def install(report: Report) -> None:
    """Build the programs, and make the Kubernetes plugin one of the local cloud's Pulumi."""
    programs = builds.ensure(report)
    PLUGIN.parent.mkdir(parents=True, exist_ok=True)
    PLUGIN.unlink(missing_ok=True)
    PLUGIN.symlink_to(programs / PLUGIN.name)


def down() -> None:
    """Stop it; what is in etcd is kept for the next `up`."""
    for parts in (PARTS[2:], (API_SERVER,), (ETCD,)):  # whose servers would else be waited for
        supervisor.down(parts)


def environment() -> dict[str, str]:
    """The variables that point Pulumi programs and kubectl at it; empty where it was never started."""
    if not CLUSTER.exists():
        return {}
    return {
        "KUBECONFIG": str(KUBECONFIG),
        "TANDEM_CHARTS": str(builds.folder() / "charts"),
        "TANDEM_KUBECONFIG_TOKEN_FILE": str(TOKEN),
    }


def api() -> Api:
    """The API, as the deployer."""
    return Api(API_SERVER.url, AUTHORITY, TOKEN)


def leftovers() -> list[tuple[str, ...]]:
    """Return (kubernetes, kind, name) of what stacks made and is still there; empty after a complete destroy."""
    if not API_SERVER.running():
        return []
    asked, core, extensions = api(), "/api/v1", "/apis/apiextensions.k8s.io/v1"
    found = []
    for path in (f"{core}/nodes", f"{core}/namespaces", f"{extensions}/customresourcedefinitions"):
        kind = path.rpartition("/")[2]
        found += [("kubernetes", kind, each["metadata"]["name"]) for each in asked.items(path)]
    # In namespaces that are always there.
    for kind in ("pods", "services"):
        found += [("kubernetes", kind, each["metadata"]["name"]) for each in asked.items(f"{core}/{kind}")]
    return [row for row in found if row[1:] not in OWN]


def kubeconfig(token: Path) -> str:
    """Text of a kubeconfig by which whoever has this token asks the API."""
    server = {"server": API_SERVER.url, "certificate-authority": str(AUTHORITY)}
    return yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "local",
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local"}}],
        "clusters": [{"name": "local", "cluster": server}],
        "users": [{"name": "local", "user": {"tokenFile": str(token)}}],
    })  # fmt: skip


def prepare() -> None:
    """Write certificates, keys and settings: the former once, the latter by the present ports."""
    paths.KUBERNETES.mkdir(parents=True, exist_ok=True)
    paths.KUBERNETES.chmod(0o700)
    if not TOKEN.exists():
        _make_keys()
        files.write(TOKEN, secrets.token_urlsafe(32), 0o600)
    user = f'{TOKEN.read_text()},local-deployer,local-deployer,"system:masters"\n'
    files.write(paths.KUBERNETES / "tokens.csv", user, 0o600)
    files.write(KUBECONFIG, kubeconfig(TOKEN), 0o600)
    authority = base64.b64encode(AUTHORITY.read_bytes()).decode()
    _write(CLUSTER.name, {"endpoint": API_SERVER.url, "certificateAuthority": {"data": authority}})
    _write("egress.yaml", {
        "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": {
            "proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": SOCKET}},
        }}],
    })  # fmt: skip
    _write("tokens.yaml", {
        "apiVersion": "v1", "kind": "Config", "current-context": "iam",
        "contexts": [{"name": "iam", "context": {"cluster": "iam", "user": "api-server"}}],
        "clusters": [{"name": "iam", "cluster": {"server": EMULATOR.url + TOKEN_REVIEW}}],
        "users": [{"name": "api-server", "user": {}}],
    })  # fmt: skip
    _write("pods.json", {
        "api": API_SERVER.url, "ca": str(AUTHORITY), "token": str(TOKEN), "socket": SOCKET, "port": PODS.port,
    })  # fmt: skip
    stages = list((builds.folder() / "manifests").glob("node-*.yaml")) + _pod_stages()
    files.write(paths.KUBERNETES / "stages.yaml", "\n---\n".join(
        stage.read_text() if isinstance(stage, Path) else stage for stage in stages
    ))  # fmt: skip


def _pod_stages() -> list[str]:
    """Kwok's stages of Pods, without those that a process stands behind: ours, and the controllers', whose readiness is
    the process's. Their end it may tell of the latter."""
    names = sorted({controller.app for controller in CONTROLLERS.values()})
    processes = {
        "key": f'.metadata.labels["{cluster.Label.POD}"]',
        "operator": "NotIn",
        "values": [cluster.Label.PROCESS],
    }
    controllers = {"key": '.metadata.labels["app.kubernetes.io/name"]', "operator": "NotIn", "values": names}
    stages = []
    for name in ("pod-ready", "pod-complete", "pod-delete"):
        stage = yaml.safe_load((builds.folder() / "manifests" / f"{name}.yaml").read_text())
        excluded = [processes] if name == "pod-delete" else [processes, controllers]
        stage["spec"]["selector"]["matchExpressions"] += excluded
        stages.append(yaml.safe_dump(stage))
    return stages


def _make_keys() -> None:
    """Keys and certificates, of an authority of their own, by openssl."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(DAYS)]
    names = "DNS:localhost,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.100.0.1"
    usage = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature"]
    server = [*usage, "-addext", f"subjectAltName={names}", "-addext", "extendedKeyUsage=serverAuth"]
    by = ["-CA", "ca.crt", "-CAkey", "ca.key"]
    for name, subject, more in (
        ("ca", "tandem-local", ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]),
        ("server", "localhost", [*by, *server]),
        ("front-proxy", "front-proxy-client", [*by, *usage, "-addext", "extendedKeyUsage=clientAuth"]),
    ):
        _openssl([*new, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={subject}", *more])
    _openssl(["openssl", "genrsa", "-out", "accounts.key", "2048"])
    _openssl(["openssl", "rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub"])


def _openssl(command: list[str]) -> None:
    said = subprocess.run(command, cwd=paths.KUBERNETES, capture_output=True, text=True, check=False)
    if said.returncode:
        raise TandemError(f"{' '.join(command[:2])} failed (version 3 or newer is needed): {said.stderr.strip()}")


def _write(name: str, content: Any) -> None:
    files.write(paths.KUBERNETES / name, json.dumps(content) if name.endswith(".json") else yaml.safe_dump(content))


def _start(parts: Sequence[Part], report: Report) -> None:
    supervisor.up(report, parts, _command, (*supervisor.PARTS, *PARTS))


def _command(part: Part, report: Report) -> Command:
    """What a part runs as; raises TandemError where it can't be built."""
    if part is PODS:
        return [sys.executable, "-m", "localcloud.kubernetes", paths.KUBERNETES / "pods.json"], supervisor.environment()
    if part is CONTROLLER_RUNNER:
        return [sys.executable, "-m", "localcloud.kubernetes.controller_runner"], {}
    flags = {
        ETCD: _etcd, API_SERVER: _api_server, KWOK: _kwok, SCHEDULER: lambda: _manager(SCHEDULER),
        CONTROLLER_MANAGER: _controller_manager,
    }[part]()  # fmt: skip
    listed = [f"--{name}={value}" for name, value in flags.items()]
    return [builds.ensure(report) / part.name, *listed], {"HOME": str(paths.KUBERNETES)}


def _etcd() -> dict[str, Any]:
    here = {"data-dir": paths.KUBERNETES / "etcd", "listen-client-urls": ETCD.url, "advertise-client-urls": ETCD.url}
    # Alone, it needs no peers; nor a disk that has written before it goes on, at the price of a crash of the machine.
    return here | {"listen-peer-urls": "http://127.0.0.1:0", "unsafe-no-fsync": "true"}


def _api_server() -> dict[str, Any]:
    home = paths.KUBERNETES
    return _serving(API_SERVER) | {
        "etcd-servers": ETCD.url,
        "advertise-address": ADVERTISED,
        "endpoint-reconciler-type": "none",
        "service-cluster-ip-range": SERVICES,
        "authorization-mode": "RBAC",
        "allow-privileged": "true",
        "token-auth-file": home / "tokens.csv",
        "authentication-token-webhook-config-file": home / "tokens.yaml",
        "authentication-token-webhook-version": "v1",
        "authentication-token-webhook-cache-ttl": "10s",
        "service-account-issuer": ISSUER,
        "service-account-key-file": home / "accounts.pub",
        "service-account-signing-key-file": home / "accounts.key",
        "egress-selector-config-file": home / "egress.yaml",
        "client-ca-file": AUTHORITY,
        "requestheader-client-ca-file": AUTHORITY,
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": home / "front-proxy.crt",
        "proxy-client-key-file": home / "front-proxy.key",
    }


def _manager(part: Part) -> dict[str, Any]:
    asks = dict.fromkeys(("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"), KUBECONFIG)
    return _serving(part) | asks | {"leader-elect": "false"}


def _controller_manager() -> dict[str, Any]:
    return _manager(CONTROLLER_MANAGER) | {
        "service-account-private-key-file": paths.KUBERNETES / "accounts.key",
        "root-ca-file": AUTHORITY,
        "use-service-account-credentials": "true",
    }


def _serving(part: Part) -> dict[str, Any]:
    cert, key = paths.KUBERNETES / "server.crt", paths.KUBERNETES / "server.key"
    here = {"bind-address": "127.0.0.1", "secure-port": part.port, "profiling": "false"}
    return here | {"tls-cert-file": cert, "tls-private-key-file": key}


def _kwok() -> dict[str, Any]:
    return {
        "kubeconfig": KUBECONFIG,
        "config": paths.KUBERNETES / "stages.yaml",
        "manage-all-nodes": "false",
        "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
        "node-lease-duration-seconds": 40,
        "server-address": f"127.0.0.1:{KWOK.port}",
    }


def _apply_own() -> None:
    """What stands in the cluster before any stack: the class of Karpenter's simulated nodes, and leave to make them."""
    definition = yaml.safe_load((builds.folder() / "manifests" / "kwok-node-class.yaml").read_text())
    role: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "tandem-local-karpenter"},
        "rules": [
            {"apiGroups": [""], "resources": ["nodes"], "verbs": ["create", "update", "patch", "delete"]},
            {"apiGroups": ["karpenter.kwok.sh"], "resources": ["*"], "verbs": ["*"]},
        ],
    }  # fmt: skip
    asked = api()
    for path, content in (
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", role),
    ):
        status, answer = asked.apply(f"{path}/{content['metadata']['name']}", content)
        if status >= 400:
            raise TandemError(f"Kubernetes refuses {content['metadata']['name']}: {answer.get('message')}")
