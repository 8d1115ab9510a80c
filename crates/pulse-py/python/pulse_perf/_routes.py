"""Names of routes: the template that matched a request, from what the router has left in the ASGI scope.

What is left there differs. FastAPI puts the route into ``scope["route"]``, from 0.137 on without the prefix with which its
router was included, which is in a context beside it. Starlette has done so only since 1.0, and before left the endpoint
alone. A mount leaves the path it has consumed in ``root_path``, values of its parameters and all.

Looking a name up is a dictionary access by the route's identity; everything else happens once per route.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pulse_perf._asgi_types import Scope

UNMATCHED = "_unmatched"
"""The endpoint of all requests that no route matched."""

_MAX_NAMES = 4096
"""Routes are as many as the program has, but mounts may have parameters."""
_MAX_WRAPPERS = 32


class RouteNames:
    """The names of an application's routes."""

    def __init__(self, app: Any, skip: frozenset[str] = frozenset()) -> None:
        self._app = _unwrapped(app)
        self._skip = skip
        # The route is kept with its name, so that its identity is not used again.
        self._names: dict[int, tuple[object, str | None]] = {}
        self._below_mounts: dict[tuple[str, int], tuple[object, str | None]] = {}

    def of(self, scope: Scope, mounted_at: str | None = None) -> tuple[str | None, bool]:
        """The name of the route that handled the request of this scope, ``None`` for one that is skipped; and whether every
        request of this route has this name.

        ``mounted_at``: the ``root_path`` below which names begin, where the application is itself mounted in another.
        """
        route = scope.get("route")
        inner = scope.get("fastapi")
        if inner is not None:
            context = inner.get("effective_route_context")
            if context is not None and (route is None or context.original_route is route):
                route = getattr(context, "starlette_route", None) or context
        # A mount or a host that is left from further out: what was found in there has left nothing but its endpoint.
        is_left = hasattr(route, "routes") and scope.get("endpoint") not in (
            None,
            getattr(route, "app", None),
        )
        if route is None or is_left:
            route = scope.get("endpoint")
            if route is None:
                return self._kept(UNMATCHED), False
        if "app_root_path" in scope:
            return self._below_mount(scope, route, mounted_at), False
        known = self._names.get(id(route))
        if known is not None and known[0] is route:
            return known[1], not is_left
        path, is_certain = self._path(scope, route)
        name = self._kept(path or UNMATCHED)
        if is_certain:
            _remember(self._names, id(route), (route, name))
        return name, is_certain and not is_left

    def _below_mount(self, scope: Scope, route: Any, mounted_at: str | None) -> str | None:
        root_path: str = scope.get("root_path", "")
        base = scope["app_root_path"] if mounted_at is None else mounted_at
        prefix = root_path.removeprefix(base)
        key = (prefix, id(route))
        known = self._below_mounts.get(key)
        if known is not None and known[0] is route:
            return known[1]
        mount = _mount_path(self._app, prefix) if prefix else ""
        path, is_certain = self._path(scope, route)
        # A mount that is not found is one whose parameters would become names.
        name = self._kept(UNMATCHED if mount is None else (mount + path) or UNMATCHED)
        if is_certain:
            _remember(self._below_mounts, key, (route, name))
        return name

    def _path(self, scope: Scope, route: Any) -> tuple[str, bool]:
        """The template of a route, or of an endpoint, and whether it is always the same for it."""
        if hasattr(route, "routes"):
            # What a mount consumes is before it already.
            return "", True
        path = getattr(route, "path", None)
        if isinstance(path, str):
            return path, True
        found = [it for it in _all_routes(self._app) if getattr(it, "endpoint", None) is route]
        if len(found) == 1:
            return found[0].path, True
        rest = _route_path(scope)
        return next((it.path for it in found if it.path_regex.match(rest)), ""), not found

    def _kept(self, name: str) -> str | None:
        return None if name in self._skip else name


def _remember(names: dict[Any, Any], key: object, name: object) -> None:
    if len(names) >= _MAX_NAMES:
        names.clear()
    names[key] = name


def _unwrapped(app: Any) -> Any:
    """The first application with routes below some middlewares."""
    inner = app
    for _ in range(_MAX_WRAPPERS):
        if hasattr(inner, "routes"):
            return inner
        inner = getattr(inner, "app", None)
    return app


def _routes(app: Any) -> Iterator[Any]:
    """The routes of an application or of a mount; of FastAPI's included routers as they are with their prefix."""
    for route in getattr(app, "routes", None) or ():
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def _all_routes(app: Any) -> Iterator[Any]:
    for route in _routes(app):
        if hasattr(route, "endpoint"):
            yield route
        else:
            yield from _all_routes(route)


def _is_mount(route: Any) -> bool:
    return hasattr(route, "routes") and hasattr(route, "path_regex") and not hasattr(route, "endpoint")


def _mount_path(app: Any, prefix: str) -> str | None:
    """The template of the mounts that have consumed ``prefix``; ``None`` when there are none such."""
    for route in _routes(app):
        if not hasattr(route, "routes"):
            continue
        if not _is_mount(route):
            # Routes by host consume nothing.
            path = _mount_path(route, prefix)
            if path is not None:
                return path
            continue
        match = route.path_regex.match(prefix + "/")
        if match is None:
            continue
        rest = ("/" + match.group("path")).rstrip("/")
        inner = _mount_path(route, rest) if rest else ""
        if inner is not None:
            return str(route.path) + inner
    return None


def _route_path(scope: Scope) -> str:
    """The part of the path that the innermost router has seen."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    return path[len(root_path) :] if root_path and path.startswith(root_path + "/") else path
