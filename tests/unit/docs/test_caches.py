"""The page on caches says what the code does."""

import re
from dataclasses import fields
from typing import Any, cast, get_args

from starlette.routing import Route

from roadworthy import CachePolicy
from roadworthy.core.model_gateway.cache_in_time import LOOK_SECONDS
from roadworthy.core.model_gateway.counters import CacheOutcome
from roadworthy.core.model_gateway.exact_cache import MOST_VALUE_BYTES
from roadworthy.edges.http.cache_routes import CacheRoutes
from roadworthy.edges.http.dependencies import HttpDependencies

from .documents import quoted, table_after, text_of

PAGE = text_of("docs/caches.md")


def test_defaults_of_a_policy():
    shown = [(quoted(name)[0], default) for name, default, _ in table_after(PAGE, "`CachePolicy` | default")]
    assert shown == [
        (field.name, f'"{field.default}"' if isinstance(field.default, str) else str(field.default))
        for field in fields(CachePolicy)
    ]


def test_every_path():
    class Anything:
        def __getattr__(self, name: str) -> Any:
            return None

    routes = CacheRoutes(cast(HttpDependencies, Anything())).routes()
    paths = {cast(Route, route).path for route in routes}
    assert set(re.findall(r"`POST (/v1/operator/cache[^`]*)`", PAGE)) == paths


def test_outcomes_and_bounds():
    (row,) = [row for row in table_after(PAGE, "metric | labels") if row[0] == "`roadworthy_cache_total`"]
    assert set(quoted(row[2])) == {"exact", "semantic", "embedding", *get_args(CacheOutcome)}
    assert f"within {LOOK_SECONDS * 1000:.0f} ms" in PAGE
    assert f"up to {MOST_VALUE_BYTES // 1024} KiB" in PAGE
