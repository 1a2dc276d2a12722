// Who has signed in, and the way out; where the server asks for a key or a password.
(() => {
  'use strict';
  const { texts } = window.emotionPage;

  function both(key) {
    return texts[key].map((text, index) => {
      const span = document.createElement('span');
      span.className = index ? 'en' : 'zh';
      span.textContent = text;
      return span;
    });
  }

  function build(caller) {
    const form = document.createElement('form');
    form.className = 'account';
    form.method = 'post';
    form.action = 'logout';
    const name = document.createElement('span');
    name.className = 'name';
    name.textContent = caller;
    const button = document.createElement('button');
    button.append(...both('account_sign_out'));
    form.append(name, button);
    return form;
  }

  // Gradio draws the header later than the first status comes, and may draw it again.
  let caller = null;
  function place() {
    const header = document.querySelector('header.site');
    const shown = header?.querySelector('.account');
    if (!header || (shown?.querySelector('.name').textContent ?? null) === caller) return;
    shown?.remove();
    if (caller) header.insertBefore(build(caller), header.querySelector('.lang-switch'));
  }

  document.addEventListener('emotion-status', ({ detail }) => {
    caller = detail.caller ?? null;
    place();
  });
  new MutationObserver(place).observe(document.documentElement, { childList: true, subtree: true });
})();
