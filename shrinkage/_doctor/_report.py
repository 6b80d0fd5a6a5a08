"""The result of the doctor: a report that prints its findings."""

from dataclasses import dataclass

from shrinkage._messages._finding import SEVERITIES, Finding, Severity


@dataclass(frozen=True, repr=False)
class Report:
    """The findings about one model, errors first; printed as text.

    Attributes:
        model: the model's name.
        findings: all findings, a tuple.
        not_seen: the parts that the checks could not look at.
    """

    model: str
    findings: tuple[Finding, ...]
    not_seen: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of severity "error"."""
        return self._select("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings of severity "warning"."""
        return self._select("warning")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """The findings of severity "note"."""
        return self._select("note")

    def _select(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def __repr__(self) -> str:
        counts = [_format_count(len(self._select(severity)), severity) for severity in SEVERITIES]
        seen = [f"Not looked at: {', '.join(self.not_seen)}."] if self.not_seen else []
        return "\n\n".join([f"{self.model}: {', '.join(counts)}", *map(str, self.findings), *seen])


def _format_count(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
