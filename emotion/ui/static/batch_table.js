// The batch tab's table of results: only the rows in view are in the page, so thousands stay smooth.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { both, words, known } = page.batchList;
  const AHEAD = 8; // rows above and below the view
  const PACE_MS = 250; // between two drawings while results come

  let rows = []; // all, in the order in which they ended
  let view = []; // sorted and filtered
  let active = 0; // place in the view
  let opened = -1; // index of the recording
  let sort = ['index', 1];
  let drawing = 0;
  let waiting = 0;
  const drawn = new Map(); // the rows in the page by index
  let stale = true; // the view must be made again
  let emotions = null;
  let templates = null;

  const results = () => document.querySelector('#batch-panel .bat-results');
  const find = (selector) => results().querySelector(selector);
  const lang = () => (document.documentElement.dataset.lang === 'zh' ? 0 : 1);
  const percent = (value) => `${(100 * value).toFixed(1)}%`;
  const byName = new Intl.Collator(undefined, { numeric: true });

  function emotion(id) {
    emotions ??= new Map(known().emotions.map((one) => [one.id, one]));
    return emotions.get(id);
  }

  function clock(seconds) {
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    const two = (value) => String(Math.floor(value)).padStart(2, '0');
    const hours = Math.floor(seconds / 3600);
    return hours ? `${hours}:${two((seconds / 60) % 60)}:${two(seconds % 60)}` : `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  }

  // --- Rows ---------------------------------------------------------------------------------------------
  /** What the table keeps of a line of the job. */
  function rowOf({ index, file, result, problem }) {
    if (!result) return { index, file, kind: 'failed', error: problem, warnings: [] };
    const others = Object.entries(result.scores).filter(([id, score]) => id !== result.emotion && score > 0);
    const second = others.reduce((best, one) => (best && best[1] >= one[1] ? best : one), null);
    const silent = result.warnings.some((one) => one.code === 'no_speech');
    return {
      index, file, second, duration: result.audio.duration_s, emotion: result.emotion, score: result.confidence,
      warnings: result.warnings, kind: silent ? 'no_speech' : result.uncertain ? 'uncertain' : 'done',
    };
  }

  /** A warning in both languages: the server's templates name the values and their digits. */
  function warned({ code, message, params = {} }) {
    templates ??= known().warnings;
    const zh = templates[code]?.replace(/\{(\w+)(?::\.(\d)f)?\}/g, (_, name, digits) => (
      digits === undefined ? params[name] : Number(params[name]).toFixed(digits)));
    return [zh ?? message, message];
  }

  const KEYS = {
    index: (row) => row.index,
    file: (row) => row.file,
    duration: (row) => row.duration ?? -1,
    emotion: (row) => (row.kind === 'failed' ? 'zz' : row.kind === 'no_speech' ? 'zy' : row.emotion),
    score: (row) => row.score ?? -1,
    second: (row) => row.second?.[0] ?? 'zz',
    warning: (row) => row.error?.detail ?? row.warnings.map((one) => one.code).join(),
  };

  function arrange() {
    stale = false;
    const wanted = find('[name=show]').value;
    const text = find('[name=search]').value.trim().toLowerCase();
    const fits = (row) => (!wanted || row.kind === wanted || (row.kind !== 'failed' && row.kind !== 'no_speech' && row.emotion === wanted))
      && (!text || row.file.toLowerCase().includes(text));
    const [name, way] = sort;
    const key = KEYS[name];
    const compare = (a, b) => (typeof a === 'string' ? byName.compare(a, b) : a - b);
    const kept = view[active]?.index;
    view = rows.filter(fits).sort((a, b) => way * compare(key(a), key(b)) || a.index - b.index);
    active = Math.max(0, view.findIndex((row) => row.index === kept));
    both(find('.bat-rows'), view.length || !rows.length ? words('rows', { shown: view.length, total: rows.length }) : words('none'));
    find('.bat-grid').setAttribute('aria-rowcount', view.length + 1);
    for (const head of results().querySelectorAll('[role=columnheader]')) {
      const own = head.dataset.sort === name;
      head.setAttribute('aria-sort', own ? (way > 0 ? 'ascending' : 'descending') : 'none');
    }
  }

  // --- Display ------------------------------------------------------------------------------------------
  const rowHeight = () => parseFloat(getComputedStyle(find('.bat-grid')).getPropertyValue('--row'));

  function cell(name, fill) {
    const made = document.createElement('div');
    made.setAttribute('role', 'gridcell');
    made.className = `of-${name}`;
    if (typeof fill === 'string') made.textContent = fill;
    else if (fill) fill(made);
    return made;
  }

  function named(element, id, extra = '') {
    const one = emotion(id);
    both(element, one ? [`${one.emoji} ${one.zh}${extra}`, `${one.emoji} ${one.en}${extra}`] : [id + extra, id + extra]);
  }

  function chip(element, row) {
    const made = document.createElement('span');
    made.className = 'bat-chip';
    if (row.kind === 'failed') both(made, words('failed').map((text) => `⚠ ${text}`));
    else if (row.kind === 'no_speech') both(made, words('no_speech').map((text) => `🔇 ${text}`));
    else if (row.kind === 'uncertain') {
      const one = emotion(row.emotion);
      const told = words('uncertain');
      both(made, [`${one?.emoji ?? ''} ${told[0]}：${one?.zh ?? ''}`, `${one?.emoji ?? ''} ${told[1]}: ${one?.en ?? ''}`]);
    } else named(made, row.emotion);
    if (row.kind === 'done' || row.kind === 'uncertain') made.style.setProperty('--emo', emotion(row.emotion)?.colour ?? 'currentcolor');
    element.append(made);
  }

  function note(element, row) {
    if (row.error) {
      element.textContent = row.error.detail;
      element.title = [row.error.detail, row.error.hint].filter(Boolean).join('\n');
    } else if (row.warnings.length) {
      const told = row.warnings.map(warned);
      const [zh, en] = [0, 1].map((place) => told.map((one) => one[place]).join(' '));
      both(element, [zh, en]);
      element.title = [zh, en][lang()];
    }
  }

  function line(row) {
    const own = document.createElement('div');
    own.setAttribute('role', 'row');
    own.id = `batch-row-${row.index}`;
    own.dataset.kind = row.kind;
    const spoken = row.kind === 'done' || row.kind === 'uncertain';
    own.append(
      cell('file', (element) => { element.textContent = row.file; element.title = row.file; }),
      cell('duration', row.duration === undefined ? '–' : clock(row.duration)),
      cell('emotion', (element) => chip(element, row)),
      cell('score', spoken ? percent(row.score) : '–'),
      cell('second', spoken && row.second ? (element) => named(element, row.second[0], ` ${percent(row.second[1])}`) : '–'),
      cell('warning', (element) => note(element, row)),
    );
    return own;
  }

  /** Puts the rows from one place to another into the page; those that are there already stay. */
  function put(first, last) {
    const body = find('.bat-body');
    const height = rowHeight();
    const wanted = new Set(view.slice(first, last).map((row) => row.index));
    for (const [index, element] of drawn) {
      if (wanted.has(index)) continue;
      element.remove();
      drawn.delete(index);
    }
    let before = null;
    for (let place = first; place < last; place += 1) {
      const row = view[place];
      const element = drawn.get(row.index) ?? line(row);
      drawn.set(row.index, element);
      element.setAttribute('aria-rowindex', place + 2);
      element.setAttribute('aria-selected', row.index === opened);
      element.dataset.place = place;
      element.style.transform = `translateY(${place * height}px)`;
      element.classList.toggle('is-active', place === active);
      const next = before ? before.nextSibling : body.firstChild; // the order in which they are read
      if (next !== element) body.insertBefore(element, next);
      before = element;
    }
  }

  function draw() {
    [drawing, waiting] = [0, 0];
    if (!results()?.offsetParent) return;
    if (stale) {
      arrange();
      shares();
    }
    const grid = find('.bat-grid');
    const height = rowHeight();
    find('.bat-body').style.height = `${view.length * height}px`; // before the view is measured
    const first = Math.max(0, Math.floor(grid.scrollTop / height) - AHEAD);
    const last = Math.min(view.length, Math.ceil((grid.scrollTop + grid.clientHeight) / height) + AHEAD);
    put(first, last);
    const row = view[active];
    if (row && active >= first && active < last) grid.setAttribute('aria-activedescendant', `batch-row-${row.index}`);
    else grid.removeAttribute('aria-activedescendant');
  }

  function redraw(changed = true) {
    stale ||= changed;
    drawing ||= requestAnimationFrame(draw);
  }

  /** Draws what came meanwhile, a few times a second. */
  function later() {
    stale = true;
    waiting ||= setTimeout(() => redraw(), PACE_MS);
  }

  /** How often each emotion was heard: bars with counts and shares, so that it reads in grey. */
  function shares() {
    const counts = new Map();
    let spoken = 0;
    for (const row of rows) {
      const own = row.kind === 'failed' || row.kind === 'no_speech';
      const key = own ? row.kind : row.emotion;
      counts.set(key, (counts.get(key) ?? 0) + 1);
      if (!own) spoken += 1;
    }
    const bar = (key, told, colour, share) => {
      const item = document.createElement('li');
      item.dataset.kind = key;
      const name = document.createElement('span');
      name.className = 'name';
      both(name, told);
      const track = document.createElement('span');
      track.className = 'track';
      const fill = document.createElement('span');
      fill.style.width = `${100 * (counts.get(key) ?? 0) / Math.max(1, rows.length)}%`;
      if (colour) fill.style.background = colour;
      track.append(fill);
      const value = document.createElement('span');
      value.className = 'value';
      value.textContent = share ? `${counts.get(key) ?? 0} · ${percent((counts.get(key) ?? 0) / Math.max(1, spoken))}` : counts.get(key) ?? 0;
      item.append(name, track, value);
      return item;
    };
    const items = known().emotions.filter((one) => counts.get(one.id))
      .map((one) => bar(one.id, [`${one.emoji} ${one.zh}`, `${one.emoji} ${one.en}`], one.colour, true));
    for (const [key, face] of [['no_speech', '🔇'], ['failed', '⚠']]) {
      if (counts.get(key)) items.push(bar(key, words(key).map((text) => `${face} ${text}`), '', false));
    }
    find('.bat-shares ol').replaceChildren(...items);
  }

  // --- Walking and opening ------------------------------------------------------------------------------
  function go(place) {
    active = Math.max(0, Math.min(view.length - 1, place));
    const grid = find('.bat-grid');
    const height = rowHeight();
    const head = find('.bat-heads').offsetHeight;
    const top = active * height;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + height + head > grid.scrollTop + grid.clientHeight) grid.scrollTop = top + height + head - grid.clientHeight;
    redraw(false);
  }

  function open(row) {
    if (!row) return;
    opened = row.index;
    const error = find('.bat-error');
    find('.bat-opened').textContent = row.file;
    error.hidden = row.kind !== 'failed';
    error.textContent = row.error ? [row.error.detail, row.error.hint].filter(Boolean).join(' ') : '';
    document.getElementById('batch-result').toggleAttribute('data-shown', row.kind !== 'failed');
    redraw(false);
    if (row.kind !== 'failed') page.batchOpen(row.index);
  }

  document.addEventListener('keydown', (event) => {
    if (!event.target.matches?.('.bat-grid')) return;
    const step = Math.max(1, Math.floor(event.target.clientHeight / rowHeight()) - 2);
    const places = {
      ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + step, PageUp: active - step, Home: 0, End: view.length - 1,
    };
    if (event.key in places) go(places[event.key]);
    else if (event.key === 'Enter' || event.key === ' ') open(view[active]);
    else return;
    event.preventDefault();
  });
  document.addEventListener('click', (event) => {
    const row = event.target.closest?.('.bat-body [role=row]');
    if (row) {
      active = Number(row.dataset.place);
      return open(view[active]);
    }
    const head = event.target.closest?.('.bat-heads [role=columnheader]');
    if (!head) return undefined;
    const name = head.dataset.sort;
    sort = [name, sort[0] === name ? -sort[1] : 1];
    find('[name=sort]').value = name;
    return redraw();
  });
  for (const kind of ['input', 'change']) {
    document.addEventListener(kind, (event) => {
      if (!event.target.matches?.('.bat-tools :is(input, select)')) return;
      if (event.target.name === 'sort') sort = [event.target.value, 1];
      else find('.bat-grid').scrollTop = 0;
      redraw();
    });
  }
  document.addEventListener('scroll', (event) => { if (event.target.matches?.('.bat-grid')) redraw(false); }, true);
  addEventListener('resize', () => redraw(false));
  document.addEventListener('emotion:tab', () => setTimeout(() => redraw()));
  document.addEventListener('click', (event) => { if (event.target.closest?.('[data-set-lang]') && results()) redraw(false); });

  page.batchTable = {
    add: (found) => { rows.push(...found.map(rowOf)); later(); },
    clear: () => {
      [rows, view, active, opened] = [[], [], 0, -1];
      for (const element of drawn.values()) element.remove();
      drawn.clear();
      find('.bat-opened').replaceChildren();
      find('.bat-error').hidden = true;
      document.getElementById('batch-result').removeAttribute('data-shown');
      redraw();
    },
    show: (on) => { results().hidden = !on; redraw(); },
    rows: () => rows,
    clock,
  };
})();
