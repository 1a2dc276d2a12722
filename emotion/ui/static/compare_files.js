// What can be downloaded of a comparison: similarities and the map as CSV, the map as SVG; made here, from the answer.
(() => {
  'use strict';
  const { state, part, find, svg, el, parts, name, speaker, columns, look, base, mapSize } = window.emotionPage.compare;
  const LEGEND = 220; // pixels beside the map
  const ROW = 22;

  /** A field for Excel too: text that would be a formula is made text. */
  function field(value) {
    const text = value === null || value === undefined ? '' : String(value);
    const safe = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  const csv = (rows) => `\ufeff${rows.map((row) => row.map(field).join(',')).join('\r\n')}\r\n`;

  function similarity() {
    const { names, embedding_similarity: rows } = state.answer;
    return csv([['name', ...names], ...rows.map((row, place) => [names[place], ...row.map((value) => value.toFixed(6))])]);
  }

  function map() {
    const { names, items, projection, clusters } = state.answer;
    const heads = [...new Set(items.flatMap((_, place) => Object.keys(columns(place))))];
    const rows = names.map((_, place) => [
      name(place), projection?.x[place], projection?.y[place], clusters?.labels[place], items[place].emotion,
      items[place].confidence, speaker(place), items[place].date, ...heads.map((head) => columns(place)[head]),
    ]);
    return csv([['name', 'x', 'y', 'cluster', 'emotion', 'confidence', 'speaker', 'date', ...heads], ...rows]);
  }

  /** The map as it is coloured now, whole, with its legend, without style sheets. */
  function picture() {
    const [width, height] = mapSize();
    const tall = Math.max(height, ROW * (look().groups.length + 1));
    const made = svg('svg', {
      xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width + LEGEND} ${tall}`, width: width + LEGEND, height: tall,
      'font-family': 'sans-serif', 'font-size': 13,
    });
    made.append(svg('rect', { width: '100%', height: '100%', fill: '#fff' }));
    base().forEach(([x, y], place) => {
      const { colour, shape } = look().points[place];
      const point = svg('path', { d: shape, fill: colour, 'fill-rule': 'evenodd', transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
      point.append(svg('title', {}, name(place)));
      made.append(point);
    });
    look().groups.forEach(({ label, count, colour, shape }, row) => {
      const group = svg('g', { transform: `translate(${width + 14} ${ROW * (row + 1)})` });
      group.append(svg('path', { d: shape, fill: colour, 'fill-rule': 'evenodd' }), svg('text', { x: 14, y: 4.5, fill: '#1b2430' }, `${label} (${count})`));
      made.append(group);
    });
    return new XMLSerializer().serializeToString(made);
  }

  const FILES = {
    similarity: ['similarity.csv', 'text/csv', similarity, () => Boolean(state.answer.embedding_similarity)],
    map: ['map.csv', 'text/csv', map, () => true],
    svg: ['map.svg', 'image/svg+xml', picture, () => Boolean(state.answer.projection)],
  };

  function draw() {
    for (const button of part('downloads').querySelectorAll('[data-file]')) button.hidden = !FILES[button.dataset.file][3]();
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#compare-panel .cmp-download');
    if (!button) return;
    const [file, type, make] = FILES[button.dataset.file];
    const url = URL.createObjectURL(new Blob([make()], { type }));
    const link = el('a', { href: url, download: file, hidden: true });
    find('.cmp-results').append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });

  parts.push({ draw });
})();
