// form[data-foresight]: "what if" answered as it is typed. The form's own page is read again and its answer taken from it;
// without script the button does the same. What is touched is told to whoever shows rows (overstory:foresight).
import { announce } from "./dom.js";
import { fetchDocument } from "./fragment.js";

const WAIT_MS = 250;

export function attach(form) {
  const result = document.querySelector("[data-foresight-result]");
  const crash = form.querySelector("[data-foresight-crash]");
  let timer = null;
  let number = 0;

  const ask = async (url) => {
    const mine = ++number;
    result.setAttribute("aria-busy", "true");
    try {
      const { response, page } = await fetchDocument(url);
      if (mine !== number || !response.ok) return;
      const fresh = page.querySelector("[data-foresight-result]");
      result.replaceChildren(...document.importNode(fresh, true).childNodes);
      fillUsual(form, page);
      history.replaceState(history.state, "", url);
      announce(result);
      tell(result);
    } catch {
      // the server is away; the pill says so, and what was said stays
    } finally {
      if (mine === number) result.removeAttribute("aria-busy");
    }
  };
  const soon = (event) => {
    if (event.target.name === "key" || event.target.name === "if") forget(form);
    show();
    clearTimeout(timer);
    timer = setTimeout(() => isAsked(form) && ask(addressOf(form)), WAIT_MS);
  };
  const show = () => {
    crash.hidden = form.elements.if.value !== "crash";
  };
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    if (isAsked(form)) ask(addressOf(form));
  });
  show();
  tell(result);
}

function isAsked(form) {
  return !form.elements.key || form.elements.key.value.trim() !== "";
}

function addressOf(form) {
  const query = new URLSearchParams(new FormData(form));
  if (form.elements.if.value !== "crash") ["times", "within"].forEach((name) => query.delete(name));
  for (const [name, value] of [...query]) if (value === "") query.delete(name);
  return `${location.pathname}?${query}`;
}

/** Another child has other usual numbers: those of the one before are not meant for it, unless somebody typed them. */
function forget(form) {
  for (const name of ["times", "within"]) {
    const field = form.elements[name];
    if (field.dataset.usual === field.value) field.value = "";
  }
}

function fillUsual(form, page) {
  for (const name of ["times", "within"]) {
    const field = form.elements[name];
    const usual = page.querySelector(`form[data-foresight] [name=${name}]`)?.value ?? "";
    if (field.value !== "" || document.activeElement === field) continue;
    field.value = field.dataset.usual = usual;
  }
}

function tell(result) {
  const marks = JSON.parse(result.querySelector("#foresight-marks")?.dataset.marks ?? "{}");
  document.dispatchEvent(new CustomEvent("overstory:foresight", { detail: marks }));
}
