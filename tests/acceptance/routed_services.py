"""What the tests of routing serve: a function whose answer is the model that was chosen for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from roadworthy import AgentService, ModelTiers, Price, TrainedRouter
from roadworthy.domain.model_input import ProviderCall
from roadworthy.frameworks.function import TaskContext

ROUTER = Path("router.json")
"""In the folder that the processes run in, once it was trained."""

TIERS = ModelTiers(simple=["sim-small"], moderate=["sim-middle"], complex=["sim-large"])


async def reply(ctx: TaskContext, message: str) -> str:
    async def ask(stream: Callable[[str], None], call: ProviderCall) -> str:
        return call.model

    return await ctx.model("sim-small", ask)


service = AgentService(
    reply,
    name="shop",
    models=TIERS,
    prices={model: Price.free() for model in TIERS.all},
    router=TrainedRouter.load(ROUTER) if ROUTER.exists() else None,
)
