from typing import Any

class Functional:
    call: Any
