"""What is no array of numbers is refused with code, and that code makes one."""

import re
from datetime import timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.lib.recfunctions
import pytest
import tensorflow

from shrinkage._data._arrays import as_array

DURATIONS = np.array([timedelta(days=1), timedelta(days=3)], "timedelta64[s]")
RECORDS = np.array([(1.0, 2.0), (3.0, 4.0)], dtype=[("a", "f4"), ("b", "f4")])
RAGGED = tensorflow.ragged.constant([[1.0, 2.0], [3.0]])
SPARSE = tensorflow.sparse.from_dense([[0.0, 2.0], [3.0, 0.0]])
MASKED = np.ma.MaskedArray([1.0, 2.0], mask=[False, True])


def code_of(name: str, values: Any) -> Any:
    """Return what the code in the refusal of `values` makes of them."""
    with pytest.raises((TypeError, ValueError)) as caught:
        as_array(f"`{name}`", values, "float32")
    code = re.search(r"(?:Say|for example) (.+?)(?:\.$| in days|, which|, under)", str(caught.value))
    assert code is not None, caught.value
    return eval(code[1], {"numpy": numpy, "tensorflow": tensorflow, name: values})


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("x", DURATIONS, [1.0, 3.0]),
        ("x", RECORDS, [[1.0, 2.0], [3.0, 4.0]]),
        ("x", RAGGED, [[1.0, 2.0], [3.0, 0.0]]),
        ("x", SPARSE, [[0.0, 2.0], [3.0, 0.0]]),
        ("sample_weight", MASKED, [1.0, 0.0]),
    ],
    ids=["durations", "records", "ragged", "sparse", "masked weights"],
)
def test_the_code_of_a_refusal_makes_an_array(name, values, expected):
    array = as_array(f"`{name}`", code_of(name, values), "float32")
    np.testing.assert_array_equal(array, expected)


def test_numbers_that_numpy_takes_for_objects_are_numbers():
    fractions = np.array([Fraction(1, 2), Fraction(3, 4)])
    assert fractions.dtype == object
    found = as_array("`x`", fractions, "float32")
    assert found.dtype == np.float32 and found.tolist() == [0.5, 0.75]


def test_a_tensor_without_values_is_refused():
    @tensorflow.function(autograph=False)
    def traced(values):
        with pytest.raises(TypeError, match="`x` must be an array. Received: SymbolicTensor, of which NumPy can"):
            as_array("`x`", values, "float32")

    traced(tensorflow.zeros(2))


def test_a_lazy_frame_is_collected():
    class LazyFrame:
        """That of polars is known by its name alone."""

    with pytest.raises(TypeError, match=r"`x` must be an array. Received: a LazyFrame. Say x.collect\(\)"):
        as_array("`x`", LazyFrame(), "float32")


def test_labels_of_which_some_are_missing_may_be_skipped_by_a_loss():
    y = np.array([[1.0, np.nan], [0.0, 1.0]])
    with pytest.raises(ValueError, match=r"let it skip a number .* y = numpy.nan_to_num\(y, nan=-1\)"):
        as_array("`y`", y, "float32")
    assert as_array("`y`", np.nan_to_num(y, nan=-1), "float32").tolist() == [[1.0, -1.0], [0.0, 1.0]]
