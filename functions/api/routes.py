"""How the API's operations are declared: method, path, who may call them, what they take and what they return."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

from pydantic import BaseModel
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule

from events.errors import Refused
from functions.api.parameters import Question, document, identifier, parsed, path_id
from functions.domain.key import READ
from functions.service.principal import Principal

Operation = Callable[..., BaseModel]


class Example(NamedTuple):
    """A request that the document shows, and its answer.

    Args:
        id: of the path.
        ids: other ids of the path.
        query: parameter -> value.
    """

    answer: Any
    id: str = ""
    query: Mapping[str, Any] = {}
    body: Any = None
    ids: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """One operation of the API.

    Args:
        path: as OpenAPI writes it. ``{id}`` is the parameter ``id_`` of ``operation``.
        operation: takes the backends and, by name, the caller (``by``) or the caller's tenant (``tenant``), and what
            the request holds: ``query`` and ``body``, read as the models they are annotated with, and the ids of the
            path. One that changes something takes ``publish`` and publishes an event. Its docstring describes it.
        scope: what a key must have.
        operator: whether the operator's key may call it as well. The operator has no tenant.
        refuses: the statuses of problems that not every operation answers.
        wrong: the status of a body that is JSON, and not what the operation takes.
        example: what the document shows.
    """

    method: str
    path: str
    operation: Operation
    scope: str
    operator: bool
    refuses: Collection[int]
    wrong: int
    example: Example

    @cached_property
    def takes(self) -> Mapping[str, Any]:
        """The parameters of the operation and ``return``, each with its type."""
        return get_type_hints(self.operation)

    def caller(self, by: Principal) -> dict[str, Principal | str]:
        """Return what the operation takes of the caller, by name."""
        return {"by": by} if "by" in self.takes else {"tenant": by.tenant}

    @property
    def publishes(self) -> bool:
        """Whether the operation publishes an event: it answers 202 before that has led to anything."""
        return "publish" in self.takes

    @property
    def thing(self) -> str:
        """What the path's id identifies, in words."""
        return self.path.split("/")[3].removesuffix("s").replace("-", " ")

    def arguments(self, ids: Mapping[str, str], query: Mapping[str, str], body: Callable[[], bytes]) -> dict[str, Any]:
        """Return what the operation takes by name. The body is read only if it takes one.

        Raises:
            Refused: 400 with pointers to what is wrong; 404, an id cannot be one of :attr:`thing`.
        """
        asked = parsed(self.takes.get("query", Question), query)  # an operation without a query takes no parameters
        found: dict[str, Any] = {"query": asked} if "query" in self.takes else {}
        for name, text in ids.items():
            found[name] = identifier(text, self.thing) if self.takes[name] is UUID else text
        if "body" in self.takes:
            found["body"] = document(self.takes["body"], body(), wrong=self.wrong)
        return found


@dataclass(frozen=True, slots=True)
class Resource:
    """The routes of one kind of thing.

    Args:
        name: of the tag in the OpenAPI description.
        description: of the tag.
        scope: what a key must have, unless a route says otherwise.
        operator: whether the operator's key may call its routes.
    """

    name: str
    description: str
    scope: str = READ
    operator: bool = False
    routes: list[Route] = field(default_factory=list)

    def route(
        self,
        method: str,
        path: str,
        *,
        example: Example,
        scope: str = "",
        refuses: Collection[int] = (),
        wrong: int = 400,
    ) -> Callable[[Operation], Operation]:
        """Declare the decorated function as the operation at ``path``; see :class:`Route`."""

        def declare(operation: Operation) -> Operation:
            route = Route(
                method=method,
                path=path,
                operation=operation,
                scope=scope or self.scope,
                operator=self.operator,
                refuses=refuses,
                wrong=wrong,
                example=example,
            )
            self.routes.append(route)
            return operation

        return declare


class Router:
    """Finds the route of a request. What was not declared does not exist."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        routes = [route for resource in resources for route in resource.routes]
        self._map = Map([_rule(route) for route in routes], strict_slashes=False).bind("")

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the ids in its path, decoded.

        Args:
            raw_path: as it was sent: in an id, ``%2F`` is another character than a slash.

        Raises:
            Refused: 404 or 405.
        """
        try:
            route, encoded = self._map.match(raw_path, method)
        except MethodNotAllowed as exc:
            allow = ", ".join(sorted(exc.valid_methods or ()))
            raise Refused("Method not allowed", status=405, headers={"allow": allow}) from exc
        except HTTPException as exc:
            raise Refused("Not found", status=404) from exc
        return route, {name: path_id(part, route.thing) for name, part in encoded.items()}


def _rule(route: Route) -> Rule:
    """Return werkzeug's rule. A slash after an id is part of the path: an id may end with one, percent-encoded."""
    path = route.path.replace("{", "<").replace("}", "_>")
    return Rule(path, endpoint=route, methods=[route.method], strict_slashes=path.endswith(">"))
