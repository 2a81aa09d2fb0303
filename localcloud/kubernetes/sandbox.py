"""What the containers of a Pod see here: volumes as folders, and command and environment with the paths, names and
ports that stand for theirs on this machine.

Paths are replaced in arguments and in the environment, never inside of scripts. Names of the Pod's headless service
become 127.0.0.1, where all Pods share the ports: each declared one becomes a free one of the Pod's gang.
"""

import base64
import hashlib
import os
import re
import secrets
import shutil
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from tandem_contract.cluster import ROOT

from localcloud import paths
from localcloud.kubernetes.api import Api, Json
from localcloud.kubernetes.containers import Waits
from localcloud.kubernetes.identity import Identities
from localcloud.services import Refused
from localcloud.services.sagemaker.hosts import MASTER_PORTS
from localcloud.services.sagemaker.records import training_python

REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")
VOLUMES = ("emptyDir", "configMap", "secret", "projected")
SOURCES = ("configMap", "secret")
VALUES = ("fieldRef", "secretKeyRef", "configMapKeyRef")
OF_POD = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostAliases", "ephemeralContainers")
OF_CONTAINER = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "volumeDevices", "stdin", "tty")
JOBSET = "jobset.sigs.k8s.io"
# What AWS gives a Pod comes by Pod Identity; the rest of our environment says where the local cloud is.
OF_CLOUD = re.compile(r"AWS_(?!ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE).*")


def unsupported(spec: Json) -> list[str]:
    """The fields of a Pod that a kubelet heeds and that nothing here does."""
    found = [f"spec.{name}" for name in OF_POD if spec.get(name)]
    for volume in spec.get("volumes", []):
        kinds = [kind for kind in volume if kind != "name" and kind not in VOLUMES]
        found += [f"spec.volumes[{volume['name']}].{kind}" for kind in kinds]
        for source in volume.get("projected", {}).get("sources", []):
            kinds = [kind for kind in source if kind not in SOURCES]
            found += [f"spec.volumes[{volume['name']}].projected.{kind}" for kind in kinds]
    for group in ("initContainers", "containers"):
        for container in spec.get(group, []):
            place = f"spec.{group}[{container['name']}]"
            found += [f"{place}.{name}" for name in OF_CONTAINER if container.get(name)]
            if not container.get("command"):
                found.append(f"{place}.command (none: the image's own isn't known here)")
            for variable in container.get("env", []):
                kinds = [kind for kind in variable.get("valueFrom", {}) if kind not in VALUES]
                found += [f"{place}.env[{variable['name']}].valueFrom.{kind}" for kind in kinds]
    return found


class Ports:
    """Ports of this machine for the declared ones of gangs: the same for all Pods of a gang, other ones for its next
    attempt, which must not meet what is left of the one before."""

    def __init__(self) -> None:
        self._lock, self._gangs = threading.Lock(), {}

    def take(self, gang: str, uid: str, declared: int) -> int:
        """The port for a declared one; the next is the gang's too: the launcher uses both (docs/training-image.md)."""
        with self._lock:
            ports, users = self._gangs.setdefault(gang, ({}, set()))
            users.add(uid)
            taken = {port for others, _ in self._gangs.values() for port in others.values()}
            while declared not in ports:
                port = secrets.choice(MASTER_PORTS[::2])
                with suppress(OSError), socket.create_server(("", port)), socket.create_server(("", port + 1)):
                    if port not in taken:
                        ports[declared] = port
            return ports[declared]

    def drop(self, uid: str) -> None:
        """A Pod has gone; with its last one a gang gives its ports back."""
        with self._lock:
            for gang in [gang for gang, (_, users) in self._gangs.items() if uid in users]:
                self._gangs[gang][1].discard(uid)
                if not self._gangs[gang][1]:
                    del self._gangs[gang]


class Sandbox:
    """Folders, variables and arguments of one Pod, as the API server holds it. `ip` is a made-up address of the Pods'
    network: endpoints on loopback are refused."""

    def __init__(self, pod: Json, api: Api, ports: Ports, identities: Identities) -> None:
        self.meta, self.spec, self.api = pod["metadata"], pod["spec"], api
        self.ports, self.identities, self._identity = ports, identities, None
        self.folder = paths.HOME / "pods" / self.meta["uid"]
        number = int(hashlib.sha256(self.meta["uid"].encode()).hexdigest(), 16)
        self.ip = f"10.244.{number % 250 + 1}.{number // 250 % 250 + 1}"

    def remove(self) -> None:
        self.ports.drop(self.meta["uid"])
        self.identities.drop(self.meta["uid"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self, container: Json) -> tuple[list[str], dict[str, str], Path]:
        """Command, environment and working folder. Raises Waits for what isn't there (yet)."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        mounts, given = self._mounts(container), self._variables(container)
        here = _Translation(mounts, self._names(), self._ports())

        command = [here(_expand(part, given)) for part in (*container["command"], *container.get("args", []))]
        environment = self._base(mounts) | {name: here(value) for name, value in given.items()}
        folder = Path(here(container["workingDir"])) if container.get("workingDir") else self.folder
        return command, environment, folder

    def _base(self, mounts: dict[str, str]) -> dict[str, str]:
        """What an image and Pod Identity bring, and what stands for the network of a cluster."""
        try:
            python = training_python()
            if self._identity is None:
                account = self.spec.get("serviceAccountName", "default")
                self._identity = self.identities.variables(self.meta["uid"], self.meta["namespace"], account)
        except Refused as error:
            raise Waits("ErrImagePull", str(error)) from None
        except (BotoCoreError, ClientError) as error:
            raise Waits("CreateContainerConfigError", f"Pod Identity: {error}") from None
        return {
            **{name: value for name, value in os.environ.items() if OF_CLOUD.fullmatch(name)},
            **self._identity,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "LANG": "C.UTF-8",
            "HOSTNAME": self.spec.get("hostname", self.meta["name"]),
            "PYTHONUNBUFFERED": "1",
            "GLOO_SOCKET_IFNAME": "lo",
            **({"TANDEM_ML_ROOT": mounts[ROOT]} if ROOT in mounts else {}),
        }

    def _names(self) -> str:
        """A pattern of the names of the Pod's headless service."""
        if not (domain := self.spec.get("subdomain")):
            return ""
        return rf"\b[a-z0-9][a-z0-9-]*\.{re.escape(domain)}(\.{self.meta['namespace']}(\.svc(\.[a-z.]+)?)?)?(?![\w-])"

    def _ports(self) -> dict[int, int]:
        labels = self.meta.get("labels", {})
        keys = (f"{JOBSET}/jobset-uid", f"{JOBSET}/restart-attempt", "batch.kubernetes.io/controller-uid")
        gang = " ".join(labels.get(key, "") for key in keys).strip() or self.meta["uid"]
        declared = {port["containerPort"] for each in self.spec["containers"] for port in each.get("ports", [])}
        return {port: self.ports.take(gang, self.meta["uid"], port) for port in declared}

    def _mounts(self, container: Json) -> dict[str, str]:
        """Path in the container -> folder."""
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        found = {}
        for mount in container.get("volumeMounts", []):
            folder = self._volume(volumes[mount["name"]]) / mount.get("subPath", "")
            folder.mkdir(parents=True, exist_ok=True)
            found[mount["mountPath"].rstrip("/")] = str(folder)
        return found

    def _volume(self, volume: Json) -> Path:
        folder = self.folder / "volumes" / volume["name"]
        if folder.is_dir():
            return folder
        files = {}
        for source in volume.get("projected", {}).get("sources", [volume]):
            for kind in SOURCES:
                if kind in source:
                    about = source[kind]
                    name = about.get("name") or about.get("secretName")
                    data = self._data(kind, name, about.get("optional", False), "FailedMount")
                    items = about.get("items") or [{"key": key, "path": key} for key in data]
                    files |= {item["path"]: data[item["key"]] for item in items}
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    def _variables(self, container: Json) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", []):
            for kind in SOURCES:
                if about := source.get(f"{kind}Ref"):
                    data = self._data(kind, about["name"], about.get("optional", False))
                    found |= {source.get("prefix", "") + key: value for key, value in data.items()}
        for variable in container.get("env", []):
            value = self._value(variable, found)
            if value is not None and variable["name"] != "TANDEM_INSTANCE_TYPE":  # it is this machine
                found[variable["name"]] = value
        return found

    def _value(self, variable: Json, before: dict[str, str]) -> str | None:
        source = variable.get("valueFrom")
        if not source:
            return _expand(variable.get("value", ""), before)
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        kind = "secret" if "secretKeyRef" in source else "configMap"
        about: Any = source[f"{kind}KeyRef"]
        data = self._data(kind, about["name"], about.get("optional", False))
        if about["key"] not in data and not about.get("optional"):
            raise Waits("CreateContainerConfigError", f"couldn't find key {about['key']} in {kind} {about['name']}")
        return data.get(about["key"])

    def _field(self, path: str) -> str:
        if found := re.fullmatch(r"metadata\.(annotations|labels)\['(.+)'\]", path):
            return self.meta.get(found[1], {}).get(found[2], "")
        known = {
            "metadata.name": self.meta["name"],
            "metadata.namespace": self.meta["namespace"],
            "metadata.uid": self.meta["uid"],
            "spec.nodeName": self.spec["nodeName"],
            "spec.serviceAccountName": self.spec.get("serviceAccountName", "default"),
            "status.podIP": self.ip,
            "status.hostIP": self.ip,
        }
        if path not in known:
            raise Waits("CreateContainerConfigError", f"fieldRef {path} isn't understood here")
        return known[path]

    def _data(self, kind: str, name: str, optional: bool, reason: str = "CreateContainerConfigError") -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.meta['namespace']}/{kind.lower()}s/{name}"
        status, found = self.api.call("GET", path)
        if status == 200:
            data = found.get("data", {})
            return data if kind == "configMap" else {key: base64.b64decode(text).decode() for key, text in data.items()}
        if optional:
            return {}
        raise Waits(reason, f"{kind.lower()} {name!r} not found")


def _expand(text: str, variables: dict[str, str]) -> str:
    """Text with the API's references to variables, `$(NAME)`; `$$` is a dollar."""
    return REFERENCE.sub(lambda found: "$" if found[0] == "$$" else variables.get(found[1], found[0]), text)


class _Translation:
    """Text of a container with what stands here for its paths, names and ports."""

    def __init__(self, mounts: dict[str, str], names: str, ports: dict[int, int]) -> None:
        self.mounts, self.names, self.ports = mounts, names, ports
        paths = sorted(mounts, key=len, reverse=True)
        self.paths = "|".join(rf"(?<![\w./-]){re.escape(path)}(?![\w.-])" for path in paths)

    def __call__(self, text: str) -> str:
        if self.paths:
            text = re.sub(self.paths, lambda found: self.mounts[found[0]], text)
        if self.names:
            text = re.sub(self.names, "127.0.0.1", text)
        for declared, port in self.ports.items():
            if text == str(declared):
                return str(port)
            text = re.sub(rf"(?<=127\.0\.0\.1:){declared}\b", str(port), text)
        return text
