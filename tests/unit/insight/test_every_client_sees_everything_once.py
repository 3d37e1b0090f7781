"""Random lives of a task, random losses, random clients: each durable event once, in order; text complete."""

import asyncio

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from task_life import Client, World

from roadworthy.core.insight.followers import Followers
from roadworthy.domain.event import EventKind
from roadworthy.domain.task import TaskStatus

WORDS = st.sampled_from(["a", "bc ", "déf", "🙂 ", "a much longer piece of text "])
ACTIONS = st.one_of(
    st.tuples(st.just("say"), WORDS),
    st.tuples(st.just("say"), WORDS),
    st.tuples(st.just("think"), WORDS),
    st.tuples(st.just("break"), st.none()),
    st.tuples(st.just("reply"), st.integers(0, 2)),
    st.tuples(st.just("begin"), st.none()),
    st.tuples(st.just("result"), st.none()),
    st.tuples(st.just("crash"), st.none()),
)
FATES = st.sampled_from(["arrives", "arrives", "arrives", "lost", "twice"])
TROUBLE = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("broker"), st.none()),
    st.tuples(st.just("store"), st.none()),
    st.tuples(st.just("time"), st.integers(1, 4)),
    st.tuples(st.just("hang up"), st.tuples(st.integers(0, 3), st.integers(1, 3))),
)
MOMENTS = st.lists(st.tuples(ACTIONS, FATES, TROUBLE, st.booleans()), max_size=25)
TEXTS = (EventKind.TEXT, EventKind.THINKING)


class HangsUp(Client):
    """A client whose connection breaks in the middle of what it is being told."""

    patience = 10**9

    def hear(self, event):
        if self.patience <= 0:
            raise ConnectionError
        self.patience -= 1
        super().hear(event)


async def act(life, action, argument):
    match action:
        case "say":
            await life.say(argument)
        case "think":
            await life.say(argument, EventKind.THINKING)
        case "break":
            life.break_try()
        case "reply":
            await life.reply(*(["find_order"] * argument))
        case "begin" | "result" if life.text_place is not None:
            pass  # tools don't run while a model speaks
        case "begin":
            life.ordinal = getattr(life, "ordinal", 0) + 1
            await life.begin("find_order", life.ordinal)
        case "result":
            life.ordinal = getattr(life, "ordinal", 0) + 1
            await life.result("find_order", life.ordinal)
        case "crash":
            await life.settle(TaskStatus.QUEUED, "the worker went away")
            await life.claim()


async def live_through(moments, joins):
    world = World()
    life = await world.life()
    await life.claim()
    servers = [world.follow, world.api_server(Followers(world.task_store, world.clock))]
    clients = [HangsUp(life) for _ in joins]
    for i, ((action, argument), fate, trouble, others_run) in enumerate(moments):
        for client, join in zip(clients, joins, strict=True):
            if join == i:
                client.connect(servers[i % 2])
        life.lose_next, life.say_next_twice = fate == "lost", fate == "twice"
        match trouble:
            case ("flush", _):
                world.broker.flush()
            case ("broker", _):
                world.outages.broker_away = not world.outages.broker_away
            case ("store", _):
                world.outages.store_away = True
                await world.settle()
                world.outages.store_away = False
            case ("time", seconds):
                await world.clock.advance(seconds)
            case ("hang up", (who, after)) if who < len(clients) and clients[who]._reading is not None:
                clients[who].patience = after
            case _:
                pass
        await act(life, action, argument)
        if others_run:
            await world.settle()
        for client in clients:
            reading = client._reading
            if reading is not None and reading.done() and not client.ended:
                event("reconnected")
                await asyncio.gather(reading, return_exceptions=True)
                client.patience = 10**9
                client.connect(servers[(i + 1) % 2])
    await life.settle(TaskStatus.SUCCEEDED)
    world.outages.broker_away = False
    for client in clients:
        client.patience = 10**9
        if client._reading is None or (client._reading.done() and not client.ended):
            if client._reading is not None:
                await asyncio.gather(client._reading, return_exceptions=True)
            client.connect(servers[0])
    await world.clock.advance(20)
    durable, texts = await life.durable_events(), await life.texts()
    for client in clients:
        while not client.ended:
            try:
                await asyncio.wait_for(client.end(), 5)
            except ConnectionError:
                client.patience = 10**9
                client.connect(servers[0])
        assert client.durable == durable
        assert client.texts == texts
    await world.settle()
    assert len(asyncio.all_tasks()) == 1


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moments=MOMENTS, joins=st.lists(st.integers(0, 25), min_size=1, max_size=3))
def test_every_client_sees_every_durable_event_once_and_the_text_complete(moments, joins):
    asyncio.run(live_through(moments, joins))
