"""Command lines of `shrinkage fit` for a drawn file, drawn by Hypothesis: most are sensible, some are not."""

from hypothesis import strategies as st

from tests.fuzz.tables import HOSTILE, Drawn

_FLAGS = ("--clip", "--no-clip", "--overwrite", "--debug")
_ODD = ("", "-1", "0", "1e9", "nan", "inf", "1_0", "٣", "0x10", "x", "9" * 40, "1.5", "-", "--", "=")


def _among(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


OPTIONS: dict[str, st.SearchStrategy[str]] = {
    "--sep": _among(",", ";", "tab", "space", "|", "a", "", '"', "\n", "..", "é"),
    "--task": _among("binary", "multi-class", "regression", "other"),
    "--model": _among("mlp", "linear", "linear", "x", "net.keras", "net.py:f", ":", "mlp "),
    "--penalty": _among("l2", "l1", "elastic-net", "group-lasso", "l3"),
    "--rho": _among("0", "1", "0.5", "2"),
    "--groups": _among("units", "inputs", "x"),
    "--how": _among("coupled", "proximal", "decoupled", "x"),
    "--on-bad-row": _among("error", "skip", "skip", "x"),
    "--max-memory": _among("1", "1MB", "300MB", "2GB", "1e400", "٣GB", "4 GiB", "9" * 400),
    "--hidden": _among("1", "4", "4,4", "0", "", ",", "4,,4", "99999999", "٣", " 4 "),
    "--epochs": _among("1", "2", "1000000000"),
    "--batch-size": _among("1", "7", "1000000000"),
    "--learning-rate": _among("0.01", "1e-300", "1e300"),
    "--folds": _among("2", "3", "40", "1000000000"),
    "--repeats": _among("1", "2", "1000000000"),
    "--seed": _among("0", "4294967295", "4294967296"),
    "--choose": _among("min", "1se", "max"),
    "--format": _among("text", "json", "json", "xml"),
}
PLAIN_OPTIONS: dict[str, st.SearchStrategy[str]] = {
    "--model": _among("mlp", "linear"),
    "--penalty": _among("l2", "l1", "elastic-net", "group-lasso"),
    "--hidden": _among("1", "4,4"),
    "--batch-size": _among("1", "7", "1000000000"),
    "--learning-rate": _among("0.01", "1e-300", "1e300"),
    "--repeats": _among("2"),
    "--seed": _among("4294967295"),
    "--choose": _among("1se"),
    "--format": _among("json"),
    "--max-memory": _among("1", "300MB"),
}
"""Options of a training, each of which is valid by itself."""
_NAMING = ("--drop", "--category", "--number", "--group", "--time", "--fold")


@st.composite
def command_lines(draw: st.DrawFn, file: Drawn) -> list[str]:
    """Draw the arguments of `shrinkage fit`; values that no option takes are among them."""
    names = st.sampled_from([*file.columns] * 3 + [*HOSTILE])
    line = ["--target", draw(names if draw(st.integers(0, 19)) == 19 else st.just(file.columns[0]))]
    for option in draw(st.lists(st.sampled_from([*OPTIONS, *_NAMING]), max_size=2)):
        value = names if option in _NAMING else OPTIONS[option]
        line += [option, draw(st.sampled_from(_ODD) if draw(st.integers(0, 14)) == 14 else value)]
    line += draw(st.just([]) | st.lists(st.sampled_from(_FLAGS), max_size=2))
    return ["fit", draw(st.sampled_from([*[f"./{file.name}"] * 18, file.name, "."])), *line]


@st.composite
def plain_command_lines(draw: st.DrawFn, file: Drawn) -> list[str]:
    """Draw the arguments of a training, as a rule with no more than one option."""
    options = draw(st.lists(st.sampled_from([*PLAIN_OPTIONS]), max_size=2, unique=True))
    given = [part for option in options for part in (option, draw(PLAIN_OPTIONS[option]))]
    return ["fit", f"./{file.name}", "--target", file.columns[0], *given]
