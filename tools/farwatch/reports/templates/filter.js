// SPDX-License-Identifier: GPL-2.0-or-later
// The table's filter. Without it all rows are there, and the two check boxes work by style alone.
"use strict";
(() => {
  const field = document.getElementById("filter"), program = document.getElementById("program");
  const count = document.getElementById("count"), groups = [];
  for (const body of document.querySelectorAll(".tests tbody")) {
    const title = body.querySelector(".group").textContent;
    const rows = [...body.querySelectorAll(".row")].map((row) => ({
      row, program: row.dataset.program, text: (title + " " + row.textContent).toLowerCase(),
      said: new Set([...row.querySelectorAll("td")].flatMap((cell) => cell.textContent.toLowerCase().match(/[a-z]+/g) || [])),
    }));
    groups.push({ body, rows });
  }
  const boxes = { calm: document.getElementById("changes"), expected: document.getElementById("surprising") };
  const kept = (row) => Object.entries(boxes).every(([name, box]) => !box.checked || !row.classList.contains(name));
  // What can be said of a cell is a whole word: "hang" is not meant to find "exchange"
  const sayings = new Set(groups.flatMap(({ rows }) => rows.flatMap(({ said }) => [...said])));
  const has = ({ text, said }, word) => (sayings.has(word) ? said.has(word) : text.includes(word));
  function filter() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0, all = 0;
    for (const { body, rows } of groups) {
      let here = 0;
      for (const each of rows) {
        const ours = !program.value || each.program === program.value;
        const fits = ours && words.every((word) => has(each, word));
        each.row.classList.toggle("out", !fits);
        here += fits && kept(each.row);
      }
      body.classList.toggle("out", !here);
      shown += here;
      all += rows.length;
    }
    count.value = shown === all ? `${all} rows` : `${shown} of ${all} rows`;
  }
  document.querySelector(".choose").addEventListener("submit", (event) => event.preventDefault());
  document.querySelector(".choose").addEventListener("input", filter);
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      field.focus();
      field.select();
    } else if (event.key === "Escape" && event.target === field) {
      field.value = "";
      filter();
    }
  });
  document.querySelector(".scripted").hidden = false;
  filter();
})();
