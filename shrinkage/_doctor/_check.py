"""`Check`: a function from a `Case` to findings, with a severity and a line of documentation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shrinkage._doctor._case import Case
from shrinkage._messages._finding import Finding, Severity

Symptom = tuple[Iterable[str], str, str]  # names of weights or layers, the reason, the fix as code
Look = Callable[[Case], Iterable[Symptom]]


@dataclass(frozen=True)
class Check:
    """A kind of finding: severity, short name, summary in a line, and the function that looks for it."""

    severity: Severity
    code: str
    summary: str
    look: Look

    def __call__(self, case: Case) -> list[Finding]:
        return [
            Finding(self.severity, self.code, tuple(about), why, fix.strip()) for about, why, fix in self.look(case)
        ]


def check(severity: Severity) -> Callable[[Look], Check]:
    """Make a check of a function. The name gives the code, and the docstring gives the line of documentation."""

    def make_check(look: Look) -> Check:
        code = getattr(look, "__name__", "").replace("_", "-")
        return Check(severity, code, " ".join((look.__doc__ or "").split()), look)

    return make_check
