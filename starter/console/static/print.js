// The button of a paper opens the browser's own print.
"use strict";
for (const each of document.querySelectorAll("button.print")) each.addEventListener("click", () => window.print());
