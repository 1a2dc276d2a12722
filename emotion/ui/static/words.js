// Texts in both languages, for the scripts of the tabs.
(() => {
  'use strict';
  const page = window.emotionPage;

  /** Shows a text in both languages; the style sheet picks the page's. Nothing changes where it is there already. */
  function both(element, [zh, en]) {
    if (element.dataset.told === zh + en) return;
    element.dataset.told = zh + en;
    const parts = [['zh', 'zh-CN', zh], ['en', 'en', en]].map(([name, tongue, text]) => {
      const span = document.createElement('span');
      span.className = name;
      span.lang = tongue;
      span.textContent = text;
      return span;
    });
    element.replaceChildren(...(zh === en ? [zh] : parts));
  }

  /**
   * A function that gives a text by its key without the prefix, in both languages, with its values filled in.
   * `{count:file|files}` is the value and the word that goes with it.
   */
  const wordsOf = (prefix) => (key, values = {}) => page.texts[prefix + key]
    .map((text) => text.replace(/\{(\w+)(?::([^|}]*)\|([^}]*))?\}/g, (whole, name, one, many) => {
      const value = values[name] ?? '';
      return many === undefined ? value : `${value} ${Number(value) === 1 ? one : many}`;
    }));

  Object.assign(page, { both, wordsOf });
})();
