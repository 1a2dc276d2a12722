// Draws the part of a timeline that is in view as SVG: waveforms, a lane for each emotion, curves,
// time axis. One path a lane and a line, however many segments there are.
(() => {
  'use strict';
  const SVG = 'http://www.w3.org/2000/svg';
  const WAVE_PX = 54;
  const GROUP_PX = 24;
  const LANE_PX = 22;
  const RIBBON_PX = 26;
  const CURVE_PX = 170;
  const AXIS_PX = 26;
  const GAP_PX = 10;
  const MESSAGE_PX = 72;
  const TICK_PX = 72;
  const FACE_PX = 26;
  const NARROW_PX = 0.4;
  const BAR_PX = 2;
  const STRONG = 0.15; // emotions that never reach this are drawn faint
  const TICKS_S = [
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];

  /** 0:12, 1:02:03, or with tenths 0:12.3. */
  function clock(time, digits = 0) {
    const scale = 10 ** digits;
    const units = Math.round(Math.max(0, time) * scale);
    const rest = units % (60 * scale);
    const minutes = (units - rest) / (60 * scale);
    const seconds = (rest / scale).toFixed(digits).padStart(digits ? 3 + digits : 2, '0');
    const hours = Math.floor(minutes / 60);
    if (!hours) return `${minutes}:${seconds}`;
    return `${hours}:${String(minutes % 60).padStart(2, '0')}:${seconds}`;
  }

  /** The rows from top to bottom, each with `y` and `height` in pixels; and the height of all. */
  function layout(model, curve) {
    const rows = [];
    let y = 0;
    const add = (kind, height, more = {}) => {
      rows.push({ kind, y, height, ...more });
      y += height;
    };
    model.waves.forEach((_, channel) => add('wave', WAVE_PX, { channel }));
    if (rows.length) y += GAP_PX;
    if (model.speechless) add('speechless', MESSAGE_PX);
    for (const track of model.speechless ? [] : model.tracks) {
      if (model.split) add('group', GROUP_PX, { track });
      if (!track.places.length) add('nobody', LANE_PX, { track });
      for (const emotion of track.emotions) add('lane', LANE_PX, { track, emotion });
    }
    if (curve) {
      y += GAP_PX;
      add('ribbon', RIBBON_PX);
      y += GAP_PX;
      add('curve', CURVE_PX);
    }
    add('axis', AXIS_PX);
    return { rows, height: y };
  }

  const px = (value) => value.toFixed(1);

  function shape(tag, attributes, parent) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    parent.append(made);
    return made;
  }

  function write(g, kind, x, y, text, anchor = 'middle') {
    const made = shape('text', { class: kind, x: px(x), y: px(y), 'text-anchor': anchor }, g);
    made.textContent = text;
  }

  const ticks = (view) => {
    const step = TICKS_S.find((one) => one / view.span * view.width >= TICK_PX)
      ?? TICKS_S[TICKS_S.length - 1];
    const found = [];
    for (let k = Math.ceil(view.from / step - 1e-9); k * step <= view.to + 1e-9; k += 1) {
      found.push(k * step);
    }
    return { found, digits: step < 1 ? 1 : 0 };
  };

  function drawWave(g, row, model, view) {
    const values = model.waves[row.channel];
    const count = values.length / 2;
    const middle = row.y + row.height / 2;
    const scale = (row.height / 2 - 2) / 127;
    let top = '';
    let bottom = '';
    for (let x = 0; x <= view.width; x += 1) {
      const begin = Math.floor(view.time(x) / model.waveStep);
      const end = Math.min(count, Math.max(begin + 1, Math.floor(view.time(x + 1) / model.waveStep)));
      if (begin >= count) break;
      let low = 127;
      let high = -127;
      for (let i = begin; i < end; i += 1) {
        low = Math.min(low, values[2 * i]);
        high = Math.max(high, values[2 * i + 1]);
      }
      top += `${top ? 'L' : 'M'}${x} ${px(middle - high * scale - 0.4)}`;
      bottom = `L${x} ${px(middle - low * scale + 0.4)}${bottom}`;
    }
    if (top) shape('path', { class: 'wave', d: `${top}${bottom}Z` }, g);
  }

  /** Segments as rectangles, or, where they are too narrow, as bars that say how much of the time. */
  class Boxes {
    constructor(row, width, narrow) {
      this.row = row;
      this.inside = row.height - 4;
      this.width = width;
      this.narrow = narrow;
      this.path = '';
      this.cover = new Map(); // bar to the pixels of it that are covered
    }

    add(from, to) {
      const left = Math.max(-3, from);
      const right = Math.min(this.width + 3, to);
      if (!this.narrow) {
        const gap = Math.min(1, (right - left) / 4); // so that neighbours stay two
        this.box(left, right - left - gap, this.inside);
        return;
      }
      for (let bar = Math.floor(left / BAR_PX); bar * BAR_PX < right; bar += 1) {
        const part = Math.min(right, (bar + 1) * BAR_PX) - Math.max(left, bar * BAR_PX);
        this.cover.set(bar, (this.cover.get(bar) ?? 0) + part);
      }
    }

    box(x, width, height) {
      const bottom = this.row.y + this.row.height - 2;
      this.path += `M${px(x)} ${px(bottom)}v${px(-height)}h${px(width)}v${px(height)}z`;
    }

    /** The path, with bars relative to the fullest of all lanes. */
    d(fullest) {
      for (const [bar, part] of this.cover) {
        this.box(bar * BAR_PX, BAR_PX, Math.max(3, part / fullest * this.inside));
      }
      return this.path;
    }
  }

  function drawLanes(g, rows, model, view) {
    const { segments } = model;
    const narrow = model.usual / view.span * view.width < NARROW_PX;
    const boxes = new Map();
    for (const row of rows.filter((one) => one.kind === 'lane')) {
      for (const unsure of [false, true]) {
        boxes.set(`${row.track.number} ${row.emotion} ${unsure}`, new Boxes(row, view.width, narrow));
      }
    }
    for (const track of model.tracks) {
      for (let i = track.firstAfter(view.from); i < track.starts.length; i += 1) {
        if (track.starts[i] > view.to) break;
        const place = track.places[i];
        const key = `${track.number} ${segments.emotion[place]} ${segments.unsure.has(place)}`;
        boxes.get(key).add(view.x(track.starts[i]), view.x(track.ends[i]));
      }
    }
    const bars = [...boxes.values()].flatMap((one) => [...one.cover.values()]);
    const fullest = bars.reduce((a, b) => Math.max(a, b), 0);
    for (const [key, one] of boxes) {
      const d = one.d(fullest);
      const [channel, k, unsure] = key.split(' ');
      const { id, colour } = model.emotions[k];
      const hatched = unsure === 'true';
      if (d) {
        shape('path', {
          class: hatched ? 'segments unsure' : 'segments',
          d,
          'data-emotion': id,
          'data-channel': channel,
          style: `--emo:${colour}${hatched ? `;fill:url(#${view.hatch}-${id})` : ''}`,
        }, g);
      }
    }
  }

  /** Hatching in each emotion's colour, for what is uncertain. */
  function hatching(svg, model, key) {
    const defs = shape('defs', {}, svg);
    for (const emotion of model.emotions) {
      const pattern = shape('pattern', {
        id: `${key}-${emotion.id}`, width: 5, height: 5, patternUnits: 'userSpaceOnUse',
        patternTransform: 'rotate(45)',
      }, defs);
      shape('path', { d: 'M1 0v5', stroke: emotion.colour, 'stroke-width': 1.6 }, pattern);
    }
  }

  function drawCurves(g, row, model, curve, points, view) {
    const y = (score) => row.y + (1 - score) * row.height;
    const half = curve.step / 2;
    const order = [...model.emotions.keys()].sort((a, b) => curve.highest[a] - curve.highest[b]);
    for (const k of order) {
      let d = '';
      points.forEach((point, i) => {
        const at = y(point.scores[k]);
        const alone = point.broken && (points[i + 1]?.broken ?? true);
        if (alone) d += `M${px(view.x(point.time - half))} ${px(at)}H${px(view.x(point.time + half))}`;
        else d += `${point.broken ? 'M' : 'L'}${px(view.x(point.time))} ${px(at)}`;
      });
      const { id, colour, dash } = model.emotions[k];
      shape('path', {
        class: curve.highest[k] < STRONG ? 'line faint' : 'line',
        d, 'data-emotion': id, style: `--emo:${colour}`, 'stroke-dasharray': dash,
      }, g);
    }
    drawNames(g, row, model, points, view);
  }

  /** The emoji of each strong line beside its highest point in view, where there is room. */
  function drawNames(g, row, model, points, view) {
    const tops = model.emotions.map((emotion, k) => points.reduce((best, point) => (
      point.time >= view.from && point.time <= view.to && point.scores[k] > best.score
        ? { emotion, score: point.scores[k], x: view.x(point.time) } : best), { score: STRONG }));
    const placed = [];
    for (const { emotion, score, x } of tops.sort((a, b) => b.score - a.score)) {
      if (!emotion) continue;
      const at = {
        x: Math.min(Math.max(x, 11), view.width - 11),
        y: Math.max(row.y + 16, row.y + (1 - score) * row.height - 5),
      };
      if (placed.some((one) => Math.abs(one.x - at.x) < 22 && Math.abs(one.y - at.y) < 20)) continue;
      placed.push(at);
      write(g, 'emoji', at.x, at.y, emotion.emoji);
    }
  }

  /** The strongest emotion of each moment. */
  function drawRibbon(g, row, model, curve, points, view, least) {
    const half = Math.max(curve.step, least) / 2;
    const runs = [];
    for (const point of points) {
      const strongest = point.scores.indexOf(Math.max(...point.scores));
      const last = runs[runs.length - 1];
      if (last && !point.broken && last.strongest === strongest) last.to = point.time + half;
      else {
        if (last && !point.broken) last.to = point.time - half;
        runs.push({ strongest, from: point.time - half, to: point.time + half });
      }
    }
    const paths = new Map();
    const faces = [];
    for (const { strongest, from, to } of runs) {
      const left = Math.max(-2, view.x(from));
      const width = Math.min(view.width + 2, view.x(to)) - left;
      if (width <= 0) continue;
      const box = `M${px(left)} ${row.y}h${px(width)}v${row.height}h${px(-width)}z`;
      paths.set(strongest, (paths.get(strongest) ?? '') + box);
      if (width >= FACE_PX) faces.push([left + width / 2, model.emotions[strongest].emoji]);
    }
    for (const [strongest, d] of paths) {
      const { id, colour } = model.emotions[strongest];
      shape('path', { class: 'run', d, 'data-emotion': id, style: `--emo:${colour}` }, g);
    }
    for (const [x, emoji] of faces) write(g, 'emoji', x, row.y + row.height / 2 + 5, emoji);
  }

  function drawGrid(g, rows, height, view) {
    const axis = rows[rows.length - 1];
    const { found, digits } = ticks(view);
    for (const row of rows) {
      if (row.kind === 'lane') {
        shape('rect', { class: 'lane', x: 0, y: row.y + 1, width: view.width, height: row.height - 2 }, g);
      }
      if (row.kind !== 'curve') continue;
      for (const part of [0, 0.25, 0.5, 0.75, 1]) {
        const y = row.y + part * row.height;
        shape('path', { class: 'grid', d: `M0 ${px(y)}H${view.width}` }, g);
      }
    }
    const d = found.map((time) => `M${px(view.x(time))} 0V${axis.y + 4}`).join('');
    shape('path', { class: 'grid', d }, g);
    for (const time of found) {
      const x = view.x(time);
      const end = x > view.width - 18 ? 'end' : x < 18 ? 'start' : 'middle';
      write(g, 'tick', x, axis.y + 20, clock(time, digits), end);
    }
  }

  /** Draws all rows into a group, which is emptied first. */
  function draw(g, model, { rows, height }, curve, view) {
    g.replaceChildren();
    drawGrid(g, rows, height, view);
    for (const row of rows) if (row.kind === 'wave') drawWave(g, row, model, view);
    drawLanes(g, rows, model, view);
    if (!curve) return;
    const least = 2 * view.span / view.width; // a point every two pixels
    const points = curve.view(view.from, view.to, least);
    const find = (kind) => rows.find((row) => row.kind === kind);
    drawRibbon(g, find('ribbon'), model, curve, points, view, least);
    drawCurves(g, find('curve'), model, curve, points, view);
  }

  Object.assign(window.emotionTimeline, { clock, draw, hatching, layout });
})();
