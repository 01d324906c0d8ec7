"""The flow on a cluster of real processes: a scheduler and two workers, which may be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from records import published

from dedup import pipeline

PRELOAD = Path(__file__).with_name("dask_preload.py")


class Cluster:
    """A Dask cluster on this machine, as the operator's handbook sets one up.

    Parameters
    ----------
    folder : Path
        ``WATCHED`` of `dask_preload`.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.folder = folder
        self.made = folder / "made.txt"
        self.address = f"tcp://127.0.0.1:{port}"
        self.stack = ExitStack()
        for name in ("hold", "held"):
            (folder / name).mkdir()
        self.start("scheduler", "--host", "127.0.0.1", "--port", str(port))
        self.workers = [self.worker() for _ in range(2)]

    def worker(self) -> subprocess.Popen[bytes]:
        # Without a nanny, which would start a killed worker anew.
        given = "--no-nanny", "--nthreads", "1", "--preload", str(PRELOAD)
        return self.start("worker", self.address, "--host", "127.0.0.1", *given)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start what is left running until the end, and log what it says."""
        log = self.stack.enter_context((self.folder / f"{name}.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", name, "--no-dashboard", *arguments],
            cwd=self.folder,
            env=os.environ | {"WATCHED": str(self.folder)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def held(self) -> subprocess.Popen[bytes] | None:
        """A worker that waits to be killed."""
        waiting = {int(path.name) for path in (self.folder / "held").iterdir()}
        return next((worker for worker in self.workers if worker.pid in waiting), None)

    def units(self) -> Counter[str]:
        """How often each unit was done by a worker, by the name of its note: ``VERB-NUMBER``."""
        notes = [Path(name).stem for name in self.made.read_text().split() if ".json" in name]
        return Counter(note for note in notes if note.partition("-")[0] in pipeline.VERBS)

    def logs(self) -> str:
        """What its processes said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


class Command:
    """The flow's command, at work on a cluster.

    Parameters
    ----------
    name : str
        Of its output.
    """

    def __init__(self, cluster: Cluster, api: str, corpus: Path, name: str) -> None:
        cluster.made.unlink(missing_ok=True)
        self.cluster = cluster
        self.output = cluster.folder / "out" / name
        asked = corpus, "--output", self.output, "--runner", f"dask:{cluster.address}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.cluster_articles", *map(str, asked)],
            # The option wins over the environment.
            env=os.environ | {"PREFECT_API_URL": api, "DEDUP_RUNNER": "fibres:2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        cluster.stack.callback(self.process.kill)

    def end(self) -> dict[str, bytes]:
        """What it published, once it has."""
        said, _ = self.process.communicate(timeout=300)
        assert self.process.returncode == 0, said + self.cluster.logs()
        return published(self.output)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    with cluster.stack:
        yield cluster


@pytest.fixture(scope="module")
def local(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the library makes of the corpus in this process."""
    output = tmp_path_factory.mktemp("local") / "out"
    pipeline.cluster_articles(corpus, output)
    return published(output)


def test_workers_make_the_bytes_of_a_local_run(
    cluster: Cluster, api: str, corpus: Path, local: dict[str, bytes]
) -> None:
    assert Command(cluster, api, corpus, "whole").end() == local
    assert set(cluster.units().values()) == {1}
    assert {unit.partition("-")[0] for unit in cluster.units()} == set(pipeline.VERBS)


def test_workers_that_die_in_mid_run_change_nothing(
    cluster: Cluster, api: str, corpus: Path, local: dict[str, bytes]
) -> None:
    # At a table that is not yet there; at the note of one unit of several; at that of the only one.
    instants = "signed-", "sketch-", "collect-"
    for name in instants:
        (cluster.folder / "hold" / name).touch()
    command = Command(cluster, api, corpus, "in spite of all")
    for _ in instants:
        while not (victim := cluster.held()):
            assert command.process.poll() is None, command.end()
            time.sleep(0.05)
        victim.send_signal(signal.SIGKILL)
        cluster.workers.remove(victim)
        cluster.workers.append(cluster.worker())
    assert command.end() == local
    assert set(cluster.units().values()) == {1}
    assert not list((cluster.folder / "hold").iterdir())
