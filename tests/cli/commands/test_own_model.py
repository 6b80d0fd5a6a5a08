"""`shrinkage fit --model FILE.py:function` and `--model MODEL.keras`."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.cli.commands.running import run, write

CODE = """
import keras

def network(n_inputs, n_outputs, units=3):
    layers = [keras.Input((n_inputs,)), keras.layers.Dense(units), keras.layers.Dense(n_outputs)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.01), "mean_squared_error")
    return model

def fixed():
    return network(8, 1)

def narrow(n_inputs):
    return network(n_inputs - 1, 1)

def wide(n_inputs, n_outputs):
    return network(n_inputs, 2)

def failing():
    raise RuntimeError("no luck")

def whole_numbers(n_inputs, n_outputs):
    model = keras.Sequential([keras.Input((n_inputs,), dtype="int32"), keras.layers.Dense(n_outputs)])
    model.compile("sgd", "mse")
    return model


def nothing():
    pass

def not_compiled():
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])

def three(a, b, c):
    pass

def compiled(n_inputs, n_outputs, loss, optimizer="sgd"):
    model = network(n_inputs, n_outputs)
    model.compile(optimizer, loss)
    return model

def cross_entropy(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "binary_crossentropy")

def absolute(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "mae")

def classes(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "sparse_categorical_crossentropy")

def two_outputs(n_inputs, n_outputs):
    inputs = keras.Input((n_inputs,))
    return compiled_model(inputs, [keras.layers.Dense(n_outputs)(inputs) for _ in range(2)])

def compiled_model(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    return model

class Own(keras.Model):
    pass

def subclassed():
    model = Own()
    model.compile("sgd", "mse")
    return model

def unbuilt():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model

def summed(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, keras.losses.MeanSquaredError(reduction="sum"))

def weighted(n_inputs, n_outputs):
    model = network(n_inputs, n_outputs)
    model.compile("sgd", "mse", loss_weights=[2.0])
    return model

def metric(n_inputs, n_outputs):
    model = network(n_inputs, n_outputs)
    model.compile("sgd", "mse", metrics=["nothing"])
    return model

def lion(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "mse", "lion")

def decayed(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "mse", "adamw")

def linear_classes(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "binary_crossentropy")

def attached(n_inputs, n_outputs):
    import shrinkage
    model = network(n_inputs, n_outputs)
    shrinkage.attach(model, shrinkage.L2(), lam=0.1)
    return model

class OwnOptimizer(keras.optimizers.SGD):
    pass

def own_optimizer(n_inputs, n_outputs):
    return compiled(n_inputs, n_outputs, "mse", OwnOptimizer())

def regularized():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, kernel_regularizer="l2")])
    model.compile("sgd", "mean_squared_error")
    return model
"""


def fit(model: str, *options):
    Path("nets.py").write_text(CODE)
    Path("broken.py").write_text("1 / 0")
    Path("bad.keras").write_text("no model")
    return run("fit", write(), "--target", "price", "--model", model, *options)


@pytest.mark.parametrize("name", ["network", "fixed"])
def test_a_function_returns_the_model(fake_fit, name):
    done = fit(f"nets.py:{name}")
    assert done.exit_code == 0, done.output
    (call,) = fake_fit.calls
    assert (call.model.input_shape, call.init, call.batch_size) == ((None, 8), "fresh", 32)
    assert [layer.units for layer in call.model.layers] == [3, 1]
    assert isinstance(call.model.optimizer, keras.optimizers.SGD)
    assert f"model of nets.py:{name} with weights drawn anew, its optimizer, batch size 32" in done.stdout


def test_a_saved_model_trains_and_predicts():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mean_squared_error")
    model.save("net.keras")
    done = fit("net.keras", "--epochs", 2, "--folds", 2, "-o", "run")
    assert done.exit_code == 0, done.output
    assert "caution: net.keras trains from fresh weights" in done.stdout
    done = run("predict", "run", "houses.csv", "-o", "out.csv")
    assert done.exit_code == 0, done.output
    assert np.ptp(np.loadtxt("out.csv", skiprows=1)) > 0


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("tree", [], "must be mlp, linear, FILE.py:function or MODEL.keras. Received: 'tree'. Correct the name."),
        ("nets.py", [], "Received: 'nets.py'. Name a function of the file, as in nets.py:function."),
        ("no.py:network", [], "no.py does not exist"),
        ("no.keras", [], "no.keras does not exist"),
        ("bad.keras", [], "--model must be a file that Keras can load. Received: bad.keras,"),
        ("broken.py:network", [], "broken.py raised ZeroDivisionError: division by zero."),
        ("nets.py:absent", [], "nets.py has no function absent"),
        ("nets.py:failing", [], "Received: nets.py:failing, which raised RuntimeError: no luck."),
        ("nets.py:nothing", [], "Received: nets.py:nothing, which gives None. Let it give the compiled model."),
        ("nets.py:not_compiled", [], "--model must be compiled with a loss"),
        ("nets.py:three", [], "Received: nets.py:three, which needs 3."),
        (
            "nets.py:narrow",
            [],
            "input of the shape (None, 8) for the encoded table. Received: nets.py:narrow, whose input",
        ),
        (
            "nets.py:two_outputs",
            [],
            "one input and one output. Received: nets.py:two_outputs, with inputs: 1, outputs: 2.",
        ),
        (
            "nets.py:subclassed",
            [],
            "which gives a Own without inputs. Make it by keras.Model(inputs, outputs), from keras.Input((8,)).",
        ),
        (
            "nets.py:whole_numbers",
            [],
            "Received: nets.py:whole_numbers, whose input has the dtype int32. Begin it with keras.Input((8,)).",
        ),
        ("nets.py:unbuilt", [], "gives a Sequential without inputs. Begin it with keras.Input((8,))."),
        (
            "nets.py:cross_entropy",
            [],
            "compiled with mean_squared_error for a target of numbers, which are standardised. Received: "
            "nets.py:cross_entropy, compiled with binary_crossentropy. Change the loss in model.compile.",
        ),
        ("nets.py:absolute", [], "Received: nets.py:absolute, compiled with mean_absolute_error."),
        (
            "nets.py:classes",
            ["--target", "town"],
            "a loss such as binary_crossentropy for a target of two classes, 0 and 1. Received: nets.py:classes,",
        ),
        ("nets.py:regularized", [], "Leave kernel_regularizer out of the layers."),
        (
            "nets.py:wide",
            [],
            "output of the shape (None, 1) for the encoded table. Received: nets.py:wide, whose output",
        ),
        (
            "nets.py:network",
            ["--hidden", "4"],
            "--hidden must be given with --model mlp only. Received: --model nets.py:network. Set it in the model.",
        ),
        ("nets.py:network", ["--learning-rate", "1"], "--learning-rate must be given with --model mlp or linear only"),
    ],
)
def test_models_that_do_not_fit_are_refused(fake_fit, model, options, message):
    done = fit(model, *options)
    assert done.exit_code == 2 and message in done.stderr, done.output
    assert fake_fit.calls == [] and not Path("houses-shrinkage").exists()


def test_what_the_library_refuses_in_a_model_is_bad_input():
    code = CODE.replace('"mean_squared_error")', '"mean_squared_error", run_eagerly=True)')
    Path("eager.py").write_text(code)
    done = run("fit", write(), "--target", "price", "--model", "eager.py:network", "--dry-run")
    assert (
        done.exit_code == 2
        and "Error: --model eager.py:network (" in done.stderr
        and ") must be compiled with run_eagerly=False. Received: run_eagerly=True." in done.stderr
    ), done.output


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("summed", [], "The loss of --model nets.py:summed must average over rows"),
        (
            "weighted",
            [],
            "A --target of numbers, which are standardised, needs loss='mean_squared_error' and one output.",
        ),
        ("metric", [], "The metrics of --model nets.py:metric must fit the model's outputs."),
        ("lion", ["--penalty", "l1"], "--how proximal needs an optimizer with a known metric"),
        ("lion", ["--penalty", "l1"], "Use one of them, or --how coupled (which gives no exact zeros)."),
        ("decayed", [], "For a path of weight decays say --penalty l2 with --how decoupled."),
        (
            "linear_classes",
            ["--target", "town"],
            "--model nets.py:linear_classes must give probabilities for binary_crossentropy.",
        ),
        ("attached", [], "--model nets.py:attached must have no penalty attached."),
        ("own_optimizer", [], "Received: optimizer OwnOptimizer. Give another --model."),
    ],
)
def test_what_the_library_refuses_in_a_model_is_in_the_words_of_the_shell(model, options, message):
    done = fit(f"nets.py:{model}", "--dry-run", *options)
    assert done.exit_code == 2 and message in done.stderr, done.output
    assert not re.search("`(model|loss|metrics|y|x|how)`|shrinkage[.](fit|L2|Coupled|attach)|how=", done.stderr)


def test_the_learning_rate_of_a_function_is_named_where_it_can_be_changed():
    Path("slow.py").write_text(CODE.replace("SGD(0.01)", "SGD(1e9)"))
    done = run(
        "fit", write(), "--target", "price", "--model", "slow.py:network", "--epochs", 2, "--folds", 2, "-o", "run"
    )
    assert "Lower the learning rate of --model slow.py:network" in done.stdout, done.output
    assert "--learning-rate" not in done.output
    page, shown = Path("run/report.html").read_text("utf-8"), run("show", "run").stdout
    for text in (page, shown):
        assert "Lower the learning rate of --model slow.py:network" in text
        assert "--learning-rate" not in text
