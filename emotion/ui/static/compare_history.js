// Stored runs as entries: a small list to choose from, and what other tabs send.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { state, find, say, el, panel, emotionName } = page.compare;
  const LIMIT = 100;
  const PAUSE_MS = 250; // of typing

  let searches = 0;
  let runs = [];
  let timer = 0;
  let asked = false;

  /** Where runs are not listed, there is no button. */
  async function offer() {
    if (asked || !panel()) return;
    asked = true;
    const answer = await fetch('api/v1/runs?limit=1').catch(() => null);
    find('.cmp-history').hidden = !answer?.ok;
    asked = Boolean(answer);
  }

  function line(run) {
    const shown = `${run.timestamp.slice(0, 16)} · ${emotionName(run.emotion)}`;
    return el('li', {}, el('label', {}, el('input', { type: 'checkbox', value: run.run_id }),
      el('span', { class: 'name', text: run.file, title: run.file }), el('span', { class: 'more', text: shown })));
  }

  async function list() {
    const query = new URLSearchParams({ limit: LIMIT });
    const name = find('.cmp-search').value.trim();
    if (name) query.set('name', name);
    searches += 1;
    const own = searches;
    const answer = await fetch(`api/v1/runs?${query}`).catch(() => null);
    const found = answer?.ok ? (await answer.json()).runs : [];
    const refused = answer?.ok ? null : (answer && (await page.compare.refusal(answer)).told) ?? say('lost');
    if (own !== searches) return; // another search has begun
    runs = found;
    const lines = runs.length ? runs.map(line) : [el('li', { class: 'remark', text: refused ?? say('no_runs') })];
    find('.cmp-run-list').replaceChildren(...lines);
    find('.cmp-add').disabled = true;
  }

  function open() {
    const box = find('.cmp-runs');
    box.hidden = !box.hidden;
    find('.cmp-history').setAttribute('aria-expanded', String(!box.hidden));
    if (!box.hidden) list().then(() => find('.cmp-search').focus());
  }

  const checked = () => [...find('.cmp-run-list').querySelectorAll('input:checked')].map((box) => box.value);

  function addChecked() {
    const wanted = new Set(checked());
    page.compare.add(runs.filter((run) => wanted.has(run.run_id)).map(entryOf));
    open();
    find('.cmp-history').focus();
  }

  const entryOf = (run) => ({ run_id: run.run_id, name: run.file, path: run.file });

  /** The finished recordings of a job, once it has ended. */
  async function ofJob(id) {
    page.compare.tellStatus('reading');
    const answer = await fetch(`api/v1/jobs/${encodeURIComponent(id)}/results`);
    if (!answer.ok) throw await page.compare.refusal(answer);
    const lines = (await answer.text()).split('\n').filter(Boolean).map((text) => JSON.parse(text));
    page.compare.tellStatus('');
    return lines.filter((one) => one.status === 'done').sort((one, other) => one.index - other.index)
      .map(({ index, file }) => ({ job: { id, index }, name: file, path: file }));
  }

  /** What another tab asks for: `{job}` or `{runs}`. */
  async function asks({ detail }) {
    document.getElementById('tab-compare-button')?.click();
    while (!panel()) await new Promise(requestAnimationFrame); // Gradio draws a tab when it is opened first
    await page.compare.cancel(); // what may be under way is of other recordings
    try {
      const entries = detail.job ? await ofJob(detail.job)
        : detail.runs.map((id) => ({ run_id: id, name: say('run_name', { id }), path: id, unnamed: true }));
      state.entries = [];
      page.compare.add(entries);
      await page.compare.start();
    } catch (error) {
      page.compare.tellProblem(error);
    }
  }

  document.addEventListener('click', (event) => {
    if (event.target.closest?.('#compare-panel .cmp-history')) open();
    if (event.target.closest?.('#compare-panel .cmp-add')) addChecked();
  });
  document.addEventListener('change', (event) => {
    if (event.target.closest?.('#compare-panel .cmp-run-list')) find('.cmp-add').disabled = !checked().length;
  });
  document.addEventListener('input', (event) => {
    if (!event.target.matches('#compare-panel .cmp-search')) return;
    clearTimeout(timer);
    timer = setTimeout(list, PAUSE_MS);
  });
  document.addEventListener('emotion:tab', (event) => {
    if (event.detail === 'compare') requestAnimationFrame(() => setTimeout(offer));
  });
  document.addEventListener('emotion:compare', asks);
})();
