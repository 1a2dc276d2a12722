// The recording: any file by click, drop or paste; previews; recordings that are still uploading.
// Gradio calls the functions at the end by name (recognize_tab.py).
(() => {
  'use strict';
  const page = window.emotionPage;
  const root = document.documentElement;
  const PROBE_MS = 15_000;
  const zone = () => document.getElementById('audio-input');
  const fileInput = () => zone()?.querySelector('input[type=file]');
  const visible = (selector) => [...zone().querySelectorAll(selector)].find((e) => e.offsetParent);
  const note = (name) => { if (name) root.dataset.note = name; else delete root.dataset.note; };
  const unchanged = () => ({ __type__: 'update' });

  // --- Any file ---------------------------------------------------------------------------------
  // Gradio accepts a file by its type, and knows few types. What a file is, FFmpeg finds out.
  const listOf = (files) => {
    const list = new DataTransfer();
    for (const file of files) {
      list.items.add(new File([file], file.name, { type: 'audio/x-any' }));
    }
    return list.files;
  };

  /** Presses a button, unless the file input is there; then gives the page time to show it. */
  async function press(selector) {
    if (!fileInput()) zone().querySelector(selector)?.click();
    for (let tries = 0; tries < 20 && !fileInput(); tries += 1) {
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  }

  async function give(file) {
    await press('.icon-button-wrapper > button:last-child'); // clear the player or the recorder
    await press('[data-testid=source-select] button'); // not the recorder but "upload"
    const input = fileInput();
    if (!input) return;
    input.files = listOf([file]);
    input.dispatchEvent(new Event('change', { bubbles: true }));
  }

  // In the capture phase, so before Gradio's own listeners.
  const on = (name, listener) => document.addEventListener(name, listener, true);
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files')
    && !document.querySelector('#batch-panel .batch')?.offsetParent; // which takes them itself
  const highlight = (shown) => zone()?.classList.toggle('is-target', shown);

  on('click', (event) => {
    if (zone()?.contains(event.target)) fileInput()?.removeAttribute('accept');
  });
  on('change', (event) => {
    if (event.target === fileInput()) event.target.files = listOf(event.target.files);
  });
  // Anywhere on the page: elsewhere the browser would leave the page and open the file.
  on('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    highlight(true);
  });
  on('dragleave', (event) => { if (!event.relatedTarget) highlight(false); });
  on('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    highlight(false);
    if (event.dataTransfer.files[0]) give(event.dataTransfer.files[0]);
  });
  on('paste', (event) => {
    const file = event.clipboardData?.files[0];
    if (!file || event.target.closest?.('input, textarea, [contenteditable]')) return;
    event.preventDefault();
    event.stopPropagation();
    give(file);
  });

  // --- Previews ---------------------------------------------------------------------------------
  /** The length of a file in seconds, by the browser's player; 0 where it cannot play it. */
  const lengthOf = (url) => new Promise((resolve) => {
    const probe = new Audio();
    const done = (answer) => { probe.removeAttribute('src'); probe.load(); resolve(answer); };
    const timer = setTimeout(() => done(0), PROBE_MS);
    probe.onloadedmetadata = () => { clearTimeout(timer); done(probe.duration || 0); };
    probe.onerror = () => { clearTimeout(timer); resolve(0); };
    probe.preload = 'metadata';
    probe.src = url;
  });
  const playable = async (url) => await lengthOf(url) > 0;

  let current = null; // path of the upload that a preview may be needed for

  /** Another recording takes the place of the one that was spoken of. */
  function forget() {
    current = null;
    note('');
  }

  /** Asks for a preview only where one is needed. */
  async function beforePreview(audio) {
    // Gradio may report late that a recording was cleared, when the next is already uploading.
    if (audio) settle(audio);
    else forget();
    current = audio?.path;
    if (!audio || await playable(audio.url)) return [null];
    if (audio.path === current) note('preparing');
    return [audio];
  }

  /** Puts the preview into the player, unless there is another recording by now. */
  function usePreview(audio, preview, previewed) {
    if (!previewed || audio?.path !== previewed) return [unchanged()];
    note(preview ? 'preview' : 'unplayable');
    return [preview ?? unchanged()];
  }

  // --- Audio on its way -------------------------------------------------------------------------
  // Gradio tells of a recording only once it has been uploaded, and of a failed upload never.
  let pending = null; // {kind, startedMs, value: promise of the audio, or null, resolve}
  let failed = false; // the last recording could not be uploaded

  /** Audio of this kind will come: `recording`, `upload` or `example`. */
  function expect(kind) {
    pending?.resolve(undefined);
    failed = false;
    let resolve;
    const value = new Promise((settled) => { resolve = settled; });
    pending = { kind, startedMs: performance.now(), value, resolve };
  }

  /** The audio is there; null if it failed, undefined if the visitor cleared it. */
  function settle(audio) {
    pending?.resolve(audio);
    pending = null;
    failed = false;
    forget();
  }

  function recordingStarted() {
    note('');
    expect('recording');
    return [];
  }

  function exampleChosen() {
    forget();
    expect('example');
    return [];
  }

  function exampleLoaded(audio) {
    if (pending?.kind === 'example') settle(audio);
    return [audio];
  }

  function uploadFailed() {
    const wasRecording = pending?.kind === 'recording';
    settle(null);
    failed = wasRecording;
  }

  const send = window.fetch;
  window.fetch = (...request) => {
    const answer = send(...request);
    if (/\/gradio_api\/upload(\?|$)/.test(request[0]?.url ?? request[0])) {
      if (pending?.kind !== 'recording') expect('upload');
      answer.then((got) => { if (!got.ok) uploadFailed(); }, uploadFailed);
    }
    return answer;
  };

  /** The audio that is on its way, once it is there; null if it fails or takes too long. */
  async function arrived() {
    const { kind, startedMs, value } = pending;
    if (kind === 'upload') return value; // ends or fails: the visitor sees how far it is
    const late = new Promise((resolve) => {
      setTimeout(() => resolve(null), page.patienceMs + 2 * (performance.now() - startedMs));
    });
    visible('.stop-button, .stop-button-paused')?.click(); // still recording: stop and go
    return Promise.race([value, late]);
  }

  /** Whether there is audio to wait for; a recorder is gone once the visitor leaves it. */
  const isComing = () => Boolean(pending) && (pending.kind !== 'recording'
    || Boolean(zone().querySelector('[data-testid=microphone-waveform]')));

  /** Brings the result into view where it lies below the screen, as on a phone. */
  function showResult() {
    const card = document.getElementById('result-card');
    if (card.getBoundingClientRect().top < window.innerHeight * 0.8) return;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    card.scrollIntoView({ behavior: calm ? 'auto' : 'smooth' });
  }

  // The further clicks of a double click, or of a key that is held down, are no further runs.
  const TOGETHER_MS = 1000;
  let clickedMs = -Infinity;
  on('click', (event) => {
    if (!event.target.closest?.('#start-button')) return;
    if (event.detail > 1 || performance.now() - clickedMs < TOGETHER_MS) {
      event.stopImmediatePropagation();
      event.preventDefault();
      return;
    }
    clickedMs = performance.now();
    // Gradio itself holds a click back until a file is uploaded, and shows no sign of it.
    if (pending?.kind === 'upload') note('uploading');
  });

  // --- Granularity ------------------------------------------------------------------------------
  // Long recordings get speech segments, unless the visitor has chosen something.
  const LONG_S = 30;
  let chosen = false;
  const lengths = new Map(); // by URL, the last recordings' seconds; 0 where the browser cannot tell

  function secondsOf(url) {
    if (!lengths.has(url)) {
      if (lengths.size > 8) lengths.clear();
      lengths.set(url, lengthOf(url));
    }
    return lengths.get(url);
  }

  /** Another granularity for this recording; null where what is chosen stays. */
  async function suggested(audio, granularity) {
    if (chosen || !audio?.url) return null;
    const lengthS = await secondsOf(audio.url);
    if (chosen || !lengthS) return null;
    const [from, to] = lengthS > LONG_S ? ['utterance', 'segment'] : ['segment', 'utterance'];
    return granularity === from ? to : null;
  }

  // The waveform player reads the whole file into memory, the browser's own only what is heard.
  const WAVEFORM_S = 600;
  let waveform = true;

  /** What the length of a recording decides: the granularity, and the kind of player. */
  async function suitLength(audio, granularity) {
    const asked = await suggested(audio, granularity) ?? unchanged();
    if (!audio?.url) return [asked, unchanged()];
    const short = await secondsOf(audio.url) <= WAVEFORM_S;
    if (short === waveform) return [asked, unchanged()];
    waveform = short;
    const options = { ...page.waveform, show_recording_waveform: short };
    return [asked, { __type__: 'update', waveform_options: options }];
  }

  async function beforeStart(audio, missing, granularity, ...more) {
    for (const close of document.querySelectorAll('[data-testid=toast-close]')) close.click();
    const button = document.getElementById('start-button');
    showResult();
    try {
      if (!isComing()) {
        const asked = await suggested(audio, granularity) ?? granularity;
        return [audio, !audio && failed ? 'upload_failed' : '', asked, ...more];
      }
      button.disabled = true;
      if (pending.kind !== 'example') note('uploading');
      const got = await arrived(); // undefined where it was cleared
      const asked = await suggested(got, granularity) ?? granularity;
      return [got, got === null ? 'upload_failed' : '', asked, ...more];
    } finally {
      if (button.disabled) note('');
      pending = null;
      button.disabled = false;
      clickedMs = -Infinity;
    }
  }

  Object.assign(page, {
    beforePreview,
    beforeStart,
    exampleChosen,
    exampleLoaded,
    granularityChosen: () => { chosen = true; },
    patienceMs: 60_000, // for the upload of a recording, besides twice its length
    recordingCleared: () => { settle(undefined); return []; },
    recordingStarted,
    suitLength,
    recordingUploaded: (audio) => { settle(audio); return []; },
    usePreview,
  });
})();
