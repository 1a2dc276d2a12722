// The monitoring tab: asks the server every 2 s while the tab is open and the page can be seen.
(() => {
  'use strict';
  const page = window.emotionPage;
  const POLL_MS = 2000;
  const [WIDTH, HEIGHT] = [120, 36]; // of a curve
  const STEPS = 120; // ten minutes

  const panel = () => document.querySelector('#monitor-panel .monitor');
  const find = (selector) => panel().querySelector(selector);

  let open = false; // the tab
  let paused = false;
  let timer = 0;
  let asking = false;

  // --- Words ----------------------------------------------------------------------------------------
  const { both } = page;
  const words = page.wordsOf('');
  const same = (text) => [text, text];

  /** A count as it is, anything else with so many digits that count. */
  function number(value, digits = 3) {
    if (value === null || value === undefined) return '–';
    if (Number.isInteger(value) && digits === 3) return String(value);
    return String(Number(value.toPrecision(digits)));
  }

  function seconds(value, digits = 3) {
    if (value === null || value === undefined) return '–';
    if (value < 0.001) return value ? '< 1 ms' : '0 s';
    if (value < 1) return `${number(1000 * value, digits)} ms`;
    if (value < 600) return `${number(value, digits)} s`;
    return value < 36_000 ? `${number(value / 60)} min` : `${number(value / 3600)} h`;
  }

  function bytes(value) {
    if (value === null || value === undefined) return '–';
    return value < 1e9 ? `${Math.round(value / 1e6)} MB` : `${(value / 1e9).toFixed(value < 1e11 ? 1 : 0)} GB`;
  }

  function uptime(value) {
    const [minutes, hours] = [Math.floor(value / 60), Math.floor(value / 3600)];
    if (hours >= 24) return words('monitor_up_d', { days: Math.floor(hours / 24), hours: hours % 24 });
    if (hours) return words('monitor_up_h', { hours, minutes: minutes % 60 });
    return words('monitor_up_min', { minutes, seconds: Math.floor(value % 60) });
  }

  /** Percentiles come from counts in steps of a fifth, so more digits would pretend. */
  const percentile = (value) => seconds(value, 2);

  // --- Display --------------------------------------------------------------------------------------
  const ROWS = {
    requests: (period) => number(period.requests),
    refused: (period) => number(period.refused),
    failed: (period) => number(period.failed),
    p50: (period) => percentile(period.latency_p50_s),
    p95: (period) => percentile(period.latency_p95_s),
    jobs_done: (period) => number(period.jobs.done),
    jobs_failed: (period) => number(period.jobs.failed),
    jobs_cancelled: (period) => number(period.jobs.cancelled),
    wait_p95: (period) => percentile(period.queue_wait_p95_s),
    audio: (period) => seconds(period.audio_s),
    rtf: (period) => number(period.real_time_factor_p50, 2),
    batch_clips: (period) => number(period.batch_clips),
    batch_audio: (period) => seconds(period.batch_audio_s),
    pass: (period) => seconds(period.pass_s),
  };
  const BAD = { failed: (period) => period.failed > 0 }; // the server's own fault

  const FACTS = {
    model: ({ model }) => same(model.title || '–'),
    phase: ({ model }) => words(`phase_${model.phase}`).map((text) => text.trim()),
    engine: ({ model }) => same([model.engine, model.device, model.precision].filter(Boolean).join(' · ') || '–'),
    uptime: ({ uptime_s: value }) => uptime(value),
    running: ({ queue }) => same(number(queue.running)),
    waiting_jobs: ({ queue }) => words('monitor_split', queue),
    live: ({ live_sessions: count }) => same(number(count)),
    cpu: ({ cpu }) => words('monitor_cpu_value', cpu),
    memory: ({ memory }) => words('monitor_memory_value', {
      used: bytes(memory.process_bytes), free: bytes(memory.machine_free_bytes), total: bytes(memory.machine_bytes),
    }),
    gpu: ({ gpu }) => (gpu ? words('monitor_gpu_value', {
      used: bytes(gpu.used_bytes), total: bytes(gpu.total_bytes), reserved: bytes(gpu.reserved_bytes),
    }) : words('monitor_no_gpu')),
    gpu_busy: ({ gpu }) => same(gpu?.utilization == null ? '–' : `${Math.round(100 * gpu.utilization)} %`),
    disk: ({ disk }) => words('monitor_disk_value', { free: bytes(disk.free_bytes), total: bytes(disk.total_bytes) }),
  };

  /** Each tile: the curve, the value now, how a value is said. */
  const TILES = {
    requests_per_s: ({ curves, last_minute: now }) => [
      curves.requests_per_s, now.span_s ? now.requests / now.span_s : 0, number],
    latency_p95_s: ({ curves, last_minute: now }) => [curves.latency_p95_s, now.latency_p95_s, percentile],
    queue: ({ curves, queue }) => [curves.waiting, queue.interactive + queue.bulk, number],
    memory_bytes: ({ curves, memory }) => [curves.memory_bytes, memory.process_bytes, bytes],
  };

  function make(name, values) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    return made;
  }

  /** A curve that ends at the right: one path for each stretch without gaps. */
  function draw(svg, values, highest) {
    const shown = values.slice(-STEPS);
    const x = (place) => (WIDTH * (STEPS - shown.length + place + 1)) / STEPS;
    const y = (value) => HEIGHT * (1 - value / (1.1 * highest || 1));
    const stretches = [];
    shown.forEach((value, place) => {
      if (value === null) return;
      if (place && shown[place - 1] !== null) stretches.at(-1).push([x(place), y(value)]);
      else stretches.push([[x(place), y(value)]]);
    });
    const shapes = [make('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT })];
    for (const points of stretches) {
      const line = points.map((point) => point.map((value) => value.toFixed(2)).join(',')).join('L');
      const [first, last] = [points[0][0], points.at(-1)[0]];
      shapes.push(
        make('path', { class: 'area', d: `M${first},${HEIGHT}L${line}L${last},${HEIGHT}Z` }),
        make('path', { class: 'line', d: `M${line}h0.1` }),
      );
    }
    svg.replaceChildren(...shapes);
  }

  function show(data) {
    for (const [name, read] of Object.entries(TILES)) {
      const tile = find(`[data-curve="${name}"]`);
      const [values, now, said] = read(data);
      const highest = Math.max(0, ...values.filter((value) => value !== null));
      both(tile.querySelector('.mon-value'), same(said(now)));
      both(tile.querySelector('.mon-range'), words('monitor_highest', { value: said(highest) }));
      draw(tile.querySelector('svg'), values, highest);
    }
    for (const [name, read] of Object.entries(ROWS)) {
      const row = find(`[data-row="${name}"]`);
      const periods = [data.last_minute, data.last_hour];
      row.querySelectorAll('td').forEach((cell, place) => both(cell, same(read(periods[place]))));
      row.toggleAttribute('data-bad', Boolean(BAD[name]?.(data.last_hour)));
    }
    for (const [name, read] of Object.entries(FACTS)) both(find(`[data-fact="${name}"] dd`), read(data));
    find('[data-fact="gpu_busy"]').hidden = !data.gpu;
    for (const [name, version] of Object.entries(data.versions)) {
      const fact = find(`[data-version="${name}"] dd`);
      if (fact) both(fact, same(version || '–'));
    }
  }

  function state(name) {
    const shown = panel();
    shown.dataset.state = name;
    const note = shown.querySelector('.mon-note');
    if (name === 'on') {
      note.replaceChildren();
      delete note.dataset.told;
    } else both(note, page.texts[`monitor_${name}`]);
    if (name === 'on' || name === 'forbidden') find('.mon-body').hidden = name === 'forbidden';
    find('.mon-pause').hidden = find('.mon-body').hidden;
  }

  // --- Polling --------------------------------------------------------------------------------------
  async function poll() {
    clearTimeout(timer);
    if (!open || paused || asking || document.hidden || !panel()) return;
    asking = true;
    let again = true;
    try {
      const answer = await fetch('api/v1/monitor', { cache: 'no-store' });
      if (answer.status === 403 || answer.status === 401) {
        again = false;
        state('forbidden');
      } else if (answer.ok) {
        show(await answer.json());
        state('on');
      } else throw new Error(String(answer.status));
    } catch {
      state('offline');
    } finally {
      asking = false;
    }
    clearTimeout(timer);
    if (again && open && !paused) timer = setTimeout(poll, POLL_MS);
  }

  function opened(event) {
    open = event.detail === 'monitor';
    if (open) requestAnimationFrame(() => setTimeout(poll)); // once Gradio has drawn the tab
  }

  function pressed(event) {
    const button = event.target.closest?.('.mon-pause');
    if (!button) return;
    paused = !paused;
    both(button, page.texts[paused ? 'monitor_resume' : 'monitor_pause']);
    poll();
  }

  document.addEventListener('emotion:tab', opened);
  document.addEventListener('visibilitychange', poll);
  document.addEventListener('click', pressed);
})();
