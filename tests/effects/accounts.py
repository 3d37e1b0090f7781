"""What became of every call of a campaign, and whether it may have."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from acceptance.deployment import Deployment
from acceptance.effect_database import Effect, EffectDatabase

from .campaign import Campaign

_TASKS = "select id::text, status, reason from tasks"
_ENTRIES = "select task_id::text, key, kind, attempt, detail from journal_entries order by task_id, sequence"
LOOKED_UP = ("is found", "no such charge is known")
"""What the service says that is asked whether something happened."""


class Accounts:
    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.counts: Counter[str] = Counter()

    async def take(self, deployment: Deployment, effects: EffectDatabase, campaign: Campaign) -> None:
        made: dict[tuple[str, str, str], list[Effect]] = defaultdict(list)
        for effect in await effects.effects():
            made[effect.task_id, effect.tool, effect.item].append(effect)
        journal: dict[str, dict[str, tuple[int, dict[str, Any]]]] = defaultdict(dict)
        for task_id, key, _, attempt, detail in await deployment.fetch(_ENTRIES):
            journal[task_id][key] = (attempt, json.loads(detail))
        for task_id, status, reason in await deployment.fetch(_TASKS):
            self.counts["tasks"] += 1
            if status != "succeeded":
                self.wrong.append(f"{task_id} is {status}: {reason}")
                continue
            if task_id not in campaign.scripts:
                continue  # it was accepted while the campaign ended, and nobody heard so
            for step, calls in enumerate(campaign.scripts[task_id], 1):
                for tool, arguments in calls:
                    name = f"{step}:{tool}#1"
                    self._check(
                        f"{name} of {task_id}", name, tool, made[task_id, tool, arguments["item"]], journal[task_id]
                    )
        self._check_keys(made)

    def _check(
        self, name: str, call: str, tool: str, made: list[Effect], journal: dict[str, tuple[int, dict[str, Any]]]
    ) -> None:
        result_of, result = journal[f"t{call}"]
        outcome = result["outcome"]
        self.counts[f"{tool}: {outcome}"] += 1
        keys = {effect.key for effect in made}
        if len(keys) > 1:
            self.wrong.append(f"{name} had the keys {keys}")
        if tool == "reserve":
            self.counts["idempotent calls made again"] += len(made) > 1
            if not made:
                self.wrong.append(f"{name} is {outcome} and did not happen")
            return
        if len(made) != (outcome == "done"):
            self.wrong.append(f"{name} is {outcome} and happened {len(made)} times")
        started_by, started = journal[f"s{call}"]
        if keys - {started["key"]}:
            self.wrong.append(f"{name} was started with {started['key']} and happened with {keys}")
        if result_of > started_by:
            self._check_answer(name, result)

    def _check_answer(self, name: str, result: dict[str, Any]) -> None:
        """Of an effect that was unknown."""
        if "decision" in result:
            self.counts["unknown, and decided"] += 1
        elif any(words in json.dumps(result["result"]) for words in LOOKED_UP):
            self.counts["unknown, and looked up"] += 1
        else:
            self.wrong.append(f"{name} was unknown, and then {result}")

    def _check_keys(self, made: dict[tuple[str, str, str], list[Effect]]) -> None:
        calls_of: dict[str, set[tuple[str, str, str]]] = defaultdict(set)
        for call, effects in made.items():
            for effect in effects:
                calls_of[effect.key].add(call)
        self.wrong += [f"{key} is the key of {calls}" for key, calls in calls_of.items() if len(calls) > 1]
