"""`shrinkage doctor`: what it says of files, its exit codes, and the files that it refuses."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner, Result
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from shrinkage.cli import main
from tests.doctor.zoo.decayed import adamw_and_regularizers
from tests.doctor.zoo.regularized import half_precision
from tests.doctor.zoo.small import mlp, stack, trained
from tests.unregistered import OwnMetric, OwnOptimizer, OwnRegularizer, own_activation, own_loss


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def saved(model: keras.Model, name: str = "model.keras") -> str:
    model.save(name)
    return name


def half() -> keras.Model:
    return half_precision()


def test_it_says_what_python_says():
    file = saved(trained(adamw_and_regularizers()))
    done = run(file)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{sh.doctor(keras.models.load_model(file))}\n"
    assert "warning: coupled-and-decoupled: a/kernel, b/kernel" in done.stdout


def test_errors_have_an_exit_code():
    done = run(saved(half()))
    assert done.exit_code == 1 and "error: float16-overflow: a/kernel" in done.stdout


def test_several_files_and_json():
    done = run(saved(half(), "half.keras"), saved(mlp(), "mlp.keras"), "--format", "json")
    assert done.exit_code == 1
    first, second = json.loads(done.stdout)["models"]
    assert (first["file"], first["errors"], second["file"], second["findings"]) == ("half.keras", 1, "mlp.keras", [])
    (finding,) = (each for each in first["findings"] if each["severity"] == "error")
    assert finding.keys() == {"severity", "code", "about", "sentence", "fix", "evidence"} and finding["about"] == [
        "a/kernel"
    ]
    text = run("half.keras", "mlp.keras").stdout
    assert "half.keras\nnet: 1 error" in text and "mlp.keras\nnet: no errors, no warnings, no notes" in text


def test_steps_are_passed_on():
    file = saved(mlp(keras.optimizers.SGD(1e-3), kernel_regularizer=L2(1e-4)))
    assert "strength-too-small" not in run(file).stdout
    assert "strength-too-small" in run(file, "--steps", 1000).stdout


def test_a_loss_of_the_users_own_is_left_out_and_said():
    model = mlp()
    model.compile("sgd", own_loss)
    done = run(saved(model))
    assert done.exit_code == 0 and "net: no errors" in done.stdout
    assert (
        "Note: the optimizer is not looked at. model.keras has code of yours, the function 'own_loss'. Load it"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("name", "optimizer", "metrics"),
    [("OwnMetric", lambda: "sgd", lambda: [OwnMetric()]), ("OwnOptimizer", OwnOptimizer, lambda: None)],
)
def test_so_are_an_optimizer_and_metrics(name, optimizer, metrics):
    model = mlp()
    model.compile(optimizer(), "mse", metrics=metrics())
    done = run(saved(model))
    assert done.exit_code == 0 and f"has code of yours, the class '{name}'." in done.stderr


class OwnInitializer(keras.initializers.Zeros):
    pass


class OwnConstraint(keras.constraints.NonNeg):
    __module__ = None  # as of a class in a notebook  # pyright: ignore[reportAssignmentType]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kernel_regularizer": OwnRegularizer()}, "the class 'OwnRegularizer'"),
        ({"kernel_initializer": OwnInitializer()}, "the class 'OwnInitializer'"),
        ({"kernel_constraint": OwnConstraint()}, "the class 'OwnConstraint'"),
        ({"activation": own_activation}, "the function 'own_activation'"),
    ],
)
def test_parts_of_layers_of_the_users_own_are_said_and_the_advice_is_right(options, said):
    file = saved(mlp(**options))
    done = run(file)
    assert done.exit_code == 2 and f"model.keras, which has code of yours, {said}." in done.stderr
    call = done.stderr.split(" with ")[1].partition(", and call")[0]
    model = eval(call, {"keras": keras, **globals()})
    assert sh.doctor(model).model == "net"


class OwnLayer(layers.Layer):
    def call(self, x):
        return x


def zipped(name: str) -> str:
    with zipfile.ZipFile(name, "w") as archive:
        archive.writestr("readme", "hello")
    return name


def cut() -> str:
    whole = Path(saved(mlp())).read_bytes()
    Path("cut.keras").write_bytes(whole[: len(whole) // 2])
    return "cut.keras"


def text(name: str) -> str:
    Path(name).write_text("hello")
    return name


def of_a_run(content: str | None) -> str:
    Path("run").mkdir()
    Path("run/path.json").write_text('{"format": "shrinkage path"}')
    return "run/model.keras" if content is None else text("run/model.keras")


def unbuilt() -> str:
    with pytest.warns(UserWarning, match="not yet been built"):
        return saved(keras.Sequential([layers.Dense(1)]))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (lambda: "no.keras", "no.keras, which does not exist"),
        (lambda: ".", "., which is a folder. Give a file."),
        (lambda: Path(saved(mlp())).parent, "Give model.keras."),
        (lambda: text("model.h5"), "save it with model.save('model.keras')"),
        (lambda: text("text.keras"), "which is damaged or was not saved by Keras"),
        (cut, "cut.keras, which is damaged"),
        (lambda: zipped("zip.keras"), "raises an error in Keras: There is no item named 'config.json'"),
        (lambda: saved(stack((4,), layers.Lambda(lambda x: 2 * x))), "holds a Lambda layer, whose code is not run"),
        (lambda: saved(stack((4,), OwnLayer())), "has code of yours, the class 'OwnLayer'. Load it in"),
        (unbuilt, "saved before it was built"),
        (lambda: of_a_run(None), "run/model.keras, which does not exist. Fit again with --overwrite."),
        (lambda: of_a_run("text"), "which is damaged or was not saved by Keras. Fit again with --overwrite."),
    ],
)
def test_files_that_are_refused(file, message):
    done = run(file())
    assert done.exit_code == 2 and message in done.stderr and not done.stdout


def test_a_file_that_is_refused_costs_no_other_its_report():
    names = saved(mlp(), "mlp.keras"), "no.keras", text("text.keras"), saved(half(), "half.keras")
    done = run(*names)
    assert done.exit_code == 2
    assert "mlp.keras\nnet: no errors" in done.stdout and "half.keras\nnet: 1 error" in done.stdout
    assert "Received: no.keras, which does not exist" in done.stderr
    assert "Received: text.keras, which is damaged" in done.stderr
    document = json.loads(run(*names, "--format", "json").stdout)
    assert [each["file"] for each in document["models"]] == ["mlp.keras", "half.keras"]


def test_code_in_a_file_is_not_run(here):
    model = stack((4,), layers.Lambda(lambda x: (open("ran", "w").close(), x)[1]))
    Path("ran").unlink(missing_ok=True)
    assert run(saved(model)).exit_code == 2
    assert not Path("ran").exists()


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from shrinkage.cli import main\n"
        "try: main(['doctor', '--help'])\n"
        "finally: print({'keras', 'tensorflow', 'numpy'} & set(sys.modules))"
    )
    root = Path(sh.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "set()" in done.stdout and "found an error in a model" in done.stdout
