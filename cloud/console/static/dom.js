// Elements from plain values. Text is always text: nothing that came over the wire is ever read as markup.

export function el(name, props = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") node.className = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key in node && key !== "list" && key !== "form") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(4).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// Touches the page only where something differs: two hundred beds a second depend on it.
export function text(node, value) {
  if (node.shown !== value) {
    node.shown = value;
    node.textContent = value;
  }
}

export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function className(node, value) {
  if (node.className !== value) node.className = value;
}

export function toast(message) {
  const line = document.getElementById("toast");
  line.textContent = message;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => { line.textContent = ""; }, 6000);
}

let shown = 0;

// A dialog with a form; `send` gets the form's values and may throw an Error, whose message is shown in it.
export function ask({ title, body, action, danger, send }) {
  const id = `dialog-${++shown}`;
  const wrong = el("p", { class: "problem", role: "alert", hidden: true });
  const go = el("button", { class: danger ? "danger" : "primary", type: "submit" }, action);
  const cancel = el("button", { type: "button", onclick: () => box.close() }, "Cancel");
  const form = el("form", { method: "dialog" }, body, wrong, el("div", { class: "buttons" }, cancel, go));
  const box = el("dialog", { "aria-labelledby": id }, el("h2", { id }, title), form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await send(new FormData(form));
      box.close();
    } catch (error) {
      wrong.textContent = error.message;
      wrong.hidden = false;
    } finally {
      go.disabled = false;
    }
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

export function field(label, props) {
  const id = `field-${++shown}`;
  const { options, ...rest } = props;
  const input = options
    ? el("select", { id, ...rest, value: undefined }, options.map(([value, name]) => el("option", { value, selected: value === props.value }, name)))
    : el("input", { id, autocomplete: "off", ...rest });
  return el("div", { class: "field" }, el("label", { htmlFor: id }, label), input);
}
