// Scans by the camera, where the browser can read barcodes by itself; elsewhere the button stays hidden.
"use strict";

(() => {
  const button = document.getElementById("camera");
  const view = document.getElementById("camera-view");
  if (!button || !("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  button.hidden = false;
  let stream = null;
  let before = {text: "", at: 0};

  function stop() {
    if (stream) for (const track of stream.getTracks()) track.stop();
    stream = null;
    view.hidden = true;
    button.setAttribute("aria-pressed", "false");
  }

  button.addEventListener("click", async () => {
    if (stream) { stop(); return; }
    try {
      stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment"}});
    } catch {
      stop();
      return;
    }
    view.srcObject = stream;
    view.hidden = false;
    button.setAttribute("aria-pressed", "true");
    await view.play();
    const detector = new window.BarcodeDetector();
    const look = async () => {
      if (!stream) return;
      const found = await detector.detect(view).catch(() => []);
      for (const each of found) {
        // The same label in the next picture is no second scan.
        if (each.rawValue === before.text && Date.now() - before.at < 1500) { before.at = Date.now(); continue; }
        before = {text: each.rawValue, at: Date.now()};
        const field = document.getElementById("scan");
        field.value = each.rawValue;
        field.form.requestSubmit();
      }
      requestAnimationFrame(look);
    };
    look();
  });
  window.addEventListener("pagehide", stop);
})();
