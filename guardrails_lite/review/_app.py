"""The application: which page answers which address, in which form, to whom."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from guardrails_lite._errors import ConfigError, GuardrailsError
from guardrails_lite._harmless import safe
from guardrails_lite.review._desk import LARGEST_FORM, SPANS, Desk, Visit
from guardrails_lite.review._door import COOKIE, HEADERS, LOOPBACK, Door, Session, Threshold
from guardrails_lite.review._place import Directory, Shipped
from guardrails_lite.review._view import HERE, View, environment
from guardrails_lite.review.pages import (
    activity,
    alerts,
    call,
    calls,
    exports,
    integrity,
    overview,
    policies,
    privacy,
    queue,
    rules,
    spend,
)

Page = Callable[[Visit], View]
Act = Callable[[Visit], str | View | Response]
"""Does what a form asks; the address to go to then, a page that has none, or the answer itself."""

PAGES: Final[Mapping[str, Page]] = {
    "/": overview.page,
    "/calls": calls.page,
    "/calls/{id}": call.page,
    "/queue": queue.page,
    "/alerts": alerts.page,
    "/rules": rules.page,
    "/spend": spend.page,
    "/policies": policies.page,
    "/integrity": integrity.page,
    "/privacy": privacy.page,
    "/exports": exports.page,
    "/activity": activity.page,
}
"""Each also ends in ``.json`` and ``.csv``; the overview's are ``/overview.json`` and ``/overview.csv``."""

ACTS: Final[Mapping[str, Act]] = {
    "/calls/{id}/texts": call.texts,
    "/exports/make": exports.make,
    "/exports/verdicts": exports.verdicts,
    "/integrity/check": integrity.check,
    "/integrity/bundle": integrity.bundle,
    "/privacy/act": privacy.act,
    "/privacy/end": privacy.end,
    "/privacy/find": privacy.find,
    "/queue/decide": queue.decide,
    "/queue/undo": queue.undo,
}

MENU: Final = (
    ("/", "Overview"),
    ("/calls", "Calls"),
    ("/queue", "Findings"),
    ("/alerts", "Alerts"),
    ("/rules", "Rules"),
    ("/spend", "Spend"),
    ("/policies", "Policies"),
    ("/integrity", "Integrity"),
    ("/privacy", "Privacy"),
    ("/exports", "Exports and holds"),
    ("/activity", "Activity"),
)


def desk(
    directory: str | os.PathLike[str],
    *,
    reviewer: str,
    tokens: Mapping[str, str] | None = None,
    hosts: tuple[str, ...] = (),
    keys: str | os.PathLike[str] | None = None,
    needs: int = 1,
    rules: Iterable[str | os.PathLike[str]] = (),
) -> Starlette:
    """Make the review desk on the log in *directory*, as an ASGI application.

    Args:
        directory: A directory that `AuditLog` made.
        reviewer: Who decides here, where there are no *tokens*.
        tokens: The token of each reviewer. Give them whenever the desk answers beyond this machine.
        hosts: Further names under which it is reached; loopback's are always among them.
        keys: Where the log's keys live; default: in the log.
        needs: How many reviewers have to agree before a finding is settled.
        rules: Files and folders of Sigma rules, beside those that are shipped.

    Raises:
        ConfigError: *directory* is not a compliance log, *needs* is less than 1, or a rule is not understood.
    """
    place = Directory(directory, keys=keys)
    return application(Desk(place, needs=needs, rules=rules), _door(reviewer, tokens, hosts))


def shipped_desk(
    url: str,
    *,
    reviewer: str,
    log: str | None = None,
    key: str | None = None,
    tokens: Mapping[str, str] | None = None,
    hosts: tuple[str, ...] = (),
    needs: int = 1,
    rules: Iterable[str | os.PathLike[str]] = (),
) -> Starlette:
    """Make the review desk on a log that `guardrails_lite.audit.postgres.ship` brought into a database.

    It has the same pages and can only read: what people decide is an entry of the log, and no database has
    the keys to write one.

    Args:
        url: ``postgresql://user@host:port/database``; a role that may read there is enough.
        reviewer: Who reads here, where there are no *tokens*.
        log: The log's name, or the beginning of its hex digits; default: the only one there.
        key: The content of the log's ``verify.key``, kept elsewhere, to check its signatures with.
        tokens: The token of each reviewer. Give them whenever the desk answers beyond this machine.
        hosts: Further names under which it is reached; loopback's are always among them.
        needs: How many reviewers have to agree before a finding is settled.
        rules: Files and folders of Sigma rules, beside those that are shipped.

    Raises:
        ConfigError: the server does not let us in, the database holds no such log, or several, *needs* is
            less than 1, or a rule is not understood.
    """
    place = Shipped(url, log=log, key=key)
    return application(Desk(place, needs=needs, rules=rules), _door(reviewer, tokens, hosts))


def _door(reviewer: str, tokens: Mapping[str, str] | None, hosts: tuple[str, ...]) -> Door:
    return Door(reviewer, dict(tokens or {}), (*LOOPBACK, *(host.lower() for host in hosts)))


def application(held: Desk, door: Door) -> Starlette:
    """The application around a desk and its door."""
    app = _App(held, door, environment())
    routes: list[Any] = [
        Mount("/static", StaticFiles(directory=HERE / "static")),
        Route("/enter", app.enter, methods=["GET", "POST"]),
        *(Route(path, app.act(act), methods=["POST"]) for path, act in ACTS.items()),
    ]
    for path, page in PAGES.items():
        plain = "/overview" if path == "/" else path
        routes += [Route(f"{plain}.{form}", app.page(page, form)) for form in ("json", "csv")]
        routes.append(Route(path, app.page(page, "html")))
    routes.append(Route("/calls/{id}/texts", _to_the_call))
    routes.append(Route("/calls/{id}/proof", app.download(call.proof)))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        held.open()
        yield
        held.close()

    handlers: dict[Any, Any] = {404: app.missing, Exception: app.failed}
    made = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    made.add_middleware(Threshold, door=door)
    return made


class _App:
    def __init__(self, held: Desk, door: Door, templates: Environment) -> None:
        self._desk = held
        self._door = door
        self._templates = templates

    def page(self, page: Page, form: str) -> Callable[[Request], Any]:
        """The endpoint for one form of one page."""

        async def endpoint(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return self._to_the_door(request)
            return await run_in_threadpool(self._answer, request, session, page, form)

        return endpoint

    def download(self, made: Callable[[Visit], Response]) -> Callable[[Request], Any]:
        """The endpoint for a file."""

        async def endpoint(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return self._to_the_door(request)
            return await run_in_threadpool(self._visit, request, session, {}, made)

        return endpoint

    def act(self, act: Act) -> Callable[[Request], Any]:
        """The endpoint for a form."""

        async def endpoint(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return self._to_the_door(request)
            form = await _form(request)
            if not self._door.may_post(session, form.get("form_token", "")):
                text = "This form is not from a page of this session. Go back, reload the page and try again."
                return self._sorry(session, 403, text)
            found = await run_in_threadpool(self._visit, request, session, form, act)
            if isinstance(found, View):
                return Response(self._render(found, session, request.url.path), media_type="text/html")
            return found if isinstance(found, Response) else RedirectResponse(found, 303)

        return endpoint

    async def enter(self, request: Request) -> Response:
        """Where a reviewer shows a token."""
        status, wait_s, form = 200, 0, dict(request.query_params)
        if request.method == "POST":
            form = await _form(request)
            session = self._door.enter(form.get("token", ""), _address(request))
            if session is not None:
                target = form.get("next", "/")
                inside = target.startswith("/") and not target.startswith(("//", "/\\"))
                answer = RedirectResponse(target if inside else "/", 303)
                return self._with_cookie(request, session, answer)
            wait_s = self._door.wait_s()
            status = 429 if wait_s else 403
        data = {"wrong": status == 403, "wait_s": wait_s, "next": form.get("next", "/")}
        text = self._render(View("enter.html", "Come in", data), Session("", ""), "/enter")
        return Response(text, status, headers=_retry_after(wait_s), media_type="text/html")

    async def missing(self, request: Request, error: Exception) -> Response:
        """There is no such page."""
        session = self._session(request)
        if session is None:
            return self._to_the_door(request)
        return self._sorry(session, 404, "There is no such page, or nothing in the log has that name.")

    async def failed(self, request: Request, error: Exception) -> Response:
        """Something is wrong in the desk; this is sent around the door, so it has the headers already."""
        return PlainTextResponse("The desk failed; its terminal says why.\n", 500, headers=HEADERS)

    def _answer(self, request: Request, session: Session, page: Page, form: str) -> Response:
        def told(visit: Visit) -> View | Response:
            view = page(visit)
            if form == "json":
                return Response(view.as_json(), media_type="application/json")
            if form == "csv":
                name = view.template.removesuffix(".html")
                headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
                return Response(view.as_csv(), media_type="text/csv", headers=headers)
            return view

        view = self._visit(request, session, {}, told)
        if isinstance(view, Response):
            return view
        text = self._render(view, session, request.url.path, request.query_params)
        return self._with_cookie(request, session, Response(text, media_type="text/html"))

    def _visit(
        self, request: Request, session: Session, form: Mapping[str, str], what: Callable[[Visit], Any]
    ) -> Any:
        """Do *what* a page or a form does; where that fails, the page that says so."""
        try:
            with self._desk.place.index() as index:
                path = {name: str(value) for name, value in request.path_params.items()}
                return what(
                    Visit(self._desk, index, session.reviewer, dict(request.query_params), path, form)
                )
        except LookupError as error:
            return self._sorry(session, 404, str(error.args[0]) if error.args else "There is no such thing.")
        except GuardrailsError as error:
            return self._sorry(session, 409 if isinstance(error, ConfigError) else 503, str(error))

    def _sorry(self, session: Session, status: int, text: str) -> Response:
        view = View("sorry.html", "That did not work", {"status": status, "text": text})
        return Response(self._render(view, session, ""), status, media_type="text/html")

    def _render(self, view: View, session: Session, path: str, query: QueryParams | None = None) -> str:
        stem = "/overview" if path == "/" else path
        asked = f"?{urlencode(list(query.multi_items()))}" if query else ""
        return self._templates.get_template(view.template).render(
            {
                **view.data,
                **view.drawn,
                "title": view.title,
                "data": view.data,
                "log": self._desk.place.name,
                "shipped": self._desk.place.shipped,
                "reviewer": session.reviewer,
                "form_token": self._door.form_token(session),
                "menu": MENU,
                "here": path,
                "state": self._desk.state,
                "forms": {form: f"{stem}.{form}{asked}" for form in ("json", "csv")} if view.columns else {},
                "spans": SPANS,
                "version": version("guardrails-lite"),
            }
        )

    def _session(self, request: Request) -> Session | None:
        return self._door.who(
            request.cookies.get(_cookie(request)), request.headers.get("authorization"), _address(request)
        )

    def _to_the_door(self, request: Request) -> Response:
        if request.headers.get("authorization") is not None:
            if wait_s := self._door.wait_s():
                text = f"Too many wrong tokens were tried at this desk. Try again in {wait_s} seconds.\n"
                return PlainTextResponse(text, 429, headers=_retry_after(wait_s))
            return PlainTextResponse("This token is nobody's.\n", 401)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method not in ("GET", "HEAD"):  # no page has a form's address: back to the form's page
            target = "/" + request.headers.get("referer", "").partition("://")[2].partition("/")[2]
        return RedirectResponse(f"/enter?next={quote(safe(target))}", 303)

    def _with_cookie(self, request: Request, session: Session, response: Response) -> Response:
        if session.nonce:
            response.set_cookie(
                _cookie(request),
                self._door.cookie(session),
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return response


async def _to_the_call(request: Request) -> Response:
    """Where going back leads to from texts, which no browser may keep."""
    return RedirectResponse(f"/calls/{quote(str(request.path_params['id']), safe='')}", 303)


def _cookie(request: Request) -> str:
    """The name of this desk's cookie: browsers keep one jar for all ports of a name, and so for all desks."""
    return COOKIE if request.url.port is None else f"{COOKIE}_{request.url.port}"


def _address(request: Request) -> str:
    """Who asks, for the operator's log."""
    return request.client.host if request.client is not None else "an unknown address"


def _retry_after(wait_s: int) -> dict[str, str]:
    return {"Retry-After": str(wait_s)} if wait_s else {}


async def _form(request: Request) -> dict[str, str]:
    """What was posted; of a form that is too large, nothing."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
