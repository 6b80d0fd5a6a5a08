"""The connection to Ray: a cluster on this machine for one run, a cluster at an address, or a Ray that runs already."""

import importlib.util
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from shrinkage._messages._note import Note

_CHOICES = (
    '$no_cluster, "local" for the cores of this machine, or the address of a Ray cluster, such as "10.0.0.5:6379"'
)
_END_MESSAGES = "^(The node with node id|Raylet is terminated|A worker died or was killed)"
"""Messages of Ray about workers and nodes that are lost: this package says what matters of them."""
_PREFIX = "shrinkage-ray-"
_CONNECT_SECONDS, _ANSWER_SECONDS = 10.0, 20.0
"""Seconds that a machine has to accept a connection, and Ray to answer."""
_SOCKETS = 60
"""Characters that Ray adds to its folder in the path of a socket, of which Linux takes 107."""


class ClusterError(RuntimeError):
    """The cluster cannot be used, or does not come back."""


def strip_colors(error: Exception) -> str:
    """Return the text of an error without the colors of a terminal, which Keras and Ray put there."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error))


def check_cluster(cluster: Any) -> None:
    """Check the argument `cluster` of `fit`.

    Raises:
        TypeError, ValueError: If it is neither None, nor "local", nor an address.
        ImportError: If Ray is not installed.
    """
    if cluster is None:
        return
    if not isinstance(cluster, str):
        raise TypeError(Note(f"$cluster must be {_CHOICES}. Received: {type(cluster).__name__}."))
    address = re.fullmatch(r"(?:[^\s/:\[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", cluster)
    if cluster != "local" and not (address and 0 < int(address[1]) < 2**16):
        raise ValueError(Note(f"$cluster must be {_CHOICES}. Received: {cluster!r}."))
    if importlib.util.find_spec("ray") is None:
        raise ImportError(Note("$cluster needs Ray, which is not installed. Say pip install 'shrinkage[ray]'."))


@contextmanager
def connect(cluster: str) -> Iterator[None]:
    """Connect to Ray until the block ends. A connection that exists is used, and remains.

    Args:
        cluster: "local" or the address of a cluster.

    Raises:
        ClusterError: If there is no cluster at the address.
    """
    ray = import_ray()
    if ray.is_initialized():
        _check_address(ray.get_runtime_context().gcs_address, cluster)
        yield
        return
    with _silence_log(), _keep_signals():
        folder = _connect(cluster)
    try:
        yield
    finally:
        with _silence_log():
            ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _check_address(connection: str, cluster: str) -> None:
    """Refuse an address unlike that of the connection. Hosts have several names, so ports are compared."""
    if cluster != "local" and cluster.rpartition(":")[2] != connection.rpartition(":")[2]:
        raise ClusterError(
            Note(
                f"$cluster must be 'local' or the address of the connection that this process has to Ray. Received: "
                f"{cluster!r} with a connection to {connection}. Say 'local' to use the connection, or end it by "
                f"ray.shutdown()."
            )
        )


def import_ray() -> Any:
    """Return the module of Ray. It does not print the ends of workers and nodes, if it is imported here first."""
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", _END_MESSAGES)
    import ray

    return ray


def _connect(cluster: str) -> Path | None:
    """Connect, and return the folder of a cluster that was started."""
    from shrinkage._plan._environment import count_cores  # not at the top: the shell reads this file before TensorFlow

    ray = import_ray()
    options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if cluster == "local":
        folder = _make_folder()
        # Ray listens on all interfaces: without this secret nobody can connect. Ray reads it once in a process.
        if not os.environ.keys() & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}:
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        with ExitStack() as stack:  # also after Ctrl-C
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.callback(ray.shutdown)
            # By its address, as else the environment may name a cluster.
            ray.init(address="local", num_cpus=count_cores(), include_dashboard=False, _temp_dir=str(folder), **options)
            stack.pop_all()
        return folder
    try:
        _check_answer(cluster)
        ray.init(address=cluster, **options)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ClusterError(
            Note(
                f"$cluster must be the address of a Ray cluster that has this machine as a node. Received: "
                f"{cluster!r}, where no Ray can be reached ({reason}). Say ray start --address={cluster} on this "
                f"machine, or ray start --head for a new cluster. If the cluster has a token, set RAY_AUTH_MODE=token, "
                f"and copy the file ~/.ray/auth_token of the head."
            )
        ) from error
    return None


def _check_answer(address: str) -> None:
    """Raise an error if no Ray answers at an address, where `ray.init` would try for minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    command = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise OSError("something else than the head of a Ray cluster listens there") from None


def _make_folder() -> Path:
    """Return a new folder, whose path is short enough for sockets in it; remove those of processes that were killed."""
    place = Path(tempfile.gettempdir())
    place = place if len(str(place)) + _SOCKETS < 100 else Path("/tmp")  # noqa: S108
    for folder in place.glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))


@contextmanager
def _silence_log() -> Iterator[None]:
    """Hold back the log of Ray below errors."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _keep_signals() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler if handler is not None else signal.SIG_DFL)
