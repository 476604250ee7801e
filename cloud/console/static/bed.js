// The page of a bed, for links that name no patient: `#/bed/WARD/BED` goes on to whoever lies there.

import { el } from "./dom.js";
import { call } from "./net.js";

export class BedScreen {
  constructor(main, context, name) {
    const [ward, ...bed] = name.split("/");
    call(`/api/wards/${encodeURIComponent(ward)}`).then(({ beds }) => {
      const found = beds.find((one) => one.bed === bed.join("/"));
      if (found) location.replace(`#/patient/${encodeURIComponent(found.patient)}`);
      else main.replaceChildren(el("p", { class: "problem", role: "alert" }, `Nobody lies in bed ${bed.join("/")} any more.`), el("a", { class: "plain", href: "#/" }, "To the ward"));
    }).catch((error) => main.replaceChildren(el("p", { class: "problem", role: "alert" }, error.message)));
  }

  close() {}
}
