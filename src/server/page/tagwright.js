// What the page does besides, where scripts run: rows that keep up, search as one types, keys, favourites, times that move. All that is
// shown comes from here, as the page itself has it; nothing is made of what others wrote but text.
'use strict';
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const main = () => $('#main');
  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // Times: how long ago or in how long, with the moment in the reader's zone behind it.
  const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const relative = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' });
  const told = (seconds) => {
    if (Math.abs(seconds) < 5) return 'just now';
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
    return relative.format(Math.trunc(seconds / length), unit);
  };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const whole = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
  const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
  const times = () => {
    for (const time of $$('time[datetime]')) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      time.title = `${whole.format(moment)} (${zone})`;
      const text = 'clock' in time.dataset ? clock.format(moment) : told((moment - Date.now()) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
    const note = $('.zone');
    if (note) note.textContent = `Times are those of ${zone}.`;
  };

  // Favourites, which this browser keeps.
  const STORED = 'tagwright.favourites';
  const MOST = 50;
  const favourites = () => {
    try {
      const stored = JSON.parse(localStorage.getItem(STORED) || '[]');
      return Array.isArray(stored) ? stored.filter((it) => typeof it === 'string').slice(0, MOST) : [];
    } catch {
      return [];
    }
  };
  const address = (name) => {
    const [kind, sign] = name.includes(':') ? ['policies', ':'] : ['automations', '/'];
    return `/${kind}/` + name.split(sign).map(encodeURIComponent).join('/');
  };
  const toggle = () => {
    const heading = $('[data-favourite]');
    if (!heading) return;
    const name = heading.dataset.favourite;
    const known = favourites();
    const next = known.includes(name) ? known.filter((it) => it !== name) : [name, ...known].slice(0, MOST);
    try {
      localStorage.setItem(STORED, JSON.stringify(next));
    } catch {
      return say('This browser keeps nothing.');
    }
    star();
  };
  const star = () => {
    const heading = $('[data-favourite]');
    if (heading) {
      const is = favourites().includes(heading.dataset.favourite);
      let button = $('.star', heading);
      if (!button) {
        button = element('button', { className: 'star', type: 'button', onclick: toggle });
        heading.append(' ', button);
      }
      button.textContent = is ? '★' : '☆';
      button.setAttribute('aria-label', 'Favourite');
      button.setAttribute('aria-pressed', String(is));
    }
    const known = favourites();
    if (location.pathname === '/' && known.length > 0 && !$('#favourites')) {
      const links = known.map((name) => element('li', {}, element('a', { href: address(name), textContent: name })));
      const list = element('ul', { className: 'plain' }, ...links);
      main().append(element('section', { id: 'favourites' }, element('h2', { textContent: 'Favourites' }), list));
    }
  };

  // A sentence that goes by itself.
  let gone;
  const say = (text) => {
    let line = $('#said');
    if (!line) {
      line = element('p', { id: 'said', className: 'notice' });
      line.setAttribute('role', 'status');
      main().prepend(line);
    }
    line.textContent = text;
    clearTimeout(gone);
    gone = setTimeout(() => line.remove(), 4000);
  };

  // The page again, with what is new in it; what somebody has opened, and where the focus is, stays.
  const key = (row) => (row.querySelector('a') || row).textContent + (row.querySelector('time')?.dateTime || '');
  const place = (node) => node && (node.id || (node.getAttribute?.('href') ?? ''));
  const take = (text, flash) => {
    const fresh = new DOMParser().parseFromString(text, 'text/html');
    const next = $('#main', fresh);
    if (!next) return;
    const rows = '.rows > li, tbody > tr';
    const before = new Set($$(rows, main()).map(key));
    const open = $$('details', main()).map((it) => it.open);
    const focus = main().contains(document.activeElement) ? place(document.activeElement) : '';
    const kept = $('.notice[role=status]:not(#said)', main());
    main().replaceChildren(...next.childNodes);
    if (kept && !$('.notice', main())) main().prepend(kept);
    const now = $$('details', main());
    if (now.length === open.length) now.forEach((it, at) => { it.open = open[at]; });
    if (focus) $$('a, button, input', main()).find((it) => place(it) === focus)?.focus();
    if (flash) $$(rows, main()).filter((row) => !before.has(key(row))).forEach((row) => row.classList.add('new-row'));
    document.body.dataset.asOf = fresh.body.dataset.asOf;
    const as = $('footer time');
    if (as) as.dateTime = fresh.body.dataset.asOf;
    document.title = fresh.title;
    star();
    times();
  };

  let asked = 0;
  const load = async (url, flash) => {
    const mine = ++asked;
    const response = await fetch(url, { credentials: 'same-origin', headers: { Accept: 'text/html' } });
    // Whoever is no longer logged in is told so by the page itself.
    if (response.status === 401) return location.reload();
    if (!response.ok) throw new Error(String(response.status));
    const text = await response.text();
    if (mine === asked) take(text, flash);
  };

  // Live: an entry of the history, and half a minute, have the page asked for again.
  const lost = (is) => {
    let banner = $('.offline');
    if (!is) return banner?.remove();
    if (banner) return;
    const since = new Date(document.body.dataset.asOf);
    banner = element('p', { className: 'offline' });
    banner.setAttribute('role', 'status');
    banner.textContent = `◷ No connection. This is as of ${whole.format(since)}.`;
    main().before(banner);
  };
  const busy = () => {
    const active = document.activeElement;
    const typing = active && main().contains(active) && active.matches('input, select, textarea');
    const chosen = getSelection();
    return typing || document.hidden || (chosen && !chosen.isCollapsed && main().contains(chosen.anchorNode));
  };
  let due;
  const refresh = () => {
    clearTimeout(due);
    due = setTimeout(async () => {
      // What somebody writes or marks stays; a plan is not made anew by itself.
      if (busy() || location.search.includes('plan=')) return;
      try {
        await load(location.href, true);
        lost(false);
      } catch {
        lost(true);
      }
    }, 300);
  };
  let source;
  const listen = () => {
    if (!('live' in document.body.dataset) || source) return;
    source = new EventSource('/api/v1/events');
    source.addEventListener('entry', refresh);
    source.addEventListener('open', () => lost(false));
    source.addEventListener('error', () => {
      // It connects again by itself, unless it was refused.
      if (source && source.readyState === EventSource.CLOSED) {
        source = undefined;
        setTimeout(() => { if (!document.hidden) listen(); }, 15000);
      }
    });
  };
  // A page that nobody looks at holds no connection.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      source?.close();
      source = undefined;
    } else {
      listen();
      if ('live' in document.body.dataset) refresh();
    }
  });
  setInterval(() => { if ('live' in document.body.dataset) refresh(); }, 30000);
  setInterval(times, 10000);

  // Search as one types, in the list.
  const field = $('#search');
  let typed;
  field?.addEventListener('input', () => {
    if (location.pathname !== '/policies') return;
    clearTimeout(typed);
    typed = setTimeout(() => {
      const url = field.value.trim() ? `/policies?q=${encodeURIComponent(field.value)}` : '/policies';
      history.replaceState(null, '', url);
      load(url, false).catch(() => lost(true));
    }, 120);
  });

  // Keys.
  const VIEWS = { o: '/', p: '/policies', a: '/automations', h: '/history', d: '/holds', r: '/registries', m: '/remotes', l: '/replicas' };
  const KEYS = [
    ['/', 'search'], ['g o', 'overview'], ['g p', 'policies'], ['g a', 'automations'], ['g h', 'history'], ['g d', 'holds'],
    ['g r', 'registries'], ['g m', 'remotes'], ['g l', 'replicas'], ['[ ]', 'page before, next page'],
    ['c', 'copy the link'], ['s', 'favourite'], ['?', 'these keys'],
  ];
  const help = () => {
    const lines = KEYS.flatMap(([name, does]) => [element('dt', { textContent: name }), element('dd', { textContent: does })]);
    const close = element('button', { type: 'button', textContent: 'Close', onclick: () => dialog.close() });
    const dialog = element('dialog', { onclose: () => dialog.remove() },
      element('h2', { textContent: 'Keys', id: 'keys' }), element('dl', {}, ...lines), close);
    dialog.setAttribute('aria-labelledby', 'keys');
    document.body.append(dialog);
    dialog.showModal();
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      say('The link is copied.');
    } catch {
      say(location.href);
    }
  };
  let goes = 0;
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input, select, textarea, dialog')) return;
    const after = Date.now() - goes < 1500;
    goes = 0;
    const does = {
      '/': () => field?.focus(),
      '?': help,
      'c': copy,
      's': toggle,
      '[': () => $('a[rel=prev]')?.click(),
      ']': () => $('a[rel=next]')?.click(),
      'g': () => { goes = Date.now(); },
    }[event.key];
    if (after && VIEWS[event.key]) location.assign(VIEWS[event.key]);
    else if (does) does();
    else return;
    event.preventDefault();
  });

  times();
  star();
  listen();
})();
