"""What goes wrong, when, and for how long."""

from __future__ import annotations

import asyncio
from random import Random

from roadworthy.testing.virtual_time import SimulatedProcess

from .cluster import ApiNode, Cluster, Node, WorkerNode

_STRUCK = ("journal.append", "task_store.settle", "task_store.claim")


class Disturbances:
    """Disturbs the cluster until `heal`; whatever ended is started again by somebody."""

    def __init__(self, cluster: Cluster, chance: Random) -> None:
        self._cluster = cluster
        self._chance = chance
        self._healed = False
        self._under_way: list[asyncio.Task[None]] = []

    async def run(self, seconds: float) -> None:
        cluster, plan = self._cluster, self._cluster.plan
        for server in (cluster.store, cluster.broker_server):
            server.failing_calls = plan.failing_calls
        cluster.broker_server.lost_tickets = plan.lost_tickets
        cluster.store.on_its_way = self._perhaps_strike
        cluster.outside.failing_models, cluster.outside.failing_tools = plan.failing_models, plan.failing_tools
        restarting = asyncio.create_task(self._restart_what_ended())
        end = cluster.loop.time() + seconds
        if plan.deploy:
            self._under_way.append(asyncio.create_task(self._deploy(seconds * self._chance.random())))
        while (pause := self._chance.expovariate(1 / plan.pause_between)) < end - cluster.loop.time():
            await asyncio.sleep(pause)
            if plan.disturbances:
                names, weights = list(plan.disturbances), list(plan.disturbances.values())
                self._start(self._chance.choices(names, weights)[0])
        await asyncio.sleep(max(end - cluster.loop.time(), 0))
        await self._heal()
        self._under_way = [restarting]  # also what ends later, because it was draining, is started again

    async def _heal(self) -> None:
        """No more faults: everything runs, everybody reaches everybody."""
        cluster = self._cluster
        cluster.trace.add("the faults stop")
        self._healed = True
        for each in self._under_way:
            each.cancel()
        for server in (cluster.store, cluster.broker_server):
            server.failing_calls = server.lost_tickets = 0
            server.come_back()
            server.cut_off.clear()
        cluster.outside.failing_models = cluster.outside.failing_tools = 0
        for node in cluster.nodes:
            node.go_on()

    def _perhaps_strike(self, writer: SimulatedProcess, operation: str) -> None:
        if self._healed or operation not in _STRUCK or self._chance.random() >= self._cluster.plan.struck_writes:
            return
        for node in self._cluster.workers:
            if node.process is writer and node.alive:
                what = self._chance.choice(("kill a worker", "stop a worker for long"))
                self._begin(what, node)

    def _start(self, what: str) -> None:
        node = self._somebody(what)
        if node is None or node.alive:
            self._begin(what, node)

    def _begin(self, what: str, node: Node | None) -> None:
        self._cluster.trace.add(f"{what}:", node.process if node else "")
        self._cluster.trace.count(what)
        self._under_way.append(asyncio.create_task(self._disturb(what, node)))

    def _somebody(self, what: str) -> Node | None:
        cluster, last = self._cluster, what.rpartition(" ")[2]
        if what.startswith("cut"):
            return self._chance.choice(cluster.nodes)
        nodes: dict[str, list[Node]] = {
            "worker": [*cluster.workers],
            "api": [*cluster.apis],
            "upkeep": [*cluster.upkeeps],
        }
        return self._chance.choice(nodes[last]) if last in nodes else None

    async def _disturb(self, what: str, node: Node | None) -> None:
        cluster, lease = self._cluster, self._cluster.plan.lease_seconds
        seconds = self._chance.choice((0.2, 1.0, lease, 2 * lease)) * (0.5 + self._chance.random())
        if what.endswith("long"):
            seconds = 3 * lease
        match what.split(" ")[0], node:
            case "kill", Node():
                node.kill()
            case "drain", WorkerNode():
                node.drain()
            case "end", ApiNode():
                node.end()
            case "stop", Node():
                node.stop()
                await asyncio.sleep(seconds)
                node.go_on()
            case "block", WorkerNode():
                node.block()
                await asyncio.sleep(seconds)
                node.go_on()
            case "cut", Node():
                await self._cut_off(node, what.endswith("store"), seconds)
            case "flush", _:
                cluster.broker.flush()
            case _:
                longer = what.endswith("lease")
                server = cluster.broker_server if "broker" in what else cluster.store
                if not server.away:
                    server.go_away(refuses=self._chance.random() < 0.5)
                    await asyncio.sleep(lease + 3 + seconds if longer else seconds)
                    server.come_back()
                    if server is cluster.broker_server and self._chance.random() < 0.5:
                        cluster.broker.flush()

    async def _cut_off(self, node: Node, from_store: bool, seconds: float) -> None:
        server, processes = self._cluster.store if from_store else self._cluster.broker_server, node.processes
        for process in processes:
            server.cut_off[process] = None
        await asyncio.sleep(seconds)
        for process in processes:
            server.cut_off.pop(process, None)

    async def _restart_what_ended(self) -> None:
        while True:
            await asyncio.sleep(self._chance.choice((0.3, 1.0, 4.0)))
            for node in self._cluster.nodes:
                if not node.alive and (self._healed or self._chance.random() < 0.7):
                    node.start()

    async def _deploy(self, after: float) -> None:
        """Version 2, process by process; each of them keeps version 1 for the tasks that have it."""
        await asyncio.sleep(after)
        cluster = self._cluster
        cluster.trace.add("version 2 is released")
        cluster.trace.count("deploys")
        cluster.release_version_2()
        for node in (*cluster.workers, *cluster.apis):
            match node:
                case WorkerNode():
                    node.drain()
                case ApiNode():
                    node.end()
            await asyncio.sleep(self._chance.random() * 3)
