// What a reader does with the page: theme, sorting, filtering, copying, comparing settings; and the live page's renewal.

const POLL = 2000;
const STORE = `fbgd-report-${location.pathname}`;

// What the reader chose outlives the renewal of a live page, and nothing longer than the tab.
function remembered(key, otherwise) {
  return key in remembered.all ? remembered.all[key] : otherwise;
}
remembered.live = "version" in document.documentElement.dataset;
remembered.all = {};
try {
  if (remembered.live) remembered.all = JSON.parse(sessionStorage.getItem(STORE)) || {};
} catch { /* a page without storage forgets */ }
remembered.save = (key, value) => {
  remembered.all[key] = value;
  try {
    if (remembered.live) sessionStorage.setItem(STORE, JSON.stringify(remembered.all));
  } catch { /* the same */ }
};

const said = document.getElementById("said");
let saying = 0;

function say(text) {
  said.textContent = text;
  clearTimeout(saying);
  saying = setTimeout(() => { said.textContent = ""; }, 4000);
}

function theme() {
  const select = document.getElementById("theme");
  if (!select) return;
  const use = (value) => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  select.value = remembered("theme", "");
  use(select.value);
  select.addEventListener("change", () => {
    use(select.value);
    remembered.save("theme", select.value);
  });
  select.parentElement.hidden = false;
}

// Copying: by the clipboard, else by the selection, else by the reader's hand.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { /* not allowed, or no such thing */ }
  const area = element("textarea", { readonly: "", class: "hidden" });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch { /* no such thing */ }
  area.remove();
  if (focused) focused.focus();
  return done;
}

async function copyTable(button, text) {
  const name = button.textContent.replace("Copy ", "");
  if (await copy(text)) {
    say(`${name} of the whole table is copied.`);
    return;
  }
  const dialog = document.getElementById("by-hand");
  const area = dialog.querySelector("textarea");
  area.value = text;
  dialog.showModal();
  area.focus();
  area.select();
}

function compareRows(index, ascending) {
  const collator = new Intl.Collator("en", { numeric: true });
  const order = ascending ? 1 : -1;
  return (one, other) => {
    const [left, right] = [one.row.cells[index], other.row.cells[index]];
    const unknown = ("unknown" in left.dataset) - ("unknown" in right.dataset);
    if (unknown) return unknown;
    const [first, second] = [left.dataset.number, right.dataset.number];
    if ((first === undefined) !== (second === undefined)) return first === undefined ? 1 : -1;
    const difference = first === undefined ? collator.compare(left.textContent, right.textContent) : first - second;
    return difference ? order * difference : one.place - other.place;
  };
}

function tableOf(section, table, study) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place }));
  const headers = [...table.tHead.rows[0].cells];
  const kept = remembered(`table-${study}`, { filter: "", index: null, order: "none" });
  const save = () => remembered.save(`table-${study}`, kept);

  // Ascending, descending, then the study's own order again.
  function sort(index, order) {
    const sorted = order === "none" ? rows : [...rows].sort(compareRows(index, order === "ascending"));
    body.append(...sorted.map((entry) => entry.row));
    headers.forEach((header, place) => header.setAttribute("aria-sort", place === index ? order : "none"));
    Object.assign(kept, { index, order });
    save();
  }
  const next = { none: "ascending", ascending: "descending", descending: "none" };
  headers.forEach((header, index) => {
    header.querySelector("button").addEventListener("click", () => sort(index, next[header.getAttribute("aria-sort")]));
  });
  if (kept.index !== null && kept.index < headers.length) sort(kept.index, kept.order);

  const field = section.querySelector(".filter");
  const shown = section.querySelector(".shown");
  function filter() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row } of rows) {
      const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      count += !row.hidden;
    }
    shown.textContent = words.length ? `${count} of ${rows.length} rows` : "";
    kept.filter = field.value;
    save();
  }
  field.value = kept.filter;
  field.addEventListener("input", filter);
  filter();
}

function settingsOf(section, settings, study) {
  const [left, right] = [section.querySelector(".left"), section.querySelector(".right")];
  const holder = section.querySelector(".differences");
  const kept = remembered(`settings-${study}`, {});
  for (const [name, select] of Object.entries({ left, right })) {
    if ([...select.options].some((option) => option.value === kept[name])) select.value = kept[name];
  }
  function show() {
    const [one, other] = [settings[left.value], settings[right.value]];
    remembered.save(`settings-${study}`, { left: left.value, right: right.value });
    const keys = Object.keys(one).filter((key) => one[key] !== other[key]);
    if (!keys.length) {
      holder.replaceChildren(element("p", {}, left.value === right.value ? "That is the same row twice." : "They differ in no setting."));
      return;
    }
    const cell = (value) => element("td", {}, value === "" ? element("span", { class: "absent" }, "not there") : value);
    const line = (key) => element("tr", {}, element("th", { scope: "row" }, key), cell(one[key]), cell(other[key]));
    const head = ["setting", left.value, right.value].map((text) => element("th", { scope: "col" }, text));
    const caption = element("caption", {}, `${keys.length} ${keys.length === 1 ? "setting differs" : "settings differ"}`);
    const table = element("table", { class: "settings" }, caption, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...keys.map(line)));
    holder.replaceChildren(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Settings that differ" }, table));
  }
  left.addEventListener("change", show);
  right.addEventListener("change", show);
  show();
}

// A live page asks its own server whether the files have changed, and comes anew with what the reader had chosen.
function renew() {
  const status = document.getElementById("live");
  const mine = document.documentElement.dataset.version;
  const text = status.textContent;
  const ask = async () => {
    try {
      const answer = await fetch("version", { cache: "no-store" });
      const now = answer.ok ? await answer.text() : mine;
      if (status.textContent !== text) status.textContent = text;
      if (now !== mine) {
        remembered.save("focus", document.activeElement ? document.activeElement.id : "");
        location.reload();
        return;
      }
    } catch {
      status.textContent = "The server has ended: this page stays as it is.";
    }
    setTimeout(ask, POLL);
  };
  setTimeout(ask, POLL);
  const focus = remembered("focus", "");
  if (focus && document.getElementById(focus)) document.getElementById(focus).focus({ preventScroll: true });
}

theme();
JSON.parse(document.getElementById("data").textContent).forEach((data, study) => {
  const article = document.querySelector(`[data-study="${study}"]`);
  article.querySelectorAll(".controls").forEach((controls) => { controls.hidden = false; });
  const table = article.querySelector("table.values");
  tableOf(table.closest("section"), table, study);
  for (const button of article.querySelectorAll("button.copy")) {
    button.addEventListener("click", () => copyTable(button, data.copies[button.dataset.form]));
  }
  const curves = article.querySelector(".curves");
  if (curves) curvesOf(curves, data.curves, remembered, study);
  const differences = article.querySelector(".differences");
  if (differences) settingsOf(differences.closest("section"), data.settings, study);
});
if (remembered.live) renew();
