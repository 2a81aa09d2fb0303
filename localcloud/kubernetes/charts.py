"""Charts and manifests that lie in the modules of controllers, pinned by the locks: the folder for `TANDEM_CHARTS`."""

import json
import shutil
import subprocess
from pathlib import Path

from tandem_contract.errors import TandemError

from localcloud.toolchain.go_programs import MODULES

TRAINER = "github.com/kubeflow/trainer/v2"
# The chart's folder, below `charts` -> the folder of the lock, its module, and where the chart is in that.
CHARTS = {
    "kueue": ("kubernetes", "sigs.k8s.io/kueue", "charts/kueue"),
    "kubeflow-trainer": ("kubernetes", TRAINER, "charts/kubeflow-trainer"),
    # It names the two as dependencies, by version, and not by digest.
    "kubeflow-trainer/charts/jobset": ("jobset", "sigs.k8s.io/jobset", "charts/jobset"),
    "kubeflow-trainer/charts/lws": ("kubernetes", "sigs.k8s.io/lws", "charts/lws"),
    "jobset": ("jobset", "sigs.k8s.io/jobset", "charts/jobset"),
    "karpenter": ("charts", "github.com/aws/karpenter-provider-aws", "charts/karpenter"),
    "karpenter-crd": ("charts", "github.com/aws/karpenter-provider-aws", "charts/karpenter-crd"),
    "nvidia-device-plugin": ("charts", "github.com/NVIDIA/k8s-device-plugin", "deployments/helm/nvidia-device-plugin"),
}
_KWOK = ("kwok", "sigs.k8s.io/kwok")
_CLASS = "kwok/apis/crds/karpenter.kwok.sh_kwoknodeclasses.yaml"
# The same for what the local cloud itself applies, below `manifests`.
MANIFESTS = {
    "kwok-node-class.yaml": ("kubernetes", "sigs.k8s.io/karpenter", _CLASS),
    "node-initialize.yaml": (*_KWOK, "kustomize/stage/node/fast/node-initialize.yaml"),
    "node-heartbeat.yaml": (*_KWOK, "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml"),
    "pod-ready.yaml": (*_KWOK, "kustomize/stage/pod/fast/pod-ready.yaml"),
    "pod-complete.yaml": (*_KWOK, "kustomize/stage/pod/fast/pod-complete.yaml"),
    "pod-delete.yaml": (*_KWOK, "kustomize/stage/pod/fast/pod-delete.yaml"),
}


def collect(target: Path) -> None:
    """Copy charts and manifests into the folder."""
    for kind, wanted in (("charts", CHARTS), ("manifests", MANIFESTS)):
        shutil.rmtree(target / kind, ignore_errors=True)
        (target / kind).mkdir()
        for name, (lock, path, place) in wanted.items():
            source = module_folder(MODULES / lock, path) / place
            if source.is_dir():
                shutil.copytree(source, target / kind / name, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source, target / kind / name)
            for below in (target / kind / name).rglob("*"):
                below.chmod(0o755 if below.is_dir() else 0o644)
            (target / kind / name).chmod(0o755 if source.is_dir() else 0o644)


def module_folder(lock: Path, path: str) -> Path:
    """The folder of the module in Go's cache, fetched where it isn't there, checked against the lock in this folder."""
    command = ["go", "mod", "download", "-json", path]
    said = subprocess.run(command, cwd=lock, capture_output=True, text=True, check=False)
    if said.returncode:
        reason = said.stderr.strip() or json.loads(said.stdout).get("Error", "")
        raise TandemError(f"Go can't fetch {path}: {reason}")
    return Path(json.loads(said.stdout)["Dir"])
