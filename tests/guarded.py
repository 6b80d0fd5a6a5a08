"""Run by `test_guards.py` in a new process: everything that reads and writes, watched by an audit hook.

The umask is 0, so that a file is closed to others only if the program says so. Prints a JSON document: the addresses
that were connected to or asked for, and the temporary files that others could read or write.
"""

import contextlib
import gzip
import ipaddress
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(tempfile.gettempdir())
ADDRESSES: list[str] = []
OPEN_TO_OTHERS: set[str] = set()
SEEN: set[str] = set()
_LOOKS_UP = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0}
_CONNECTS = {"socket.connect": 1, "socket.bind": 1, "socket.sendto": 1}


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note what a program does, as it does it."""
    if event in _CONNECTS:
        address = arguments[_CONNECTS[event]]
        if isinstance(address, tuple) and not _is_loopback(str(address[0])):
            ADDRESSES.append(str(address[0]))
    elif event in _LOOKS_UP:
        if not _is_loopback(str(arguments[0])):
            ADDRESSES.append(str(arguments[0]))
    elif event in ("open", "os.mkdir", "os.rename", "os.remove", "shutil.rmtree"):
        look()


def look() -> None:
    """Note the temporary files and folders that exist now. What lies in a folder is as closed as the folder."""
    for name in os.listdir(FOLDER):
        try:
            mode = os.lstat(FOLDER / name).st_mode
        except FileNotFoundError:
            continue
        SEEN.add(name)
        if mode & 0o077:
            OPEN_TO_OTHERS.add(f"{name} {mode:o}")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def work() -> None:
    """Fit in memory, from disk and with a record, save, load, plot, and run the commands, also one that fails."""
    import keras
    import numpy as np
    import tensorflow as tf
    from click.testing import CliRunner

    import shrinkage as sh
    from shrinkage._data import _dataset
    from shrinkage.cli import main
    from tests.cli.commands.running import stopped_after

    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 10)).astype("float32")
    y = x[:, :1] + rng.normal(size=(4000, 1)).astype("float32")

    def model() -> keras.Model:
        made = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
        made.compile("adam", "mean_squared_error")
        return made

    _dataset._READ = (500, 2**24)  # rows that are read together, so that they do not all fit
    rows = tf.data.Dataset.from_tensor_slices((x, y)).batch(100)
    sh.fit(model(), rows, penalty=sh.L2(), lams=[0.1], cv=2, epochs=1, max_memory=1e4)  # rows on disk
    sh.fit(model(), x, y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=1).save("saved")
    sh.Path.load("saved").plot("path.png")
    with stopped_after(1), contextlib.suppress(KeyboardInterrupt):
        sh.fit(model(), x, y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=2, run="recorded")
    assert not Path("recorded/path.json").exists()
    for _ in range(2):  # goes on, and is read
        sh.fit(model(), x, y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=2, run="recorded")

    lines = [f"{number},{number % 7},{number % 2}\n" for number in range(60)]
    table = "a,b,y\n" + "1,2,3,4\n" + "".join(lines)
    Path("t.csv").write_text(table, "utf-8")
    Path("t.parquet.gz").write_bytes(gzip.compress(_parquet(table)))

    def run(*arguments: str, code: int = 0) -> None:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output

    run("fit", "t.csv", "--target", "y", "--epochs", "1", "--folds", "2", "--on-bad-row", "skip")
    run("predict", "t-shrinkage", "t.parquet.gz", "-o", "p.csv")
    run("doctor", "t-shrinkage/model.keras")
    run("demo")
    with stopped_after(1):
        run("fit", "t.csv", "--target", "y", "--epochs", "2", "--on-bad-row", "skip", "-o", "stopped", code=130)
    run("show", "stopped")
    run("resume", "stopped")
    sh.fit = None  # pyright: ignore[reportAttributeAccessIssue]
    run("fit", "t.csv", "--target", "y", "--on-bad-row", "skip", "--overwrite", code=70)  # writes a log


def _parquet(table: str) -> bytes:
    import io

    import pandas as pd

    stream = io.BytesIO()
    pd.read_csv(io.StringIO(table), on_bad_lines="skip").to_parquet(stream)
    return stream.getvalue()


def _connections() -> list[str]:
    """Return the connections of this process, also those of code that Python does not see."""
    import psutil

    process = psutil.Process()
    found = getattr(process, "net_connections", process.connections)("inet")  # psutil 5 has the latter alone
    return [str(each) for each in found if not each.laddr or not _is_loopback(each.laddr.ip)]


if __name__ == "__main__":
    os.umask(0)
    sys.addaudithook(watch)
    work()
    look()
    result = {"addresses": ADDRESSES + _connections(), "open": sorted(OPEN_TO_OTHERS), "seen": sorted(SEEN)}
    print("\n" + json.dumps(result))
