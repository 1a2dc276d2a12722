// The batch tab: sends the files as one job of the API, and shows its progress and its results.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { both, words, card, known, files, total, size } = page.batchList;
  const table = page.batchTable;
  const KEPT = 'emotion-batch'; // the job under way, in sessionStorage
  const POLL_MS = 1000;
  const WAIT_MS = 2000; // before a broken connection is renewed
  const SLICE_MS = 8; // of reading lines before others have their turn

  const find = (selector) => card().querySelector(selector);
  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const tongue = () => (document.documentElement.dataset.lang === 'zh' ? 'zh-CN' : 'en');

  let job = null; // {id, seen, ended}: the one that is shown
  let upload = null; // the request under way
  let chosen = '';
  let restored = false;

  // --- State and words ----------------------------------------------------------------------------------
  function state(name) {
    card().dataset.state = name;
    const busy = name === 'uploading' || name === 'running';
    find('.bat-cancel').disabled = !busy;
    for (const element of card().querySelectorAll('.bat-files, .bat-folder, .bat-clear, .bat-remove, .bat-form :is(input, select)')) {
      element.disabled = busy;
    }
    listChanged();
  }

  function listChanged() {
    const busy = ['uploading', 'running'].includes(card().dataset.state);
    find('.bat-start').disabled = busy || !files().length;
  }

  function tell(told) {
    const element = find('.bat-problem');
    element.hidden = !told;
    if (told) both(element, told);
  }

  function progress(share, told) {
    find('.bat-run').hidden = false;
    const bar = find('.bat-run .progress');
    bar.setAttribute('aria-valuenow', Math.round(100 * share));
    bar.setAttribute('aria-label', words('progress')[tongue() === 'en' ? 1 : 0]);
    bar.firstElementChild.style.width = `${100 * share}%`;
    both(find('.bat-line'), told);
  }

  const joined = (...parts) => [0, 1].map((place) => parts.map((part) => part[place]).join(''));

  function show(now) {
    if (job) job.now = now;
    const { done, failed, total: all } = now;
    const values = { done, failed, total: all, good: done - failed, left: all - done };
    const told = [words({ done: 'done', cancelled: 'cancelled', queued: 'queued' }[now.state] ?? 'running', values)];
    if (now.elapsed_s > 0 && now.done_s > 0) {
      const rate = now.done_s / now.elapsed_s;
      told.push(words('rate', { rate: rate < 10 ? rate.toFixed(1) : Math.round(rate) }));
    }
    if (now.left_s !== null && now.state === 'running') told.push(words('time_left', { time: table.clock(now.left_s) }));
    progress(all ? done / all : 0, joined(...told));
    notes(now);
  }

  function notes(now) {
    const told = [];
    if (now.left_out) told.push(words('server_left', { left: now.left_out }));
    if (now.table) {
      const { columns, rows, ...rest } = now.table;
      told.push(words('table_told', { rows, columns: columns.join(', ') || '–' }));
      for (const key of ['rows_alone', 'files_alone']) {
        const names = rest[`${key}_names`].slice(0, 5).join(', ') + (rest[key] > 5 ? ' …' : '');
        if (rest[key]) told.push(words(key, { count: rest[key], names }));
      }
    }
    both(find('.bat-note'), told.length ? joined(...told.map((one) => one.map((text) => `${text} `))) : ['', '']);
    if (now.problem) tell([now.problem.detail, now.problem.detail]);
  }

  const said = (problem) => {
    const text = [problem.detail, problem.hint].filter(Boolean).join(tongue() === 'en' ? '. ' : '。');
    return [text, text];
  };

  // --- Sending ------------------------------------------------------------------------------------------
  function form() {
    const data = new FormData();
    for (const input of card().querySelectorAll('.bat-form [name]')) {
      if (input.type === 'checkbox' && !input.checked) continue;
      data.append(input.name, input.name === 'min_confidence' ? Number(input.value) / 100 : input.value);
    }
    for (const { file, name } of files()) data.append('file', file, name);
    return data;
  }

  function start() {
    const { most, most_bytes: limit } = known();
    tell(null);
    if (files().length > most) return tell(words('too_many', { count: files().length, most }));
    if (total() > limit) return tell(words('too_large', { size: size(total()), limit: size(limit) }));
    state('uploading');
    const request = new XMLHttpRequest();
    upload = request;
    request.open('POST', 'api/v1/jobs');
    request.setRequestHeader('Accept', 'application/json');
    request.setRequestHeader('Accept-Language', tongue());
    request.upload.onprogress = ({ loaded, total: all }) => {
      const share = all ? loaded / all : 0;
      progress(share, share < 1 ? words('uploading', { percent: Math.floor(100 * share), size: size(all) }) : words('reading'));
    };
    request.onload = () => answered(request);
    request.onerror = () => refused(words('offline'));
    request.onabort = () => refused(null);
    request.send(form());
    return undefined;
  }

  function refused(told) {
    upload = null;
    find('.bat-run').hidden = true;
    state('idle');
    tell(told);
  }

  function answered(request) {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch { /* of a proxy, perhaps */ }
    if (request.status === 401) return refused(words('signed_out'));
    if (request.status !== 202) return refused(answer.detail ? said(answer) : words('offline'));
    upload = null;
    return follow(answer, true);
  }

  // --- Following ----------------------------------------------------------------------------------------
  function follow(now) {
    const own = { id: now.id, seen: 0, ended: false };
    job = own;
    try {
      sessionStorage.setItem(KEPT, own.id);
    } catch { /* private mode */ }
    for (const link of document.querySelectorAll('.bat-get')) Object.assign(link, { href: `api/v1/jobs/${own.id}/${link.dataset.get}`, hidden: false });
    document.querySelector('.bat-compare').hidden = !compareTab();
    table.clear();
    table.show(true);
    state('running');
    show(now);
    read(own);
    poll(own);
  }

  const asked = (address) => fetch(address, { cache: 'no-store', headers: { 'Accept-Language': tongue() } });

  async function poll(own) {
    while (job === own && !own.ended) {
      await pause(POLL_MS);
      try {
        const answer = await asked(`api/v1/jobs/${own.id}`);
        if (answer.ok && job === own && !own.ended) show(await answer.json());
      } catch { /* the other connection tells it */ }
    }
  }

  /** Reads the lines of the job until all are there; a connection that breaks is renewed. */
  async function read(own) {
    for (;;) {
      try {
        const answer = await asked(`api/v1/jobs/${own.id}/results?from=${own.seen}`);
        if (answer.status === 404) return lost(own, words('lost'));
        if (answer.status === 401) return lost(own, words('signed_out'));
        if (!answer.ok) throw new Error(String(answer.status));
        if (own.broken) tell(null);
        own.broken = false;
        await lines(own, answer.body.getReader());
        if (job !== own) return undefined;
        const last = await asked(`api/v1/jobs/${own.id}`);
        if (last.status === 404) return lost(own, words('lost'));
        const now = await last.json();
        if (['done', 'cancelled'].includes(now.state) && own.seen >= now.done) return ended(own, now);
      } catch {
        if (job !== own) return undefined;
        own.broken = true;
        tell(words('broken'));
      }
      await pause(WAIT_MS);
      if (job !== own) return undefined;
    }
  }

  async function lines(own, reader) {
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      let began = performance.now();
      let found = [];
      let at = 0;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', at)) {
        found.push(JSON.parse(rest.slice(at, end)));
        at = end + 1;
        own.seen += 1;
        if (performance.now() - began > SLICE_MS) {
          if (job !== own) return;
          table.add(found);
          found = [];
          await pause(0);
          began = performance.now();
        }
      }
      rest = rest.slice(at);
      if (job !== own) return;
      if (found.length) table.add(found);
    }
  }

  function ended(own, now) {
    own.ended = true;
    show(now);
    state('ended');
  }

  function lost(own, told) {
    if (job !== own) return;
    own.ended = true;
    show({ ...own.now, left_s: null });
    for (const link of document.querySelectorAll('.bat-get')) link.hidden = true; // they would lead nowhere
    document.querySelector('.bat-compare').hidden = true;
    state('ended');
    tell(told);
  }

  async function cancel() {
    if (upload) return upload.abort();
    if (!job || job.ended) return undefined;
    return fetch(`api/v1/jobs/${job.id}`, { method: 'DELETE' }).catch(() => tell(words('broken')));
  }

  /** After the page was loaded again: the job that was under way, or the one that the address names. */
  async function restore() {
    restored = true;
    const named = new URLSearchParams(location.search).get('job');
    let kept = null;
    try {
      kept = sessionStorage.getItem(KEPT);
    } catch { /* private mode */ }
    const id = named || kept;
    if (!/^[0-9a-f]{32}$/.test(id ?? '')) return;
    try {
      const answer = await asked(`api/v1/jobs/${id}`);
      if (answer.ok) follow(await answer.json());
      else if (answer.status === 404) {
        sessionStorage.removeItem(KEPT);
        tell(words('forgotten'));
      } else tell(answer.status === 401 ? words('signed_out') : words('offline'));
    } catch {
      tell(words('offline'));
    }
  }

  // --- Opening a row, comparing -------------------------------------------------------------------------
  function open(index) {
    chosen = `${job.id}/${index}`;
    document.getElementById('batch-open').click();
  }

  function opened() {
    document.querySelector('#batch-timeline-plot audio')?.play?.().catch(() => {});
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    document.querySelector('.bat-opened').scrollIntoView({ block: 'start', behavior: calm ? 'auto' : 'smooth' });
  }

  const compareTab = () => document.getElementById('tab-compare-button');

  function compare() {
    compareTab()?.click();
    document.dispatchEvent(new CustomEvent('emotion:compare', { detail: { job: job.id } }));
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#batch-panel button');
    if (button?.matches('.bat-start')) start();
    else if (button?.matches('.bat-cancel')) cancel();
    else if (button?.matches('.bat-compare')) compare();
  });
  document.addEventListener('emotion:tab', (event) => {
    if (event.detail !== 'batch') return;
    // Once Gradio has drawn the tab.
    const wait = () => { if (card()) { if (!restored) restore(); } else setTimeout(wait, 50); };
    requestAnimationFrame(wait);
  });
  addEventListener('beforeunload', (event) => { if (upload) event.preventDefault(); });

  Object.assign(page, {
    batchListChanged: listChanged, batchTell: tell, batchOpen: open, batchOpened: opened, batchChoice: () => chosen,
  });
})();
