"""Work that can wait: some of it at a time, a bounded rest, and nothing of it holds anybody up."""

import asyncio

from roadworthy.core.model_gateway.later import Later


class Piece:
    """Work that ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.end, self.done = asyncio.Event(), asyncio.Event(), False

    async def __call__(self) -> None:
        self.begun.set()
        await self.end.wait()
        self.done = True


async def test_so_many_at_once_and_the_rest_in_order():
    later, pieces = Later(at_once=2), [Piece() for _ in range(4)]
    assert all(later.add(piece) for piece in pieces)
    await asyncio.sleep(0)
    assert [piece.begun.is_set() for piece in pieces] == [True, True, False, False]
    pieces[1].end.set()
    await pieces[2].begun.wait()
    assert not pieces[3].begun.is_set()
    for piece in pieces:
        piece.end.set()
    await later.close()
    assert all(piece.done for piece in pieces)


async def test_what_is_too_much_is_dropped():
    later, pieces = Later(most_waiting=1, at_once=1), [Piece() for _ in range(3)]
    assert [later.add(piece) for piece in pieces] == [True, True, False]
    for piece in pieces:
        piece.end.set()
    await later.close()
    assert [piece.done for piece in pieces] == [True, True, False]


async def test_after_a_close_it_takes_work_again():
    later, first, second = Later(), Piece(), Piece()
    first.end.set()
    second.end.set()
    later.add(first)
    await later.close()
    later.add(second)
    await later.close()
    assert second.done


async def test_close_does_not_wait_for_ever():
    later, before = Later(), asyncio.all_tasks()
    later.add(Piece())
    await later.close(seconds=0.01)
    assert asyncio.all_tasks() == before
