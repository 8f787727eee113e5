// A count sheet that works without a network: what is typed is kept in this browser line by line, and sent when the
// network is there. The server counts the same entry of a person once, however often it is sent.
//
// An entry is kept under a key of its own, so that two tabs don't write over each other's lines:
//   {product_id, lot, units, root_cause, expires_on, state: waiting | done | wait | refused, message}
"use strict";

(() => {
  const {takeScans} = window.stockkeeper.dock;
  const sheet = JSON.parse(document.getElementById("sheet").textContent);
  const byId = (id) => document.getElementById(id);
  const say = (text, values = {}) =>
    (sheet.texts[text] || text).replace(/\{(\w+)\}/g, (_, name) => (name in values ? values[name] : `{${name}}`));
  const prefix = `count:${encodeURIComponent(sheet.key)}:`;
  const keyOf = (product, lot) => `${prefix}${product}:${lot || ""}`;
  let isThere = true;
  let isSending = false;
  let pause = 500;
  let timer = null;

  function kept(product, lot) {
    const text = localStorage.getItem(keyOf(product, lot));
    return text === null ? null : JSON.parse(text);
  }

  function keep(entry) {
    let isKept = true;
    try {
      localStorage.setItem(keyOf(entry.product_id, entry.lot), JSON.stringify(entry));
    } catch {
      isKept = false;
      window.stockkeeper.sound(false);
      window.alert(say("This browser can't keep the count: its memory is full or closed. Use paper, or another device."));
    }
    show();
    return isKept;
  }

  function all() {
    const entries = [];
    for (let nth = 0; nth < localStorage.length; nth += 1) {
      const key = localStorage.key(nth);
      if (key.startsWith(prefix)) entries.push(JSON.parse(localStorage.getItem(key)));
    }
    return entries;
  }

  // Lots that were found are lines as well.
  function lines() {
    const known = new Set(sheet.lines.map((line) => keyOf(line.product_id, line.lot)));
    const found = all().filter((entry) => !known.has(keyOf(entry.product_id, entry.lot))).map((entry) => {
      const like = sheet.lines.find((line) => line.product_id === entry.product_id);
      return like && {...like, lot: entry.lot, until: "", state: "open"};
    }).filter(Boolean);
    return [...sheet.lines, ...found];
  }

  async function send() {
    if (isSending) return;
    isSending = true;
    clearTimeout(timer);
    try {
      // What is typed meanwhile is sent as well.
      for (;;) {
        const entry = all().find((each) => each.state === "waiting");
        if (!entry) return;
        const {product_id, lot, units, root_cause, expires_on} = entry;
        const answer = await window.stockkeeper.send(sheet.path, {product_id, lot, units, root_cause, expires_on});
        if (window.stockkeeper.isUnsure(answer)) {
          isThere = false;
          signIn(answer);
          timer = setTimeout(send, pause);
          pause = Math.min(pause * 2, 10_000);
          return;
        }
        isThere = true;
        pause = 500;
        const now = kept(product_id, lot);
        // What was typed meanwhile is another count, and is sent by itself.
        if (now && now.units === units && now.state === "waiting") {
          const isKept = keep(answer.ok
            ? {...now, state: answer.body.state === "done" ? "done" : "wait", message: answer.body.message}
            : {...now, state: "refused", message: answer.body.message});
          if (!isKept) return;
        }
      }
    } finally {
      isSending = false;
      show();
    }
  }

  function signIn(answer) {
    const asks = answer.body && answer.body.sign_in;
    byId("sign-in").hidden = !asks;
    if (asks) byId("sign-in").querySelector("a").href = `/sign-in?back=${encodeURIComponent(location.pathname)}`;
  }

  function typed(form, line, lot) {
    const text = form.elements.units.value.trim();
    const units = Number(text);
    if (text === "" || !Number.isInteger(units) || units < 0 || units > 1_000_000_000) { form.elements.units.focus(); return; }
    keep({
      product_id: line.product_id, lot, units, state: "waiting", message: null,
      root_cause: form.elements.root_cause ? form.elements.root_cause.value || null : null,
      expires_on: form.elements.expires_on ? form.elements.expires_on.value || null : null,
    });
    send();
  }

  const cards = new Map();

  function cardOf(line) {
    const key = keyOf(line.product_id, line.lot);
    if (cards.has(key)) return cards.get(key);
    const card = byId("line").content.firstElementChild.cloneNode(true);
    card.querySelector("h2").textContent = line.lot ? `${line.sku} · ${line.lot}` : line.sku;
    card.querySelector("[data-name]").textContent = [line.name, line.until && say("until {when}", {when: line.until})].filter(Boolean).join(" · ");
    const form = card.querySelector("[data-count]");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      typed(form, line, line.lot);
      const open = [...document.querySelectorAll("[data-count]:not([hidden])")];
      const next = open[open.indexOf(form) + 1];
      if (next) next.elements.units.focus();
    });
    const found = card.querySelector("[data-found]");
    const other = found.querySelector("form");
    other.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopPropagation();
      const lot = other.elements.lot.value.trim();
      if (!lot) { other.elements.lot.focus(); return; }
      typed(other, line, lot);
      found.open = false;
      other.reset();
    });
    byId("lines").append(card);
    cards.set(key, card);
    return card;
  }

  function show() {
    const entries = all();
    const waiting = entries.filter((entry) => entry.state === "waiting").length;
    byId("network").hidden = isThere || waiting === 0;
    byId("network").textContent = say("The network is away. Go on counting. Lines that wait to be sent: {count}.", {count: waiting});
    const shown = lines();
    let done = 0;
    for (const line of shown) {
      const card = cardOf(line);
      const entry = kept(line.product_id, line.lot);
      const form = card.querySelector("[data-count]");
      const state = card.querySelector("[data-state]");
      const message = card.querySelector("[data-message]");
      const isOver = line.state === "done" || line.state === "wait" || (entry && (entry.state === "done" || entry.state === "wait"));
      if (isOver || (entry && entry.state === "waiting")) done += 1;
      form.hidden = Boolean(isOver);
      card.querySelector("[data-found]").hidden = Boolean(isOver) && line.lot === null && !entry;
      state.hidden = true;
      if (line.state === "again" && !entry) { state.hidden = false; state.textContent = say("Count it once more, without asking who counted first"); }
      if (entry && entry.state === "waiting") { state.hidden = false; state.textContent = say("{units} kept here, not sent yet", {units: entry.units}); }
      if (entry && entry.units !== undefined && document.activeElement !== form.elements.units && form.elements.units.value === "") form.elements.units.value = entry.units;
      card.classList.toggle("ok", Boolean(isOver));
      card.classList.toggle("overdue", Boolean(entry && entry.state === "refused"));
      message.className = entry && entry.state === "refused" ? "refused" : isOver ? "done" : "";
      message.textContent = entry && entry.message ? entry.message
        : line.state === "done" ? say("Counted.")
        : line.state === "wait" ? say("You have counted it. Somebody else counts it once more.") : "";
    }
    byId("progress").textContent = say("{done} of {all} lines counted", {done, all: shown.length});
  }

  // Goes to the line of what was scanned; without a network by SKU or lot number alone.
  async function go(text) {
    const wanted = text.toLowerCase();
    let line = sheet.lines.find((each) => each.sku.toLowerCase() === wanted || (each.lot || "").toLowerCase() === wanted);
    if (!line) {
      const answer = await window.stockkeeper.send("/scan", {texts: [text]});
      const readings = answer.ok ? answer.body.answers[0].readings : [];
      const of = (reading) => lines().find((each) => each.product_id === reading.product_id && (!reading.lot || each.lot === reading.lot));
      line = readings.map((reading) => of(reading) || lines().find((each) => each.product_id === reading.product_id)).find(Boolean);
    }
    const region = byId("last-scan");
    region.className = line ? "done" : "refused";
    window.stockkeeper.sound(Boolean(line));
    region.textContent = line ? (line.lot ? `${line.sku} · ${line.lot}` : line.sku) : say("{text} isn't on this sheet.", {text});
    if (line) {
      const card = cardOf(line);
      const input = card.querySelector("[data-count] [name=units]");
      card.scrollIntoView({block: "center"});
      input.focus();
      input.select();
    }
  }

  window.addEventListener("storage", (event) => { if (event.key === null || event.key.startsWith(prefix)) show(); });
  window.addEventListener("online", () => send());
  if (byId("scan-form")) takeScans(byId("scan-form"), byId("scan"), go);
  // What the server says of a line is newer than what was kept of it, unless that was never sent.
  for (const line of sheet.lines) {
    const entry = kept(line.product_id, line.lot);
    if (entry && entry.state !== "waiting" && (line.state === "again" || line.state === "done")) localStorage.removeItem(keyOf(line.product_id, line.lot));
  }
  show();
  send();
  keepForLater();

  // The page that is open now was loaded before anything kept it: it is kept with its files once the worker is there.
  async function keepForLater() {
    if (!("serviceWorker" in navigator) || !("caches" in window)) return;
    try {
      await navigator.serviceWorker.register("/service-worker.js");
      await navigator.serviceWorker.ready;
      const files = [...document.querySelectorAll("link[rel=stylesheet], link[rel=icon]")].map((each) => each.href);
      files.push(...[...document.querySelectorAll("script[src]")].map((each) => each.src));
      await (await caches.open("files")).addAll(files);
      await (await caches.open("sheets")).add(location.pathname);
      document.documentElement.dataset.kept = "yes";
    } catch {
      // Without a network, or without TLS: what is typed is kept all the same, as long as the page stays open.
    }
  }
})();
