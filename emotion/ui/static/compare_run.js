// The comparing tab's work: recordings become jobs of the server, then all is compared in one request.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { state, find, say, panel, lang, lists, redrawList } = page.compare;
  const POLL_MS = 500;
  const JOB_FILES = 500; // in one job
  const JOB_BYTES = 200e6; // unless one recording alone is larger
  const AT_ONCE = 6; // questions about stored runs
  const TRIES = 5; // of a question that gets no answer
  const WORKING = ['uploading', 'recognising', 'reading', 'comparing'];

  let abort = null; // of what is under way
  let job = ''; // the one that is under way
  let status = { key: '', values: {} };
  let problem = null; // a text's key with values, or what the server said

  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
  const headers = () => ({ 'Accept-Language': lang() === 'zh' ? 'zh-CN' : 'en' });

  // --- What is told -----------------------------------------------------------------------------------
  function tellStatus(key, values = {}, share = null) {
    status = { key, values };
    const bar = find('.cmp-progress');
    bar.hidden = !WORKING.includes(key);
    const line = bar.querySelector('span');
    line.className = share === null ? 'moving' : '';
    line.style.width = share === null ? '' : `${(100 * Math.min(1, share)).toFixed(1)}%`;
    showStatus();
  }

  function showStatus() {
    const left = status.values.left ? say('left', { seconds: status.values.left }) : '';
    find('.cmp-status').textContent = status.key ? say(status.key, status.values) + left : '';
  }

  /** A problem: null, what the server refused ({told}), a text ({key, values}), or a connection that is gone. */
  function tellProblem(error) {
    problem = error;
    if (error) tellStatus('');
    showProblem();
  }

  function showProblem() {
    const box = find('.cmp-problem');
    box.hidden = !problem;
    box.textContent = !problem ? '' : problem.told ?? say(problem.key ?? 'lost', problem.values);
  }

  /** The answer that refuses, as an error. */
  async function refusal(answer) {
    const said = await answer.json().catch(() => null);
    const sentence = (text) => (!text || /[.。!！]$/.test(text) ? text : `${text}${lang() === 'zh' ? '。' : '.'}`);
    const told = said ? [sentence(said.detail), sentence(said.hint)].filter(Boolean).join(' ') : null;
    return Object.assign(new Error(String(answer.status)), {
      status: answer.status, code: said?.code, ...(told ? { told } : {}),
    });
  }

  function buttons() {
    const busy = Boolean(abort);
    const [own, other] = busy ? ['.cmp-start', '.cmp-cancel'] : ['.cmp-cancel', '.cmp-start'];
    const focused = document.activeElement === find(own);
    panel().dataset.state = busy ? 'busy' : 'idle';
    find('.cmp-start').disabled = busy || state.entries.length < 2;
    find('.cmp-cancel').hidden = !busy;
    find('.cmp-clear').hidden = busy || (!state.entries.length && !state.table);
    for (const button of panel().querySelectorAll('.cmp-entries li button')) button.disabled = busy;
    if (focused) find(other).focus(); // the button that had the focus is gone
  }

  // --- Stored runs ------------------------------------------------------------------------------------
  function leaveOut(entry, why) {
    state.failed.push({ name: entry.name, why });
    state.entries.splice(state.entries.indexOf(entry), 1);
  }

  /** Names runs, and leaves out those that are gone or have no embedding. */
  async function checkRuns() {
    const left = state.entries.filter((one) => one.run_id && !one.checked);
    if (left.length) tellStatus('reading');
    const work = async () => {
      for (let entry = left.shift(); entry; entry = left.shift()) {
        const answer = await fetch(`api/v1/runs/${encodeURIComponent(entry.run_id)}`, { headers: headers(), signal: abort.signal });
        if (!answer.ok) {
          const error = await refusal(answer);
          if (answer.status !== 404) throw error;
          leaveOut(entry, error.told);
          continue;
        }
        const run = await answer.json();
        if (entry.unnamed) Object.assign(entry, { name: run.file ?? entry.name, path: run.file ?? entry.path, unnamed: false });
        entry.checked = true;
        if (!run.files?.['embedding.npy']) leaveOut(entry, { key: 'no_embedding' });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    page.compare.changed();
  }

  // --- Recordings -------------------------------------------------------------------------------------
  /** Recordings in portions that fit a request. */
  function portions(entries) {
    const made = [];
    let bytes = Infinity;
    for (const entry of entries) {
      if (bytes + entry.file.size > JOB_BYTES || made.at(-1).length >= JOB_FILES) {
        made.push([]);
        bytes = 0;
      }
      made.at(-1).push(entry);
      bytes += entry.file.size;
    }
    return made;
  }

  /** Sends a form; `fetch` would not tell how much of it is sent. */
  function upload(url, form, progress) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const away = () => request.abort();
      request.open('POST', url);
      request.setRequestHeader('Accept-Language', headers()['Accept-Language']);
      request.upload.onprogress = (event) => progress(event.loaded / event.total);
      request.onload = () => resolve(new Response(request.response || null, { status: request.status }));
      request.onerror = () => reject(new TypeError('lost'));
      request.onabort = () => reject(new DOMException('', 'AbortError'));
      abort.signal.addEventListener('abort', away);
      request.onloadend = () => abort?.signal.removeEventListener('abort', away);
      request.responseType = 'blob';
      request.send(form);
    });
  }

  /** Asks again when the connection fails. */
  async function ask(url) {
    for (let tries = 1; ; tries += 1) {
      try {
        const answer = await fetch(url, { headers: headers(), cache: 'no-store', signal: abort.signal });
        if (answer.ok) return answer;
        throw await refusal(answer);
      } catch (error) {
        if (error.status || error.name === 'AbortError' || tries === TRIES) throw error;
        await pause(POLL_MS * 2 ** tries);
      }
    }
  }

  async function recognise(entries, before, total) {
    const form = new FormData();
    form.append('extract_embedding', 'true');
    form.append('embedding_format', 'none');
    for (const { file, name } of entries) form.append('file', file, name);
    tellStatus('uploading', { percent: 0 }, 0);
    const answer = await upload('api/v1/jobs', form, (share) => (
      tellStatus('uploading', { percent: Math.floor(100 * share) }, share)));
    if (!answer.ok) throw await refusal(answer);
    job = (await answer.json()).id;
    for (;;) {
      const now = await (await ask(`api/v1/jobs/${job}`)).json();
      const share = now.total_s ? now.done_s / now.total_s : 0;
      const done = before + now.done;
      tellStatus('recognising', { done, total, left: now.left_s ? Math.ceil(now.left_s) : '' },
        Math.max(done, before + share * entries.length) / total);
      if (now.ended_at) {
        if (now.problem) throw Object.assign(new Error(), { told: now.problem.detail });
        break;
      }
      await pause(POLL_MS);
    }
    const lines = (await (await ask(`api/v1/jobs/${job}/results`)).text()).split('\n').filter(Boolean);
    for (const { index, status: ended, problem: why } of lines.map((line) => JSON.parse(line))) {
      if (ended === 'done') entries[index].job = { id: job, index };
      else leaveOut(entries[index], [why.detail, why.hint].filter(Boolean).join('. '));
    }
    job = '';
    redrawList();
  }

  async function recogniseAll() {
    const left = state.entries.filter((one) => one.file && !one.job);
    let done = 0;
    for (const some of portions(left)) {
      await recognise(some, done, left.length);
      done += some.length;
    }
  }

  // --- Comparing --------------------------------------------------------------------------------------
  function request(items) {
    const option = (name) => panel().querySelector(`[data-option="${name}"]`);
    const number = (name) => (option(name).value && option(name).checkValidity() ? Number(option(name).value) : null);
    const asked = {
      items: items.map((one) => ({
        ...(one.job ? { job_id: one.job.id, index: one.job.index } : { run_id: one.run_id }),
        name: one.name.slice(0, 200),
        ...(one.date ? { date: one.date } : {}),
        ...(one.speaker ? { speaker: one.speaker } : {}),
      })),
      projection: option('projection').value,
      clustering: option('clustering').value,
      clusters: number('clusters'),
    };
    const neighbours = number('neighbours');
    return JSON.stringify(neighbours ? { ...asked, neighbours } : asked);
  }

  async function compare() {
    const embeddings = state.entries.filter((one) => one.embedding);
    const items = state.entries.filter((one) => !one.embedding);
    const count = items.length + embeddings.length;
    if (count < 2) throw { key: 'too_few', values: { count } };
    tellStatus('comparing', { count });
    const form = new FormData();
    form.append('request', request(items));
    for (const { embedding, name } of embeddings) form.append('file', embedding, name);
    const [body, type] = embeddings.length ? [form, {}] : [request(items), { 'Content-Type': 'application/json' }];
    const answer = await fetch('api/v1/compare', {
      method: 'POST', headers: { ...headers(), ...type }, body, signal: abort.signal,
    });
    if (!answer.ok) throw await refusal(answer);
    return [await answer.json(), [...items, ...embeddings]];
  }

  /** Jobs are forgotten after an hour; recordings that are still at hand are then sent again. */
  async function compareAgain(error) {
    const forgotten = state.entries.filter((one) => one.file && one.job);
    if (error.status !== 404 || !forgotten.length) throw error;
    for (const one of forgotten) delete one.job;
    await recogniseAll();
    return compare();
  }

  async function start() {
    if (abort) return;
    abort = new AbortController();
    state.failed = [];
    tellProblem(null);
    buttons();
    try {
      await checkRuns();
      await recogniseAll();
      const [answer, sent] = await compare().catch(compareAgain);
      Object.assign(state, { answer, sent, selected: -1 });
      tellStatus('done', { count: sent.length });
      page.compare.draw();
      find('.cmp-results').scrollIntoView({ block: 'start' });
    } catch (error) {
      if (error.name === 'AbortError') tellStatus('cancelled');
      else tellProblem(error);
    } finally {
      abort = null;
      job = '';
      redrawList();
    }
  }

  /** Ends what is under way; done when nothing is any more. */
  async function cancel() {
    if (job) fetch(`api/v1/jobs/${job}`, { method: 'DELETE' }).catch(() => {});
    abort?.abort();
    while (abort) await pause(POLL_MS / 10);
  }

  document.addEventListener('click', (event) => {
    if (event.target.closest?.('#compare-panel .cmp-start')) start();
    if (event.target.closest?.('#compare-panel .cmp-cancel')) cancel();
  });

  lists.push(() => { showStatus(); showProblem(); });
  Object.assign(page.compare, { start, cancel, buttons, tellStatus, tellProblem, refusal });
})();
