// The timeline of a result: <emotion-timeline>, filled by timeline.py. Draws what is in view,
// follows the player, answers pointer and keys.
(() => {
  'use strict';
  const {
    Model, Table, Words, both, clock, draw, labels, layout, make, plotParts, say,
  } = window.emotionTimeline;
  const root = document.documentElement;
  const SHORTEST_S = 2; // of what can be zoomed to
  const DRAG_PX = 4; // less is a click
  const SCROLLBAR_PX = 14; // there is room for it before it comes
  const STEPS_S = {
    ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10,
  };

  class Timeline extends HTMLElement {
    static observedAttributes = ['data-key'];

    connectedCallback() { this.renew(); }
    // Gradio changes the markup in place where a new result follows an old one.
    attributeChangedCallback() { if (this.isConnected) this.renew(); }
    disconnectedCallback() { this.stop?.abort(); }

    renew() {
      this.stop?.abort();
      this.stop = new AbortController();
      const { signal } = this.stop;
      requestAnimationFrame(() => { // its children are there by then
        if (!signal.aborted) this.build();
      });
    }

    // --- Parts ----------------------------------------------------------------------------------
    build() {
      this.model = new Model(JSON.parse(this.querySelector('.tl-data').textContent));
      this.words = new Words(this.model);
      this.audio = this.querySelector('audio');
      this.position = 0; // where there is no audio
      this.zoom = 1;
      this.mostZoom = Math.max(1, this.model.duration / SHORTEST_S);
      this.running = false;
      this.now = null; // what is in view
      this.told = '';
      this.curve = ['local', 'contribution'].find((name) => name in this.model.curves) ?? '';
      this.dataset.curve = this.curve;
      this.buildTools();
      this.buildPlot();
      this.buildTable();
      this.listen();
      this.arrange();
      this.moved();
    }

    buildTools() {
      const button = (children, action) => {
        const made = make('button', '', children);
        made.addEventListener('click', action);
        return made;
      };
      const hidden = (key) => make('span', 'unseen', [both(key)]);
      this.zooms = [
        button(['−', hidden('tl_zoom_out')], () => this.zoomTo(this.zoom / 2)),
        button(['+', hidden('tl_zoom_in')], () => this.zoomTo(this.zoom * 2)),
        button([both('tl_zoom_all')], () => this.zoomTo(1)),
      ];
      const parts = [make('div', 'tl-zoom', this.zooms)];
      const curves = Object.keys(this.model.curves);
      if (curves.length > 1) {
        const choices = curves.map((name) => {
          const made = button([both(`tl_${name}`)], () => this.choose(name));
          made.dataset.choice = name;
          return made;
        });
        const group = make('div', 'tl-switch', choices);
        group.setAttribute('role', 'group');
        parts.unshift(make('span', 'tl-name', [both('tl_curve')]), group);
      }
      this.querySelector('.tl-tools').replaceChildren(...parts);
      this.markChoice();
      this.markZoom(1);
    }

    buildPlot() {
      Object.assign(this, plotParts(this.model, this.dataset.key));
      this.querySelector('.tl-plot').replaceChildren(this.labels, this.scroller, this.tip);
      this.hideTip();
    }

    buildTable() {
      const host = this.querySelector('.tl-table');
      const { kind, segments } = this.model;
      const there = kind !== 'whole' && segments.count > 0;
      this.table = there ? new Table(host, this.words, (time) => this.go(time)) : null;
      if (!there) host.replaceChildren();
    }

    // --- Layout and drawing ---------------------------------------------------------------------
    /** Puts the rows in their places, with their labels. */
    arrange() {
      this.layout = layout(this.model, this.curve);
      const { rows, height } = this.layout;
      this.view.style.height = `${height}px`;
      this.svg.setAttribute('height', height);
      this.scroller.style.minHeight = `${height + SCROLLBAR_PX}px`;
      this.labels.replaceChildren(...rows.flatMap((row) => labels(row, this.model, this.words)));
      this.redraw();
    }

    /** Asks for a new drawing in the next frame. */
    redraw() {
      if (this.asked) return;
      this.asked = true;
      requestAnimationFrame(() => {
        this.asked = false;
        if (this.isConnected) this.paint();
      });
    }

    paint() {
      const width = this.scroller.clientWidth;
      if (!width) return; // hidden
      this.view.style.width = `${width}px`;
      this.svg.setAttribute('width', width);
      const span = this.model.duration / this.zoom;
      const latest = this.model.duration - span;
      const from = Math.min(latest, this.scroller.scrollLeft / width * span);
      this.now = {
        from, span, width, to: from + span, hatch: `hatch-${this.dataset.key}`,
        x: (time) => (time - from) / span * width,
        time: (x) => from + x / width * span,
      };
      draw(this.drawing, this.model, this.layout, this.model.curves[this.curve], this.now);
      this.placeCursor();
    }

    /** Zooms about a place in the view, the cursor if it is there, else the middle. */
    zoomTo(wanted, x = null) {
      if (!this.now) return;
      const zoom = Math.min(this.mostZoom, Math.max(1, wanted));
      const { width } = this.now;
      const cursor = this.now.x(this.time);
      const about = x ?? (cursor >= 0 && cursor <= width ? cursor : width / 2);
      const time = this.now.time(about);
      this.zoom = zoom;
      this.wide.style.width = `${zoom * 100}%`;
      this.scroller.scrollLeft = time / this.model.duration * zoom * width - about;
      this.markZoom(zoom);
      this.paint(); // at once: the next step of a wheel needs what is in view
    }

    markZoom(zoom) {
      const [out, closer, all] = this.zooms;
      out.disabled = zoom <= 1;
      closer.disabled = zoom >= this.mostZoom;
      all.disabled = zoom <= 1;
    }

    choose(name) {
      this.curve = name;
      this.dataset.curve = name;
      this.markChoice();
      this.redraw();
    }

    markChoice() {
      for (const button of this.querySelectorAll('[data-choice]')) {
        button.setAttribute('aria-pressed', String(button.dataset.choice === this.curve));
      }
    }

    // --- Player ---------------------------------------------------------------------------------
    get time() { return this.audio ? this.audio.currentTime : this.position; }

    set time(wanted) {
      const time = Math.min(Math.max(0, wanted), this.model.duration);
      this.position = time;
      if (this.audio) this.audio.currentTime = time;
      this.moved();
    }

    /** Plays from a time on. */
    go(time) {
      this.time = time;
      this.play();
    }

    play() {
      // Refused where the browser wants a click on the player first: its button is right there.
      this.audio?.play().catch(() => {});
    }

    toggle() {
      if (this.audio && !this.audio.paused) this.audio.pause();
      else this.play();
    }

    /** The time has changed: the cursor, the row and the slider follow. */
    moved() {
      const { time } = this;
      const places = this.model.at(time);
      this.placeCursor();
      this.table?.mark(places);
      const told = `${Math.floor(time)} ${places}`;
      if (this.told !== told) this.describe();
      this.told = told;
    }

    /** Runs along while it plays. */
    run() {
      if (this.running) return;
      this.running = true;
      const { signal } = this.stop;
      const next = () => {
        if (signal.aborted) return;
        this.running = !this.audio.paused;
        const before = this.now?.x(this.time) ?? 0;
        this.moved();
        if (this.running) requestAnimationFrame(() => { this.follow(before); next(); });
      };
      requestAnimationFrame(next);
    }

    placeCursor() {
      if (!this.now) return;
      const x = this.now.x(this.time);
      this.cursor.hidden = x < 0 || x > this.now.width;
      this.cursor.style.transform = `translateX(${x}px)`;
    }

    /** Turns the view when the cursor has just run out of it; a reader who went elsewhere stays. */
    follow(before) {
      const { width } = this.now ?? {};
      if (before >= 0 && before <= width && this.now.x(this.time) > width) this.bring(0.1);
    }

    /** Scrolls until the cursor is in view. */
    reveal() {
      const x = this.now?.x(this.time);
      if (x < 0 || x > this.now?.width) this.bring(0.3);
    }

    /** Scrolls the cursor to this share of the view. */
    bring(share) {
      const { width } = this.now;
      const left = this.time / this.model.duration * this.zoom * width;
      this.scroller.scrollLeft = left - share * width;
      this.paint();
    }

    // --- Pointer and keys -----------------------------------------------------------------------
    listen() {
      const { audio, scroller, strip } = this;
      const { signal } = this.stop;
      const on = (target, types, listener) => {
        for (const type of types.split(' ')) {
          target.addEventListener(type, listener, { signal, passive: false });
        }
      };
      const size = new ResizeObserver(() => this.redraw());
      size.observe(scroller);
      const language = new MutationObserver(() => this.describe());
      language.observe(root, { attributes: true, attributeFilter: ['data-lang'] });
      signal.addEventListener('abort', () => {
        size.disconnect();
        language.disconnect();
      });
      if (audio) {
        on(audio, 'play', () => this.run());
        on(audio, 'pause seeked', () => this.moved());
      }
      on(scroller, 'scroll', () => {
        this.hideTip();
        this.redraw();
      });
      on(strip, 'wheel', (event) => this.wheel(event));
      on(strip, 'pointerdown', (event) => this.press(event));
      on(strip, 'pointermove', (event) => this.point(event));
      on(strip, 'pointerup pointercancel', () => { this.pressed = null; });
      on(strip, 'pointerleave blur', () => this.hideTip());
      on(strip, 'click', (event) => this.choosePlace(event));
      on(strip, 'keydown', (event) => this.key(event));
    }

    where(event) {
      const box = this.strip.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    }

    wheel(event) {
      if (!event.ctrlKey && !event.metaKey) return; // scrolls the page, or the drawing sideways
      event.preventDefault();
      const by = Math.max(-100, Math.min(100, event.deltaY));
      this.zoomTo(this.zoom * Math.exp(-by / 200), this.where(event)[0]);
    }

    press(event) {
      this.dragged = false;
      if (event.pointerType !== 'mouse' || event.button) return; // a finger scrolls by itself
      this.pressed = { x: event.clientX, left: this.scroller.scrollLeft };
    }

    point(event) {
      if (event.pointerType !== 'mouse') return;
      if (!this.pressed) {
        this.showTip(...this.where(event));
        return;
      }
      const by = event.clientX - this.pressed.x;
      if (!this.dragged && Math.abs(by) >= DRAG_PX && this.zoom > 1) {
        this.dragged = true;
        this.strip.setPointerCapture(event.pointerId);
      }
      if (this.dragged) this.scroller.scrollLeft = this.pressed.left - by;
    }

    choosePlace(event) {
      if (this.dragged || !this.now) return;
      const [x, y] = this.where(event);
      const place = this.placesAt(x, y)[0];
      if (place !== undefined) this.table?.turnTo(place);
      this.go(this.now.time(x));
      this.showTip(x, y);
    }

    key(event) {
      if (event.altKey || event.metaKey) return;
      const key = event.key.toLowerCase().replace('=', '+'); // one key of many keyboards
      const sideways = event.ctrlKey ? { arrowright: 1, arrowleft: -1 } : { n: 1, p: -1 };
      const target = this.target(event.key, sideways[key], event.ctrlKey);
      const action = event.ctrlKey ? undefined : {
        enter: () => this.toggle(),
        ' ': () => this.toggle(),
        '+': () => this.zoomTo(this.zoom * 2),
        '-': () => this.zoomTo(this.zoom / 2),
        0: () => this.zoomTo(1),
        escape: () => this.hideTip(),
      }[key];
      if (target === undefined && !action) return;
      event.preventDefault();
      action?.();
      if (target === undefined) return;
      this.time = target;
      this.reveal();
      const [place] = this.model.at(target);
      if (place !== undefined) this.table?.turnTo(place);
      this.showTip(this.now.x(target), 0);
    }

    /** The time that a key goes to; undefined where it goes nowhere. */
    target(key, direction, control) {
      if (direction) return this.model.neighbour(this.time, direction) ?? this.time;
      if (control) return undefined;
      const far = { Home: 0, End: this.model.duration }[key] ?? this.time + STEPS_S[key];
      return Number.isNaN(far) ? undefined : Math.min(Math.max(0, far), this.model.duration);
    }

    // --- What is at a time ----------------------------------------------------------------------
    /** The segments under a point: of one channel on its lanes, else of all. */
    placesAt(x, y) {
      const time = this.now.time(x);
      const row = this.layout.rows.find((one) => y >= one.y && y < one.y + one.height);
      return this.model.at(time).filter((place) => (
        !row?.track || this.model.segments.channel[place] === row.track.number));
    }

    hideTip() {
      this.tip.hidden = true;
      this.hover.hidden = true;
    }

    showTip(x, y) {
      if (!this.now) return;
      const time = this.now.time(x);
      const lines = [make('p', 'when', [clock(time, 1)])];
      for (const place of this.placesAt(x, y)) lines.push(this.words.segment(place));
      const scores = this.model.curves[this.curve]?.at(time);
      if (scores) lines.push(this.words.scores(scores, this.curve));
      this.tip.replaceChildren(...lines);
      this.tip.hidden = false;
      this.hover.hidden = false;
      this.hover.style.transform = `translateX(${x}px)`;
      const left = this.scroller.offsetLeft + x;
      const room = this.tip.parentElement.clientWidth;
      const { offsetWidth: width, offsetHeight: height } = this.tip;
      const beside = left + 14 + width <= room ? left + 14 : left - 14 - width;
      this.tip.style.left = `${Math.max(0, Math.min(beside, room - width))}px`;
      this.tip.style.top = `${Math.max(0, y - height - 8)}px`;
    }

    /** What a screen reader says of the slider, in the page's language. */
    describe() {
      this.strip.setAttribute('aria-label', say('tl_position'));
      this.strip.setAttribute('aria-valuenow', Math.round(this.time));
      this.strip.setAttribute('aria-valuetext', this.words.line(this.time));
    }
  }

  customElements.define('emotion-timeline', Timeline);
})();
