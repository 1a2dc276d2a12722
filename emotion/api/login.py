"""``/login`` and ``/logout``: a session for browsers, where keys or passwords are configured."""

from __future__ import annotations

import html
from typing import Final
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from emotion.api.asking import language_of
from emotion.api.gate import Gate
from emotion.api.guard import LOGIN
from emotion.core.access_errors import TriesError
from emotion.core.i18n import Lang, error_pairs
from emotion.core.request_errors import RequestTooLargeError

LOGOUT: Final = "/logout"
_MOST_BYTES: Final = 4096
_NO_STORE: Final = {"Cache-Control": "no-store"}
_TEXTS: Final[dict[Lang, dict[str, str]]] = {
    "zh": {
        "title": "登录 · Emotion2Vec+",
        "name": "用户名或密钥名称",
        "password": "密码或 API 密钥",
        "sign_in": "登录",
        "wrong": "用户名或密码不正确。",
    },
    "en": {
        "title": "Sign in · Emotion2Vec+",
        "name": "User name, or name of the key",
        "password": "Password, or API key",
        "sign_in": "Sign in",
        "wrong": "The name or the password is wrong.",
    },
}
_PAGE: Final = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>
<style>:root{{color-scheme:light dark;--line:light-dark(#767f89,#8b949e);
--ink:light-dark(#fff,#0b1215);
--accent:light-dark(#0f766e,#5eead4);--bad:light-dark(#b42318,#ff9b8f)}}
*{{box-sizing:border-box}}body{{margin:0;min-height:100vh;display:grid;place-items:center;
font:1rem/1.5 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif}}
form{{width:min(22rem,calc(100vw - 2rem));display:grid;gap:1rem}}h1{{font-size:1.25rem;margin:0}}
label{{display:grid;gap:.25rem}}input,button{{font:inherit;padding:.6rem .75rem;border-radius:.5rem;
border:1px solid var(--line);width:100%}}button{{background:var(--accent);color:var(--ink);
border-color:transparent;font-weight:600;cursor:pointer}}p{{margin:0;color:var(--bad)}}
:focus-visible{{outline:2px solid var(--accent);outline-offset:2px}}</style></head>
<body><main><form method="post" action="login"><h1>{title}</h1>{alert}
<label>{name}<input name="name" value="{user}" autocomplete="username" required
autofocus></label>
<label>{password}<input name="password" type="password" autocomplete="current-password" required>
</label><button>{sign_in}</button></form></main></body></html>"""


def router(gate: Gate) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LOGIN)
    def show(request: Request) -> Response:
        if not gate.access.required or gate.sessions.identity(request.cookies) is not None:
            return RedirectResponse("./", 303, _NO_STORE)
        return _page(request)

    @routes.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        name, password = await _fields(request)
        lang = _language(request)
        try:
            identity = await gate.check(request, name, password)
        except TriesError as e:
            message, hint = (pair[0 if lang == "zh" else 1] for pair in error_pairs(e))
            text = f"{message}{'。' if lang == 'zh' else '. '}{hint}"
            page = _page(request, text[:1].upper() + text[1:], 429, name)
            page.headers["Retry-After"] = str(e.params["wait_s"])
            return page
        if identity is None:
            return _page(request, _TEXTS[lang]["wrong"], 401, name)
        answer = RedirectResponse("./", 303, _NO_STORE)
        gate.sessions.begin(identity, answer, request.url.scheme == "https")
        return answer

    @routes.post(LOGOUT)
    def sign_out() -> Response:
        answer = RedirectResponse("login", 303, _NO_STORE)
        gate.sessions.end(answer)
        return answer

    return routes


async def _fields(request: Request) -> tuple[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise RequestTooLargeError(maximum_mb=_MOST_BYTES / 1e6)
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    return fields.get("name", [""])[0].strip(), fields.get("password", [""])[0]


def _page(request: Request, alert: str = "", status: int = 200, user: str = "") -> HTMLResponse:
    lang = _language(request)
    page = _PAGE.format(
        **_TEXTS[lang],
        lang="zh-CN" if lang == "zh" else "en",
        user=html.escape(user),
        alert=f'<p role="alert">{html.escape(alert)}</p>' if alert else "",
    )
    return HTMLResponse(page, status, _NO_STORE)


def _language(request: Request) -> Lang:
    """The language that the page's switch left in a cookie, else the browser's."""
    chosen = request.cookies.get("ui_lang", "")
    if chosen:
        return "zh" if chosen.lower().startswith("zh") else "en"
    return language_of(request)
