// How bad a bed is, and how old what it shows: pure functions of a tile and the server's time.

import { age } from "./words.js";

export const FRESH_CADENCES = 3;
export const LEAST_MS = 5000;

// A bed is stale after three cadences without a reading, when its device counts as silent, too.
export function staleAfter(tile) {
  return Math.max(LEAST_MS, FRESH_CADENCES * tile.cadence_s * 1000);
}

// A time ahead of now is no time: nobody knows how old what it stands by is.
export const AHEAD_MS = 5000;

export function isAhead(tile, now) {
  return tile.t - now > AHEAD_MS;
}

export function isUnjudged(tile) {
  return tile.alarms.some((alarm) => alarm.condition === "not-judged");
}

export function isStale(tile, now) {
  return now - tile.t > staleAfter(tile) || isAhead(tile, now) || isUnjudged(tile);
}

// What stands by a bed in place of the age of its newest reading, when that is not all that there is to say.
export function howOld(tile, now) {
  if (!tile.t) return "No data yet";
  if (isAhead(tile, now)) return "Time unknown: a clock is ahead";
  if (now - tile.t > staleAfter(tile)) return `No data for ${age(now - tile.t)}`;
  return isUnjudged(tile) ? "Not judged" : "";
}

// Pressures by a cuff and temperatures come seldom: each sign has its own age, and grows pale after ten minutes.
export function isOld(sign, tile, now) {
  return now - sign[1] > Math.max(600000, staleAfter(tile));
}

export function isCalling(alarm) {
  return alarm.inactivation === "enabled";
}

export function worst(tile) {
  let found = null;
  for (const alarm of tile.alarms) {
    const before = found && (isCalling(found) ? 10 : 0) + found.priority;
    if (!found || (isCalling(alarm) ? 10 : 0) + alarm.priority > before) found = alarm;
  }
  return found;
}

// Forms of a bed: who is in trouble has a tile, all others a line. An alarm of low priority is no trouble; nor is a bed on
// standby, which says so in its line.
export function isTrouble(tile) {
  return tile.alarms.some((alarm) => alarm.priority > 2 || (alarm.priority > 1 && isCalling(alarm)));
}

// What brings a bed to the front at once, higher is worse: calling alarms by priority, then those that somebody takes
// care of, then beds nobody can see.
export function urgency(tile, now) {
  let value = 0;
  for (const alarm of tile.alarms) {
    const own = alarm.kind === "physiological" ? 1 : 0;
    const one = isCalling(alarm) ? 1000 * alarm.priority + 500 * own : 300 * alarm.priority + 100 * own;
    value = Math.max(value, one);
  }
  if (isStale(tile, now)) value = Math.max(value, tile.standby ? 50 : 900);
  return value;
}

// One for all: a comparison that makes its own takes longer than all else of a sort.
const beds = new Intl.Collator("en", { numeric: true });

// Worst first; NEWS2 decides between beds of one urgency, then the bed's name. In bed order nothing but the name counts.
export function order(tiles, now, byBed) {
  const rated = tiles.map((tile) => [byBed ? 0 : urgency(tile, now) + (tile.news2 ? Math.min(20, tile.news2.total) : 0), tile]);
  rated.sort((a, b) => b[0] - a[0] || beds.compare(a[1].bed, b[1].bed));
  return rated.map(([, tile]) => tile);
}

// Which of some places stand in order already: as many as can be, so that the fewest are moved. Who has none is new.
export function inOrder(places) {
  const ends = [];
  const before = new Map();
  for (const [i, place] of places.entries()) {
    if (place === undefined) continue;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[ends[middle]] < place) low = middle + 1;
      else high = middle;
    }
    before.set(i, low ? ends[low - 1] : undefined);
    ends[low] = i;
  }
  const staying = new Set();
  for (let i = ends.at(-1); i !== undefined; i = before.get(i)) staying.add(i);
  return staying;
}
