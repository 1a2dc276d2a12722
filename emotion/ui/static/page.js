// Language switch, status bar, fallback banner and list of examples. Texts come from texts.py as window.emotionPage;
// whatever the server tells is put in with textContent.
(() => {
  'use strict';
  const { title, texts } = window.emotionPage;
  const root = document.documentElement;
  // What Gradio itself says, in English only.
  const TOO_LARGE = /^\s*File\(s\) exceed the maximum allowed size of (.+?): "(.*)"/;
  const POLL_MS = { busy: 1500, ready: 15000, offline: 4000 };

  const lang = () => (root.dataset.lang === 'zh' ? 'zh' : 'en');
  const say = (key, values = {}) => texts[key][lang() === 'zh' ? 0 : 1]
    .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? '');

  // --- Language -------------------------------------------------------------------------------
  function applyLanguage() {
    const locale = lang() === 'zh' ? 'zh-CN' : 'en';
    if (root.lang !== locale) root.lang = locale;
    const wanted = `${say('heading')} · ${title}`;
    if (document.title !== wanted) document.title = wanted;
    for (const button of document.querySelectorAll('[data-set-lang]')) {
      const pressed = String(button.dataset.setLang === locale);
      if (button.getAttribute('aria-pressed') !== pressed) {
        button.setAttribute('aria-pressed', pressed);
      }
    }
    for (const heading of document.querySelectorAll('.toast-title')) {
      if (['Error', texts.toast_error[0]].includes(heading.textContent.trim())) {
        if (heading.textContent !== say('toast_error')) heading.textContent = say('toast_error');
      }
    }
    for (const message of document.querySelectorAll('.toast-text, .toast-message-text')) {
      const [, size, file] = message.textContent.match(TOO_LARGE) ?? [];
      if (file && lang() === 'zh') message.textContent = say('too_large', { size, file });
    }
    const uploading = document.querySelector('#audio-input .uploading');
    if (uploading && lang() === 'zh' && uploading.textContent !== say('uploading')) {
      uploading.textContent = say('uploading');
    }
    for (const element of document.querySelectorAll('[data-zh]')) {
      const text = element.dataset[lang()];
      if (element.textContent !== text) element.textContent = text;
    }
  }

  async function switchLanguage(wanted) {
    const locale = window.emotionLanguage(wanted);
    window.emotionKeepLanguage(locale);
    applyLanguage();
    render();
    // Gradio's own labels: its core module can change them in place, otherwise the page reloads.
    const core = performance.getEntriesByType('resource').map((entry) => entry.name)
      .find((name) => /\/assets\/core-[^/]*\.js/.test(name));
    try {
      const { changeLocale } = await import(core);
      changeLocale(locale);
    } catch {
      location.reload();
    }
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('[data-set-lang]');
    if (button && button.getAttribute('aria-pressed') !== 'true') {
      switchLanguage(button.dataset.setLang);
    }
  });

  // --- Status bar and banner --------------------------------------------------------------------
  let status = null;
  let signedOut = false;
  let etag = null;
  let timer = 0;
  let bar = null;
  let banner = null;
  let again = null; // the button in the banner
  let note = null; // what came of it
  let triedAt = null;

  const element = (tag, className, text) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };

  function build() {
    banner = element('aside');
    banner.id = 'fallback-banner';
    banner.hidden = true;
    again = element('button', 'again');
    again.type = 'button';
    again.addEventListener('click', retry);
    note = element('p', 'note');
    note.setAttribute('role', 'status');
    document.body.prepend(banner);
    bar = element('div');
    bar.id = 'status-bar';
    bar.setAttribute('role', 'status');
    bar.setAttribute('aria-live', 'polite');
    document.body.append(bar);
    render();
  }

  function phaseText() {
    const percent = status?.total_bytes ? `${Math.round(100 * status.fraction)}%` : '';
    return say(`phase_${status?.phase ?? 'starting'}`, { percent }).trim();
  }

  function show(kind, text, detail) {
    const next = kind + text + (detail ?? '');
    if (bar.dataset.shown === next) return;
    bar.dataset.shown = next;
    bar.dataset.kind = kind;
    bar.replaceChildren(element('span', 'what', text));
    if (detail) bar.append(element('span', 'why', detail));
  }

  function render() {
    if (!bar) return;
    if (status === 'offline') return show('failed', say(signedOut ? 'status_signed_out' : 'status_offline'));
    const ready = status?.phase === 'ready';
    const gpu = reason(status?.gpu);
    const engine = reason(status?.engine_fallback);
    const notes = [engine, gpu].filter(Boolean).join(' · ');
    const values = { model: status?.model, memory: status?.memory ?? '', phase: phaseText() };
    if (status?.phase === 'failed') show('failed', say('status_failed'), reason(status.error));
    else if (ready && status.fallback) {
      show('fallback', say('status_fallback', values), notes);
    } else if (ready && engine) show('fallback', say('status_engine', values), notes);
    else if (ready) show(gpu ? 'gpu' : 'ready', say('status_ready', values), notes);
    else show('loading', say('status_loading', values));
    renderBanner();
  }

  const reason = (error) => error?.[lang()] ?? '';

  /** Why the default model does not answer, and a way to have it loaded again. */
  function renderBanner() {
    const known = status && status !== 'offline' ? status : null;
    const failed = known?.phase === 'failed';
    const why = reason(failed ? known.error : known?.fallback);
    const next = why ? [lang(), why, known.phase, known.operator, known.fetch_command, triedAt].join() : '';
    if (banner.dataset.shown === next) return;
    banner.dataset.shown = next;
    banner.hidden = !why;
    if (!why) return void banner.replaceChildren();
    banner.dataset.kind = failed ? 'failed' : 'fallback';
    const settled = failed || known.phase === 'ready';
    again.textContent = say('banner_again');
    again.hidden = !settled || known.operator === false;
    if (triedAt && settled) tellNote(say('banner_tried', { time: triedAt }));
    else note.hidden = true;
    banner.replaceChildren(bannerDetails(failed, why), again, note);
  }

  function bannerDetails(failed, why) {
    const model = status.phase === 'ready' ? status.model : '';
    const what = failed ? say('banner_failed') : say('banner', { model }).replace('  ', ' ');
    const summary = element('summary');
    summary.append(element('span', 'what', what), element('span', 'more', say('banner_more')));
    const details = element('details');
    details.open = banner.querySelector('details')?.open ?? false;
    details.append(summary, element('p', 'why', say('banner_reason', { reason: why })));
    if (failed) return details; // the reason says what helps
    const command = element('p', 'command', say('banner_command') + ' ');
    const plain = status.fetch_command.replace('bash run.sh', 'python -m emotion');
    command.append(element('code', '', status.fetch_command));
    if (plain !== status.fetch_command) command.append(' / ', element('code', '', plain));
    details.append(command);
    return details;
  }

  function tellNote(text) {
    note.hidden = false;
    if (note.textContent !== text) note.textContent = text;
  }

  async function retry() {
    again.disabled = true;
    try {
      const headers = { 'Accept-Language': lang() === 'zh' ? 'zh-CN' : 'en' };
      const answer = await fetch('api/v1/models/retry', { method: 'POST', headers });
      const said = await answer.json().catch(() => ({}));
      if (answer.ok) {
        triedAt = new Date().toLocaleTimeString(lang() === 'zh' ? 'zh-CN' : 'en');
        note.hidden = true;
      } else tellNote(said.detail ?? String(answer.status));
    } catch {
      tellNote(say('status_offline'));
    }
    again.disabled = false;
    poll();
  }

  // The list of examples follows the model that answers.
  let ownExample = null;
  function refreshExamples() {
    const button = document.getElementById('refresh-examples');
    const now = status.example ?? null;
    if (!button || now === ownExample) return;
    ownExample = now;
    button.click();
  }

  async function poll() {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const headers = etag ? { 'If-None-Match': etag } : {};
      const answer = await fetch('api/v1/status', { headers, cache: 'no-store' });
      signedOut = answer.status === 401;
      if (answer.status === 200) {
        status = await answer.json();
        etag = answer.headers.get('ETag');
      } else if (answer.status !== 304) throw new Error(String(answer.status));
    } catch (error) {
      signedOut &&= error.message === '401'; // else the server is gone
      status = 'offline';
      etag = null;
    }
    render();
    if (status !== 'offline') {
      document.dispatchEvent(new CustomEvent('emotion-status', { detail: status }));
      refreshExamples();
    }
    const settled = status !== 'offline' && ['ready', 'failed'].includes(status.phase);
    const wait = status === 'offline' ? POLL_MS.offline : settled ? POLL_MS.ready : POLL_MS.busy;
    timer = setTimeout(poll, wait);
  }

  window.emotionPage.askStatus = poll;

  // --- Start ------------------------------------------------------------------------------------
  function start() {
    build();
    applyLanguage();
    poll();
    document.addEventListener('visibilitychange', poll);
    // Gradio draws the page later, and sets the title and the language attribute itself.
    let queued = false;
    new MutationObserver(() => {
      if (queued) return;
      queued = true;
      requestAnimationFrame(() => { queued = false; applyLanguage(); announce(); });
    }).observe(root, { childList: true, subtree: true, attributes: true, attributeFilter: ['lang'] });
  }

  // Gradio tells some failures to nobody, such as an upload that a restarted server has lost.
  const explained = new WeakSet();
  function tellSilentFailure() {
    const veil = document.querySelector('#result-card > [data-testid=status-tracker] .error');
    const card = document.querySelector('#result-card .emo-card');
    if (veil && card?.matches('.is-error, .is-working')) explained.add(veil);
    const silent = Boolean(veil && card && !explained.has(veil));
    const told = document.getElementById('page-notice');
    if (silent === Boolean(told)) {
      if (told && told.textContent !== say('lost')) told.textContent = say('lost');
    } else if (told) told.remove();
    else {
      const made = element('div', '', say('lost'));
      made.id = 'page-notice';
      made.setAttribute('role', 'alert');
      document.body.append(made);
    }
  }

  function announce() {
    tellSilentFailure();
    const card = document.getElementById('result-card');
    if (card && !card.hasAttribute('aria-live')) card.setAttribute('aria-live', 'polite');
  }

  if (document.body) start();
  else document.addEventListener('DOMContentLoaded', start);
})();
