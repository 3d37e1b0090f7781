"""The shop's records, in one SQLite file that several worker processes can share."""

import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path

from examples.support.invented_orders import Order, invent_orders

TABLE = """create table if not exists orders (
    id text primary key, email text, customer text, item text, cents integer, status text, day text,
    address text, refunded integer, refund_reason text)"""
FIELDS = "id, email, customer, item, cents, status, day, address, refunded"


class Shop:
    """Orders by number and by customer. The file is made, with invented orders, when it is first needed."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or Path(os.environ.get("ROADWORTHY_DATA_DIR", ".roadworthy")) / "shop.sqlite"

    def order(self, order_id: str) -> Order | None:
        found = self._orders("where id = ?", order_id)
        return found[0] if found else None

    def orders_of(self, email: str, at_most: int = 3) -> list[Order]:
        """A customer's orders, newest first."""
        return self._orders("where email = ? order by rowid desc limit ?", email.lower(), at_most)

    def change_address(self, order_id: str, address: str) -> bool:
        """False when the order has left already. Doing it twice is the same as doing it once."""
        with self._connection() as shop:
            changed = shop.execute(
                "update orders set address = ? where id = ? and status = 'packed'", (address, order_id)
            )
            return changed.rowcount == 1

    def refund(self, order_id: str, reason: str) -> bool:
        """False when the order was refunded before."""
        with self._connection() as shop:
            changed = shop.execute(
                "update orders set refunded = 1, refund_reason = ? where id = ? and refunded = 0",
                (reason, order_id),
            )
            return changed.rowcount == 1

    def _orders(self, where: str, *values: str | int) -> list[Order]:
        with self._connection() as shop:
            rows = shop.execute(f"select {FIELDS} from orders {where}", values).fetchall()
        return [Order(*row[:-1], refunded=bool(row[-1])) for row in rows]

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.file, timeout=5)) as shop, shop:
            shop.execute("begin immediate")  # one process fills the new file, the others wait for it
            shop.execute(TABLE)
            if not shop.execute("select 1 from orders limit 1").fetchone():
                rows = [astuple(order) for order in invent_orders()]
                shop.executemany(f"insert into orders ({FIELDS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            yield shop
