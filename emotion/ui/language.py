"""The page's language: chosen by the browser, a switch or ``?lang=``, and told by a cookie.

Gradio picks a translation by ``navigator.language`` before any script of the page can run, and it
knows only some of the names of Chinese. So `BOOT_SCRIPT` goes first into ``<head>``: it settles on
Chinese or English and pins that as the browser's language. This module must not import gradio.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from emotion.core.i18n import Lang
from emotion.ui.texts import TEXTS

COOKIE: Final = "ui_lang"
LOCALES: Final[tuple[str, ...]] = ("zh", "zh-CN", "zh-TW", "en")
_PREFIX: Final = "emo_"

_BOOT: Final = """(() => {
  const root = document.documentElement;
  const read = () => { try { return localStorage.getItem('ui_lang'); } catch { return null; } };
  const keep = (l) => { try { localStorage.setItem('ui_lang', l); } catch { /* private mode */ } };
  let locale = 'en';
  window.emotionLanguage = (wanted) => {
    locale = /^zh/i.test(wanted) ? 'zh-CN' : 'en';
    document.cookie = 'ui_lang=' + locale + '; path=/; max-age=31536000; SameSite=Lax';
    root.lang = locale;
    root.dataset.lang = locale.slice(0, 2);
    return locale;
  };
  const asked = new URLSearchParams(location.search).get('lang');
  const chosen = window.emotionLanguage(asked || read() || navigator.language || 'en');
  if (asked) keep(chosen);
  window.emotionKeepLanguage = keep;
  for (const [name, get] of [['language', () => locale], ['languages', () => [locale]]]) {
    Object.defineProperty(navigator, name, { get, configurable: true });
  }
})();"""
BOOT_SCRIPT: Final[bytes] = f"<script>{_BOOT}</script>".encode()


class HasCookies(Protocol):
    """A request, as far as this module looks at it."""

    @property
    def cookies(self) -> Mapping[str, str]:
        """Cookies by name."""


def language_of(request: HasCookies | None) -> Lang:
    """The language that the page told by cookie; English where it told none."""
    cookies = request.cookies if request is not None else {}
    return "zh" if cookies.get(COOKIE, "").lower().startswith("zh") else "en"


def message_id(key: str) -> str:
    """A text's name in the translations; the prefix keeps it apart from Gradio's own names."""
    return _PREFIX + key


def translations() -> dict[str, dict[str, str]]:
    """Locale to texts, for Gradio's labels."""
    zh = {message_id(key): value[0] for key, value in TEXTS.items()}
    en = {message_id(key): value[1] for key, value in TEXTS.items()}
    return {locale: zh if locale.startswith("zh") else en for locale in LOCALES}
