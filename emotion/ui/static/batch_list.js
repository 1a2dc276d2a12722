// The batch tab's list of files: dropped, chosen, taken out of folders; nothing is sent here.
(() => {
  'use strict';
  const page = window.emotionPage;
  const SHOWN = 100; // rows of the list at first, and with each press of the button

  let files = []; // {file, name}, each name once
  let leftOut = 0;
  let unreadable = 0;
  let shown = SHOWN;

  const card = () => document.querySelector('#batch-panel .batch');
  let facts = null;
  const known = () => { facts ??= JSON.parse(card().dataset.known); return facts; };

  // --- Words, for all scripts of the tab ------------------------------------------------------------
  const { both } = page;
  const words = page.wordsOf('batch_');
  const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} KB`
    : bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`);
  const total = () => files.reduce((sum, one) => sum + one.file.size, 0);
  const editable = () => ['idle', 'ended'].includes(card()?.dataset.state);

  // --- What is in the list ----------------------------------------------------------------------------
  /** Files of folders count only where they may be recordings; those chosen one by one always do. */
  function add(found) {
    const suffixes = new Set(known().suffixes);
    const have = new Set(files.map((one) => one.name));
    for (const one of found) {
      const base = one.name.split('/').at(-1);
      const suffix = base.includes('.') ? base.split('.').at(-1).toLowerCase() : '';
      const folder = one.name.includes('/');
      if (folder && (base.startsWith('.') || (suffix && !suffixes.has(suffix)))) leftOut += 1;
      else if (!have.has(one.name)) {
        have.add(one.name);
        files.push(one);
      }
    }
    draw();
  }

  async function walk(entry, path, out) {
    if (entry.isFile) {
      try {
        const file = await new Promise((give, fail) => { entry.file(give, fail); });
        out.push({ file, name: path + file.name });
      } catch {
        unreadable += 1;
      }
      return;
    }
    const reader = entry.createReader();
    for (;;) { // a hundred at a time
      let part = [];
      try {
        part = await new Promise((give, fail) => { reader.readEntries(give, fail); });
      } catch {
        unreadable += 1;
      }
      if (!part.length) return;
      for (const one of part) await walk(one, `${path}${entry.name}/`, out);
    }
  }

  async function dropped(transfer) {
    const items = [...transfer.items].filter((item) => item.kind === 'file');
    // All of it must be read before the first await.
    const entries = items.map((item) => item.webkitGetAsEntry?.());
    const plain = [...transfer.files].map((file) => ({ file, name: file.name }));
    const folders = entries.filter((entry) => entry?.isDirectory);
    if (!folders.length) return add(plain);
    const found = [];
    for (const entry of entries) if (entry) await walk(entry, '', found);
    const byName = new Intl.Collator(undefined, { numeric: true });
    found.sort((a, b) => byName.compare(a.name, b.name));
    return add(found);
  }

  // --- Display ------------------------------------------------------------------------------------------
  function row(one) {
    const item = document.createElement('li');
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = one.name;
    const bytes = document.createElement('span');
    bytes.className = 'size';
    bytes.textContent = size(one.file.size);
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.textContent = '×';
    remove.className = 'bat-remove';
    remove.setAttribute('aria-label', words('remove', { name: one.name })[document.documentElement.dataset.lang === 'zh' ? 0 : 1]);
    item.dataset.name = one.name;
    item.append(name, bytes, remove);
    return item;
  }

  function draw() {
    const list = card().querySelector('.bat-list');
    list.hidden = !files.length && !leftOut;
    const left = leftOut ? words('left', { left: leftOut }) : ['', ''];
    const counted = words('count', { count: files.length, size: size(total()) });
    both(list.querySelector('.bat-count'), counted.map((text, place) => text + left[place]));
    list.querySelector('ul').replaceChildren(...files.slice(0, shown).map(row));
    const more = list.querySelector('.bat-more');
    more.hidden = files.length <= shown;
    both(more, words('more', { count: Math.min(SHOWN, files.length - shown) }));
    page.batchListChanged();
    if (unreadable) page.batchTell(words('unreadable', { count: unreadable }));
    unreadable = 0;
  }

  function remove(name) {
    const buttons = [...card().querySelectorAll('.bat-remove')];
    const place = buttons.findIndex((button) => button.parentElement.dataset.name === name);
    files = files.filter((one) => one.name !== name);
    draw();
    const rest = card().querySelectorAll('.bat-remove');
    (rest[Math.min(place, rest.length - 1)] ?? card().querySelector('.bat-files')).focus();
  }

  function clear() {
    files = [];
    leftOut = 0;
    shown = SHOWN;
    draw();
    card().querySelector('.bat-files').focus();
  }

  // --- Events -------------------------------------------------------------------------------------------
  const visible = () => Boolean(card()?.offsetParent);
  const carries = (event) => visible() && event.dataTransfer?.types.includes('Files');
  const highlight = (on) => card()?.querySelector('.bat-drop').classList.toggle('is-target', on);

  document.addEventListener('dragover', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    highlight(editable());
  }, true);
  document.addEventListener('dragleave', (event) => { if (!event.relatedTarget) highlight(false); }, true);
  document.addEventListener('drop', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    highlight(false);
    if (editable()) dropped(event.dataTransfer);
  }, true);
  document.addEventListener('change', (event) => {
    if (!event.target.matches?.('.bat-input')) return;
    add([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    event.target.value = '';
  });
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#batch-panel button');
    if (!button || !editable()) return;
    const inputs = card().querySelectorAll('.bat-input');
    if (button.matches('.bat-files')) inputs[0].click();
    else if (button.matches('.bat-folder')) inputs[1].click();
    else if (button.matches('.bat-clear')) clear();
    else if (button.matches('.bat-remove')) remove(button.parentElement.dataset.name);
    else if (button.matches('.bat-more')) {
      shown += SHOWN;
      draw();
    }
  });

  page.batchList = { files: () => files, total, size, both, words, card, known };
})();
