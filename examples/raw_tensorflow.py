"""L2 regularization on bare TensorFlow variables, the textbook way.

    J(w) = mean loss + ½ lam Σ w²          what is minimised: only the matrices are penalised, never the biases
    w  <-  w - eta (dL/dw + lam w)         gradient descent on it

Run it:  python examples/raw_tensorflow.py
"""

import numpy as np
import tensorflow as tf
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

ETA, STEPS, HIDDEN = 0.05, 3000, 32


def initial_weights(inputs: int, seed: int = 0) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Return the two matrices (Glorot's uniform distribution) and the two biases (zero) of a network."""
    matrices, biases = [], []
    for i, shape in enumerate([(inputs, HIDDEN), (HIDDEN, 1)]):
        limit = np.sqrt(6 / sum(shape))
        matrices.append(tf.Variable(tf.random.stateless_uniform(shape, (seed, i), -limit, limit)))
        biases.append(tf.Variable(tf.zeros(shape[1])))
    return matrices, biases


def model(x: tf.Tensor, matrices: list[tf.Variable], biases: list[tf.Variable]) -> tf.Tensor:
    """Return the predictions (rows, 1): one hidden layer with ReLU."""
    hidden = tf.nn.relu(x @ matrices[0] + biases[0])
    return hidden @ matrices[1] + biases[1]


def data_loss(y: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
    """Return the mean squared error, a scalar. Models are compared by this: the penalty is no part of the error."""
    return tf.reduce_mean(tf.square(y - predictions))


def penalty(matrices: list[tf.Variable]) -> tf.Tensor:
    """Return P(w) = ½ Σ w², a scalar, whose gradient is w. (`tf.nn.l2_loss` has the ½; Keras' `L2` has not.)"""
    return tf.add_n([tf.nn.l2_loss(w) for w in matrices])


@tf.function
def step(x: tf.Tensor, y: tf.Tensor, matrices: list[tf.Variable], biases: list[tf.Variable], lam: tf.Tensor) -> None:
    """Take one step of gradient descent on J. `lam` is a tensor: a Python number would be compiled into the graph."""
    weights = matrices + biases
    with tf.GradientTape() as tape:
        objective = data_loss(y, model(x, matrices, biases)) + lam * penalty(matrices)
    for weight, gradient in zip(weights, tape.gradient(objective, weights), strict=True):
        weight.assign_sub(ETA * gradient)


def train(x: np.ndarray, y: np.ndarray, lam: float, steps: int) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Return the matrices and biases after gradient descent from the same start for every `lam`."""
    matrices, biases = initial_weights(x.shape[1])
    for _ in range(steps):
        step(tf.constant(x), tf.constant(y), matrices, biases, tf.constant(lam))
    return matrices, biases


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the test rows, ten features and the target, standardised by the training rows alone."""
    table = np.column_stack(load_diabetes(return_X_y=True)).astype("float32")
    train_rows, test_rows = train_test_split(table, test_size=0.5, random_state=0)
    mean, sd = train_rows.mean(axis=0), train_rows.std(axis=0)
    return (train_rows - mean) / sd, (test_rows - mean) / sd


def main(steps: int = STEPS) -> None:
    """Print the error on rows used for training and on others, and the size of the weights, for some strengths."""
    (x_train, y_train), (x_test, y_test) = (np.split(rows, [-1], axis=1) for rows in diabetes())
    print("lambda   train loss   test loss   ||w||")
    for lam in (0.0, 0.001, 0.01, 0.1, 1.0):
        matrices, biases = train(x_train, y_train, lam, steps)
        train_loss = data_loss(y_train, model(x_train, matrices, biases))
        test_loss = data_loss(y_test, model(x_test, matrices, biases))
        norm = tf.sqrt(2 * penalty(matrices))
        print(f"{lam:<8g}{float(train_loss):11.3f}{float(test_loss):12.3f}{float(norm):8.2f}")


if __name__ == "__main__":
    main()
