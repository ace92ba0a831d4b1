"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const signs = Object.keys(data.words);
  const kind = (sign) => "s" + signs.indexOf(sign);
  const grid = document.getElementById("grid");
  const panel = document.getElementById("advisory");
  const search = document.getElementById("search");
  const which = document.getElementById("which");
  const branchChoice = document.getElementById("branch");
  const count = document.getElementById("count");
  const loud = "X?p";
  const AT_ONCE = 40;
  let later = 0;

  // Text from outside only ever becomes text: every node is made by this.
  const make = (name, properties = {}, ...children) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") node.className = value;
      else node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };

  const branches = [...new Set(data.releases.map((one) => one.branch))].map((name) => {
    const places = [];
    data.releases.forEach((one, place) => { if (one.branch === name) places.push(place); });
    return { name, places, versions: places.map((place) => data.releases[place].version) };
  });
  const last = (version) => version.split(".").pop();
  const runs = (text) => text.match(/(.)\1*/gs) || [];
  const letters = (branch, index) => branch.places.map((place) => data.releases[place].cells[index]).join("");
  const open = (one, index, number) => "X?".includes(one.cells[index]) && !(one.decided && one.decided[number]);

  const spoken = (branch, text) => {
    let start = 0;
    return branch.name + ": " + runs(text).map((run) => {
      const from = branch.versions[start], to = branch.versions[start + run.length - 1];
      start += run.length;
      return data.words[run[0]] + " in " + (from === to ? from : from + " to " + to);
    }).join(", ");
  };

  const rows = data.advisories.map(([number, title, cves, published], index) => {
    const strips = branches.map((branch) => letters(branch, index));
    const ours = data.packages.map((one) => one.cells[index]);
    const all = strips.join("") + ours.join("");
    return {
      number, title, published, index, strips, ours,
      text: ("xsa-" + number + " " + title + " " + cves.join(" ")).toLowerCase(),
      opened: data.packages.some((one) => open(one, index, number)),
      patched: ours.includes("p"),
      matters: new Set(all).size > 1 || loud.includes(all[0]),
      open: [...strips.join("")].filter((sign) => sign === "X" || sign === "?").length,
      shown: true, node: null,
    };
  });

  const draw = (row) => {
    const node = make("tr", { role: "row", "data-xsa": row.number },
      make("th", { scope: "row", role: "rowheader" }, make("a", { href: "#xsa-" + row.number, tabindex: "-1" }, String(row.number))),
      make("td", { role: "cell" }, row.published.slice(0, 10)),
      make("td", { role: "cell", class: "name" }, row.title || "(no title yet)"));
    row.ours.forEach((sign, place) => {
      const label = data.packages[place].name + ": " + data.words[sign];
      node.append(make("td", { role: "cell", class: "pkg " + kind(sign), "aria-label": label, title: label }, sign));
    });
    row.strips.forEach((text, place) => {
      const cell = make("td", { role: "cell", class: "strip", "aria-label": spoken(branches[place], text) });
      for (const run of runs(text)) cell.append(make("span", { class: kind(run[0]), "aria-hidden": "true" }, run));
      node.append(cell);
    });
    return node;
  };

  const columns = [
    { name: "XSA", key: (row) => row.number, down: true, width: "3.6rem" },
    { name: "Public", key: (row) => row.published, down: true, width: "6rem" },
    { name: "Title", key: (row) => row.title.toLowerCase(), down: false, width: "" },
    ...data.packages.map((one, place) => ({
      name: one.name, key: (row) => signs.indexOf(row.ours[place]), down: false,
      width: "calc(" + Math.max(one.name.length, 5) + "ch + .6rem)",
    })),
    ...branches.map((branch, place) => ({
      name: branch.name, key: (row) => row.strips[place].replace(/[^X?]/g, "").length, down: true, versions: branch.versions,
      width: "calc(" + Math.max(branch.versions.length * 1.3, branch.name.length + 2) + "ch + 1rem)",
    })),
  ];
  const sorted = { column: 0, down: true };

  // The last numbers of a branch's releases, from above to below where they have more than one digit.
  const numbers = (versions) => {
    const height = Math.max(...versions.map((one) => last(one).length));
    return Array.from({ length: height }, (_, line) =>
      make("div", { class: "strip", "aria-hidden": "true" }, make("span", {}, versions.map((one) => last(one).padStart(height)[line]).join(""))));
  };

  const head = make("tr", { role: "row" });
  columns.forEach((column, place) => {
    const button = make("button", { type: "button" }, column.name);
    button.addEventListener("click", () => {
      sorted.down = sorted.column === place ? !sorted.down : column.down;
      sorted.column = place;
      order();
    });
    const cell = make("th", { scope: "col", role: "columnheader", class: place > 2 && !column.versions ? "pkg" : "" }, button);
    if (column.versions) cell.append(...numbers(column.versions));
    head.append(cell);
  });
  // Rows are grids of their own, so that the browser need not lay out those that are not seen; roles keep them a table.
  const table = make("table", { role: "table", "aria-labelledby": "h-matrix", "aria-describedby": "legend" });
  const body = make("tbody", { role: "rowgroup" });
  for (const row of rows) row.node = draw(row);
  table.append(make("thead", { role: "rowgroup" }, head), body);
  table.style.setProperty("--columns", columns.map((column) => column.width || "minmax(14rem, 1fr)").join(" "));
  // The title takes what is left, and never less than it needs.
  table.style.width = "max(100%, calc(" + columns.map((column) => column.width || "14rem").join(" + ") + "))";

  const order = () => {
    const key = columns[sorted.column].key, sign = sorted.down ? -1 : 1;
    rows.sort((one, other) => {
      const a = key(one), b = key(other);
      return a < b ? -sign : a > b ? sign : other.number - one.number;
    });
    [...head.children].forEach((cell, place) => {
      if (place === sorted.column) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    body.replaceChildren(...rows.map((row) => row.node));
    roam();
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const place = branches.findIndex((branch) => branch.name === branchChoice.value);
    let shown = 0;
    for (const row of rows) {
      const ask = { matter: row.matters, open: row.opened, patched: row.patched, all: true }[which.value];
      const here = place < 0 || [...row.strips[place]].some((sign) => loud.includes(sign)) ||
        data.packages.some((one, at) => one.branch === branchChoice.value && loud.includes(row.ours[at]));
      // A number that is searched for is found whatever else is chosen.
      const named = words.length === 1 && words[0].replace(/^xsa-/, "") === String(row.number);
      row.shown = named || (ask && here && words.every((word) => row.text.includes(word)));
      // What cannot be in sight waits until the rest is drawn, so that an answer is there at once.
      row.node.hidden = !(row.shown && (shown < AT_ONCE || !row.node.hidden));
      shown += row.shown;
    }
    count.textContent = shown + " of " + rows.length + " advisories";
    roam();
    clearTimeout(later);
    later = setTimeout(() => requestAnimationFrame(() => setTimeout(rest)));
  };
  const rest = () => {
    for (const row of rows) if (row.node.hidden === row.shown) row.node.hidden = !row.shown;
  };

  // One row can be reached by Tab; from there the arrow keys go on.
  let active = null;
  const link = (node) => node.querySelector("a");
  const visible = () => rows.filter((row) => row.shown);
  const roam = (row = null) => {
    const there = visible();
    const next = row || (active && there.includes(active) ? active : there[0]) || null;
    if (active) link(active.node).tabIndex = -1;
    active = next;
    if (active) link(active.node).tabIndex = 0;
  };
  grid.addEventListener("keydown", (event) => {
    const there = visible();
    const at = there.findIndex((row) => row.node.contains(event.target));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: there.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const row = there[Math.min(Math.max(to, 0), there.length - 1)];
    rest();
    roam(row);
    link(row.node).focus();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    } else if (event.key === "Escape" && (typing || !panel.hidden)) {
      if (typing) { search.value = ""; filter(); } else close();
    }
  });

  const told = (one, index) => {
    let place = index;
    for (const [length, texts] of one.told) {
      if (place < length) return texts;
      place -= length;
    }
    return null;
  };
  const words = (text, number, one) => data.texts[text]
    .replaceAll("\ue000", "XSA-" + number).replaceAll("\ue001", one.version).replaceAll("\ue002", one.branch);
  const list = (name, heads, lines) => make("div", { class: "wide" }, make("table", { class: "plain", "aria-label": name },
    make("thead", {}, make("tr", {}, ...heads.map((one) => make("th", { scope: "col" }, one)))),
    make("tbody", {}, ...lines)));
  const tag = (sign) => make("span", { class: "cell " + kind(sign), "aria-hidden": "true" }, sign);

  const patches = (lines, unread) => {
    if (!lines.length) return [make("p", { class: "note" }, unread || "Not shown: nothing here hangs on its patches.")];
    return [list("Patches", ["For", "Patches, with the hash that fetchurl wants"], lines.map(([range, files]) => make("tr", {},
      make("th", { scope: "row" }, range),
      make("td", {}, ...files.flatMap(([name, hash, before]) => [
        make("div", {}, make("code", {}, name), before ? " (a prerequisite)" : ""), make("div", { class: "hash" }, hash)])))))];
  };

  const decisions = (row) => data.packages.map((one) => {
    const sign = one.cells[row.index], texts = told(one, row.index) || [];
    const cell = make("td", {}, texts.length ? words(texts[0], row.number, one) : "");
    if (one.decided && one.decided[row.number]) cell.append(make("div", {}, "decided by hand: " + one.decided[row.number]));
    if (texts.length > 1) cell.append(make("ul", {}, ...texts.slice(1).map((text) => make("li", {}, words(text, row.number, one)))));
    return make("tr", {}, make("th", { scope: "row" }, one.name + " " + one.version),
      make("td", {}, tag(sign), " " + data.words[sign]), cell);
  });

  const spans = (row) => branches.flatMap((branch, place) => {
    let start = 0;
    return runs(row.strips[place]).map((run) => {
      const from = branch.versions[start], to = branch.versions[start + run.length - 1];
      const one = data.releases[branch.places[start]], texts = told(one, row.index) || [];
      start += run.length;
      return make("tr", {}, make("th", { scope: "row" }, from === to ? from : from + " – " + to),
        make("td", {}, tag(run[0]), " " + data.words[run[0]]),
        make("td", {}, texts.length ? words(texts[0], row.number, one) : ""));
    });
  });

  const requests = (row) => data.waits.filter(([number]) => number === row.number).map(([, name, number, url, hours]) => {
    const text = "pull request #" + number;
    const time = hours < 48 ? Math.round(hours) + " h" : Math.round(hours / 24) + " days";
    return make("p", {}, name + ": open for " + time + " until ", url ? make("a", { href: url, rel: "noreferrer" }, text) : text);
  });

  const show = () => {
    const found = /^#xsa-(\d+)$/.exec(location.hash);
    const row = found && rows.find((one) => one.number === Number(found[1]));
    for (const one of rows) one.node.classList.toggle("chosen", one === row);
    panel.hidden = !row;
    if (!row) return;
    const [number, title, cves, published, lines, unread] = data.advisories[row.index];
    const heading = make("h2", { id: "h-advisory", tabindex: "-1" }, "XSA-" + number + (title ? ": " + title : ""));
    const button = make("button", { type: "button", class: "close" }, "Close");
    button.addEventListener("click", close);
    panel.replaceChildren(button, heading,
      make("p", { class: "note" }, [published ? "Public " + published + " UTC" : "No day of publication is known", ...cves].join(" · ") + " · ",
        make("a", { href: "https://xenbits.xenproject.org/xsa/advisory-" + number + ".html", rel: "noreferrer" }, "the advisory")),
      ...requests(row),
      make("h3", {}, "In the packages"), list("In the packages", ["Package", "Verdict", "Why"], decisions(row)),
      make("h3", {}, "Patches for each branch"), ...patches(lines, unread));
    if (branches.length) panel.append(make("h3", {}, "In the releases"), list("In the releases", ["Releases", "Verdict", "Why"], spans(row)));
    roam(row.shown ? row : null);
    heading.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "start" });
  };
  const close = () => {
    const row = rows.find((one) => one.node.classList.contains("chosen"));
    history.replaceState(null, "", "#matrix");
    show();
    if (row && row.shown) link(row.node).focus();
    else grid.focus();
  };

  for (const branch of branches) branchChoice.append(make("option", { value: branch.name }, branch.name));
  const form = document.getElementById("controls");
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  window.addEventListener("hashchange", show);
  order();
  filter();
  grid.append(table);
  show();
})();
