// Drafts of the dock: what was scanned and not booked yet. They are kept in this browser, so that the next scan, a
// reload, a dead battery and a lost network leave them as they are.
//
// Each scan, and each press on plus or minus, is an entry under a key of its own: two tabs with one draft add to it, and
// neither can write over what the other has. Lines are sums of entries. When a draft is booked, its sums are set down
// under its number before they are sent, and are sent with that number until the answer is known: the server books a
// number once. What is scanned meanwhile belongs to the next draft.
//
// An entry: {id, at, state, text, units, bad, product_id, sku, lot, expires_on, choices, message}; its states:
//   waiting  scanned, and not read yet (the network is away, or the answer is on its way)
//   ask      the scan may mean several things: `choices` has them
//   wrong    it isn't counted, because of `message`
//   counted  `units` and `bad` units of the product, and maybe of a lot; negative ones take back
"use strict";

class Draft {
  // key: one for each person and document. changed: called after every change, also by another tab.
  constructor(key, changed) {
    this.key = `draft:${key}`;
    this.changed = changed;
    window.addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(this.key)) this.changed();
    });
  }

  // The number of the draft: that of its booking.
  get id() {
    let id = localStorage.getItem(`${this.key}:id`);
    if (id === null) {
      id = Draft.number();
      localStorage.setItem(`${this.key}:id`, id);
    }
    return id;
  }

  static number() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
  }

  // Entries of the present draft, in the order in which they were made.
  entries() {
    return this.#under(`${this.key}:${this.id}:`).sort((one, other) => one.at - other.at || one.nth - other.nth);
  }

  // Adds an entry, and returns it. Throws if this browser can't keep it.
  add(entry) {
    Draft.made = (Draft.made || 0) + 1;
    const kept = {id: Draft.number(), at: Date.now(), nth: Draft.made, units: 0, bad: 0, ...entry};
    this.#keep(kept, this.id);
    this.changed();
    return kept;
  }

  // An entry as it is now; null: it was taken back or booked.
  entry(id) {
    const kept = localStorage.getItem(`${this.key}:${this.id}:${id}`);
    return kept === null ? null : JSON.parse(kept);
  }

  // Changes an entry, unless it was taken back or booked meanwhile.
  update(id, changes) {
    const key = `${this.key}:${this.id}:${id}`;
    const kept = localStorage.getItem(key);
    if (kept === null) return;
    localStorage.setItem(key, JSON.stringify({...JSON.parse(kept), ...changes}));
    this.changed();
  }

  remove(id) {
    localStorage.removeItem(`${this.key}:${this.id}:${id}`);
    this.changed();
  }

  // The sums: {product_id, sku, lot, expires_on, units, bad} for each product and lot, the first counted first.
  lines() {
    const lines = new Map();
    for (const entry of this.entries()) {
      if (entry.state !== "counted") continue;
      const lot = entry.lot || null;
      const key = `${entry.product_id} ${lot === null ? "" : lot}`;
      const line = lines.get(key) || {product_id: entry.product_id, sku: entry.sku, lot, expires_on: null, units: 0, bad: 0};
      line.units += entry.units;
      line.bad += entry.bad;
      line.expires_on = entry.expires_on || line.expires_on;
      lines.set(key, line);
    }
    return [...lines.values()].filter((line) => line.units > 0 || line.bad > 0);
  }

  // Why units of the present draft are rejected, or damaged; empty: nobody has said it.
  get reason() {
    return localStorage.getItem(`${this.key}:reason:${this.id}`) || "";
  }

  // Throws if this browser can't keep it.
  set reason(text) {
    localStorage.setItem(`${this.key}:reason:${this.id}`, text);
    this.changed();
  }

  // Sets the present draft down for booking, and begins the next one. Returns the booking; null: nothing is counted.
  take() {
    const before = this.id;
    const others = this.entries().filter((entry) => entry.state !== "counted");
    const lines = this.lines();
    if (lines.length === 0) return null;
    const reason = lines.some((line) => line.bad > 0) ? this.reason.trim() : "";
    const booking = {id: this.id, at: Date.now(), lines, reason: reason || null};
    localStorage.setItem(`${this.key}:booking:${booking.id}`, JSON.stringify(booking));
    localStorage.setItem(`${this.key}:id`, Draft.number());
    // What isn't counted yet isn't booked with it.
    for (const entry of others) {
      this.#keep(entry, this.id);
      localStorage.removeItem(`${this.key}:${before}:${entry.id}`);
    }
    this.changed();
    return booking;
  }

  // Bookings whose answer isn't known yet, the oldest first.
  bookings() {
    return this.#under(`${this.key}:booking:`).sort((one, other) => one.at - other.at);
  }

  // A booking was carried out: nothing of it is needed any more.
  settle(id) {
    localStorage.removeItem(`${this.key}:booking:${id}`);
    localStorage.removeItem(`${this.key}:reason:${id}`);
    for (const key of this.#keys(`${this.key}:${id}:`)) localStorage.removeItem(key);
    this.changed();
  }

  // A booking was refused: its entries belong to the present draft again, which has another number.
  giveBack(id) {
    for (const entry of this.#under(`${this.key}:${id}:`)) this.#keep(entry, this.id);
    const reason = localStorage.getItem(`${this.key}:reason:${id}`);
    if (reason && !this.reason) localStorage.setItem(`${this.key}:reason:${this.id}`, reason);
    this.settle(id);
  }

  #keep(entry, draft) {
    localStorage.setItem(`${this.key}:${draft}:${entry.id}`, JSON.stringify(entry));
  }

  #keys(prefix) {
    const keys = [];
    for (let nth = 0; nth < localStorage.length; nth += 1) {
      const key = localStorage.key(nth);
      if (key.startsWith(prefix)) keys.push(key);
    }
    return keys;
  }

  #under(prefix) {
    return this.#keys(prefix).map((key) => JSON.parse(localStorage.getItem(key))).filter((each) => each !== null);
  }
}

// Reads scans of a draft, in their order, by the server; again when the network is back.
//
//   draft    the draft
//   counts   (entry, reading) => changes of the entry: what the reading counts as, or why it doesn't
//   network  (isThere) => nothing: told when it goes and comes
class Reader {
  constructor(draft, counts, network) {
    this.draft = draft;
    this.counts = counts;
    this.network = network;
    this.isReading = false;
    this.pause = 500;
    window.addEventListener("online", () => this.read());
  }

  // Keeps a scan, and reads it.
  scan(text) {
    const entry = this.draft.add({state: "waiting", text});
    this.read();
    return entry;
  }

  async read() {
    if (this.isReading) return;
    this.isReading = true;
    clearTimeout(this.timer);
    try {
      for (;;) {
        const waiting = this.draft.entries().filter((entry) => entry.state === "waiting").slice(0, 50);
        if (waiting.length === 0) { this.network(true); return; }
        const answer = await window.stockkeeper.send("/scan", {texts: waiting.map((entry) => entry.text)});
        if (window.stockkeeper.isUnsure(answer)) { this.network(false, answer.body); this.later(); return; }
        this.network(true);
        this.pause = 500;
        waiting.forEach((entry, nth) => {
          // Another tab may have read it meanwhile.
          const now = this.draft.entry(entry.id);
          if (now === null || now.state !== "waiting") return;
          if (!answer.ok) { this.draft.update(entry.id, {state: "wrong", message: answer.body.message}); return; }
          const {readings, certain} = answer.body.answers[nth];
          const changes = certain
            ? this.counts(entry, readings[0])
            : {state: readings.length ? "ask" : "wrong", choices: readings, message: answer.body.answers[nth].message};
          this.draft.update(entry.id, changes);
        });
      }
    } finally {
      this.isReading = false;
    }
  }

  later() {
    this.timer = setTimeout(() => this.read(), this.pause);
    this.pause = Math.min(this.pause * 2, 10_000);
  }
}

// Sends what was set down for booking until its answer is known.
//
//   path     where bookings of this document are sent
//   done     (booking, body) => nothing: it was carried out
//   refused  (booking, body) => nothing: it was refused, and nothing was booked
class Booker {
  constructor(draft, path, {done, refused, network}) {
    this.draft = draft;
    this.path = path;
    this.done = done;
    this.refused = refused;
    this.network = network;
    this.isSending = false;
    this.pause = 500;
    window.addEventListener("online", () => this.send());
  }

  async send() {
    if (this.isSending) return;
    this.isSending = true;
    clearTimeout(this.timer);
    try {
      // What is set down meanwhile is sent as well.
      for (;;) {
        const [booking] = this.draft.bookings();
        if (!booking) return;
        const answer = await window.stockkeeper.send(this.path, {id: booking.id, lines: booking.lines, reason: booking.reason});
        if (window.stockkeeper.isUnsure(answer)) {
          // It may have been booked: it is asked for again, with the same number and the same units.
          this.network(false, answer.body);
          this.timer = setTimeout(() => this.send(), this.pause);
          this.pause = Math.min(this.pause * 2, 10_000);
          return;
        }
        this.network(true);
        this.pause = 500;
        if (answer.ok) {
          this.draft.settle(booking.id);
          this.done(booking, answer.body);
        } else {
          this.draft.giveBack(booking.id);
          this.refused(booking, answer.body);
        }
      }
    } finally {
      this.isSending = false;
    }
  }
}

// What a scanner types: letters anywhere on the page go into the field, a separator that a keyboard sends as a control
// key is kept, and Enter ends it.
function takeScans(form, field, scanned) {
  const separator = (event) => (event.ctrlKey && (event.key === "]" || event.code === "BracketRight")) || event.key === "F8";
  document.addEventListener("keydown", (event) => {
    const within = event.target instanceof Element ? event.target.closest("input, select, textarea, dialog") : null;
    if (separator(event)) {
      event.preventDefault();
      field.focus();
      field.setRangeText("\u001d", field.selectionStart, field.selectionEnd, "end");
      return;
    }
    if (within || event.key.length !== 1 || event.ctrlKey || event.altKey || event.metaKey || event.key === " ") return;
    field.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    const text = field.value.trim();
    field.value = "";
    if (text) scanned(text);
  });
}

window.stockkeeper.dock = {Draft, Reader, Booker, takeScans};
