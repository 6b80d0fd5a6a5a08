"""The plotting library of a report, plotly.js: one compressed copy in the page."""

import base64
import gzip
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def read_plotly_library() -> tuple[str, str]:
    """Return plotly.js for a page: its text, compressed by gzip, in base64; and the hash for the page's policy.

    Plotly's Python package has the file. The package itself is not imported, which would take longer than the report.
    """
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("A report needs the package plotly: pip install plotly.", name="plotly")
    script = (Path(next(iter(found.submodule_search_locations))) / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 6, mtime=0)).decode(), hash_script(script)


def hash_script(script: bytes) -> str:
    """Return the source expression that allows a script in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
