// What every page does: the session's word on requests, one press for one request, and sounds for gloves.
"use strict";

const console_ = {
  csrf() {
    const meta = document.querySelector('meta[name="csrf"]');
    return meta ? meta.content : "";
  },

  // POST as JSON; answers {ok, status, body}, or {ok: false, status: 0} where the network is away.
  async send(path, body) {
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: {"Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": this.csrf()},
        body: JSON.stringify(body),
      });
      const text = await response.text();
      let read = null;
      try { read = JSON.parse(text); } catch { read = null; }
      // A page that something on the way has put in its place, such as one to sign in, is no answer of ours.
      if (response.redirected || read === null) return {ok: false, status: 0, body: null};
      return {ok: response.ok, status: response.status, body: read};
    } catch {
      return {ok: false, status: 0, body: null};
    }
  },

  // Whether an answer leaves open what has become of it: it is asked for again, by the same number. A page from before
  // another sign-in is loaded anew, once in a while; what it keeps is in the browser.
  isUnsure(answer) {
    const {status, body} = answer;
    const isOld = status === 403 && body !== null && body.error === "Refused";
    if (isOld && Date.now() - Number(sessionStorage.getItem("loaded anew") || 0) > 30_000) {
      sessionStorage.setItem("loaded anew", String(Date.now()));
      location.reload();
    }
    return isOld || status === 0 || status === 401 || status === 429 || status >= 500;
  },

  // A short tone: high for right, low and twice for wrong. Scanners are read by ear.
  sound(isRight) {
    const Audio = window.AudioContext || window.webkitAudioContext;
    if (!Audio) return;
    this.audio = this.audio || new Audio();
    for (const [at, hertz] of isRight ? [[0, 1320]] : [[0, 220], [0.18, 220]]) {
      const tone = this.audio.createOscillator();
      const volume = this.audio.createGain();
      tone.type = isRight ? "sine" : "square";
      tone.frequency.value = hertz;
      volume.gain.value = 0.15;
      tone.connect(volume).connect(this.audio.destination);
      tone.start(this.audio.currentTime + at);
      tone.stop(this.audio.currentTime + at + 0.12);
    }
    if (!isRight && navigator.vibrate) navigator.vibrate([80, 60, 80]);
  },
};
window.stockkeeper = console_;

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = console_.csrf();
});

// A second press on the button of a form that is on its way does nothing; back in the page it works again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  setTimeout(() => { for (const each of form.querySelectorAll("button")) each.setAttribute("aria-disabled", "true"); });
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const each of form.querySelectorAll("button")) each.removeAttribute("aria-disabled");
  }
});

// The menu of a narrow screen.
const opens = document.querySelector(".menu-button");
if (opens) {
  const menu = document.getElementById("menu");
  const show = (isOpen) => {
    menu.classList.toggle("open", isOpen);
    opens.setAttribute("aria-expanded", String(isOpen));
  };
  opens.addEventListener("click", () => show(!menu.classList.contains("open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.classList.contains("open")) { show(false); opens.focus(); }
  });
}

// Sheets that were kept for somebody else, or for nobody who is signed in any more, are taken away.
{
  const who = document.querySelector(".who");
  const person = who ? who.textContent : "";
  if ("caches" in window && localStorage.getItem("person") !== person) {
    caches.delete("sheets");
    localStorage.setItem("person", person);
  }
}

// Signing out takes what was kept for offline use away before it goes; drafts that weren't sent stay.
document.addEventListener("submit", async (event) => {
  if (event.target.getAttribute("action") !== "/sign-out" || !("caches" in window)) return;
  event.preventDefault();
  try {
    for (const name of await caches.keys()) await caches.delete(name);
  } finally {
    event.target.submit();
  }
});
