"use strict";
// An enhancement: without it, every field is on the page, and the search box is not shown.
(() => {
  const box = document.querySelector(".search");
  if (!box) return;
  const input = box.querySelector("input");
  const count = box.querySelector("[role=status]");
  const words = () => input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text, wanted) => wanted.every((word) => text.includes(word));

  const data = document.getElementById("index");
  if (data) searchPages(JSON.parse(data.textContent));
  else searchFields();
  box.hidden = false;

  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    input.value = "";
    input.dispatchEvent(new Event("input"));
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
  });

  function searchFields() {
    const fields = [...document.querySelectorAll(".field")].map((item) => {
      const own = item.querySelector(":scope > .text, :scope > details > .text");
      const text = `${item.dataset.path} ${own ? own.textContent : ""}`.toLowerCase();
      return { item, text, details: item.querySelector(":scope > details") };
    });
    const before = new Map();
    for (const { details } of fields) if (details) before.set(details, details.open);

    input.addEventListener("input", () => {
      const wanted = words();
      if (!wanted.length) {
        for (const { item } of fields) item.hidden = false;
        for (const [details, isOpen] of before) details.open = isOpen;
        count.textContent = "";
        return;
      }
      const shown = new Set();
      let found = 0;
      for (const { item, text } of fields) {
        if (!has(text, wanted)) continue;
        found += 1;
        for (let at = item; at; at = at.parentElement.closest(".field")) shown.add(at);
      }
      for (const { item, details } of fields) {
        item.hidden = !shown.has(item);
        if (details && shown.has(item)) details.open = true;
      }
      count.textContent = `${found} of ${fields.length} fields`;
    });

    const all = box.querySelector("button");
    all.addEventListener("click", () => {
      const isOpening = all.dataset.opens === "true";
      for (const { details } of fields) if (details) details.open = isOpening;
      all.dataset.opens = String(!isOpening);
      all.textContent = isOpening ? "Collapse all" : "Expand all";
    });
  }

  function searchPages(entries) {
    const list = box.querySelector(".results");
    const most = 50;
    const texts = entries.map((entry) => entry.slice(1).join(" ").toLowerCase());
    input.addEventListener("input", () => {
      const wanted = words();
      const found = wanted.length ? entries.filter((_, at) => has(texts[at], wanted)) : [];
      list.replaceChildren(...found.slice(0, most).map(([target, path, where]) => {
        const item = document.createElement("li");
        const link = document.createElement("a");
        const code = document.createElement("code");
        const place = document.createElement("span");
        link.href = target;
        code.textContent = path;
        place.textContent = where;
        link.append(code);
        item.append(link, place);
        return item;
      }));
      const more = found.length > most ? `, the first ${most} shown` : "";
      count.textContent = wanted.length ? `${found.length} fields${more}` : "";
    });
  }
})();
