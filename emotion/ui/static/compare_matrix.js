// The comparing tab's tables: how alike each two are, by their embeddings and by their scores.
(() => {
  'use strict';
  const { state, part, name, say, el, parts, playButton } = window.emotionPage.compare;
  const MOST = 12; // items; of more there is the map

  /** A value as a cell, coloured from the smallest (0) to the largest (1) between two different items. */
  function cell(value, same, least, most) {
    const share = same || most === least ? 0 : (value - least) / (most - least);
    return el('td', { style: `--mix:${(4 + 40 * share).toFixed(0)}%`, class: same ? 'same' : null, text: value.toFixed(3) });
  }

  function table(key, rows) {
    const places = rows.map((_, place) => place);
    const others = rows.flatMap((row, one) => row.filter((_, other) => other !== one));
    const [least, most] = [Math.min(...others), Math.max(...others)];
    const heads = places.map((place) => (
      el('th', { scope: 'col', title: name(place), 'aria-label': name(place), text: String(place + 1) })));
    const body = places.map((one) => el('tr', {},
      el('th', { scope: 'row' }, el('span', { class: 'number', text: String(one + 1) }), playButton(one)),
      ...places.map((other) => cell(rows[one][other], one === other, least, most))));
    return el('div', { class: 'cmp-scroll', tabindex: '0', role: 'region', 'aria-label': say(key) },
      el('table', { class: 'cmp-matrix' }, el('caption', { text: say(key) }),
        el('thead', {}, el('tr', {}, el('th', { scope: 'col', text: say('recording') }), ...heads)),
        el('tbody', {}, ...body)));
  }

  function draw() {
    const { answer } = state;
    const shown = answer.names.length <= MOST && Boolean(answer.embedding_similarity);
    part('matrix').hidden = !shown;
    const tables = [];
    if (shown) tables.push(table('by_embedding', answer.embedding_similarity));
    if (shown && answer.score_similarity) tables.push(table('by_scores', answer.score_similarity));
    part('matrix').querySelector('.cmp-matrices').replaceChildren(...tables);
  }

  parts.push({ draw });
})();
