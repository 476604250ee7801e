// Places of the beds: tiles above, lines below, and the letters at which all stand on one screen.

import { el } from "./dom.js";
import { fits } from "./fit.js";
import { inOrder } from "./rank.js";

// More beds than this stand on no screen: their heights are not looked at.
const LOOKED_AT = 60;

export class Places {
  constructor() {
    this.large = el("div", { class: "grid tiles" });
    this.lines = el("div", { class: "grid lines" });
    this.beds = el("div", { class: "beds" }, this.large, this.lines);
  }

  // Puts beds in their order, at most so many of them anew; returns whether a shown one has moved, and whether some are left.
  put(large, lines, most, now) {
    const turn = { free: most, moved: false, left: false };
    place(this.large, large, "large", turn, now);
    place(this.lines, lines, "line", turn, now);
    return turn;
  }

  // The largest letters at which all beds are on the screen at once: reckoned, then looked at, as strips have lengths.
  fit(tiles, lines) {
    const { beds } = this;
    const room = innerHeight - (beds.getBoundingClientRect().top + scrollY) - document.getElementById("foot").offsetHeight - 12;
    const key = JSON.stringify([beds.clientWidth, room, tiles, lines]);
    const fixed = tiles + lines > LOOKED_AT || (!this.scrolls && beds.offsetHeight <= room);
    if (this.fitted === key && fixed) return;
    this.fitted = key;
    for (const levels of fits(beds.clientWidth, room, tiles, lines)) {
      this.large.dataset.level = levels.tile;
      this.lines.dataset.level = levels.line;
      this.large.style.setProperty("--columns", levels.tileColumns);
      this.lines.style.setProperty("--columns", levels.lineColumns);
      this.scrolls = levels.cost === Infinity;
      if (tiles + lines > LOOKED_AT || beds.offsetHeight <= room) break;
    }
    beds.dataset.fits = this.scrolls && beds.offsetHeight > room ? "no" : "yes";
  }
}

function place(grid, tiles, form, turn, now) {
  const places = new Map([...grid.children].map((node, at) => [node, at]));
  const staying = inOrder(tiles.map((tile) => places.get(tile.node)));
  let next = grid.firstChild;
  for (const [i, tile] of tiles.entries()) {
    if (staying.has(i)) next = tile.node.nextSibling;
    else if (turn.free > 0) {
      tile.form = form;
      turn.moved ||= tile.node.isConnected;
      grid.insertBefore(tile.node, next);
      if (tile.tile) tile.tick(now);
      turn.free -= 1;
    } else {
      // The rest in the next frame, the worst first.
      turn.left = true;
      return;
    }
  }
}
