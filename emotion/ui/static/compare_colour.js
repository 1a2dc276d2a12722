// Colours and shapes of the points on the map: by emotion, cluster, speaker or a column of the visitor's CSV.
(() => {
  'use strict';
  const { state, say, emotions, emotionName, speaker, columns } = window.emotionPage.compare;
  const MOST_GROUPS = 27; // in the legend; smaller ones are one group
  const UNCERTAIN = 'uncertain'; // what is below the minimum confidence
  const GREY = '#93948e';
  // Told apart without colour: shapes of about the same area around the origin.
  const SHAPES = [
    'M5,0A5,5 0 1 1 -5,0A5,5 0 1 1 5,0Z', // disc
    'M-4.5,-4.5H4.5V4.5H-4.5Z', // square
    'M0,-6L5.6,4.2H-5.6Z', // triangle
    'M0,-6.4L6.4,0L0,6.4L-6.4,0Z', // diamond
    'M-1.9,-5.7H1.9V-1.9H5.7V1.9H1.9V5.7H-1.9V1.9H-5.7V-1.9H-1.9Z', // plus
    'M0,6L5.6,-4.2H-5.6Z', // triangle on its head
    'M0,-6.8L1.7,-2.1L6.5,-2.1L2.7,0.9L4,5.6L0,2.9L-4,5.6L-2.7,0.9L-6.5,-2.1L-1.7,-2.1Z', // star
    'M-5.4,-2.7L-2.7,-5.4L0,-2.7L2.7,-5.4L5.4,-2.7L2.7,0L5.4,2.7L2.7,5.4L0,2.7L-2.7,5.4L-5.4,2.7L-2.7,0Z', // cross
    'M5.4,0L2.7,4.7H-2.7L-5.4,0L-2.7,-4.7H2.7Z', // hexagon
  ];
  const RING = 'M4.5,0A4.5,4.5 0 1 1 -4.5,0A4.5,4.5 0 1 1 4.5,0ZM2.6,0A2.6,2.6 0 1 0 -2.6,0A2.6,2.6 0 1 0 2.6,0Z';
  // The emotions' colours, neighbours far apart; each has a contrast of 3:1 on both pages.
  const ORDER = ['sad', 'angry', 'disgusted', 'happy', 'fearful', 'other', 'surprised', 'unknown', 'neutral'];

  const shapeOf = (number) => SHAPES[(number + Math.floor(number / SHAPES.length)) % SHAPES.length];
  const colourOf = (number) => emotions().get(ORDER[number % ORDER.length]).colour;
  const numeric = (text) => text.trim() !== '' && Number.isFinite(Number(text));

  const isEmotion = (name) => emotions().has(name) || name === UNCERTAIN;

  function emotionLook(name) {
    if (name === UNCERTAIN) return { colour: GREY, shape: RING };
    return { colour: emotions().get(name).colour, shape: SHAPES[[...emotions().keys()].indexOf(name)] };
  }

  /** What points can be coloured by: [value, label] for a select. */
  function choices() {
    const { items, clusters } = state.answer;
    const heads = new Set(items.flatMap((_, place) => Object.keys(columns(place))));
    return [
      items.some((one) => one.emotion) && ['emotion', say('emotion')],
      clusters && ['cluster', say('cluster')],
      items.some((_, place) => speaker(place)) && ['speaker', say('speaker')],
      ...[...heads].map((head) => [`column:${head}`, say('column', { name: head })]),
    ].filter(Boolean);
  }

  /** The value of an item, as text; empty where it has none. */
  function value(by, place) {
    const { items, clusters } = state.answer;
    if (by === 'emotion') return items[place].emotion ?? '';
    if (by === 'cluster') return clusters && clusters.labels[place] >= 0 ? String(clusters.labels[place]) : '';
    if (by === 'speaker') return speaker(place);
    return String(columns(place)[by.slice('column:'.length)] ?? '');
  }

  /** A ramp that is read by its lightness too; it stays visible on both pages. */
  function ramp(share) {
    const steps = [[68, 1, 160], [33, 113, 181], [20, 145, 140], [94, 165, 60], [190, 150, 20]];
    const at = Math.min(steps.length - 1.001, share * (steps.length - 1));
    const [low, high] = [steps[Math.floor(at)], steps[Math.floor(at) + 1]];
    return `rgb(${low.map((part, channel) => Math.round(part + (high[channel] - part) * (at % 1))).join(' ')})`;
  }

  function byNumber(values) {
    const numbers = values.filter(Boolean).map(Number);
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    return {
      least, most, groups: [],
      points: values.map((text) => (text
        ? { colour: ramp(most === least ? 0.5 : (Number(text) - least) / (most - least)), shape: SHAPES[0], group: null }
        : { colour: GREY, shape: RING, group: null })),
    };
  }

  function ordered(by, counts) {
    const names = [...counts.keys()].filter(Boolean);
    if (names.every(isEmotion)) return names.sort();
    if (by === 'cluster') return names.sort((one, other) => one - other);
    return names.sort((one, other) => counts.get(other) - counts.get(one) || one.localeCompare(other));
  }

  function label(by, name) {
    if (by === 'cluster') return say('group', { label: name });
    return emotionName(name);
  }

  function byGroup(by, values) {
    const counts = new Map();
    for (const one of values) counts.set(one, (counts.get(one) ?? 0) + 1);
    const names = ordered(by, counts);
    const own = names.every(isEmotion); // emotions keep their colours, in a column too
    const shown = names.slice(0, MOST_GROUPS);
    const groups = new Map(shown.map((name, number) => {
      const group = { id: name, label: label(by, name), count: counts.get(name) };
      if (own) return [name, { ...group, ...emotionLook(name) }];
      return [name, { ...group, colour: colourOf(number), shape: shapeOf(number) }];
    }));
    const rest = names.slice(MOST_GROUPS).reduce((sum, name) => sum + counts.get(name), 0);
    const other = { id: ' rest', label: say('rest'), count: rest, colour: GREY, shape: SHAPES[0] };
    const none = { id: ' none', label: say('no_value'), count: counts.get('') ?? 0, colour: GREY, shape: RING };
    return {
      groups: [...groups.values(), ...(rest ? [other] : []), ...(none.count ? [none] : [])],
      points: values.map((one) => {
        const group = one ? groups.get(one) ?? other : none;
        return { colour: group.colour, shape: group.shape, group: group.id };
      }),
    };
  }

  /** Colour, shape and group of each point; the groups for the legend, or the ends of a ramp. */
  function colouring(by) {
    const values = state.answer.items.map((_, place) => value(by, place));
    const known = values.filter(Boolean);
    const continuous = by.startsWith('column:') && known.every(numeric) && new Set(known).size > 9;
    return continuous ? byNumber(values) : byGroup(by, values);
  }

  Object.assign(window.emotionPage.compare, { colouring, choices, colourValue: value, ramp });
})();
