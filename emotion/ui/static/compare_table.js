// The visitor's CSV: rows that belong to recordings by their names, with columns for colours, speakers and dates.
(() => {
  'use strict';
  const PATHS = /^(path|file|filename|file_name|audio|wav|clip|recording|name|路径|文件|文件名|音频|录音)$/i;
  const DATES = /^(date|datetime|recorded|recorded_at|日期|时间)$/i;
  const SPEAKERS = /^(speaker|speaker_id|说话人)$/i;
  const MOST_SPEAKER = 200; // letters that the server takes
  const DATE = /^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]((?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)(?!\d))?/;
  const DATE_IN_NAME = /(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?!\d)/;

  /** Excel in China writes GBK. */
  function decode(bytes) {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder('gb18030').decode(bytes);
    }
  }

  /** Rows of fields, by RFC 4180; the separator is the one that the first line has most of. */
  function parse(text) {
    const first = text.split(/\r?\n/, 1)[0];
    const count = (sign) => first.split(sign).length;
    const separator = [',', ';', '\t'].reduce((best, sign) => (count(sign) > count(best) ? sign : best));
    const rows = [[]];
    const token = new RegExp(`("(?:[^"]|"")*"|[^${separator}\\r\\n]*)(${separator}|\\r?\\n|\\r|$)`, 'y');
    while (token.lastIndex < text.length) {
      const [, field, end] = token.exec(text) ?? [];
      if (end === undefined) break; // a quote that is never closed
      rows.at(-1).push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field.trim());
      if (end && end !== separator) rows.push([]);
    }
    return rows.filter((row) => row.some(Boolean));
  }

  /** A date as ISO; null where it is none. */
  function isoDate(text) {
    const found = DATE.exec(text.trim());
    if (!found) return null;
    const [year, month, day] = found.slice(1, 4).map(Number);
    const date = new Date(Date.UTC(year, month - 1, day));
    if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
    const iso = date.toISOString().slice(0, 10);
    return found[4] ? `${iso}T${found[4].padStart(found[4].length > 5 ? 8 : 5, '0')}` : iso;
  }

  const dateInName = (name) => {
    const found = DATE_IN_NAME.exec(name);
    return found && isoDate(found.slice(1).join('-'));
  };

  const pieces = (path) => path.replaceAll('\\', '/').toLowerCase().split('/').filter((one) => one && one !== '.');
  const stem = (piece) => piece.replace(/\.[^.]*$/, '');

  /** How many last pieces two paths share; an embedding may have another suffix than its recording. */
  function shared(one, other) {
    if (stem(one.at(-1)) !== stem(other.at(-1))) return 0;
    let depth = 1;
    while (depth < Math.min(one.length, other.length) && one.at(-1 - depth) === other.at(-1 - depth)) depth += 1;
    return depth + (one.at(-1) === other.at(-1) ? 0.5 : 0);
  }

  /** A CSV file's rows by the last piece of their paths; null where it has none. */
  async function read(file) {
    const [heads, ...rows] = parse(decode(await file.arrayBuffer()));
    if (!rows.length) return null;
    const column = Math.max(0, heads.findIndex((head) => PATHS.test(head)));
    const byStem = new Map();
    for (const row of rows) {
      const path = pieces(row[column] ?? '');
      if (!path.length) continue;
      const values = Object.fromEntries(heads.map((head, place) => [head, row[place] ?? '']).filter(
        ([head, value], place) => head && value && place !== column));
      const key = stem(path.at(-1));
      byStem.set(key, [...byStem.get(key) ?? [], { path, values }]);
    }
    const names = heads.filter((head, place) => head && place !== column);
    return byStem.size ? { file: file.name, names, byStem } : null;
  }

  /** The row of a recording: the one whose path agrees most. */
  function rowOf(table, path) {
    const own = pieces(path);
    if (!table || !own.length) return null;
    let best = null;
    for (const row of table.byStem.get(stem(own.at(-1))) ?? []) {
      const depth = shared(own, row.path);
      if (depth > (best?.depth ?? 0)) best = { depth, row };
    }
    return best?.row.values ?? null;
  }

  /** Gives the entries their columns, speakers and dates; says how many rows matched and how many dates did not. */
  function apply(table, entries) {
    const told = { matched: 0, badDates: 0 };
    for (const entry of entries) {
      const values = rowOf(table, entry.path ?? entry.name);
      entry.columns = values ?? {};
      if (values) told.matched += 1;
      const pick = (kind) => Object.entries(entry.columns).find(([head]) => kind.test(head))?.[1];
      const written = pick(DATES);
      entry.speaker = pick(SPEAKERS)?.slice(0, MOST_SPEAKER) ?? null;
      entry.date = written ? isoDate(written) : dateInName(entry.name);
      if (written && !entry.date) told.badDates += 1;
    }
    return told;
  }

  Object.assign(window.emotionPage.compare, { readTable: read, applyTable: apply });
})();
