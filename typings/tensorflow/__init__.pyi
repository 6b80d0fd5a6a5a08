"""pyright reads `None` out of how this library dispatches: to it, everything here is `Any`."""

from typing import Any

def __getattr__(name: str) -> Any: ...
