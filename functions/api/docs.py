"""The page ``/api/docs``: Swagger UI from the package flask-swagger-ui, and the two files of ours that start it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from functions.web.answer import Answer

PATH = "/api/docs"
#: Nothing but these files, from here: the page sees API keys.
_POLICY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
_UI = "flask_swagger_ui"


class _File(NamedTuple):
    """A file of a package, and what it is sent as."""

    package: str
    name: str
    content_type: str


#: Path -> what is there.
FILES: Mapping[str, _File] = {
    PATH: _File("functions.api", "docs.html", "text/html; charset=utf-8"),
    f"{PATH}/start.js": _File("functions.api", "docs.js", "text/javascript; charset=utf-8"),
    f"{PATH}/swagger-ui-bundle.js": _File(_UI, "dist/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    f"{PATH}/swagger-ui.css": _File(_UI, "dist/swagger-ui.css", "text/css; charset=utf-8"),
    f"{PATH}/favicon-32x32.png": _File(_UI, "dist/favicon-32x32.png", "image/png"),
}


def page(path: str) -> Answer:
    """Return the file at ``path``, one of :data:`FILES`."""
    file = FILES[path]
    return Answer(200, files(file.package).joinpath(file.name).read_bytes(), file.content_type, _POLICY)
