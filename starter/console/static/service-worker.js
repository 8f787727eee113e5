// Keeps count sheets for when the network is away: the sheets that were opened, the list of counts, and our own files.
// No other page is kept, so none shows numbers of an hour ago. Signing out empties it (console.js).
"use strict";

const SHEETS = "sheets";
const FILES = "files";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function fromNetworkFirst(request) {
  const cache = await caches.open(SHEETS);
  try {
    const answer = await fetch(request);
    if (answer.ok && !answer.redirected) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}

async function fromCacheFirst(request) {
  const cache = await caches.open(FILES);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

self.addEventListener("fetch", (event) => {
  const {request} = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (url.pathname.startsWith("/static/")) {
    // Only addresses that change with their content.
    if (url.searchParams.has("v")) event.respondWith(fromCacheFirst(request));
  } else if (request.mode === "navigate" && /^\/count(\/[^/]+)?$/.test(url.pathname) && url.search === "") {
    event.respondWith(fromNetworkFirst(request));
  }
});
