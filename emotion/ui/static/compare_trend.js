// Mood over time: for each speaker a lane for each emotion over the dates of the recordings, and the same as a table.
(() => {
  'use strict';
  const { state, part, say, el, svg, parts, name, emotions, emotionName, lang, play, playButton } = window.emotionPage.compare;
  const [WIDTH, LANE] = [720, 44];
  const SMALL = 0.05; // emotions that stay below it are left out
  const [MARK_PX, NAMES_PX] = [120, 150]; // room of a date at the axis, and beside the lanes

  const DAY = /^\d{4}-\d\d-\d\d$/;
  const shown = (date) => new Intl.DateTimeFormat(lang() === 'zh' ? 'zh-CN' : 'en-GB', {
    dateStyle: 'medium', ...(DAY.test(date) ? { timeZone: 'UTC' } : { timeStyle: 'short' }),
  }).format(new Date(date));

  /** Places of the dates from left to right, 8 pixels from the edges; one alone is in the middle. */
  function across(dates) {
    const times = dates.map((date) => new Date(date).getTime());
    const [first, last] = [Math.min(...times), Math.max(...times)];
    return times.map((time) => (last > first ? 8 + ((WIDTH - 16) * (time - first)) / (last - first) : WIDTH / 2));
  }

  function lane(trend, id, x) {
    const { colour } = emotions().get(id);
    const values = trend.scores[id];
    const y = (value) => LANE - 4 - value * (LANE - 10);
    const line = values.map((value, step) => `${x[step].toFixed(1)},${y(value).toFixed(1)}`).join('L');
    const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${LANE}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    picture.append(
      svg('line', { class: 'base', x1: 0, x2: WIDTH, y1: LANE - 4, y2: LANE - 4 }),
      svg('path', { class: 'area', d: `M${x[0]},${LANE - 4}L${line}L${x.at(-1)},${LANE - 4}Z`, fill: colour }),
      svg('path', { class: 'line', d: `M${line}`, stroke: colour }),
    );
    const dots = values.map((value, step) => el('span', {
      class: 'dot', style: `left:${(100 * x[step]) / WIDTH}%;top:${(100 * y(value)) / LANE}%`,
      title: `${shown(trend.dates[step])} · ${name(trend.indices[step])} · ${(100 * value).toFixed(0)}%`,
      onclick: () => play(trend.indices[step]),
    }));
    return el('div', { class: 'cmp-lane', style: `--emo:${colour}` },
      el('span', { class: 'name', text: emotionName(id) }), el('div', { class: 'cmp-strip', 'aria-hidden': 'true' }, picture, ...dots));
  }

  /** Dates below the lanes: both ends, and between them as many as there is room for. */
  function axis(dates, x) {
    const gap = (MARK_PX * WIDTH) / Math.max(MARK_PX, part('trend').clientWidth - NAMES_PX);
    const places = [...new Set([0, dates.length - 1])];
    x.forEach((at, place) => {
      if (places.every((other) => Math.abs(at - x[other]) > gap)) places.push(place);
    });
    const marks = places.map((place) => el('span', {
      class: place === 0 && dates.length > 1 ? 'first' : place === dates.length - 1 && place ? 'last' : 'middle',
      style: `left:${(100 * x[place]) / WIDTH}%`, text: shown(dates[place]),
    }));
    return el('div', { class: 'cmp-lane' }, el('span'), el('div', { class: 'cmp-axis', 'aria-hidden': 'true' }, ...marks));
  }

  function table(trend, shownIds) {
    const heads = [say('date'), say('recording'), ...shownIds.map(emotionName)];
    const rows = trend.dates.map((date, step) => el('tr', {},
      el('th', { scope: 'row', text: shown(date) }), el('td', {}, playButton(trend.indices[step])),
      ...shownIds.map((id) => el('td', { class: 'value', text: `${(100 * trend.scores[id][step]).toFixed(0)}%` }))));
    return el('details', { class: 'cmp-rows' }, el('summary', { text: say('table') }),
      el('div', { class: 'cmp-scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((text) => (
        el('th', { scope: 'col', text }))))), el('tbody', {}, ...rows))));
  }

  function figure(trend) {
    const x = across(trend.dates);
    const ids = Object.keys(trend.scores).filter((id) => emotions().has(id) && Math.max(...trend.scores[id]) >= SMALL);
    return el('figure', { class: 'cmp-trend' }, el('figcaption', { text: trend.speaker || say('nobody') }),
      ...ids.map((id) => lane(trend, id, x)), axis(trend.dates, x), table(trend, ids));
  }

  function draw() {
    const trends = (state.answer.trends ?? []).filter(({ dates }) => dates.length > 1);
    part('trend').hidden = !trends.length;
    part('trend').querySelector('.cmp-trends').replaceChildren(...trends.map(figure));
  }

  parts.push({ draw });
})();
