"""The program: help, versions, errors, speed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import shrinkage as sh
from shrinkage.cli import main
from shrinkage.cli._columns import Columns


def test_help_names_the_exit_codes_and_imports_nothing_heavy():
    program = (
        "import sys; from shrinkage.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print({'keras', 'tensorflow', 'pandas', 'sklearn', 'numpy'} & set(sys.modules))"
    )
    root = Path(sh.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "set()" in done.stdout and "training failed" in done.stdout
    for command in ("demo", "fit", "predict"):
        assert f"  {command} " in done.stdout


def test_the_program_ends_with_the_exit_code(tmp_path):
    program = "from shrinkage.cli import main; main()"
    root = Path(sh.__file__).parents[1]
    command = [
        sys.executable,
        "-c",
        program,
        "fit",
        str(tmp_path / "no.csv"),
        "--target",
        "t",
        "-o",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    received = f"Received: {tmp_path / 'no.csv'}, which does not exist. Correct the name."
    assert done.stderr.strip() == f"Error: DATA must name regular files that exist. {received}"


def test_what_the_library_refuses_is_a_sentence_of_the_shell():
    """One fold trains on a single value: what can be done is in the shell's words, and the exit code is 2."""
    pd.DataFrame({"a": np.arange(30) ** 2 % 17, "y": [0.0] * 29 + [1.5]}).to_csv("t.csv", index=False)
    done = CliRunner().invoke(main, ["fit", "t.csv", "--target", "y", "--task", "regression", "--format", "json"])
    assert done.exit_code == 2 and "--folds" in json.loads(done.stdout)["error"] and "`y`" not in done.stderr


def test_a_demo_in_which_every_member_diverges_keeps_its_path(tmp_path, monkeypatch):
    import keras

    import shrinkage as sh
    from shrinkage.cli import _demo
    from tests.zoo import rows
    from tests.zoo.tables import mlp

    def train(repeats):
        model = mlp()
        model.compile(keras.optimizers.SGD(3e38), "sparse_categorical_crossentropy")
        return sh.fit(model, *rows("table"), penalty="l2", lams=[0.1], cv=2, repeats=repeats, epochs=3)

    monkeypatch.setattr(_demo, "_train", train)
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 3 and "At every strength a model diverged" in done.stderr
    folder = tmp_path / "shrinkage-demo"
    assert (folder / "path.json").is_file() and not (folder / "model.keras").exists()


def test_files_of_two_runs_in_one_folder():
    """`predict` must not guess which of them is right."""
    import keras

    from shrinkage.cli._encoder import assemble_model, check_encoder_model
    from shrinkage.cli._errors import BadInput
    from shrinkage.cli._infer import infer_columns

    frame = pd.DataFrame({"a": np.arange(30.0) ** 2, "b": np.arange(30) % 7})
    one, two = (Columns("y", "regression", (), *infer_columns(part)) for part in (frame.drop(columns="b"), frame))
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model = assemble_model(two, network, 0.0, 1.0)
    check_encoder_model(model, two)
    for columns, given in ((one, model), (two, network)):
        with pytest.raises(BadInput, match="RUN must hold files of one run"):
            check_encoder_model(given, columns)


def test_a_share_of_l1_without_an_elastic_net_is_refused():
    words = ["convert", "1e-4", "--from", "keras.L2", "--to", "sklearn.Ridge", "--loss", "mse", "--n", "9"]
    assert CliRunner().invoke(main, words).exit_code == 0
    done = CliRunner().invoke(main, [*words, "--rho", "0.3"])
    assert done.exit_code == 2 and "--rho must be given with an elastic net" in done.stderr
