"use strict";
// Clicks on the timeline and the table move the player; the player moves the playhead.
(() => {
  const audio = document.getElementById("audio");
  const timeline = document.getElementById("timeline");
  const playhead = document.getElementById("playhead");
  const duration = Number(timeline.dataset.duration);
  const rows = [...document.querySelectorAll("tr[data-start]")];

  function show(seconds) {
    playhead.style.display = "block";
    playhead.style.left = `${Math.min(100, (100 * seconds) / duration)}%`;
    for (const row of rows) {
      const inside = Number(row.dataset.start) <= seconds && seconds < Number(row.dataset.end);
      row.classList.toggle("now", inside);
    }
  }

  function go(seconds) {
    show(seconds);
    if (!audio) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {}); // the browser may want a click on the player first
  }

  timeline.addEventListener("click", (event) => {
    const box = timeline.getBoundingClientRect();
    go((duration * (event.clientX - box.left)) / box.width);
  });
  for (const row of rows) {
    row.querySelector("button").addEventListener("click", () => go(Number(row.dataset.start)));
  }
  if (audio) audio.addEventListener("timeupdate", () => show(audio.currentTime));
})();
