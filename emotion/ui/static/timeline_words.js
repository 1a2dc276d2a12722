// What a timeline says, in the page's languages: emotions, channels, the box beside the pointer.
(() => {
  'use strict';
  const { clock } = window.emotionTimeline;
  const { texts } = window.emotionPage;
  const root = document.documentElement;
  const CURVES_TOLD = 4;
  const LEAST_TOLD = 0.05;

  const index = () => (root.dataset.lang === 'zh' ? 0 : 1);
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? '');
  const say = (key, values = {}) => fill(texts[key][index()], values);
  const percent = (thousandths) => `${(thousandths / 10).toFixed(1)}%`;

  function make(tag, className = '', children = []) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (tag === 'button') made.type = 'button';
    made.append(...children);
    return made;
  }

  /** Both languages of a text; the style sheet shows the page's. */
  function pair([zh, en]) {
    const part = (lang, name, text) => {
      const made = make('span', name, [text]);
      made.lang = lang;
      return made;
    };
    const made = document.createDocumentFragment();
    made.append(...(zh === en ? [zh] : [part('zh-CN', 'zh', zh), part('en', 'en', en)]));
    return made;
  }
  const both = (key, values = {}) => pair(texts[key].map((text) => fill(text, values)));

  /** Speaks of what a model holds; what it gives are nodes for `make`. */
  class Words {
    constructor(model) {
      this.model = model;
    }

    channel({ number, name }) {
      return name || both('tl_channel', { number });
    }

    /** The channel of a segment. */
    channelOf(place) {
      const number = this.model.segments.channel[place];
      return this.channel(this.model.tracks.find((track) => track.number === number));
    }

    emotion(k) {
      const { emoji, name } = this.model.emotions[k];
      const face = make('span', 'emoji', [emoji]);
      face.setAttribute('aria-hidden', 'true');
      return [face, ' ', pair(name)];
    }

    /** The emotion of a segment, or that it is uncertain and what is the most likely. */
    verdict(place) {
      const { segments } = this.model;
      const emotion = this.emotion(segments.emotion[place]);
      if (!segments.unsure.has(place)) return emotion;
      return [both('tl_uncertain'), ' ', make('small', '', ['(', ...emotion, ')'])];
    }

    second(place) {
      const { second, second_confidence: scores } = this.model.segments;
      if (second[place] < 0) return ['–'];
      return [...this.emotion(second[place]), ` ${percent(scores[place])}`];
    }

    /** A segment in the box beside the pointer. */
    segment(place) {
      const { segments, split } = this.model;
      const span = `${clock(segments.start_s[place], 1)} – ${clock(segments.end_s[place], 1)}`;
      const what = make('b', '', this.verdict(place));
      const line = make('p', 'what', [what, ` ${percent(segments.confidence[place])}`]);
      if (split) line.prepend(make('span', 'of', [this.channelOf(place)]));
      if (segments.second[place] >= 0) {
        const more = [both('tl_column_second'), ' ', ...this.second(place)];
        line.append(make('span', 'more', more));
      }
      line.append(make('span', 'more', [span]));
      return line;
    }

    /** The strongest values of a curve, in that box. */
    scores(scores, curve) {
      const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a]);
      const told = order.slice(0, CURVES_TOLD).filter((k, i) => !i || scores[k] >= LEAST_TOLD);
      const parts = told.map((k) => (
        make('span', 'part', [...this.emotion(k), ` ${Math.round(100 * scores[k])}%`])));
      return make('p', 'curve', [make('span', 'of', [both(`tl_${curve}`)]), ...parts]);
    }

    /** A time and what is heard then, as one line in the page's language. */
    line(time) {
      const { segments, emotions, tracks, split, duration } = this.model;
      const told = this.model.at(time).map((place) => {
        const emotion = emotions[segments.emotion[place]].name[index()];
        const unsure = segments.unsure.has(place);
        const name = unsure ? `${say('tl_uncertain')} (${emotion})` : emotion;
        const track = tracks.find((one) => one.number === segments.channel[place]);
        const of = split ? `${track.name || say('tl_channel', { number: track.number })}: ` : '';
        return `${of}${name} ${percent(segments.confidence[place])}`;
      });
      return [`${clock(time)} / ${clock(duration)}`, ...told].join(', ');
    }
  }

  Object.assign(window.emotionTimeline, { Words, both, make, percent, say });
})();
