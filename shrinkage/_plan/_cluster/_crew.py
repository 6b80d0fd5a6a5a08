"""The crew: the workers of a run. A worker that is lost is replaced, and brought to the same state."""

import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from shrinkage import __version__
from shrinkage._data._data import Data
from shrinkage._messages._note import Note, format_duration
from shrinkage._plan._cluster._connection import ClusterError, connect, import_ray, strip_colors
from shrinkage._plan._cluster._worker import Share, Worker
from shrinkage._plan._environment import get_environment
from shrinkage._progress._reporters import LOGGER

ray = import_ray()
exceptions = ray.exceptions
_LOSS_ERRORS = (
    exceptions.RayActorError, exceptions.NodeDiedError, exceptions.WorkerCrashedError, exceptions.ObjectLostError,
)  # fmt: skip
_MOST_LOSSES = 3
"""Number of times that a worker may be lost in one call."""
_MOMENT = 2.0
"""Seconds that processors may take to become free."""
_LINE_SECONDS, _TIMEOUT_SECONDS = 15.0, 600.0
"""Seconds without a free worker before a line says so, and before the run ends."""
_MACHINE_KEYS = ("processor", "cores", "threads", "GPUs", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS")
"""Entries of the environment in which workers may differ from this process."""


class Call(NamedTuple):
    """A call of a method of a worker."""

    seat: "Seat"
    method: str
    arguments: tuple[Any, ...] = ()


class SentProblem(NamedTuple):
    """A problem that was given to Ray: a number, and references to a parcel and to the rows."""

    number: int
    parcel: Any
    data: Any


class Seat:
    """A place for a worker, with the calls that bring a new worker to the state of the present one.

    Args:
        options: Options of the actor.
        threads: Number of threads of the worker.
    """

    def __init__(self, options: dict[str, Any], threads: int):
        self._options, self._threads = options, threads
        self._worker: Any = None
        self._problem: tuple[SentProblem, Any] | None = None
        self._share: tuple[Share, np.ndarray, Any] | None = None
        self._epochs: list[int] = []
        self._unread_results: list[Any] = []  # references to the results of the calls that set the state
        self._ready_reference: Any = None
        self._hire_time = 0.0
        self.losses = 0

    def load(self, problem: SentProblem, decision: Any = None) -> None:
        """Give a problem to the worker, with the decision how it is run, if there is one."""
        self._problem, self._share = (problem, decision), None
        if self._worker is not None:
            self._load()

    @property
    def is_new(self) -> bool:
        """Whether the worker is not hired yet."""
        return self._worker is None

    def begin(self, share: Share, lam: np.ndarray, state: Any = None) -> None:
        """Begin with the training of a share at strengths (f, s), from a state or from the start."""
        self._share, self._epochs = (share, lam, state), []
        if self._worker is not None:
            self._begin()

    def add_epoch(self, epoch: int) -> None:
        """Take note of an epoch that the worker has trained."""
        self._epochs.append(epoch)

    def keep(self, state: Any) -> None:
        """Take note of the state of the worker, from which another goes on if this one is lost."""
        if self._share is not None:
            share, lam, _ = self._share
            self._share, self._epochs = (share, lam, state), []

    def submit(self, method: str, *arguments: Any) -> Any:
        """Call a method of the worker, which is hired first if there is none; return a reference to the result."""
        if self._worker is None:
            self._hire()
        return getattr(self._worker, method).remote(*arguments)

    def get_result(self, reference: Any) -> Any:
        """Return the result of a call, or raise the first error of the calls before it."""
        while self._unread_results:
            ray.get(self._unread_results.pop(0))
        return ray.get(reference)

    def dismiss(self) -> None:
        """End the worker; the next call hires another."""
        if self._worker is not None:
            ray.kill(self._worker)
        self._worker, self._unread_results = None, []

    @property
    def waiting_seconds(self) -> float:
        """Seconds since the worker was asked for, 0 if it is there."""
        if self._worker is None or ray.wait([self._ready_reference], timeout=0)[0]:
            return 0.0
        return time.monotonic() - self._hire_time

    def _hire(self) -> None:
        self._worker = ray.remote(Worker).options(**self._options).remote(self._threads, __version__)
        self._ready_reference, self._hire_time = self._worker.wait.remote(), time.monotonic()
        self._load()
        self._begin()

    def _load(self) -> None:
        if self._problem is not None:
            sent, decision = self._problem
            self._unread_results.append(self._worker.load.remote(*sent, decision))

    def _begin(self) -> None:
        if self._share is not None:
            self._unread_results.append(self._worker.start.remote(*self._share, tuple(self._epochs)))


class Crew:
    """The workers of a run, as a context: it connects to Ray when workers are needed.

    Args:
        cluster: The argument `cluster` of `fit`.
        threads: Number of threads of each worker.
    """

    def __init__(self, cluster: str, threads: int = 1):
        self._cluster, self.threads = cluster, threads
        self._stack, self._seats = ExitStack(), list[Seat]()
        self._options: dict[str, Any] = {}
        self._n_sent = 0
        self._data: tuple[Any, Any] = (None, None)
        self._first_machine: dict[str, Any] = {}
        self._notes: list[str] = []
        self._began, self._starting = 0.0, 0.0  # seconds
        self._size, self._neighbours = 0, 1

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *error: Any) -> None:
        for seat in self._seats:
            seat.dismiss()
        self._stack.__exit__(*error)

    @property
    def size(self) -> int:
        """Largest number of workers."""
        self._connect()
        return self._size

    @property
    def neighbours(self) -> int:
        """Largest number of workers on a machine."""
        self._connect()
        return self._neighbours

    def _connect(self) -> None:
        """Connect to Ray, unless that is done, and count the processors."""
        if self._size:
            return
        self._began = time.monotonic()
        self._stack.enter_context(connect(self._cluster))
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus = [each.get("CPU", 0) for each in resources]
        if gpus := int(sum(each.get("GPU", 0) for each in resources)):
            self._notes.append(f"The cluster has {gpus} GPU{'s' * (gpus > 1)}, and workers use processors alone.")
        each = max(1, min(self.threads, int(max(cpus, default=1))))
        self._options = {"num_cpus": each, "max_restarts": 0, "max_task_retries": 0}
        self._neighbours = max(1, int(max(cpus, default=1)) // each)
        self._size = max(1, int(_count_free_processors(sum(cpus))) // each)
        self._starting = time.monotonic() - self._began

    @property
    def notes(self) -> list[str]:
        """Sentences for the user: on unlike machines, and on a run that is too short for a cluster."""
        rest, others = time.monotonic() - self._began - self._starting, len(self._seats) - 1
        # Without the cluster, the rest would take at most as many times as long as there are workers.
        if not self._size or self._starting < rest * others or rest > 10 * self._starting:
            return self._notes
        text = (
            f"Starting the workers took {format_duration(self._starting)}, and the rest of the run "
            f"{format_duration(rest)}: without $cluster this fit would take less."
        )
        return [*self._notes, Note(text)]

    def get_seat(self, place: int) -> Seat:
        """Return a seat, by its number from 0 to `size` - 1."""
        self._connect()
        while len(self._seats) <= place:
            self._seats.append(Seat(self._options, self.threads))
        return self._seats[place]

    def send(self, parcel: bytes, data: Data) -> SentProblem:
        """Give a problem to Ray. Rows are sent once, if several problems have them."""
        self._connect()
        if self._data[0] is not data:
            self._data = data, ray.put(data)
        self._n_sent += 1
        return SentProblem(self._n_sent, ray.put(parcel), self._data[1])

    def meet(self, seats: Sequence[Seat]) -> None:
        """Wait for new workers; note packages unlike those here, and machines unlike that of the first worker."""
        began, new = time.monotonic(), [seat for seat in seats if seat.is_new]
        for machine in self.run([Call(seat, "get_environment") for seat in new]):
            self._first_machine = self._first_machine or machine
            here = get_environment() | {name: self._first_machine[name] for name in _MACHINE_KEYS}
            differing = [f"{name} {value} for {here[name]}" for name, value in machine.items() if here[name] != value]
            note = f"A worker has {', '.join(differing)}: the last bits of the result may depend on that."
            self._notes += [note] if differing and note not in self._notes else []
        self._starting += time.monotonic() - began

    def run(self, calls: Sequence[Call]) -> list[Any]:
        """Make calls at the same time, one for each seat, and return their results.

        A call whose worker is lost is made again by a new worker.

        Raises:
            MemoryError: If memory runs out.
            ClusterError: If a worker is lost again and again, or if there is no place for one for a long time.
            Exception: An error of the user's code, with the lines of the worker where it arose as a note.
        """
        pending = {call.seat.submit(call.method, *call.arguments): place for place, call in enumerate(calls)}
        results, told = [None] * len(calls), 0.0
        while pending:
            ready, _ = ray.wait(list(pending), timeout=1.0)
            if not ready:
                told = self._wait([calls[place].seat for place in pending.values()], told)
            for reference in ready:
                place = pending.pop(reference)
                call = calls[place]
                try:
                    results[place] = call.seat.get_result(reference)
                    call.seat.losses = 0
                except _LOSS_ERRORS as error:
                    _replace(call.seat, error)
                    pending[call.seat.submit(call.method, *call.arguments)] = place
                except exceptions.OutOfMemoryError as error:
                    raise MemoryError(f"A worker ran out of memory ({_get_first_line(error)})") from None
                except exceptions.RayTaskError as error:
                    raise _unwrap_error(error) from None
        return results

    def _wait(self, seats: Sequence[Seat], told_seconds: float) -> float:
        """Say that seats wait for a worker; return for how long that was said."""
        waiting = [seconds for seat in seats if (seconds := seat.waiting_seconds) > _LINE_SECONDS]
        if not waiting:
            return 0.0
        if max(waiting) > _TIMEOUT_SECONDS:
            raise ClusterError(
                Note(
                    f"The cluster had no free processor for {len(waiting)} of {len(seats)} workers for "
                    f"{_TIMEOUT_SECONDS / 60:.0f} minutes. Add a node, or end what else runs there. With a record "
                    f"of the run, the same call goes on."
                )
            )
        if max(waiting) > 2 * told_seconds:
            text = f"Waiting for {len(waiting)} of {len(seats)} workers: the cluster has no free processor."
            LOGGER.warning(text)
            print(f"shrinkage: {text}", file=sys.stderr, flush=True)
            return max(waiting)
        return told_seconds


def _count_free_processors(total: float) -> float:
    """Return the number of free processors. Those of workers that were just dismissed are free after a moment."""
    until = time.monotonic() + _MOMENT
    while (free := ray.available_resources().get("CPU", 0.0)) < total and time.monotonic() < until:
        time.sleep(0.1)
    return free


def _replace(seat: Seat, error: Exception) -> None:
    """Dismiss a worker that was lost; the next call hires another."""
    if getattr(error, "actor_init_failed", False):
        raise ClusterError(
            f"A worker of the cluster cannot start: {_get_last_line(error)}. Every node needs the same versions of "
            "Python, Ray and shrinkage as this machine."
        ) from error
    seat.losses += 1
    if seat.losses >= _MOST_LOSSES:
        raise ClusterError(
            Note(
                f"A worker of the cluster was lost {_MOST_LOSSES} times in the same step ({_get_first_line(error)}). "
                "If memory ran out there, give a smaller $max_memory, which each worker may take."
            )
        ) from error
    seat.dismiss()


def _unwrap_error(error: Any) -> BaseException:
    """Return the error that arose in a worker."""
    cause = error.cause
    if isinstance(cause, exceptions.RayError) or not isinstance(cause, BaseException):
        return ClusterError(f"A worker of the cluster failed:\n{strip_colors(error)}")
    cause.add_note(f"In a worker of the cluster:\n{strip_colors(error)}")
    return cause


def _get_first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _get_last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2].rstrip(".")
