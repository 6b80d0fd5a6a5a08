"""The grammar of refusals: the argument, the requirement, the received value, the remedy."""

import ast
import re
from pathlib import Path

import shrinkage

ROOT = Path(shrinkage.__file__).parent
REFUSALS = {"ValueError", "TypeError", "BadInput", "UsageError", "BadParameter"}
QUOTED = {
    "_data/_untrusted.py": "a reason in the message of the caller",
    "_model/_clone.py": "a reason in the message of the caller",
    "_path/_files.py:_check_axes": "a reason in the message of the caller",
    "_path/_files.py:_make_folds": "a reason in the message of the caller",
    "_path/_files.py:_to_plain": "not of a user's argument",
    "_search/_record/_arrays.py": "a reason in the message of the caller",
    "cli/_columns.py": "a reason in the message of the caller",
    "cli/_images.py": "a reason in the message of the caller",
    "cli/_layout.py": "a reason in the message of the caller",
    "_estimators/_checks.py": "the text that scikit-learn's checks expect",
    "cli/_content.py": "a file that changes while it is read",
    "cli/_folder.py": "a full disk",
}
"""Files and functions of refusals in other words, with the reason."""


def list_refusals() -> list[tuple[str, str, str, str]]:
    """Return the file, the function, the literal text of each refusal, and the text of its function."""
    found = []
    for file in sorted(ROOT.rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        for function in functions:
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
                    text = "".join(
                        str(part.value) for part in ast.walk(node.exc)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    )  # fmt: skip
                    if name in REFUSALS and len(text.split()) > 1:
                        place = file.relative_to(ROOT).as_posix()
                        found.append((place, function.name, text, ast.get_source_segment(source, function) or ""))
    return found


def test_a_refusal_says_what_was_received():
    refusals, used, odd = list_refusals(), set(), []
    for file, function, text, whole in refusals:
        # A text may be made in several steps. The word `another_fit` has all parts in Python and in the shell.
        if "Received:" in text or "Received:" in whole or "$another_fit" in text:
            continue
        known = {file, f"{file}:{function}"} & QUOTED.keys()
        used |= known
        if not known:
            odd.append(f"{file}, {function}: {text}")
    assert len(refusals) > 300
    assert not odd
    assert used == QUOTED.keys()  # no exception without a use


def test_a_refusal_says_what_must_be():
    """The requirement stands before what was received, unless a constant holds it."""
    requirements = [text.partition("Received:")[0].strip() for _, _, text, _ in list_refusals() if "Received:" in text]
    assert len(requirements) > 300
    assert not [text for text in requirements if text and not re.search(r"\b(must|needs?)\b", text)]
