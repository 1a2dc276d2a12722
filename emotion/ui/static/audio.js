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
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
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
  /** Whether the browser can play a file: it tries. */
  const playable = (url) => new Promise((resolve) => {
    const probe = new Audio();
    const done = (answer) => { probe.removeAttribute('src'); probe.load(); resolve(answer); };
    const timer = setTimeout(() => done(false), PROBE_MS);
    probe.onloadedmetadata = () => { clearTimeout(timer); done(probe.duration > 0); };
    probe.onerror = () => { clearTimeout(timer); resolve(false); };
    probe.preload = 'metadata';
    probe.src = url;
  });

  let current = null; // path of the upload that a preview may be needed for

  /** Another recording takes the place of the one that was spoken of. */
  function forget() {
    current = null;
    note('');
  }

  /** Asks for a preview only where one is needed. */
  async function beforePreview(audio) {
    forget();
    current = audio?.path;
    failed = false;
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

  // --- Recordings -------------------------------------------------------------------------------
  // Gradio tells of a recording only once it has been uploaded, and of a failed upload never.
  let recording = null; // {startedMs, uploaded: promise of the value, or null, resolve}
  let failed = false; // the last recording could not be uploaded

  function recordingStarted() {
    note('');
    failed = false;
    let resolve;
    const uploaded = new Promise((settle) => { resolve = settle; });
    recording = { startedMs: performance.now(), uploaded, resolve };
    return [];
  }

  function recordingEnded(audio) {
    recording?.resolve(audio);
    recording = null;
    failed = false;
    forget();
    return [];
  }

  function uploadFailed() {
    const wasRecording = recording !== null;
    recordingEnded(null);
    failed = wasRecording;
  }

  const send = window.fetch;
  window.fetch = (...request) => {
    const answer = send(...request);
    if (/\/gradio_api\/upload(\?|$)/.test(request[0]?.url ?? request[0])) {
      answer.then((got) => { if (!got.ok) uploadFailed(); }, uploadFailed);
    }
    return answer;
  };

  /** The recording that is under way or being uploaded, once it is there; null if it fails. */
  async function uploadedRecording() {
    const { uploaded, startedMs } = recording;
    const late = new Promise((resolve) => {
      setTimeout(() => resolve(null), page.patienceMs + 2 * (performance.now() - startedMs));
    });
    visible('.stop-button, .stop-button-paused')?.click(); // still recording: stop and go
    return Promise.race([uploaded, late]);
  }

  // The further clicks of a double click, or of a key that is held down, are no further runs.
  const TOGETHER_MS = 1000;
  let clickedMs = -Infinity;
  on('click', (event) => {
    if (!event.target.closest?.('#start-button')) return;
    if (event.detail > 1 || performance.now() - clickedMs < TOGETHER_MS) {
      event.stopImmediatePropagation();
      event.preventDefault();
    } else clickedMs = performance.now();
  });

  async function beforeStart(audio, granularity, embedding, exports) {
    for (const close of document.querySelectorAll('[data-testid=toast-close]')) close.click();
    const button = document.getElementById('start-button');
    try {
      // The recorder goes away where the visitor turns to something else.
      if (!recording || !zone().querySelector('[data-testid=microphone-waveform]')) {
        return [audio, granularity, embedding, exports, !audio && failed ? 'upload_failed' : ''];
      }
      button.disabled = true;
      note('uploading');
      const uploaded = await uploadedRecording(); // undefined where it was cleared
      const missing = uploaded === null ? 'upload_failed' : '';
      return [uploaded, granularity, embedding, exports, missing];
    } finally {
      if (button.disabled) note('');
      recording = null;
      button.disabled = false;
      clickedMs = -Infinity;
    }
  }

  Object.assign(page, {
    beforePreview,
    beforeStart,
    forget,
    patienceMs: 60_000, // for the upload of a recording, besides twice its length
    recordingCleared: () => recordingEnded(undefined),
    recordingStarted,
    recordingUploaded: recordingEnded,
    usePreview,
  });
})();
