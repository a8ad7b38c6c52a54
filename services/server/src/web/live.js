// A running job's page: its output and its state as they come.
"use strict";

(() => {
  const log = document.getElementById("live");
  if (!log) {
    return;
  }
  const state = document.getElementById("state");
  const note = document.getElementById("live-note");
  // Characters that are kept: what a browser shows without effort.
  const most = 256 * 1024;
  let length = 0;
  let iteration = null;

  const add = (text, kind) => {
    const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    const piece = document.createElement("span");
    piece.className = kind;
    // As text: whatever a benchmark writes is no part of the page.
    piece.textContent = text;
    log.append(piece);
    length += text.length;
    while (length > most && log.childNodes.length > 1) {
      length -= log.firstChild.textContent.length;
      log.firstChild.remove();
      note.textContent = "Only the end is shown; all of it comes with the results.";
    }
    if (isAtEnd) {
      log.scrollTop = log.scrollHeight;
    }
  };

  const source = new EventSource(log.dataset.events);

  source.addEventListener("open", () => {
    // The server begins anew with what it kept.
    log.replaceChildren();
    length = 0;
    iteration = null;
    note.textContent = "Live.";
  });

  source.addEventListener("output", (event) => {
    const piece = JSON.parse(event.data);
    if (iteration !== null && iteration !== piece.iteration) {
      add(`\niteration ${piece.iteration + 1}\n`, "mark");
    }
    iteration = piece.iteration;
    add(piece.text, piece.stream === "stderr" ? "stderr" : "stdout");
  });

  source.addEventListener("state", (event) => {
    const { state: name } = JSON.parse(event.data);
    const badge = document.createElement("span");
    badge.className = `badge ${name}`;
    badge.textContent = name;
    state.replaceChildren(badge);
    if (name !== "pending") {
      document.getElementById("waits")?.remove();
    }
    if (!["pending", "claimed", "running"].includes(name)) {
      source.close();
      // The results are a page of their own.
      window.location.reload();
    }
  });

  source.addEventListener("error", () => {
    note.textContent =
      source.readyState === EventSource.CLOSED
        ? "The connection ended: load the page anew."
        : "The connection was lost: trying again.";
  });
})();
