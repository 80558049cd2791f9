// SPDX-License-Identifier: GPL-2.0-or-later
// What is under way, asked for every two seconds while the page is looked at. Text is only ever set as text.
"use strict";
(() => {
  const runs = document.getElementById("runs"), state = document.getElementById("state");
  function add(parent, tag, text, name) {
    const made = parent.appendChild(document.createElement(tag));
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }
  function draw(found) {
    const all = document.createDocumentFragment();
    for (const run of found) {
      const article = add(all, "article", undefined, "run");
      add(article, "h3", run.command);
      add(article, "p", `process ${run.pid}, for ${run.seconds} s`, "dim");
      for (const { label, done, total } of run.bars) {
        const bar = add(article, "div", undefined, "bar");
        add(bar, "span", label);
        add(bar, "span", total === null ? done : `${done}/${total}`);
        if (total) Object.assign(add(bar, "progress"), { max: total, value: done });
      }
      const list = add(article, "ul");
      run.lines.forEach((line) => add(list, "li", line));
    }
    if (!found.length) add(all, "p", "Nothing.");
    runs.replaceChildren(all);
  }
  async function look() {
    try {
      if (!document.hidden) {
        const answer = await fetch("live.json", { cache: "no-store" });
        if (!answer.ok) throw new Error(answer.statusText);
        draw((await answer.json()).runs);
        state.textContent = `as of ${new Date().toLocaleTimeString()}`;
      }
    } catch (error) {
      state.textContent = `farwatch serve does not answer any more (${error.message})`;
    }
    setTimeout(look, 2000);
  }
  look();
})();
