// A document at the dock: scans become units of its lines, and one button books them. The page's JSON `dock` says what
// is wanted:
//
//   {key, path, lines: [{product_id, sku, name, wanted, lots: [{lot, expires_on, quantity}]}],
//    bad: the name of units that are rejected or damaged, or null,
//    lots_fixed: whether only the lots of the lines are right,
//    refuses_more: whether a scan beyond what is wanted isn't counted; else it is asked about before it is booked,
//    names_lots: whether a lot may be typed, button: the words on it, with {count}, texts: {...}}
"use strict";

(() => {
  const {Draft, Reader, Booker, takeScans} = window.stockkeeper.dock;
  const dock = JSON.parse(document.getElementById("dock").textContent);
  const byId = (id) => document.getElementById(id);
  const say = (text, values = {}) =>
    (dock.texts[text] || text).replace(/\{(\w+)\}/g, (_, name) => (name in values ? values[name] : `{${name}}`));
  const number = (value) => new Intl.NumberFormat(document.documentElement.lang).format(value);
  const day = (value) =>
    new Intl.DateTimeFormat(document.documentElement.lang, {dateStyle: "medium", timeZone: "UTC"}).format(new Date(`${value}T00:00:00Z`));

  let expected = new Map(dock.lines.map((line) => [line.product_id, line]));
  let isThere = true;

  const draft = new Draft(dock.key, () => render());
  const network = (there, body) => {
    isThere = there;
    byId("sign-in").hidden = !(body && body.sign_in);
    if (body && body.sign_in) byId("sign-in").querySelector("a").href = `/sign-in?back=${encodeURIComponent(location.pathname)}`;
    render();
  };
  const reader = new Reader(draft, counts, network);
  const booker = new Booker(draft, dock.path, {done, refused, network});

  // What a reading counts as.
  function counts(entry, reading) {
    const line = expected.get(reading.product_id);
    if (!line) {
      return notCounted(reading, reading.product_id
        ? say("{sku} isn't wanted here.", {sku: reading.sku})
        : say("No product has the barcode {text}.", {text: reading.gtin || entry.text}));
    }
    const isOther = reading.lot && line.lots.length > 0 && !line.lots.some((lot) => lot.lot === reading.lot);
    if (dock.lots_fixed && isOther) {
      return notCounted(reading, say("Lot {lot} of {sku} isn't wanted here.", {lot: reading.lot, sku: reading.sku}));
    }
    const units = reading.units || 1;
    if (dock.refuses_more && counted(reading.product_id) + units > line.wanted) {
      return notCounted(reading, say("{sku}: no more than {wanted} are wanted.", {sku: reading.sku, wanted: number(line.wanted)}));
    }
    window.stockkeeper.sound(true);
    const words = reading.units ? reading.words : `${number(units)} x ${reading.words}`;
    tell(isOther ? `${words}. ${say("Another lot is held for it; this one is taken in its place if it is free.")}` : words, true);
    return {
      state: "counted", units, product_id: reading.product_id, sku: reading.sku, lot: reading.lot,
      expires_on: reading.expires_on, message: reading.words,
    };
  }

  function notCounted(reading, message) {
    window.stockkeeper.sound(false);
    tell(message, false);
    return {state: "wrong", message, product_id: reading.product_id, sku: reading.sku};
  }

  // Units of a product in the draft.
  function counted(product) {
    return draft.lines().reduce((sum, line) => sum + (line.product_id === product ? line.units + line.bad : 0), 0);
  }

  function tell(message, isRight) {
    const region = byId("last-scan");
    region.textContent = message;
    region.className = isRight ? "done" : "refused";
  }

  function change(line, lot, units, bad, expires_on) {
    keep({state: "counted", product_id: line.product_id, sku: line.sku, lot, expires_on: expires_on || null, units, bad});
  }

  function keep(entry) {
    kept(() => draft.add(entry));
  }

  function kept(put) {
    try {
      put();
    } catch {
      window.stockkeeper.sound(false);
      tell(say("This browser can't keep the draft: its memory is full or closed. Book what you have, or use another device."), false);
    }
  }

  // Made anew after every change, at most once for each picture on the screen.
  let isDue = false;
  function render() {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; show(); });
  }

  function show() {
    const entries = draft.entries();
    const lines = draft.lines();
    const waiting = entries.filter((entry) => entry.state === "waiting").length;
    const sending = draft.bookings();
    byId("network").hidden = isThere && waiting === 0 && sending.length === 0;
    byId("network").textContent = [
      isThere ? "" : say("The network is away. Go on scanning: all is kept here."),
      waiting ? say("Scans that wait to be read: {count}.", {count: number(waiting)}) : "",
      sending.length ? say("Bookings on their way: {count}.", {count: number(sending.length)}) : "",
    ].join(" ").trim();
    showAsked(entries);
    showWrong(entries);
    for (const card of document.querySelectorAll("[data-product]")) showLine(card, lines);
    const units = lines.reduce((sum, line) => sum + line.units + line.bad, 0);
    const asked = entries.some((entry) => entry.state === "ask");
    const button = byId("book");
    showWhy(lines);
    button.textContent = isWhyMissing(lines) ? say("First say why") : dock.button.replace("{count}", number(units));
    button.disabled = units === 0 || waiting > 0 || asked;
    byId("undo").disabled = entries.length === 0;
  }

  // Units that are rejected or damaged are booked with the reason.
  function isWhyMissing(lines) {
    return dock.asks_why && lines.some((line) => line.bad > 0) && draft.reason.trim() === "";
  }

  function showWhy(lines) {
    if (!dock.asks_why) return;
    byId("why").hidden = !lines.some((line) => line.bad > 0);
    if (document.activeElement !== byId("why-bad")) byId("why-bad").value = draft.reason;
  }

  function showAsked(entries) {
    const list = byId("asked");
    const asked = entries.filter((entry) => entry.state === "ask");
    list.hidden = asked.length === 0;
    list.replaceChildren(...asked.map((entry) => {
      const card = document.createElement("div");
      card.className = "card soon";
      const question = document.createElement("p");
      question.textContent = say("{text} may mean several things. Which is it?", {text: entry.text});
      card.append(question);
      for (const reading of entry.choices) {
        card.append(button_(reading.words + (reading.problems.length ? ` (${reading.problems.join("; ")})` : ""), () =>
          draft.update(entry.id, {choices: null, ...counts(entry, reading)})));
      }
      card.append(button_(say("None of these"), () => draft.remove(entry.id)));
      return card;
    }));
  }

  function showWrong(entries) {
    const list = byId("wrong");
    const wrong = entries.filter((entry) => entry.state === "wrong");
    list.hidden = wrong.length === 0;
    byId("wrong-lines").replaceChildren(...wrong.slice(-5).map((entry) => {
      const line = document.createElement("li");
      line.append(`${entry.message || entry.text} `, button_(say("Put aside"), () => draft.remove(entry.id)));
      return line;
    }));
  }

  function button_(text, pressed) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", pressed);
    return made;
  }

  function showLine(card, lines) {
    const product = Number(card.dataset.product);
    const line = expected.get(product);
    const mine = lines.filter((each) => each.product_id === product);
    const units = mine.reduce((sum, each) => sum + each.units, 0);
    const more = units - (line ? line.wanted : 0);
    card.querySelector("[data-wanted]").textContent = number(line ? line.wanted : 0);
    const over = card.querySelector("[data-over]");
    over.hidden = more <= 0;
    over.textContent = more > 0 ? say("{count} more than wanted", {count: number(more)}) : "";
    card.classList.toggle("ok", units > 0 && more === 0);
    card.classList.toggle("soon", more > 0);
    const shown = mine.length ? mine : [{product_id: product, sku: line ? line.sku : "", lot: null, expires_on: null, units: 0, bad: 0}];
    const rows = card.querySelector("[data-rows]");
    // While somebody types in it, the row stays as it is.
    if (rows.contains(document.activeElement) && document.activeElement.matches("input")) return;
    rows.replaceChildren(...shown.map((each) => row(line || each, each)));
  }

  // A row of one lot: units with plus and minus, units that aren't taken in, and the lot.
  function row(line, each) {
    const made = byId("row").content.firstElementChild.cloneNode(true);
    const lot = made.querySelector("[data-lot]");
    const until = each.expires_on ? `, ${say("until {when}", {when: day(each.expires_on)})}` : "";
    lot.textContent = each.lot ? `${say("lot {lot}", {lot: each.lot})}${until}` : "";
    const name = each.lot ? `${line.sku} ${each.lot}` : line.sku;
    const bind = (selector, value, label, put) => {
      const box = made.querySelector(selector);
      if (!box) return;
      const input = box.querySelector("input");
      input.value = value;
      input.setAttribute("aria-label", `${label}: ${name}`);
      input.addEventListener("change", () => {
        const typed = input.value.trim() === "" ? 0 : Number(input.value);
        if (Number.isInteger(typed) && typed >= 0 && typed <= 1_000_000_000) put(typed - value);
        input.blur();
        render();
      });
      for (const [which, by] of [["[data-less]", -1], ["[data-more]", 1]]) {
        const press = box.querySelector(which);
        press.setAttribute("aria-label", `${by > 0 ? "+1" : "−1"} ${label}: ${name}`);
        press.addEventListener("click", () => { if (value + by >= 0) put(by); });
      }
    };
    bind("[data-units]", each.units, say("Units"), (by) => change(line, each.lot, by, 0, each.expires_on));
    bind("[data-bad]", each.bad, dock.bad, (by) => change(line, each.lot, 0, by, each.expires_on));
    const form = made.querySelector("[data-name-lot]");
    if (form) {
      form.hidden = Boolean(each.lot);
      const chosen = form.querySelector("[name=lot]");
      const until_ = form.querySelector("[name=expires_on]");
      chosen.setAttribute("aria-label", `${say("Lot")}: ${line.sku}`);
      until_.setAttribute("aria-label", `${say("Expires on")}: ${line.sku}`);
      form.querySelector("button").addEventListener("click", () => {
        const typed = chosen.value.trim();
        if (!typed) { chosen.focus(); return; }
        document.activeElement.blur();
        change(line, typed, each.units || (each.bad ? 0 : 1), each.bad, until_.value || null);
        if (each.units || each.bad) change(line, null, -each.units, -each.bad, null);
      });
    }
    return made;
  }

  function over() {
    const sums = new Map();
    for (const line of draft.lines()) sums.set(line.product_id, (sums.get(line.product_id) || 0) + line.units);
    return [...sums].map(([product, units]) => [expected.get(product), units]).filter(([line, units]) => line && units > line.wanted);
  }

  function book() {
    if (draft.take() !== null) booker.send();
  }

  byId("book").addEventListener("click", () => {
    if (isWhyMissing(draft.lines())) { byId("why-bad").focus(); return; }
    const more = dock.refuses_more ? [] : over();
    if (more.length === 0) { book(); return; }
    byId("over-lines").replaceChildren(...more.map(([line, units]) => {
      const item = document.createElement("li");
      item.textContent = say("{sku}: {units} counted, {wanted} wanted", {sku: line.sku, units: number(units), wanted: number(line.wanted)});
      return item;
    }));
    byId("over").showModal();
  });
  if (dock.asks_why) {
    byId("why-bad").addEventListener("input", () => kept(() => { draft.reason = byId("why-bad").value; }));
    byId("why-bad").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      byId("book").focus();
    });
  }
  byId("over-go").addEventListener("click", () => { byId("over").close(); book(); });
  byId("over-back").addEventListener("click", () => byId("over").close());
  byId("undo").addEventListener("click", () => {
    const entries = draft.entries();
    if (entries.length) draft.remove(entries[entries.length - 1].id);
  });

  function done(booking, body) {
    const region = byId("booked");
    region.hidden = false;
    region.className = "done";
    region.textContent = body.message;
    window.stockkeeper.sound(true);
    if (body.lines) expected = new Map(body.lines.map((line) => [line.product_id, line]));
    byId("last-scan").textContent = "";
    byId("last-scan").className = "";
    byId("over-ended").hidden = !body.is_over;
    render();
  }

  function refused(booking, body) {
    const region = byId("booked");
    region.hidden = false;
    region.className = "refused";
    region.textContent = `${(body && body.message) || say("It was refused.")} ${say("Nothing was booked: change it, and book again.")}`;
    window.stockkeeper.sound(false);
    render();
  }

  takeScans(byId("scan-form"), byId("scan"), (text) => {
    try {
      reader.scan(text);
    } catch {
      keep({state: "waiting", text});
    }
  });
  byId("scan").focus();
  show();
  reader.read();
  booker.send();
})();
