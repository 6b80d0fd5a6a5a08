"""Errors of Keras and TensorFlow by their wording, which is not public. The contract tests provoke each error.

If a release has another wording, a function finds nothing, and the caller shows the error unchanged.
"""

import re

_UNKNOWN_CODE = re.compile(
    r"Could not locate (?P<kind>\w+) '(?P<name>[^']+)'"
    r"|Cannot deserialize object of type `(?P<part>[^`]+)`"
    r"|Could not interpret [\w ]+ identifier: \{[^{}]*'class_name': '(?P<other>[^']+)'"
)


def find_unknown_code(error: Exception) -> tuple[str, str] | None:
    """Return ("class" or "function", name) of custom code that Keras does not find when it loads a file, or None."""
    found = _UNKNOWN_CODE.search(str(error))
    if found is None:
        return None
    name = found["name"] or found["part"] or found["other"]
    return found["kind"] or "class", name.rpartition(">")[2]  # without the name of the package


def find_uncreated_class(error: Exception) -> str | None:
    """Return the name of a class that Keras finds and cannot create from its configuration, or None.

    The error names the model first, and the part that is the cause last. Unknown code and lambdas give such an error
    too: ask for them first.
    """
    found = re.findall(r"<class '([^']+)'> could not be deserialized properly", str(error))
    return found[-1].rpartition(".")[2] if found else None


def is_lambda_refused(error: Exception) -> bool:
    """Return whether Keras refuses to load the Python lambda of a layer, which a file has as code."""
    return "Python lambda" in str(error)


def is_lambda_lost(error: Exception) -> bool:
    """Return whether Keras cannot read another lambda that it wrote, such as an activation, whether it may or not."""
    return "identifier: {'value': [" in str(error)


def describe_keras_error(error: Exception) -> str:
    """Return the message of an error from Keras as a sentence, without the text that Keras adds around it.

    Example:
        >>> bold = chr(27) + "[1m{}" + chr(27) + "[0m"
        >>> text = "Exception encountered when calling N.call()." + chr(10) * 2 + bold.format("No mean.")
        >>> describe_keras_error(ValueError(text))
        'No mean.'
    """
    text = str(error).strip()
    inner = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)  # Keras prints the error of a layer in bold
    parts = inner[1].strip().split("\n\n") if inner else text.split("\n\n")
    sentence = " ".join(parts[-1 if inner else 0].split()) or type(error).__name__
    return sentence if sentence.endswith(".") else f"{sentence}."


def get_first_line(error: Exception) -> str:
    """Return the first line of an error of TensorFlow, without the names of operations that TensorFlow adds.

    Example:
        >>> get_first_line(ValueError("{{function_node f}} Bad rows. [Op:IteratorGetNext] name:" + chr(10) + "more"))
        'Bad rows.'
    """
    text = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\{\{.*?\}\} *| *\[Op:\w+\].*$", "", text)


def is_of_unequal_rows(error: Exception) -> bool:
    """Return whether a data set cannot batch rows because they have different lengths."""
    return get_first_line(error).startswith("Cannot batch tensors with different shapes")


def is_of_numpy(error: Exception) -> bool:
    """Return whether a function cannot be compiled because it calls NumPy, or `numpy()` of a tensor."""
    return "numpy" in str(error).lower()
