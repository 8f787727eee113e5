// A part of a page with data-live is asked for anew when the stream tells that something in it has changed.
"use strict";

(() => {
  const PAUSE = 300;
  let source = null, followed = null, timer = null, wasAway = false;

  const part = () => document.querySelector("[data-live]");

  // Cells whose text is another than before light up for a moment.
  const cells = (of) => Array.from(of.querySelectorAll("td"), (each) => each.textContent.trim());

  const ask = () => {
    timer = null;
    const shown = part();
    if (!shown) return;
    // Not under the fingers of whoever is in it: a moment later.
    if (shown.contains(document.activeElement)) { later(2000); return; }
    const before = cells(shown), id = shown.id;
    htmx.ajax("GET", location.pathname + location.search, {
      source: shown, target: shown, select: "#" + id,
    }).then(() => {
      const now = document.getElementById(id);
      if (!now) return;
      const after = Array.from(now.querySelectorAll("td"));
      if (after.length !== before.length) return;
      after.forEach((cell, place) => { if (cell.textContent.trim() !== before[place]) cell.classList.add("flash"); });
    });
  };
  const later = (pause = PAUSE) => { if (timer === null) timer = setTimeout(ask, pause); };

  const close = () => {
    if (source) source.close();
    source = followed = null;
  };
  const open = () => {
    const shown = part(), wanted = shown && shown.dataset.live;
    if (document.hidden || !wanted) { close(); return; }
    if (wanted === followed) return;
    close();
    followed = wanted;
    const join = wanted.includes("?") ? "&" : "?";
    const after = shown.dataset.liveAfter;
    source = new EventSource(wanted + (after ? join + "after=" + encodeURIComponent(after) : ""));
    source.addEventListener("changed", () => later());
    // Another page of this person has taken its place: this one is asked anew when it is looked at.
    source.addEventListener("end", () => { source.close(); source = null; wasAway = true; });
    source.addEventListener("error", () => { wasAway = true; });
    source.addEventListener("open", () => { if (wasAway) { wasAway = false; later(); } });
  };

  // The next scan takes the place of what was searched for before.
  const search = document.getElementById("q");
  if (search) search.addEventListener("focus", () => search.select());

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); wasAway = true; } else { open(); }
  });
  window.addEventListener("focus", () => { if (!source) { followed = null; open(); } });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  document.addEventListener("htmx:afterSettle", open);
  open();
})();
