// The history tab: asks for stored runs, filters them, opens, downloads and deletes them, and takes that back.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { RunList, both, words } = window.emotionHistory;
  const root = document.documentElement;
  const PAGE = 50; // rows that come at once
  const MOST = 1000; // the server gives at once
  const ZIPPED = 200; // runs in one archive
  const AT_ONCE = 6; // requests
  const POLL_MS = 10_000; // looks for new runs while the tab is open
  const TYPING_MS = 250;
  const UNDO_MS = 600_000; // the server's patience
  const NEAR_END_PX = 400;
  const RUN_ID = /^outputs_\d{8}_\d{6}(_\d{3})?$/;

  let view = null; // the list, once the tab is drawn
  let open = false; // the tab
  let total = 0;
  let asked = 0; // number of the last question: older answers are dropped
  let more = false; // a further page is on its way
  let timer = 0;
  let typing = 0;
  let opened = ''; // the run that is shown below
  const deletions = []; // what can be undone, the last one last

  const find = (selector) => view.panel.querySelector(selector);
  const result = () => document.getElementById('history-result');
  const form = () => find('.his-filters');

  // --- The server ---------------------------------------------------------------------------------
  async function ask(address, method = 'GET') {
    const tongue = root.dataset.lang === 'zh' ? 'zh-CN' : 'en';
    const answer = await fetch(address, { method, cache: 'no-store', headers: { 'Accept-Language': tongue } });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    const error = new Error(String(answer.status));
    Object.assign(error, { status: answer.status, told: said.detail, lang: tongue });
    throw error;
  }

  /** Does the same with each id, a few at a time; gives the answers by id, errors among them. */
  async function each(ids, work) {
    const waiting = [...ids];
    const answers = new Map();
    const worker = async () => {
      for (let id = waiting.shift(); id; id = waiting.shift()) {
        answers.set(id, await work(id).catch((error) => error));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return ids.map((id) => [id, answers.get(id)]);
  }

  function filters() {
    const given = [...new FormData(form())].map(([name, value]) => [name, value.trim()]);
    return given.filter(([, value]) => value);
  }

  const address = (limit, offset = 0) => `api/v1/runs?${new URLSearchParams([...filters(), ['limit', limit], ['offset', offset]])}`;

  // --- Display ------------------------------------------------------------------------------------
  function problem(error) {
    const shown = find('.his-problem');
    shown.hidden = !error;
    shown.removeAttribute('lang');
    delete shown.dataset.told;
    if (!error) shown.replaceChildren();
    else if (error.told) {
      shown.lang = error.lang;
      shown.textContent = error.told;
    } else both(shown, error.texts ?? words('offline'));
  }

  function models(names) {
    const select = form().elements.model;
    const wanted = select.value && !names.includes(select.value) ? [...names, select.value] : names;
    const there = [...select.options].slice(1).map((option) => option.value);
    if (there.join('\n') === wanted.join('\n')) return;
    const chosen = select.value;
    select.replaceChildren(select.options[0], ...wanted.map((name) => new Option(name, name)));
    select.value = chosen;
  }

  /** What depends on how many there are, and how many are selected. */
  function settle() {
    const [count, filtered] = [view.runs.size, filters().length > 0];
    view.panel.dataset.state = count ? 'list' : 'empty';
    both(find('.his-total'), words('total', { count: total }));
    if (!count) both(find('.his-empty'), words(filtered ? 'no_match' : 'none'));
    find('.his-clear').disabled = !filtered;
    const rest = Math.max(0, total - count);
    find('.his-more').hidden = !rest;
    if (rest) both(find('.his-more'), words('more', { count: Math.min(PAGE, rest) }));
    const chosen = view.chosen().length;
    find('.his-count').hidden = !chosen;
    if (chosen) both(find('.his-count'), words('selected', { count: chosen }));
    for (const name of ['get-all', 'delete-all']) find(`.his-${name}`).disabled = !chosen;
    find('.his-compare').disabled = chosen < 2;
    find('.his-compare').hidden = !document.getElementById('tab-compare-button');
    const all = find('.his-all input');
    all.checked = count > 0 && chosen === count;
    all.indeterminate = chosen > 0 && chosen < count;
  }

  function show(said, runs) {
    total = said.total;
    models(said.models);
    view.show(runs);
    problem(null);
    settle();
  }

  /** Asks for the first rows, as many as there are now; a question that is asked later wins. */
  async function load(count = Math.max(PAGE, view.runs.size)) {
    asked += 1;
    const mine = asked;
    try {
      const limit = Math.min(MOST, count);
      const said = await ask(address(limit));
      if (mine !== asked) return;
      const last = said.runs.at(-1)?.run_id;
      const rest = count > limit ? [...view.runs.values()].filter((run) => run.run_id < last) : [];
      show(said, [...said.runs, ...rest]);
    } catch (error) {
      if (mine === asked) problem(error);
    } finally {
      if (mine === asked) again();
    }
  }

  async function loadMore() {
    if (more || !view.runs.size || view.runs.size >= total) return;
    more = true;
    const mine = asked;
    try {
      const said = await ask(address(PAGE, view.runs.size));
      if (mine !== asked) return; // the list is another one now
      const seen = new Map([...view.runs.values(), ...said.runs].map((run) => [run.run_id, run]));
      show(said, [...seen.values()]);
    } catch (error) {
      problem(error);
    } finally {
      more = false;
    }
  }

  // --- New runs appear while the tab is open --------------------------------------------------------
  function again() {
    clearTimeout(timer);
    if (open && !document.hidden) timer = setTimeout(look, POLL_MS);
  }

  async function look() {
    const mine = asked;
    try {
      const { total: count, runs } = await ask(address(1));
      if (mine !== asked) return;
      problem(null);
      const first = view.runs.keys().next().value;
      if (count !== total || runs[0]?.run_id !== first) await load();
    } catch (error) {
      if (mine === asked) problem(error);
    }
    again();
  }

  function filtered() {
    clearTimeout(typing);
    find('.his-list').scrollTop = 0;
    load(PAGE);
  }

  // --- Opening ------------------------------------------------------------------------------------
  function place(id) {
    const there = new URL(location);
    if (id) there.searchParams.set('run', id);
    else there.searchParams.delete('run');
    window.history.replaceState({ ...window.history.state }, '', there);
  }

  function openRun(id) {
    opened = id;
    view.open(id);
    view.panel.setAttribute('aria-busy', 'true');
    result().hidden = false;
    document.getElementById('history-open').click();
    place(id);
  }

  function historyOpened() {
    view.panel.removeAttribute('aria-busy');
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    document.getElementById('history-head').scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
  }

  function closeRun() {
    const row = view.row(opened);
    opened = '';
    view.open('');
    for (const player of result().querySelectorAll('audio')) player.pause();
    result().hidden = true;
    place('');
    return row;
  }

  // --- Deleting, and taking it back -----------------------------------------------------------------
  async function remove(ids) {
    if (!ids.length) return;
    const answers = await each(ids, (id) => ask(`api/v1/runs/${id}?undo=true`, 'DELETE'));
    const failed = answers.filter(([, said]) => said instanceof Error && said.status !== 404);
    const kept = new Set(failed.map(([id]) => id));
    const deleted = answers.filter(([, said]) => !(said instanceof Error)).map(([id]) => id);
    const gone = ids.filter((id) => !kept.has(id));
    if (gone.includes(opened)) closeRun();
    view.remove(gone);
    total -= gone.length;
    if (!view.runs.size) form().elements.name.focus(); // no row is left to have the focus
    if (deleted.length) remember(deleted);
    await load();
    if (failed.length) problem(failed[0][1]);
  }

  function remember(ids) {
    const deletion = { ids, until: Date.now() + UNDO_MS };
    deletions.push(deletion);
    tellUndo('deleted', ids.length);
    setTimeout(() => { if (deletions.every(({ until }) => until <= Date.now())) dismiss(); }, UNDO_MS);
  }

  function tellUndo(key, count) {
    find('.his-undo').hidden = false;
    both(find('.his-undo p'), words(key, { count }));
    find('.his-restore').hidden = !deletions.length;
  }

  function dismiss() {
    deletions.length = 0;
    find('.his-undo').hidden = true;
    delete find('.his-undo p').dataset.told;
    find('.his-undo p').replaceChildren();
  }

  async function undo() {
    const last = deletions.pop();
    if (!last) return;
    const answers = await each(last.ids, (id) => ask(`api/v1/runs/${id}/restore`, 'POST'));
    const back = answers.filter(([, said]) => !(said instanceof Error)).map(([, said]) => said.run_id);
    tellUndo('restored', back.length);
    await load();
    view.focus(back.map((id) => view.row(id)).find(Boolean));
    const failed = answers.find(([, said]) => said instanceof Error);
    if (failed) problem(failed[1]);
  }

  // --- Downloading and comparing --------------------------------------------------------------------
  function download() {
    const ids = view.chosen();
    if (ids.length > ZIPPED) return void problem({ texts: words('too_many', { count: ZIPPED }) });
    const link = document.createElement('a');
    link.href = page.historyArchive(ids);
    link.download = '';
    link.click();
  }

  function compare() {
    document.dispatchEvent(new CustomEvent('emotion:compare', { detail: { runs: view.chosen() } }));
    document.getElementById('tab-compare-button').click();
  }

  // --- Events ---------------------------------------------------------------------------------------
  const ACTIONS = {
    '.his-open': (button) => openRun(view.rowOf(button).dataset.run),
    '.his-delete': (button) => remove([view.rowOf(button).dataset.run]),
    '.his-more': () => loadMore(),
    '.his-delete-all': () => remove(view.chosen()),
    '.his-get-all': download,
    '.his-compare': compare,
    '.his-restore': undo,
    '.his-dismiss': dismiss,
  };

  function clicked(event) {
    const row = view.rowOf(event.target);
    if (row) view.current(row);
    for (const [selector, act] of Object.entries(ACTIONS)) {
      const button = event.target.closest(selector);
      if (button) act(button);
    }
  }

  function changed(event) {
    const row = view.rowOf(event.target);
    if (row) view.select(row.dataset.run, event.target.checked);
    else if (event.target.matches('.his-all input')) view.selectAll(event.target.checked);
    else return void filtered();
    settle();
  }

  const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };

  function pressed(event) {
    if ((event.ctrlKey || event.metaKey) && event.key === 'z' && !event.target.matches('.his-filters *')) {
      event.preventDefault();
      undo();
    }
    const row = view.rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in STEPS) {
      event.preventDefault();
      if (view.move(event.target, STEPS[event.key])) loadMore();
    } else if (event.key === 'Delete') {
      event.preventDefault();
      remove([row.dataset.run]);
    } else if (spaceOnRow(event)) {
      event.preventDefault();
      view.select(row.dataset.run, !view.selected.has(row.dataset.run));
      settle();
    }
  }

  const spaceOnRow = (event) => event.key === ' ' && event.target.matches('.his-open');

  function scrolled({ target }) {
    if (target.scrollTop + target.clientHeight > target.scrollHeight - NEAR_END_PX) loadMore();
  }

  function typed(event) {
    if (event.target.name !== 'name') return;
    clearTimeout(typing);
    typing = setTimeout(filtered, TYPING_MS);
  }

  function connect(panel) {
    view = new RunList(panel);
    panel.addEventListener('click', clicked);
    panel.addEventListener('change', changed);
    panel.addEventListener('keydown', pressed);
    panel.addEventListener('keyup', (event) => { if (spaceOnRow(event)) event.preventDefault(); });
    view.list.addEventListener('scroll', scrolled, { passive: true });
    form().addEventListener('input', typed);
    form().addEventListener('submit', (event) => { event.preventDefault(); filtered(); });
    form().addEventListener('reset', () => setTimeout(filtered)); // once the fields are empty
    result().querySelector('.his-close').addEventListener('click', () => view.focus(closeRun() ?? view.list.firstElementChild));
    document.getElementById('history-result-card').setAttribute('aria-live', 'polite');
  }

  /** Gradio draws a tab when it is first opened. */
  function drawn() {
    if (!open) return;
    const panel = document.querySelector('#history-panel .history');
    if (panel?.classList.contains('is-off')) return;
    const ready = panel && document.getElementById('history-open') && result()?.querySelector('.his-close');
    if (!ready) return void requestAnimationFrame(drawn);
    if (view?.panel !== panel) connect(panel);
    load();
    const wanted = new URLSearchParams(location.search).get('run') ?? '';
    if (RUN_ID.test(wanted) && wanted !== opened) openRun(wanted);
  }

  document.addEventListener('emotion:tab', ({ detail }) => {
    open = detail === 'history';
    clearTimeout(timer);
    if (open) requestAnimationFrame(drawn);
  });
  document.addEventListener('visibilitychange', () => { if (open && view && !document.hidden) look(); });

  Object.assign(page, { historyOpened, historyRun: () => opened });
})();
