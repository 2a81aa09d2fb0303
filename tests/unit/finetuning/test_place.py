"""Which host of a job this is, and what is refused of what is said of it."""

import argparse
import json

import pytest

from tandem.finetuning.training.layout import Layout, Refused
from tandem.finetuning.training.place import Parser, place, ranks_asked

HOSTS = {"hosts": ["algo-10", "algo-2", "algo-1"], "current_host": "algo-2", "network_interface_name": "eth0"}


@pytest.fixture
def placed(tmp_path, monkeypatch):
    """Where a host stands that has such flags, such variables and such a file."""

    def of(*flags: str, said: object = None, **variables: str):
        if said is not None:
            folder = tmp_path / "input" / "config"
            folder.mkdir(parents=True)
            (folder / "resourceconfig.json").write_text(said if isinstance(said, str) else json.dumps(said))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return place(Layout(tmp_path), Parser(["train"]).read(["train", *flags]))

    return of


def test_sagemakers_hosts_are_in_the_order_of_their_numbers(placed):
    here = placed(said=HOSTS)
    assert (here.hosts, here.name, here.number, here.master) == (("algo-1", "algo-2", "algo-10"), "algo-2", 1, "algo-1")
    assert (here.port, here.interface) == (7777, "eth0")


def test_kubeflows_variables(placed):
    here = placed(PET_NNODES="2", PET_NODE_RANK="1", PET_MASTER_ADDR="first", PET_MASTER_PORT="29500")
    assert (here.hosts, here.number, here.master, here.port) == (("host-0", "host-1"), 1, "first", 29500)


def test_flags_count_before_both(placed):
    here = placed("--nnodes=3", "--node-rank=2", "--master-addr=a", said=HOSTS, PET_NNODES="2")
    assert (len(here.hosts), here.number, here.master) == (3, 2, "a")


def test_one_machine_needs_none(placed):
    assert placed().hosts == ("host-0",)


@pytest.mark.faults
@pytest.mark.parametrize("said", ['{"hosts": ["algo-1"], "curr', {}, {"hosts": None}, [], {"hosts": ["algo-1"]}])
def test_a_resourceconfig_that_cannot_be_read_is_refused(placed, said):
    with pytest.raises(Refused, match=r"resourceconfig\.json can't be read .*`hosts`, a list of names"):
        placed(said=said)


@pytest.mark.faults
@pytest.mark.parametrize("hosts", [["algo-2"], ["algo-1", "algo-1"]])
def test_a_host_that_is_not_among_the_hosts_once_is_refused(placed, hosts):
    with pytest.raises(Refused, match="names this host 'algo-1'"):
        placed(said={"hosts": hosts, "current_host": "algo-1"})


@pytest.mark.faults
@pytest.mark.parametrize(
    ("flags", "variables", "why"),
    [
        ([], {"MASTER_PORT": "abc"}, "the master's port is 'abc': give a whole number from 1 to 65534"),
        (["--master-port=65535"], {}, "the master's port is '65535'"),
        ([], {"PET_NNODES": "1:2"}, "--nnodes is '1:2': give a whole number from 1"),
        (["--nnodes=0"], {}, "--nnodes is '0'"),
        (["--nnodes=2", "--master-addr=a"], {"PET_NODE_RANK": "x"}, "--node-rank is 'x'"),
        (["--nnodes=2", "--node-rank=2", "--master-addr=a"], {}, "--node-rank is '2': give a whole number from 0 to 1"),
        (["--nnodes=2"], {}, "2 hosts need --node-rank and --master-addr"),
    ],
)
def test_numbers_that_are_none_are_refused_by_name(placed, flags, variables, why):
    with pytest.raises(Refused, match=why):
        placed(*flags, **variables)


@pytest.mark.faults
def test_a_rank_of_hosts_that_a_file_names_is_refused(placed):
    with pytest.raises(Refused, match="--node-rank 1 needs --nnodes"):
        placed("--node-rank=1", said=HOSTS)


@pytest.mark.parametrize("flags", [["--nproc-per-node=2", "--node-rank=0"], ["--nproc_per_node=2", "--node_rank=0"]])
def test_flags_are_taken_by_both_names_that_torchrun_knows(flags):
    given = Parser(["train"]).read(["train", *flags])
    assert (given.nproc_per_node, given.node_rank) == (2, 0)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["evaluate", "--nnodes=2", "--node_rank", "0"],
            "evaluate is one process on one host, and takes no --nnodes, --n",
        ),
        (["train", "--nproc-per-node=two"], "argument --nproc-per-node/--nproc_per_node: invalid int value: 'two'"),
        (["train", "--hosts=2"], "unrecognized arguments: --hosts=2"),
        (["learn"], "argument step: invalid choice: 'learn'"),
    ],
)
def test_arguments_that_are_refused_are_the_jobs_failure(tmp_path, monkeypatch, capsys, arguments, why):
    monkeypatch.setenv("TANDEM_ML_ROOT", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        Parser(["train", "evaluate"]).read(arguments)
    assert ended.value.code == 2 and why in capsys.readouterr().err
    assert f"Arguments: {why}" in (tmp_path / "output" / "failure").read_text()


@pytest.mark.parametrize(("told", "count"), [("auto", 0), ("gpu", 0), ("cpu", 0), ("4", 4)])
def test_how_many_ranks_are_asked_for(monkeypatch, told, count):
    monkeypatch.setenv("PET_NPROC_PER_NODE", told)
    assert ranks_asked(argparse.Namespace(nproc_per_node=None)) == count


@pytest.mark.faults
@pytest.mark.parametrize("told", ["-3", "two", "0"])
def test_a_number_of_ranks_that_is_none_is_refused(monkeypatch, told):
    monkeypatch.setenv("PET_NPROC_PER_NODE", told)
    with pytest.raises(Refused, match="--nproc-per-node is"):
        ranks_asked(argparse.Namespace(nproc_per_node=None))
