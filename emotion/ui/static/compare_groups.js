// The comparing tab's clusters with their typical recordings, and the nearest neighbours of one recording.
(() => {
  'use strict';
  const { state, part, find, say, el, parts, name, about, emotionName, emotions, playButton, select } = window.emotionPage.compare;
  const MOST_EMOTIONS = 4;
  const MOST_TYPICAL = 3;

  // --- Clusters ---------------------------------------------------------------------------------------
  function shares({ emotions: counts, size }) {
    const known = Object.entries(counts ?? {}).sort(([, one], [, other]) => other - one).slice(0, MOST_EMOTIONS);
    if (!known.length) return '';
    return el('ul', { class: 'cmp-shares' }, ...known.map(([id, count]) => (
      el('li', { style: `--emo:${emotions().get(id)?.colour ?? 'var(--line)'}` },
        `${emotionName(id)} ${Math.round((100 * count) / size)}%`))));
  }

  function group(one) {
    const typical = one.typical.slice(0, MOST_TYPICAL).map((place) => el('li', {}, playButton(place)));
    return el('li', {},
      el('h3', {}, say('group', { label: one.label }), el('span', { class: 'more', text: say('size', { count: one.size }) })),
      shares(one), el('p', { class: 'remark', text: say('typical') }), el('ul', { class: 'cmp-typical' }, ...typical));
  }

  function drawGroups() {
    const { clusters } = state.answer;
    part('groups').hidden = !clusters;
    if (!clusters) return;
    const found = clusters.groups.filter(({ label }) => label >= 0);
    const noise = clusters.labels.filter((label) => label < 0).length;
    const told = noise ? [el('p', { class: 'hint', text: found.length ? say('noise', { count: noise }) : say('no_groups') })] : [];
    part('groups').querySelector('.cmp-group-list').replaceChildren(el('ul', {}, ...found.map(group)), ...told);
  }

  // --- Neighbours -------------------------------------------------------------------------------------
  function neighbour({ index, similarity }) {
    const line = about(index).join(' · ');
    return el('li', {}, playButton(index), el('span', { class: 'more', text: line }),
      el('span', { class: 'track', 'aria-hidden': 'true' }, el('span', { class: 'bar', style: `--value:${Math.max(0, similarity)}` })),
      el('span', { class: 'value', text: similarity.toFixed(3) }));
  }

  /** The neighbours stay those of the asked recording while one of them is played. */
  let asked = -1;

  function showNeighbours(place) {
    asked = place;
    find('.cmp-of').value = String(place);
    find('.cmp-near').replaceChildren(...(state.answer.neighbours[place] ?? []).map(neighbour));
  }

  function drawNeighbours() {
    const { names, neighbours } = state.answer;
    part('neighbours').hidden = !neighbours?.length;
    if (!neighbours?.length) return;
    find('.cmp-of').replaceChildren(...names.map((text, value) => el('option', { value, text })));
    showNeighbours(state.selected >= 0 ? state.selected : asked >= 0 && asked < names.length ? asked : 0);
  }

  function selected() {
    const inside = part('neighbours').querySelector('.cmp-near').contains(document.activeElement);
    if (state.selected >= 0 && !inside && state.answer?.neighbours?.length) showNeighbours(state.selected);
  }

  document.addEventListener('change', (event) => {
    if (event.target.matches('#compare-panel .cmp-of')) select(Number(event.target.value));
  });

  parts.push({ draw: drawGroups }, { draw: drawNeighbours, select: selected });
})();
