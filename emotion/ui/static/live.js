// The live tab: the microphone as 16 kHz int16 in parts, and what the server says of the last seconds.
(() => {
  'use strict';
  const page = window.emotionPage;
  const root = document.documentElement;
  const RATE_HZ = 16000;
  const PART = RATE_HZ / 2; // samples in a part
  const MOST = RATE_HZ * 20; // in one part, when the connection was slow
  const PATIENCE_MS = 20_000; // of a part that cannot be sent
  const KEPT_S = 60; // of the curve
  const FLOOR_DB = -60;
  const STRONG = 0.15; // emotions that stay below this are not drawn
  // In its own thread: gives each block of samples to this script.
  const WORKLET = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process(inputs) { const block = inputs[0][0]; if (block) this.port.postMessage(block.slice()); return true; }
  })`;

  const panel = () => document.querySelector('#live-panel .live');
  const find = (selector) => panel().querySelector(selector);
  const lang = () => (root.dataset.lang === 'zh' ? 'zh' : 'en');
  const say = (key) => page.texts[key][lang() === 'zh' ? 0 : 1];
  const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

  let live = null; // the recording under way
  let lastId = ''; // of the recording that is to be recognised
  let readings = []; // of the last minute

  // --- Display ------------------------------------------------------------------------------------
  const emotions = () => JSON.parse(panel().dataset.emotions);

  const both = (element, zh, en) => page.both(element, [zh, en]);
  const told = (element, key) => both(element, ...page.texts[key]);

  function problem(zh, en) {
    const element = find('.live-problem');
    element.hidden = !en;
    element.removeAttribute('lang');
    if (en) both(element, zh, en);
  }

  /** What the server says is wrong, in the language that it was asked in; else a text of the page. */
  function tell(error, key) {
    if (!error.told) return problem(...page.texts[key]);
    const element = find('.live-problem');
    element.hidden = false;
    element.lang = error.lang;
    both(element, error.told, error.told);
  }

  function state(name) {
    const shown = panel();
    if (shown) shown.dataset.state = name;
  }

  function now(key, face) {
    told(find('.live-emotion'), key);
    find('.live-now .face').textContent = face;
    find('.live-confidence').textContent = '';
    find('.live-now').style.removeProperty('--emo');
  }

  function clock(seconds) {
    const two = (value) => String(Math.floor(value)).padStart(2, '0');
    const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  }

  function show(reading) {
    readings.push(reading);
    readings = readings.filter((one) => one.time_s > reading.time_s - KEPT_S);
    find('meter').value = Math.max(0, Math.min(1, 1 - reading.level_dbfs / FLOOR_DB));
    if (reading.speech) {
      const emotion = emotions().find((one) => one.id === reading.emotion);
      both(find('.live-emotion'), `${emotion.zh} ${emotion.en}`, `${emotion.en} ${emotion.zh}`);
      find('.live-now .face').textContent = emotion.emoji;
      find('.live-confidence').textContent = `${(100 * reading.confidence).toFixed(1)}%`;
      find('.live-now').style.setProperty('--emo', emotion.colour);
    } else now('live_silence', '🔇');
    draw();
  }

  /** The last minute: a line for each strong emotion, broken where there was silence. */
  function draw() {
    const svg = find('.live-curve svg');
    const end = readings.at(-1)?.time_s ?? 0;
    const x = (time) => 600 - (600 * (end - time)) / KEPT_S;
    const drawn = emotions().filter((one) => readings.some((r) => (r.scores[one.id] ?? 0) >= STRONG));
    const make = (name, values) => {
      const made = document.createElementNS('http://www.w3.org/2000/svg', name);
      for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
      return made;
    };
    const shapes = [0, 0.25, 0.5, 0.75, 1].map((share) => make('line', {
      class: 'grid', x1: 0, x2: 600, y1: 160 * share, y2: 160 * share,
    }));
    for (const reading of readings) {
      if (reading.speech) continue;
      shapes.push(make('rect', { class: 'quiet', x: x(reading.time_s - 1), y: 0, width: 10.5, height: 160 }));
    }
    for (const emotion of drawn) {
      let path = '';
      let before = null;
      for (const reading of readings) {
        if (reading.speech) {
          const place = `${x(reading.time_s).toFixed(1)},${(160 * (1 - reading.scores[emotion.id])).toFixed(1)}`;
          const joined = before?.speech && reading.time_s - before.time_s < 1.5;
          path += joined ? `L${place}` : `M${place}h0.1`;
        }
        before = reading;
      }
      shapes.push(make('path', { class: 'line', d: path, stroke: emotion.colour, 'stroke-dasharray': emotion.dash }));
    }
    svg.replaceChildren(...shapes);
    find('.legend').replaceChildren(...drawn.map((emotion) => {
      const item = document.createElement('li');
      const key = make('svg', { viewBox: '0 0 28 8', width: 28, height: 8, 'aria-hidden': 'true' });
      key.append(make('line', { x1: 1, x2: 27, y1: 4, y2: 4, stroke: emotion.colour, 'stroke-dasharray': emotion.dash }));
      const name = document.createElement('span');
      both(name, `${emotion.emoji} ${emotion.zh}`, `${emotion.emoji} ${emotion.en}`);
      item.append(key, name);
      return item;
    }));
  }

  // --- Recording ----------------------------------------------------------------------------------
  const WHY = {
    NotAllowedError: 'live_denied',
    SecurityError: 'live_denied',
    NotFoundError: 'live_no_microphone',
    NotReadableError: 'live_no_microphone',
    NotSupportedError: 'live_unsupported',
  };

  async function post(address, body) {
    const tongue = lang() === 'zh' ? 'zh-CN' : 'en';
    const headers = { 'Accept-Language': tongue };
    const answer = await fetch(address, { method: 'POST', headers, body });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    const { detail, hint } = said; // of application/problem+json
    const stop = tongue === 'en' ? '. ' : '。';
    const error = new Error(String(answer.status));
    Object.assign(error, { status: answer.status, lang: tongue });
    error.told = detail && [detail, hint].filter(Boolean).join(stop);
    throw error;
  }

  async function microphone() {
    if (!navigator.mediaDevices?.getUserMedia) throw new DOMException('', 'InsecureError');
    return navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  }

  async function begin() {
    problem('', '');
    find('.live-retry').hidden = true;
    state('starting');
    now('live_asking', '🎙️');
    const made = { blocks: [], size: 0, parts: 0, sent: 0, ending: false, lost: false };
    try {
      made.stream = await microphone();
      const { id } = await post('api/v1/live');
      made.id = lastId = id;
      made.context = new AudioContext({ sampleRate: RATE_HZ });
      const code = URL.createObjectURL(new Blob([WORKLET], { type: 'text/javascript' }));
      await made.context.audioWorklet.addModule(code);
      URL.revokeObjectURL(code);
      const tap = new AudioWorkletNode(made.context, 'tap', { numberOfOutputs: 0 });
      made.context.createMediaStreamSource(made.stream).connect(tap);
      tap.port.onmessage = ({ data }) => take(made, data);
      made.stream.getAudioTracks()[0].onended = () => end(); // unplugged, or permission withdrawn
    } catch (error) {
      release(made);
      if (made.id) fetch(`api/v1/live/${made.id}`, { method: 'DELETE' }).catch(() => {});
      state('idle');
      now('live_idle', '🎙️');
      const key = error.name === 'InsecureError' ? 'live_insecure' : WHY[error.name] ?? 'status_offline';
      tell(error, key);
      return;
    }
    readings = [];
    draw();
    live = made;
    state('recording');
    now('live_listening', '👂');
    made.sending = pump(made);
  }

  function release(made) {
    for (const track of made.stream?.getTracks() ?? []) track.stop();
    made.context?.close();
  }

  function take(made, block) {
    if (made.ending || made.lost) return;
    made.blocks.push(block);
    made.size += block.length;
    find('.live-time').textContent = clock((made.sent + made.size) / RATE_HZ);
  }

  /** The next part: int16, at most `MOST` samples. */
  function cut(made) {
    const part = new Int16Array(Math.min(made.size, MOST));
    let at = 0;
    while (at < part.length) {
      const block = made.blocks[0];
      const count = Math.min(block.length, part.length - at);
      for (let k = 0; k < count; k += 1) {
        part[at + k] = Math.max(-32768, Math.min(32767, Math.round(block[k] * 32768)));
      }
      at += count;
      if (count === block.length) made.blocks.shift();
      else made.blocks[0] = block.subarray(count);
    }
    made.size -= part.length;
    return part;
  }

  /** Sends the parts one after another until the recording ends, the last one too. */
  async function pump(made) {
    while (!made.ending || made.size > 0) {
      if (made.size < PART && !made.ending) await pause(40);
      else if (!await send(made, cut(made))) return;
    }
  }

  async function send(made, part) {
    const until = performance.now() + PATIENCE_MS;
    const address = `api/v1/live/${made.id}?sequence=${made.parts}`;
    for (;;) {
      try {
        const { readings: found } = await post(address, part);
        if (made.retried) problem('', '');
        made.retried = false;
        made.parts += 1;
        made.sent += part.length;
        for (const reading of found) show(reading);
        return true;
      } catch (error) {
        const final = error.status && error.status < 500 && error.status !== 429;
        if (final || performance.now() > until) {
          made.lost = true;
          tell(error, 'live_lost');
          if (!made.ending) end();
          return false;
        }
        made.retried = true;
        problem(...page.texts.live_retrying);
        await pause(500);
      }
    }
  }

  /** Ends the recording and has it recognised. */
  async function end() {
    const made = live;
    if (!made || made.ending) return;
    made.ending = true;
    release(made);
    state('stopping');
    now('live_stopping', '⏳');
    await made.sending;
    live = null;
    if (made.parts) finish();
    else liveFinished();
  }

  function finish() {
    find('.live-retry').hidden = true;
    document.getElementById('live-finish').click();
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    document.getElementById('live-result').scrollIntoView({ block: 'nearest', behavior: calm ? 'auto' : 'smooth' });
  }

  function liveFinished() {
    const failed = Boolean(document.querySelector('#live-result-card .is-error'));
    state('idle');
    now(failed || !readings.length ? 'live_idle' : 'live_done', failed ? '⚠️' : '✅');
    find('.live-retry').hidden = !failed;
    find('meter').value = 0;
  }

  document.addEventListener('click', (event) => {
    if (event.target.closest?.('.live-retry')) finish();
    if (!event.target.closest?.('.live-button')) return;
    const current = panel().dataset.state;
    if (current === 'idle') begin();
    else if (current === 'recording') end();
  });
  addEventListener('beforeunload', (event) => { if (live) event.preventDefault(); });

  Object.assign(page, { liveFinished, liveId: () => lastId });
})();
