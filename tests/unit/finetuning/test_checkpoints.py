"""Which checkpoint counts: the newest of which every host's files are there, as its marks say."""

import json

import pytest

from tandem.finetuning.training import checkpoints
from tandem.finetuning.training.layout import Refused

IDENTITY = {"manifest_digest": "a" * 64, "recipe_digest": "b" * 64}
HOSTS = ("algo-1", "algo-2")


def written(folder, step: int, identity=IDENTITY, hosts=HOSTS):
    """A checkpoint of a rank on each host."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for rank, host in enumerate(hosts):
        (path / f"__{rank}_0.distcp").write_text("shard")
        checkpoints.mark_host(path, host, [f"__{rank}_0.distcp"])
    checkpoints.mark(path, identity, hosts, len(hosts))
    return path


def newest(folder, identity=IDENTITY):
    said: list[str] = []
    found = checkpoints.newest(folder, identity, said.append)
    return found and found.name, said


def test_the_newest_counts(tmp_path):
    for step in (9, 10, 100):
        written(tmp_path, step)
    assert newest(tmp_path) == ("checkpoint-100", [])
    assert newest(tmp_path / "none") == (None, [])


@pytest.mark.faults
@pytest.mark.parametrize(
    ("gone", "why"),
    [
        ("complete.json", "without complete.json"),
        ("host-algo-2.json", "without host-algo-2.json"),
        ("__1_0.distcp", "without __1_0.distcp"),
    ],
)
def test_one_that_lacks_a_hosts_part_does_not_count(tmp_path, gone, why):
    """A host that was lost between its shard and its mark, or a copy to S3 that didn't come to its end."""
    written(tmp_path, 5)
    (written(tmp_path, 10) / gone).unlink()
    assert newest(tmp_path) == ("checkpoint-5", [f"checkpoint-10 is not whole ({why}) and is not used"])
    checkpoints.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("complete.json", "{"),
        ("complete.json", "{}"),
        ("complete.json", '{"identity": {}, "files": {"a": 1}}'),
        ("complete.json", '{"identity": {}, "hosts": []}'),
        ("host-algo-1.json", '{"files": {}}'),
        ("host-algo-1.json", "[]"),
        ("host-algo-1.json", '{"files": []}'),
        ("host-algo-1.json", '{"files": ["a"]}'),
        ("__0_0.distcp", "half a shard"),
    ],
)
def test_one_whose_marks_say_otherwise_does_not_count(tmp_path, file, content):
    (written(tmp_path, 10) / file).write_text(content)
    found, said = newest(tmp_path)
    assert found is None and len(said) == 1


@pytest.mark.faults
def test_one_of_another_recipe_is_refused(tmp_path):
    written(tmp_path, 5, IDENTITY | {"recipe_digest": "c" * 64})
    with pytest.raises(Refused, match=r"belong to another run .*recipe_digest c{12}, not .*recipe_digest b{12}"):
        newest(tmp_path)
    assert (tmp_path / "checkpoint-5").is_dir()


@pytest.mark.faults
def test_a_part_is_known_where_each_host_has_its_own_files_alone(tmp_path):
    """Hosts with a folder each, which nobody brought together: on each it isn't whole, and it isn't worthless."""
    written(tmp_path, 5)
    path = written(tmp_path, 10)
    (path / "__0_0.distcp").unlink()
    assert checkpoints.newest_part(tmp_path, "algo-2") == ("checkpoint-10", True)
    assert checkpoints.newest_part(tmp_path, "algo-1") == ("checkpoint-5", True)
    (path / "complete.json").unlink()
    assert checkpoints.newest_part(tmp_path, "algo-2") == ("checkpoint-10", False)
    assert checkpoints.newest_part(tmp_path / "none", "algo-1") == ("", False)


def test_two_are_kept(tmp_path):
    for step in (5, 10, 15):
        written(tmp_path, step)
    checkpoints.rotate(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-15"]


def test_the_mark_says_what_it_belongs_to(tmp_path):
    said = json.loads((written(tmp_path, 5) / "complete.json").read_text())
    assert said == {"identity": IDENTITY, "hosts": list(HOSTS), "world_size": 2}
