"""Which model the demo runs with."""

import os

from pydantic_ai.exceptions import UserError
from pydantic_ai.models import infer_model


def chosen_model() -> str | None:
    """The name in `SUPPORT_DEMO_MODEL`; None means the local one."""
    return os.environ.get("SUPPORT_DEMO_MODEL") or None


def what_is_missing(model: str) -> str | None:
    """Why this model cannot be used, the provider's variable for the key by name; None when it can."""
    try:
        infer_model(model)
    except (UserError, ImportError, ValueError) as problem:
        return str(problem).split(". ")[0]  # what follows is advice for other situations
    return None
