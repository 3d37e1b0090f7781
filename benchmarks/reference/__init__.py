"""The least that durable tasks can cost: what remains when every promise but "kept in PostgreSQL" is left out.

Same wire, same database and broker, same provider client; one row a task and one a step, written together with those
of concurrent tasks. No tenants, sessions, leases, fences, limits, retries, replay, cursors or rebuilt streams.
"""
