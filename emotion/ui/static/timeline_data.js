// What a timeline shows, as typed arrays: unpacks the JSON of timeline_data.py and finds things in
// it by time. Nothing here touches the page.
(() => {
  'use strict';
  const bytes = (text, Kind) => {
    const raw = atob(text);
    const array = new Kind(raw.length);
    for (let i = 0; i < raw.length; i += 1) array[i] = raw.charCodeAt(i);
    return array;
  };

  /** The last place whose value is at most `value`; -1 where there is none. */
  function lastAtMost(sorted, value) {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] <= value) low = middle + 1; else high = middle;
    }
    return low - 1;
  }

  /** Segments of one channel, in order of time. */
  class Track {
    constructor(number, name, places, segments) {
      this.number = number; // 0 where channels are not split
      this.name = name;
      this.places = places; // of its segments among all
      this.starts = places.map((place) => segments.start_s[place]);
      this.ends = places.map((place) => segments.end_s[place]);
      const used = new Set(places.map((place) => segments.emotion[place]));
      this.emotions = [...used].sort((a, b) => a - b);
    }

    /** The place among all segments of the one at a time; -1 where there is none. */
    at(time) {
      const found = lastAtMost(this.starts, time);
      return found >= 0 && time < this.ends[found] ? this.places[found] : -1;
    }

    /** Which of its segments is the first that ends after a time. */
    firstAfter(time) {
      return lastAtMost(this.ends, time) + 1;
    }
  }

  /** Nine scores at moments in time. */
  class Curve {
    constructor(data) {
      this.step = data.step_ms / 1000;
      const times = [data.start_ms];
      for (const step of data.steps_ms) times.push(times[times.length - 1] + step);
      this.times = Float64Array.from(times, (ms) => ms / 1000);
      const all = bytes(data.scores, Uint8Array);
      const count = times.length;
      this.scores = Array.from({ length: 9 }, (_, k) => all.subarray(k * count, (k + 1) * count));
      this.highest = this.scores.map((values) => values.reduce((a, b) => Math.max(a, b), 0) / 255);
    }

    /** The nine scores at a time, 0 to 1; null where there is none nearby. */
    at(time) {
      const after = lastAtMost(this.times, time) + 1;
      const near = [after - 1, after].filter((place) => place in this.times)
        .sort((a, b) => Math.abs(this.times[a] - time) - Math.abs(this.times[b] - time))[0];
      if (near === undefined || Math.abs(this.times[near] - time) > this.step) return null;
      return this.scores.map((values) => values[near] / 255);
    }

    /** Points of a part of the time, means over at least `least_s`; broken where there is a gap. */
    view(from, to, least) {
      const gap = 1.5 * Math.max(this.step, least);
      const groups = [];
      let group = null;
      const first = Math.max(0, lastAtMost(this.times, from));
      for (let i = first; i < this.times.length; i += 1) {
        const time = this.times[i];
        const bin = Math.floor(time / least);
        if (group?.bin !== bin) {
          const broken = !group || time - this.times[i - 1] > gap;
          group = { bin, count: 0, time: 0, scores: new Float64Array(9), broken };
          groups.push(group);
        }
        group.count += 1;
        group.time += time;
        for (let k = 0; k < 9; k += 1) group.scores[k] += this.scores[k][i];
        if (time > to) break;
      }
      for (const one of groups) {
        one.time /= one.count;
        one.scores = one.scores.map((sum) => sum / one.count / 255);
      }
      return groups;
    }
  }

  /** Everything that a timeline shows. */
  class Model {
    constructor(data) {
      this.duration = Math.max(data.duration_s, 0.001);
      this.speechless = data.speechless;
      this.kind = data.kind;
      this.emotions = data.emotions.map(([id, zh, en, emoji, colour, dash]) => (
        { id, name: [zh, en], emoji, colour, dash }));
      const segments = data.segments;
      const seconds = (ms) => ms / 1000;
      this.segments = {
        ...segments,
        count: segments.start_ms.length,
        start_s: segments.start_ms.map(seconds),
        end_s: segments.start_ms.map((start, i) => (start + segments.length_ms[i]) / 1000),
        unsure: new Set(segments.uncertain),
      };
      const lengths = [...segments.length_ms].sort((a, b) => a - b);
      this.usual = seconds(lengths[lengths.length >> 1] ?? 0); // length of a segment
      this.split = data.channels.length > 0;
      this.tracks = (this.split ? data.channels : [[0, '']]).map(([number, name]) => {
        const places = [...segments.start_ms.keys()].filter((i) => segments.channel[i] === number
          || !this.split);
        return new Track(number, name, places, this.segments);
      });
      this.curves = Object.fromEntries(
        Object.entries(data.curves).map(([name, curve]) => [name, new Curve(curve)]),
      );
      this.waves = (data.wave?.channels ?? []).map((text) => bytes(text, Int8Array));
      this.waveStep = data.wave?.step_s ?? 1;
    }

    /** The segments of all channels at a time. */
    at(time) {
      return this.tracks.map((track) => track.at(time)).filter((place) => place >= 0);
    }

    /** Where the next segment begins, or the one before; null where there is none. */
    neighbour(time, direction) {
      const starts = this.segments.start_s;
      if (direction > 0) {
        const next = lastAtMost(starts, time + 0.01) + 1;
        return next < starts.length ? starts[next] : null;
      }
      const previous = lastAtMost(starts, time - 0.5); // within its first half second: the one before
      return previous >= 0 ? starts[previous] : null;
    }
  }

  window.emotionTimeline = { Model };
})();
