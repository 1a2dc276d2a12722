// The comparing tab's input: files that are chosen or dropped, folders, a CSV, and the list of what is compared.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { state, find, say, el, panel, lists, redrawList } = page.compare;
  // In folders these lie beside recordings.
  const NO_SOUND = /^\.|\.(txt|md|json|jsonl|xml|ya?ml|pdf|docx?|xlsx?|pptx?|jpe?g|png|gif|svg|html?|css|js|py|lab|textgrid|srt|vtt|zip|ini|db)$/i;

  let matched = 0;
  let notice = ''; // a key of the texts
  let noticeValues = {};

  function tellNotice(key, values = {}) {
    notice = key;
    noticeValues = values;
  }

  /** Adds entries up to the limit; what is there already stays once. */
  function add(entries) {
    const most = Number(panel().dataset.most);
    const key = (one) => one.run_id ?? (one.job && !one.file ? `${one.job.id}/${one.job.index}`
      : [one.path, one.file?.size ?? one.embedding?.size, (one.file ?? one.embedding)?.lastModified].join('|'));
    const there = new Set(state.entries.map(key));
    const fresh = entries.filter((one) => !there.has(key(one)) && there.add(key(one)));
    const room = Math.max(0, most - state.entries.length);
    tellNotice(fresh.length > room ? 'too_many' : '', { most });
    state.entries.push(...fresh.slice(0, room));
    changed();
  }

  function changed() {
    const told = page.compare.applyTable(state.table, state.entries);
    matched = told.matched;
    state.badDates = told.badDates;
    redrawList();
  }

  async function addFiles(given) {
    // The server would unpack a ZIP file, and its recordings would not be those of the list.
    const files = given.filter(({ file }) => !/\.zip$/i.test(file.name));
    const tables = files.filter(({ file }) => /\.(csv|tsv)$/i.test(file.name));
    for (const { file } of tables) {
      const table = await page.compare.readTable(file);
      if (table) state.table = table;
      else {
        tellNotice('csv_empty', { file: file.name });
        redrawList();
        return;
      }
    }
    add(files.filter((one) => !tables.includes(one)).map(({ file, path }) => (
      /\.npy$/i.test(file.name) ? { embedding: file, name: file.name, path } : { file, name: file.name, path })));
    if (files.length < given.length && !notice) {
      tellNotice('no_zip');
      redrawList();
    }
  }

  function clear() {
    Object.assign(state, { entries: [], failed: [], table: null, answer: null, sent: [], selected: -1 });
    tellNotice('');
    page.compare.tellStatus('');
    page.compare.tellProblem(null);
    changed();
    page.compare.draw();
    find('.cmp-choose').focus();
  }

  // --- Dropped folders --------------------------------------------------------------------------------
  const promised = (call) => new Promise((resolve, reject) => { call(resolve, reject); });

  async function walk(entry, found) {
    if (entry.isFile) {
      const path = entry.fullPath.replace(/^\//, '');
      if (!path.includes('/') || !NO_SOUND.test(entry.name)) {
        found.push({ file: await promised((done, failed) => entry.file(done, failed)), path });
      }
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await promised((done, failed) => reader.readEntries(done, failed)); // a hundred at most
      if (!some.length) return;
      for (const one of some) await walk(one, found);
    }
  }

  async function dropped(transfer) {
    // Both lists are gone after the first await.
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...transfer.files].map((file) => ({ file, path: file.name }));
    const found = [];
    for (const entry of entries) await walk(entry, found);
    const all = found.length ? found : files;
    await addFiles(all.sort((one, other) => one.path.localeCompare(other.path)));
  }

  function chosen(input, inFolder) {
    const files = [...input.files].filter((file) => !inFolder || !NO_SOUND.test(file.name))
      .map((file) => ({ file, path: file.webkitRelativePath || file.name }));
    input.value = '';
    return addFiles(files.sort((one, other) => one.path.localeCompare(other.path)));
  }

  // --- The list ---------------------------------------------------------------------------------------
  function notes() {
    const lines = [];
    if (state.table) {
      const { file, names } = state.table;
      lines.push(say('csv', { file, matched, columns: names.length }));
    }
    if (state.badDates) lines.push(say('bad_dates', { count: state.badDates }));
    if (notice) lines.push(say(notice, noticeValues));
    return lines.map((text) => el('li', { text }));
  }

  function row(entry) {
    const label = say('remove', { name: entry.name });
    const away = () => {
      const at = state.entries.indexOf(entry);
      state.entries.splice(at, 1);
      changed();
      const next = find('.cmp-entries').querySelectorAll('button')[Math.min(at, state.entries.length - 1)];
      (next ?? find('.cmp-choose')).focus();
    };
    const more = [entry.speaker, entry.date].filter(Boolean).join(' · ');
    return el('li', {}, el('span', { class: 'name', text: entry.name, title: entry.path ?? entry.name }),
      el('span', { class: 'more', text: more }),
      el('button', { type: 'button', 'aria-label': label, title: label, onclick: away, text: '×' }));
  }

  function show() {
    const { entries } = state;
    const count = (test) => entries.filter(test).length;
    find('.cmp-list').hidden = !entries.length && !state.table && !notice;
    find('.cmp-count').textContent = say('count', {
      recordings: count((one) => one.file), embeddings: count((one) => one.embedding),
      runs: count((one) => !one.file && !one.embedding),
    });
    find('.cmp-notes').replaceChildren(...notes());
    const list = find('.cmp-entries');
    list.hidden = !entries.length;
    // Two thousand rows are drawn only for those who look.
    list.querySelector('ul').replaceChildren(...(list.open ? entries.map(row) : []));
    find('.cmp-failed').hidden = !state.failed.length;
    find('.cmp-failed ul').replaceChildren(...state.failed.map(({ name, why }) => el('li', {},
      el('b', { text: name }), ` ${typeof why === 'string' ? why : say(why.key)}`)));
    page.compare.buttons();
  }

  // --- Events -----------------------------------------------------------------------------------------
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#compare-panel button');
    if (!button) return;
    if (button.matches('.cmp-choose')) find('.cmp-files').click();
    if (button.matches('.cmp-folder')) find('.cmp-directory').click();
    if (button.matches('.cmp-clear')) clear();
  });
  document.addEventListener('change', (event) => {
    if (event.target.matches('#compare-panel .cmp-files')) chosen(event.target, false);
    if (event.target.matches('#compare-panel .cmp-directory')) chosen(event.target, true);
  });
  document.addEventListener('toggle', (event) => {
    if (event.target.matches?.('#compare-panel .cmp-entries')) show();
  }, true);
  for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
    document.addEventListener(kind, (event) => {
      const zone = event.target.closest?.('#compare-panel .cmp-input');
      if (!zone || !event.dataTransfer) return;
      event.preventDefault();
      event.stopPropagation();
      const inside = kind === 'dragleave' && zone.contains(event.relatedTarget);
      zone.toggleAttribute('data-target', kind.startsWith('dragen') || kind === 'dragover' || inside);
      if (kind === 'drop') dropped(event.dataTransfer);
    }, true);
  }

  lists.push(show);
  Object.assign(page.compare, { add, changed });
})();
