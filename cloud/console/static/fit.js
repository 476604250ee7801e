// Sizes at which a ward stands on its screen without scrolling: the largest at which all beds fit. Pure.

// Least width and height of a tile, px, from roomy to dense; app.css has the letters of each.
export const TILES = [[600, 270], [500, 236], [420, 206], [350, 180], [296, 160], [296, 130]];
export const LINES = [[1000, 92], [860, 74], [740, 58], [580, 46], [460, 38]];
export const GAP = 8;

// As few columns as the rows that are needed anyway: nothing stands alone in a last row.
function columns(count, width, least) {
  const most = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  return Math.max(1, Math.ceil(count / Math.ceil(Math.max(count, 1) / most)));
}

const height = (count, width, [least, high]) => (count ? Math.ceil(count / columns(count, width, least)) * (high + GAP) : 0);

// Returns the levels for so many tiles and lines, the best first, those that do not fit by reckoning left out. Trouble
// first: a line gives way two steps before a tile does one. The last is as dense as can be, and may scroll.
export function fits(width, room, tiles, lines) {
  const found = [];
  for (const [t, tile] of TILES.entries()) {
    for (const [l, line] of LINES.entries()) {
      if ((!tiles && t) || (!lines && l) || height(tiles, width, tile) + height(lines, width, line) > room) continue;
      found.push({ cost: 2 * t + l, tile: t, line: l, tileColumns: columns(tiles, width, tile[0]), lineColumns: columns(lines, width, line[0]) });
    }
  }
  const [t, l] = [TILES.length - 1, LINES.length - 1];
  found.push({ cost: Infinity, tile: t, line: l, tileColumns: columns(tiles, width, TILES[t][0]), lineColumns: columns(lines, width, LINES[l][0]) });
  return found.sort((a, b) => a.cost - b.cost);
}
