// The table of segments below a timeline: a hundred rows a page, a button a row.
(() => {
  'use strict';
  const PAGE_ROWS = 100;
  const { both, clock, make, percent } = window.emotionTimeline;

  class Table {
    /**
     * @param {HTMLElement} host Where it goes.
     * @param {object} words What it says, and of which model.
     * @param {(time: number) => void} play Called with the start of the row that was chosen.
     */
    constructor(host, words, play) {
      this.words = words;
      this.model = words.model;
      this.page = 0;
      this.pages = Math.ceil(this.model.segments.count / PAGE_ROWS);
      this.playing = new Set();
      this.body = document.createElement('tbody');
      this.box = this.frame();
      host.replaceChildren(this.head(), this.box);
      this.body.addEventListener('click', (event) => {
        const row = event.target.closest('tr');
        if (row) play(this.model.segments.start_s[row.dataset.place]);
      });
      this.show(0);
    }

    head() {
      const kind = this.model.kind === 'windows' ? 'tl_windows' : 'tl_segments';
      const title = make('h3', '', [both(kind), ` (${this.model.segments.count})`]);
      const head = make('div', 'tl-table-head', [title]);
      if (this.pages < 2) return head;
      this.where = make('span', 'where');
      this.where.setAttribute('aria-live', 'polite');
      this.back = make('button', '', ['‹ ', both('tl_previous')]);
      this.on = make('button', '', [both('tl_next'), ' ›']);
      this.back.addEventListener('click', () => this.show(this.page - 1));
      this.on.addEventListener('click', () => this.show(this.page + 1));
      head.append(make('div', 'tl-pages', [this.back, this.where, this.on]));
      return head;
    }

    frame() {
      const names = ['start', 'end', 'channel', 'emotion', 'confidence', 'second']
        .filter((name) => name !== 'channel' || this.model.split);
      const row = make('tr', '', names.map((name) => {
        const cell = make('th', '', [both(`tl_column_${name}`)]);
        cell.scope = 'col';
        return cell;
      }));
      const table = make('table', '', [make('thead', '', [row]), this.body]);
      return make('div', 'tl-rows', [table]);
    }

    /** Shows another page of rows. */
    show(page) {
      const { count } = this.model.segments;
      this.page = Math.min(Math.max(page, 0), Math.max(this.pages - 1, 0));
      const first = this.page * PAGE_ROWS;
      const last = Math.min(first + PAGE_ROWS, count);
      const rows = [];
      for (let place = first; place < last; place += 1) rows.push(this.row(place));
      this.body.replaceChildren(...rows);
      this.box.scrollTop = 0;
      if (!this.where) return;
      this.where.textContent = `${first + 1}–${last} / ${count}`;
      this.back.disabled = this.page === 0;
      this.on.disabled = this.page === this.pages - 1;
    }

    row(place) {
      const { emotions, segments, split } = this.model;
      const play = make('button', '', [
        make('span', 'unseen', [both('tl_play_from'), ' ']), '▶ ',
        clock(segments.start_s[place], 1),
      ]);
      const row = make('tr', '', [
        make('td', '', [play]),
        make('td', '', [clock(segments.end_s[place], 1)]),
        ...(split ? [make('td', '', [this.words.channelOf(place)])] : []),
        make('td', 'emotion', this.words.verdict(place)),
        make('td', 'number', [percent(segments.confidence[place])]),
        make('td', 'second', this.words.second(place)),
      ]);
      row.dataset.place = place;
      row.style.setProperty('--emo', emotions[segments.emotion[place]].colour);
      this.markRow(row);
      return row;
    }

    markRow(row) {
      const now = this.playing.has(Number(row.dataset.place));
      row.classList.toggle('now', now);
      if (now) row.setAttribute('aria-current', 'true');
      else row.removeAttribute('aria-current');
      return now;
    }

    /** Marks what is being played; turns the page where the reader was following. */
    mark(places) {
      if (places.length === this.playing.size && places.every((one) => this.playing.has(one))) return;
      const here = (place) => Math.floor(place / PAGE_ROWS) === this.page;
      const followed = [...this.playing].some(here);
      this.playing = new Set(places);
      if (followed && places.length && !places.some(here)) {
        this.show(Math.floor(places[0] / PAGE_ROWS));
      }
      const [shown] = [...this.body.rows].filter((row) => this.markRow(row));
      if (shown) this.reveal(shown);
    }

    /** Scrolls the box, and nothing but the box, until a row is in view. */
    reveal(row) {
      const head = this.body.previousElementSibling.offsetHeight;
      const top = row.offsetTop - head;
      const bottom = row.offsetTop + row.offsetHeight - this.box.clientHeight;
      if (this.box.scrollTop > top) this.box.scrollTop = top;
      else if (this.box.scrollTop < bottom) this.box.scrollTop = bottom;
    }

    /** The page that has this segment. */
    turnTo(place) {
      const page = Math.floor(place / PAGE_ROWS);
      if (page !== this.page) this.show(page);
    }
  }

  window.emotionTimeline.Table = Table;
})();
