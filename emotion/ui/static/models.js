// The models tab: which models there are, switching between them, the last comparison.
(() => {
  'use strict';
  const page = window.emotionPage;
  const POLL_MS = 2000;
  const { both } = page;
  const words = page.wordsOf('models_');
  const same = (text) => [text, text];

  const root = () => document.querySelector('#models-panel .models');
  const find = (selector) => root().querySelector(selector);
  const make = (name, className, told) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (told) both(made, told);
    return made;
  };

  let open = false; // the tab
  let timer = 0;
  let seen = ''; // what the cards show
  let problem = null; // of the last switch that was asked for here

  const bytes = (value) => (!value ? '–' : value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${(value / 1e9).toFixed(1)} GB`);
  const seconds = (value) => (value == null ? '–' : value < 1 ? `${Math.round(1000 * value)} ms` : `${value.toFixed(1)} s`);
  const share = (value) => value.toFixed(3);
  const joined = (key, text) => words(key).map((told, place) => told + text[place]);

  const emotion = (id) => JSON.parse(root().dataset.emotions)[id] ?? same(id);

  // --- The models -----------------------------------------------------------------------------------
  function fact(key, told, url) {
    const row = make('div');
    const value = make('dd');
    if (url) {
      const link = make('a', '', told);
      Object.assign(link, { href: url, target: '_blank', rel: 'noopener' });
      value.append(link);
    } else both(value, told);
    row.append(make('dt', '', words(key)), value);
    return row;
  }

  function card(model, data) {
    const item = make('li');
    item.toggleAttribute('data-answers', model.answers);
    const head = make('div', 'mdl-head');
    head.append(make('h3', '', same(model.title)), make('span', 'mdl-state', words(model.answers ? 'answers' : model.state)));
    const facts = make('dl', 'mdl-facts');
    facts.append(fact('size', same(bytes(model.size_bytes))));
    if (model.licence) facts.append(fact('licence', same(model.licence), model.licence_url));
    if (model.answers) {
      const names = model.labels.map(emotion);
      facts.append(
        fact('where', same([model.device, model.precision, model.engine].join(' · '))),
        fact('width', same(String(model.embedding_dim))),
        fact('labels', [names.map(([zh]) => zh).join('、'), names.map(([, en]) => en).join(', ')]),
      );
    }
    item.append(head, make('span', 'mdl-name', same(model.name)), facts);
    if (!model.answers && data.operator) {
      const button = make('button', 'mdl-switch', words(model.state === 'ready' ? 'switch' : 'fetch'));
      button.type = 'button';
      button.dataset.name = model.name;
      button.disabled = !['ready', 'failed'].includes(data.phase);
      item.append(button);
    }
    return item;
  }

  function show(data) {
    const busy = !['ready', 'failed'].includes(data.phase);
    const note = busy ? words('switching') : data.operator ? ['', ''] : words('not_operator');
    both(find('.mdl-note'), note);
    const failed = problem ?? (data.switch_error && [data.switch_error.zh, data.switch_error.en]);
    find('.mdl-problem').hidden = !failed || busy;
    if (failed) both(find('.mdl-problem'), problem ?? joined('failed', failed));
    const key = JSON.stringify(data);
    if (key === seen) return;
    seen = key;
    page.askStatus(); // the bar below says what answers, too
    const focused = document.activeElement?.dataset?.name;
    find('.mdl-list').replaceChildren(...data.models.map((model) => card(model, data)));
    if (focused) find(`.mdl-switch[data-name="${CSS.escape(focused)}"]`)?.focus();
    comparison(data.comparison);
  }

  // --- The last comparison --------------------------------------------------------------------------
  function cells(row) {
    const { overall } = row;
    const [low, high] = overall.intervals.ua;
    const told = row.confusions.map((one) => [emotion(one.reference), emotion(one.predicted), `${Math.round(100 * one.share)} %`]);
    const confused = [0, 1].map((place) => told.map(([from, to, much]) => `${from[place]} → ${to[place]} ${much}`).join(place ? ', ' : '，') || '–');
    return [
      same(share(overall.ua)), same(`${share(low)} – ${share(high)}`), same(share(overall.wa)), same(share(overall.macro_f1)),
      same(share(overall.ece)), same(seconds(row.load_s)), same(seconds(row.latency_s)), same(bytes(row.peak_bytes)),
      same(bytes(row.gpu_bytes)), same(String(row.embedding_dim ?? '–')), confused, same(row.languages), same(row.licence),
      same([row.device, row.precision, row.engine].join(' · ')),
    ];
  }

  function line(row) {
    const made = make('tr');
    const head = make('th', '', same(row.title));
    head.scope = 'row';
    made.append(head);
    if (row.error) {
      const cell = make('td', 'is-problem', joined('not_measured', [row.error_zh ?? row.error, row.error]));
      cell.colSpan = find('.mdl-table thead tr').children.length - 1;
      made.append(cell);
    } else {
      made.append(...cells(row).map((told, place) => make('td', [10, 11, 12].includes(place) ? 'is-wide' : '', told)));
    }
    return made;
  }

  function comparison(data) {
    find('.mdl-last').hidden = false;
    find('.mdl-scroll').hidden = !data;
    both(find('.mdl-how'), words(data ? 'again' : 'none'));
    const count = data?.rows.find((row) => row.overall)?.overall.num;
    const told = data ? words('about', data) : ['', ''];
    const counted = count ? words('recordings', { count }) : ['', ''];
    both(find('.mdl-about'), told.map((text, place) => [counted[place], text].filter(Boolean).join(place ? ' of ' : '，')));
    find('.mdl-table tbody').replaceChildren(...(data?.rows ?? []).map(line));
  }

  // --- Asking ---------------------------------------------------------------------------------------
  async function ask() {
    clearTimeout(timer);
    if (!open || document.hidden || !root()) return;
    try {
      const answer = await fetch('api/v1/models', { cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
    } catch {
      both(find('.mdl-note'), words('offline'));
    }
    timer = setTimeout(ask, POLL_MS);
  }

  async function change(name) {
    problem = null;
    for (const button of root().querySelectorAll('.mdl-switch')) button.disabled = true;
    const zh = document.documentElement.dataset.lang === 'zh';
    const headers = { 'Content-Type': 'application/json', 'Accept-Language': zh ? 'zh-CN' : 'en' };
    try {
      const answer = await fetch('api/v1/models/switch', { method: 'POST', headers, body: JSON.stringify({ name }) });
      if (!answer.ok) {
        const { detail, hint } = await answer.json();
        problem = same([detail, hint].filter(Boolean).join(zh ? '。' : '. '));
      }
    } catch {
      problem = words('offline');
    }
    seen = '';
    ask();
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#models-panel .mdl-switch');
    if (button) change(button.dataset.name);
  });
  document.addEventListener('visibilitychange', ask);
  document.addEventListener('emotion:tab', (event) => {
    open = event.detail === 'models';
    const wait = () => { if (root()) ask(); else if (open) setTimeout(wait, 50); }; // until Gradio has drawn it
    if (open) wait();
  });
})();
