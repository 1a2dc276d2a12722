// The elements of a timeline's drawing, and the labels at its left.
(() => {
  'use strict';
  const { both, hatching, make } = window.emotionTimeline;
  const SVG = 'http://www.w3.org/2000/svg';

  /** The elements that a drawing is made of, by name. */
  function plotParts(model, key) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-labelledby', `timeline-title-${key}`);
    svg.setAttribute('aria-describedby', `timeline-desc-${key}`);
    hatching(svg, model, `hatch-${key}`);
    const drawing = svg.appendChild(document.createElementNS(SVG, 'g'));
    const strip = make('div', 'tl-strip'); // over everything: has the pointer and the focus
    strip.tabIndex = 0;
    strip.setAttribute('role', 'slider');
    strip.setAttribute('aria-valuemin', 0);
    strip.setAttribute('aria-valuemax', Math.round(model.duration));
    const cursor = make('div', 'tl-cursor');
    const hover = make('div', 'tl-hover');
    const words = make('p', 'tl-speechless', ['🔇 ', both('tl_no_speech')]);
    words.hidden = !model.speechless;
    const view = make('div', 'tl-view', [svg, words, hover, cursor, strip]);
    const wide = make('div', 'tl-wide', [view]); // as wide as everything; the view stays in sight
    const labels = make('div', 'tl-labels');
    labels.setAttribute('aria-hidden', 'true');
    const scroller = make('div', 'tl-scroll', [wide]);
    const tip = make('div', 'tl-tip');
    return { cursor, drawing, hover, labels, scroller, strip, svg, tip, view, wide };
  }

  /** The labels of a row. */
  function labels(row, model, words) {
    const made = (children, y = row.y) => {
      const one = make('div', `label ${row.kind}`, children);
      one.style.top = `${y}px`;
      one.style.height = `${row.height}px`;
      return one;
    };
    if (row.kind === 'wave') {
      const each = model.waves.length > 1 && model.tracks[row.channel];
      return [made([each ? words.channel(each) : both('tl_wave')])];
    }
    if (row.kind === 'group') return [made([words.channel(row.track)])];
    if (row.kind === 'nobody') return [made([both('tl_nobody')])];
    if (row.kind === 'ribbon') return [made([both('tl_strongest')])];
    if (row.kind === 'curve') {
      return [100, 50, 0].map((percent) => (
        made([`${percent}%`], row.y + (0.5 - percent / 100) * row.height)));
    }
    if (row.kind !== 'lane') return [];
    const one = made(words.emotion(row.emotion));
    one.style.setProperty('--emo', model.emotions[row.emotion].colour);
    return [one];
  }

  Object.assign(window.emotionTimeline, { labels, plotParts });
})();
