// The comparing tab's map: own SVG, points of one size at any zoom, legend, tooltip, pointer and keyboard.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { state, part, find, panel, say, el, svg, parts, name, about, colourValue } = page.compare;
  const MARGIN = 18;
  const ZOOM = [1, 40];
  const METHODS = { pca: 'PCA', tsne: 't-SNE' };
  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

  let drawn = null; // the answer whose points there are
  let points = []; // elements, by their places
  let look = null; // colours and groups
  let base = []; // [x, y] in pixels, before zoom
  let size = [0, 0];
  let view = { k: 1, x: 0, y: 0 };
  let focused = 0; // the point that Tab goes to
  const hidden = new Set(); // groups

  const plot = () => find('.cmp-svg');
  const by = () => find('.cmp-colour').value || 'emotion';
  const at = (place) => [base[place][0] * view.k + view.x, base[place][1] * view.k + view.y];
  const visible = (place) => !hidden.has(look.points[place].group);

  // --- Drawing ----------------------------------------------------------------------------------------
  function measure() {
    const width = plot().parentElement.clientWidth;
    const height = Math.round(Math.max(320, Math.min(560, width * 0.62)));
    size = [width, height];
    const { x, y } = state.answer.projection;
    const [left, right, low, high] = [Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)];
    const scale = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN) / (high - low || 1));
    base = x.map((value, place) => [
      width / 2 + (value - (left + right) / 2) * scale, height / 2 - (y[place] - (low + high) / 2) * scale,
    ]);
    plot().setAttribute('viewBox', `0 0 ${width} ${height}`);
    plot().style.height = `${height}px`;
  }

  function create() {
    points = state.answer.names.map((_, place) => (
      svg('path', { class: 'pt', 'data-place': place, role: 'button', tabindex: -1 })));
    plot().replaceChildren(svg('g', { class: 'links' }), svg('g', { class: 'pts' }), svg('g', { class: 'marks' }));
    plot().querySelector('.pts').append(...points);
    view = { k: 1, x: 0, y: 0 };
    focused = 0;
    hidden.clear();
  }

  function put() {
    points.forEach((point, place) => {
      const [x, y] = at(place);
      point.setAttribute('transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    });
    links();
    marks();
    plot().style.touchAction = view.k > 1 ? 'none' : 'pan-y';
    find('.cmp-tip').hidden = true;
  }

  function paint() {
    look = page.compare.colouring(by());
    points.forEach((point, place) => {
      const { colour, shape } = look.points[place];
      point.setAttribute('d', shape);
      point.setAttribute('fill', colour);
      point.setAttribute('fill-rule', 'evenodd');
      point.setAttribute('aria-label', [name(place), ...about(place)].join(', '));
      point.style.display = visible(place) ? '' : 'none';
    });
    if (!visible(focused)) focused = Math.max(0, points.findIndex((_, place) => visible(place)));
    rove(focused);
  }

  /** Lines from the selected point to its neighbours. */
  function links() {
    const { selected, answer } = state;
    const near = selected < 0 ? [] : answer.neighbours[selected] ?? [];
    plot().querySelector('.links').replaceChildren(...near.filter(({ index }) => visible(index)).map(({ index }) => {
      const [[x1, y1], [x2, y2]] = [at(selected), at(index)];
      return svg('line', { x1, y1, x2, y2 });
    }));
    points.forEach((point, place) => point.classList.toggle('is-selected', place === selected));
  }

  /** The clusters' numbers where their points are, so that they are told apart in grey too. */
  function marks() {
    const groups = by() === 'cluster' ? state.answer.clusters.groups.filter(({ label }) => label >= 0) : [];
    const middle = (values) => values.sort((one, other) => one - other)[values.length >> 1];
    plot().querySelector('.marks').replaceChildren(...groups.filter(({ label }) => !hidden.has(String(label))).map(({ label }) => {
      const own = points.map((_, place) => place).filter((place) => state.answer.clusters.labels[place] === label).map(at);
      const [x, y] = [middle(own.map(([across]) => across)), middle(own.map(([, down]) => down))];
      return svg('text', { x: x.toFixed(1), y: (y - 9).toFixed(1), 'text-anchor': 'middle' }, String(label));
    }));
  }

  function legend() {
    const entries = look.groups.map((group) => {
      const swatch = svg('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true' });
      swatch.append(svg('path', { d: group.shape, fill: group.colour, 'fill-rule': 'evenodd' }));
      const toggle = () => {
        if (!hidden.delete(group.id)) hidden.add(group.id);
        paint();
        put();
        button.setAttribute('aria-pressed', String(!hidden.has(group.id)));
      };
      const button = el('button', { type: 'button', 'aria-pressed': String(!hidden.has(group.id)), onclick: toggle },
        swatch, el('span', { class: 'name', text: group.label }), el('span', { class: 'count', text: String(group.count) }));
      return el('li', {}, button);
    });
    if (!look.groups.length) {
      const stops = Array.from({ length: 9 }, (_, step) => page.compare.ramp(step / 8)).join(', ');
      entries.push(el('li', { class: 'ramp' }, el('span', { text: String(look.least) }),
        el('span', { class: 'bar', style: `background:linear-gradient(90deg, ${stops})` }), el('span', { text: String(look.most) })));
    }
    find('.cmp-legend').replaceChildren(...entries);
    find('.cmp-legend-title').hidden = !look.groups.length;
  }

  function colourChoices() {
    const select = find('.cmp-colour');
    const wanted = select.value;
    const choices = page.compare.choices();
    select.replaceChildren(...choices.map(([value, text]) => el('option', { value, text })));
    if (choices.some(([value]) => value === wanted)) select.value = wanted;
  }

  function draw() {
    const { answer } = state;
    part('map').hidden = !answer.projection;
    if (!answer.projection) return;
    colourChoices();
    const method = METHODS[answer.projection.method] ?? answer.projection.method;
    find('.cmp-map-remark').textContent = say('map_remark', { method, width: answer.embedding_dim });
    plot().setAttribute('aria-label', say('map_label', { count: answer.names.length }));
    if (drawn !== answer) create();
    drawn = answer;
    measure();
    paint();
    put();
    legend();
    observe();
  }

  // --- Zoom -------------------------------------------------------------------------------------------
  function zoom(factor, x = size[0] / 2, y = size[1] / 2) {
    const k = factor ? Math.min(ZOOM[1], Math.max(ZOOM[0], view.k * factor)) : 1;
    const ratio = k / view.k;
    showPart(k, x - (x - view.x) * ratio, y - (y - view.y) * ratio);
  }

  const pan = (dx, dy) => showPart(view.k, view.x + dx, view.y + dy);

  /** Shows a part of the map, which always fills the frame. */
  function showPart(k, x, y) {
    const kept = (value, length) => Math.min(0, Math.max(length * (1 - k), value));
    view = { k, x: kept(x, size[0]), y: kept(y, size[1]) };
    put();
  }

  /** Brings a point into view. */
  function reveal(place) {
    const [x, y] = at(place);
    const off = (value, length) => (value < MARGIN ? MARGIN - value : Math.min(0, length - MARGIN - value));
    if (off(x, size[0]) || off(y, size[1])) pan(off(x, size[0]), off(y, size[1]));
  }

  // --- Points -----------------------------------------------------------------------------------------
  function tip(place) {
    const box = find('.cmp-tip');
    const text = by().startsWith('column:') ? colourValue(by(), place) : '';
    box.replaceChildren(el('b', { text: name(place) }), ...[...about(place), text].filter(Boolean).map((line) => el('span', { text: line })));
    box.hidden = false;
    const [x, y] = at(place);
    box.style.left = `${Math.max(0, Math.min(size[0] - box.offsetWidth, x - box.offsetWidth / 2))}px`;
    box.style.top = `${y > box.offsetHeight + 16 ? y - box.offsetHeight - 12 : y + 14}px`;
  }

  function rove(place) {
    points[focused]?.setAttribute('tabindex', -1);
    focused = place;
    points[place]?.setAttribute('tabindex', 0);
  }

  /** The nearest point in a direction: what lies aside counts twice. */
  function nearest(from, [right, down]) {
    const [x, y] = at(from);
    let best = -1;
    let least = Infinity;
    for (let place = 0; place < points.length; place += 1) {
      if (place === from || !visible(place)) continue;
      const [dx, dy] = [at(place)[0] - x, at(place)[1] - y];
      const along = dx * right + dy * down;
      const cost = along + 2 * Math.abs(dx * down - dy * right);
      if (along > 0.01 && cost < least) [best, least] = [place, cost];
    }
    return best;
  }

  function pressed(event) {
    const place = Number(event.target.dataset.place);
    if (event.key === 'Enter' || event.key === ' ') page.compare.play(place);
    else if (event.key === '+' || event.key === '=') zoom(1.5, ...at(place));
    else if (event.key === '-') zoom(1 / 1.5, ...at(place));
    else if (event.key === '0') zoom(0);
    else if (ARROWS[event.key]) {
      const next = nearest(place, ARROWS[event.key]);
      if (next >= 0) {
        rove(next);
        reveal(next);
        points[next].focus({ preventScroll: true });
      }
    } else return;
    event.preventDefault();
  }

  // --- Events -----------------------------------------------------------------------------------------
  let dragged = null;
  const listen = {
    keydown: (event) => { if (event.target.matches('.pt')) pressed(event); },
    focusin: (event) => {
      if (!event.target.matches('.pt')) return;
      rove(Number(event.target.dataset.place));
      reveal(focused);
      tip(focused);
    },
    focusout: () => { find('.cmp-tip').hidden = true; },
    pointerover: (event) => { if (event.target.matches('.pt')) tip(Number(event.target.dataset.place)); },
    pointerout: (event) => { if (event.target.matches('.pt')) find('.cmp-tip').hidden = true; },
    click: (event) => {
      if (!event.target.matches('.pt') || dragged?.far) return;
      rove(Number(event.target.dataset.place));
      page.compare.play(focused);
    },
    // The page scrolls past the map unless the visitor is at it.
    wheel: (event) => {
      if (!event.ctrlKey && !plot().contains(document.activeElement)) return;
      event.preventDefault();
      const box = plot().getBoundingClientRect();
      zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX - box.left, event.clientY - box.top);
    },
    pointerdown: (event) => { dragged = { x: event.clientX, y: event.clientY, far: false }; },
    pointermove: (event) => {
      if (!dragged || !event.buttons || view.k === 1) return;
      const [dx, dy] = [event.clientX - dragged.x, event.clientY - dragged.y];
      if (!dragged.far && Math.hypot(dx, dy) < 4) return;
      dragged = { x: event.clientX, y: event.clientY, far: true };
      pan(dx, dy);
    },
  };

  let watched = null;
  function observe() {
    if (watched === plot()) return;
    watched = plot();
    for (const [kind, handle] of Object.entries(listen)) watched.addEventListener(kind, handle, { passive: false });
    new ResizeObserver(() => {
      if (!state.answer?.projection || plot().parentElement.clientWidth === size[0] || !plot().parentElement.clientWidth) return;
      measure();
      zoom(0);
    }).observe(watched.parentElement);
  }

  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('#compare-panel .cmp-zoom');
    if (button) zoom(Number(button.dataset.zoom));
  });
  document.addEventListener('change', (event) => {
    if (!event.target.matches('#compare-panel .cmp-colour') || !panel()) return;
    hidden.clear();
    paint();
    put();
    legend();
  });

  parts.push({ draw, select: () => { if (drawn && state.answer?.projection) links(); } });
  Object.assign(page.compare, { look: () => look, base: () => base, mapSize: () => size });
})();
