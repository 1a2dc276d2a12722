// The rows of the history tab: made from what the server lists, kept in order, walked with the arrow keys.
(() => {
  'use strict';
  const page = window.emotionPage;
  const { both } = page;
  const words = page.wordsOf('history_');

  function clock(seconds) {
    const two = (value) => String(Math.floor(value)).padStart(2, '0');
    const whole = Math.round(seconds);
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  /** What a run sounds like: emoji, name in both languages, colour. */
  function verdict(run, emotions) {
    if (run.no_speech) return ['🔇', words('no_speech'), ''];
    if (run.uncertain) return ['🤷', words('uncertain'), ''];
    const [face, zh, en, colour] = emotions[run.emotion] ?? ['❓', run.emotion, run.emotion, ''];
    return [face, [zh, en], colour];
  }

  class RunList {
    /** @param {Element} panel The card of the history tab. */
    constructor(panel) {
      this.panel = panel;
      this.list = panel.querySelector('.his-list');
      this.template = panel.querySelector('.his-template');
      this.emotions = JSON.parse(panel.dataset.emotions);
      this.runs = new Map(); // id → what the server said
      this.selected = new Set();
    }

    /** Shows exactly these runs. Rows that stay are not touched, so focus and place stay too. */
    show(runs) {
      const wanted = new Map(runs.map((run) => [run.run_id, run]));
      const focused = this.rowOf(document.activeElement);
      for (const row of [...this.list.children]) if (!wanted.has(row.dataset.run)) this.drop(row);
      runs.forEach((run, place) => {
        const row = this.row(run.run_id) ?? this.make(run);
        if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
      });
      this.runs = wanted;
      for (const id of this.selected) if (!wanted.has(id)) this.selected.delete(id);
      if (focused && !focused.isConnected) this.focusNear(focused.dataset.run);
      if (!this.list.querySelector('.is-current')) this.current(this.list.firstElementChild);
    }

    make(run) {
      const row = this.template.content.firstElementChild.cloneNode(true);
      row.dataset.run = run.run_id;
      const cell = (name) => row.querySelector(`.his-${name}`);
      const [face, name, colour] = verdict(run, this.emotions);
      const emoji = document.createElement('i');
      emoji.className = 'emoji';
      emoji.setAttribute('aria-hidden', 'true');
      emoji.textContent = face;
      const named = document.createElement('span');
      both(named, name);
      cell('emotion').append(emoji, named);
      if (colour) row.style.setProperty('--emo', colour);
      cell('when').textContent = run.timestamp.slice(0, 16);
      cell('file').textContent = run.file;
      cell('file').title = run.file;
      cell('confidence').textContent = run.no_speech ? '–' : `${(100 * run.confidence).toFixed(1)}%`;
      cell('length').textContent = clock(run.duration_s);
      cell('model').textContent = run.model;
      cell('model').title = run.model;
      both(cell('granularity'), words(run.granularity));
      for (const control of ['pick', 'get', 'delete']) row.querySelector(`.his-${control} .unseen`).append(` ${run.file}`);
      row.querySelector('.his-get').href = page.historyArchive([run.run_id]);
      this.reach(row, false);
      return row;
    }

    row(id) {
      return id ? this.list.querySelector(`[data-run="${CSS.escape(id)}"]`) : null;
    }

    rowOf(element) {
      return this.list.contains(element) ? element.closest('.his-row') : null;
    }

    drop(row) {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      if (row.contains(document.activeElement)) this.focus(next);
      else if (row.classList.contains('is-current')) this.current(next);
      row.remove();
    }

    remove(ids) {
      for (const id of ids) {
        const row = this.row(id);
        if (row) this.drop(row);
        this.runs.delete(id);
        this.selected.delete(id);
      }
    }

    // --- Keys: one row can be reached with Tab, the arrows move between rows ------------------------
    reach(row, can) {
      row.classList.toggle('is-current', can);
      for (const control of row.querySelectorAll('input, button, a')) control.tabIndex = can ? 0 : -1;
    }

    current(row) {
      for (const other of this.list.querySelectorAll('.is-current')) if (other !== row) this.reach(other, false);
      if (row) this.reach(row, true);
    }

    focus(row, kind = '.his-open') {
      if (!row) return;
      this.current(row);
      row.querySelector(kind).focus();
    }

    focusNear(id) {
      const rows = [...this.list.children];
      this.focus(rows.find((row) => row.dataset.run < id) ?? rows.at(-1));
    }

    /** Moves from the row of an element by so many rows, on the same kind of control. */
    move(element, steps) {
      const rows = [...this.list.children];
      const at = rows.indexOf(this.rowOf(element));
      const to = Math.max(0, Math.min(rows.length - 1, at + steps));
      const kind = ['.his-pick input', '.his-get', '.his-delete'].find((one) => element.matches(one)) ?? '.his-open';
      this.focus(rows[to], kind);
      return to === rows.length - 1;
    }

    // --- Selection --------------------------------------------------------------------------------
    select(id, on) {
      if (on) this.selected.add(id);
      else this.selected.delete(id);
      const row = this.row(id);
      row.querySelector('.his-pick input').checked = on;
      row.classList.toggle('is-selected', on);
    }

    selectAll(on) {
      for (const id of this.runs.keys()) this.select(id, on);
    }

    /** The ids that are selected, in the order of the list. */
    chosen() {
      return [...this.runs.keys()].filter((id) => this.selected.has(id));
    }

    open(id) {
      for (const row of this.list.children) {
        const on = row.dataset.run === id;
        row.classList.toggle('is-open', on);
        const button = row.querySelector('.his-open');
        if (on) button.setAttribute('aria-current', 'true');
        else button.removeAttribute('aria-current');
      }
    }
  }

  page.historyArchive = (ids) => `api/v1/runs/archive?${new URLSearchParams(ids.map((id) => ['run_id', id]))}`;
  window.emotionHistory = { RunList, both, words };
})();
