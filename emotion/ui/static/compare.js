// The comparing tab: what its parts share. The others add to `page.compare`: what is compared (input, history, table),
// how it gets there (run), and what is drawn of the answer (matrix, colour, map, groups, trend, files).
(() => {
  'use strict';
  const page = window.emotionPage;
  const root = document.documentElement;

  const panel = () => document.querySelector('#compare-panel .compare');
  const find = (selector) => panel().querySelector(selector);
  const lang = () => (root.dataset.lang === 'zh' ? 'zh' : 'en');
  const say = (key, values = {}) => page.texts[`compare_${key}`][lang() === 'zh' ? 0 : 1]
    .replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? '');

  /**
   * entries: what is compared. Each has a name and one of `file` (a recording), `embedding` (an .npy file), `run_id` and
   * `job` ({id, index}); a recording gets its job once it is recognised. answer: what the server said; sent: the entries
   * behind its items, in their order; selected: the place of one, or -1.
   */
  const state = { entries: [], failed: [], table: null, badDates: 0, answer: null, sent: [], selected: -1 };
  const parts = []; // {draw(), select()?}: what shows the answer
  const lists = []; // functions that show what is compared

  // --- Elements -------------------------------------------------------------------------------------
  function el(tag, values = {}, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(values)) {
      if (key === 'text') made.textContent = value;
      else if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? '' : value);
    }
    made.append(...children);
    return made;
  }

  function svg(tag, values = {}, text = '') {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    return made;
  }

  const part = (name) => find(`[data-part="${name}"]`);

  let known = null;
  function emotions() {
    known ??= new Map(JSON.parse(panel().dataset.emotions).map((one) => [one.id, one]));
    return known;
  }

  const emotionName = (id) => emotions().get(id)?.[lang()] ?? (id === 'uncertain' ? say('uncertain') : id);

  // --- The answer -----------------------------------------------------------------------------------
  const name = (place) => state.answer.names[place];
  const speaker = (place) => state.answer.items[place].speaker ?? state.sent[place]?.speaker ?? '';
  /** The user's columns of an item: those of the CSV come first. */
  const columns = (place) => ({ ...state.answer.items[place].columns, ...state.sent[place]?.columns });

  /** What is read out and shown of an item. */
  function about(place) {
    const item = state.answer.items[place];
    const label = state.answer.clusters?.labels[place] ?? -1;
    return [
      item.emotion && `${emotionName(item.emotion)} ${(100 * (item.confidence ?? 0)).toFixed(0)}%`,
      label >= 0 && say('group', { label }),
      speaker(place),
    ].filter(Boolean);
  }

  function draw() {
    find('.cmp-results').hidden = !state.answer;
    if (!state.answer) return stop();
    for (const one of parts) one.draw();
    for (const one of parts) one.select?.();
  }

  function select(place) {
    state.selected = place;
    for (const one of parts) one.select?.();
  }

  const redrawList = () => lists.forEach((show) => show());

  // --- The player -----------------------------------------------------------------------------------
  let blob = '';

  /** Where a recording can be heard: the visitor's own file, then the server's copy of what was recognised. */
  function sounds(place) {
    const { run_id: run, job_id: job, index } = state.answer.items[place];
    const found = [];
    if (state.sent[place]?.file) found.push(state.sent[place].file);
    if (job) found.push(`api/v1/jobs/${job}/items/${index}/processed_audio.wav`);
    if (run) found.push(`api/v1/runs/${encodeURIComponent(run)}/processed_audio.wav`);
    return found;
  }

  function stop() {
    const player = find('.cmp-player audio');
    player.onerror = null;
    player.pause();
    player.removeAttribute('src');
    if (blob) URL.revokeObjectURL(blob);
    blob = '';
    find('.cmp-player').hidden = true;
  }

  function play(place) {
    stop();
    select(place);
    const player = find('.cmp-player audio');
    const told = find('.cmp-playing');
    const left = sounds(place);
    const values = { name: name(place) };
    find('.cmp-player').hidden = false;
    player.hidden = !left.length;
    told.textContent = say(left.length ? 'playing' : 'no_sound', values);
    if (!left.length) return;
    const next = () => {
      const sound = left.shift();
      if (!sound) {
        told.textContent = say('unplayable', values);
        return;
      }
      if (sound instanceof Blob) blob = URL.createObjectURL(sound);
      player.src = sound instanceof Blob ? blob : sound;
      player.play().catch(() => {}); // `onerror` says what matters
    };
    player.onerror = next;
    next();
  }

  function playButton(place, text = name(place)) {
    return el('button', {
      type: 'button', class: 'cmp-play', title: name(place), 'aria-label': say('play', { name: name(place) }),
      onclick: () => play(place),
    }, el('span', { class: 'mark', 'aria-hidden': 'true', text: '▶' }), el('span', { class: 'name', text }));
  }

  new MutationObserver(() => {
    if (!panel()) return;
    redrawList();
    draw();
  }).observe(root, { attributes: true, attributeFilter: ['data-lang'] });

  page.compare = {
    state, parts, lists, panel, find, part, lang, say, el, svg, emotions, emotionName, name, speaker, columns, about,
    draw, select, play, playButton, redrawList, stop,
  };
})();
