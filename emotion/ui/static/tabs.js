// Tabs: the address names the open one (?tab=live), and arrow keys move between them.
(() => {
  'use strict';
  const page = window.emotionPage;
  const root = document.documentElement;
  const param = () => new URLSearchParams(location.search).get('tab') ?? '';
  // Read before Gradio starts: the first tab's event fires at load and would overwrite the address.
  const asked = param();
  if (asked) root.dataset.tab = asked;
  let followed = false;

  function ready() {
    followed = true;
    delete root.dataset.tab;
  }
  setTimeout(ready, 5000); // whatever happens, the page is shown

  const buttons = () => [...document.querySelectorAll('#tabs [role=tab]')];

  /** The tab that the address asks for, for Gradio; called once when the page is loaded. */
  function openTab(names) {
    setTimeout(ready, 50);
    addEventListener('popstate', () => buttons()[Math.max(0, names.indexOf(param()))]?.click());
    return [names.includes(asked) ? { __type__: 'update', selected: asked } : { __type__: 'update' }];
  }

  function tabOpened(name, first) {
    document.dispatchEvent(new CustomEvent('emotion:tab', { detail: name }));
    if (!followed || (param() || first) === name) return [];
    const address = new URL(location);
    if (name === first) address.searchParams.delete('tab');
    else address.searchParams.set('tab', name);
    if (name !== 'history') address.searchParams.delete('run'); // the one that is open there
    history.pushState({ ...history.state }, '', address);
    return [];
  }

  document.addEventListener('keydown', (event) => {
    if (!event.target.matches?.('#tabs [role=tab]')) return;
    const all = buttons();
    const at = all.indexOf(event.target);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = all[(next + all.length) % all.length];
    tab.click();
    tab.focus();
  });

  Object.assign(page, { openTab, tabOpened });
})();
