// A ward as its stream tells it: frames → beds by patient. The page and the worker that shares one stream among pages use it.

const TRAIL_MS = 20000;
const TRAIL_POINTS = 90;

export const nothing = () => ({ tiles: new Map(), alarms: [], head: null });

// Applies a frame; returns who changed, who has gone, and whether the alarms above the beds changed. A pulse changes nothing.
export function apply(state, name, body) {
  if (name === "ward") return whole(state, body);
  if (name === "tiles") return some(state, body);
  return { changed: [], gone: [], above: false };
}

// The frame that makes another page's state equal to this one.
export const asFrame = (state) => ({ ...state.head, tiles: [...state.tiles.values()], alarms: state.alarms });

function whole(state, body) {
  const before = state.tiles;
  state.tiles = new Map(body.tiles.map((tile) => [tile.patient, tile]));
  for (const tile of state.tiles.values()) tile.trail ??= before.get(tile.patient)?.trail ?? [];
  state.alarms = body.alarms;
  keepHead(state, body);
  return { changed: [...state.tiles.keys()], gone: [...before.keys()].filter((patient) => !state.tiles.has(patient)), above: true };
}

function some(state, body) {
  for (const tile of body.tiles) {
    tile.trail = state.tiles.get(tile.patient)?.trail ?? [];
    follow(tile);
    state.tiles.set(tile.patient, tile);
  }
  for (const patient of body.gone) state.tiles.delete(patient);
  if (body.alarms) state.alarms = body.alarms;
  keepHead(state, body);
  return { changed: body.tiles.map((tile) => tile.patient), gone: body.gone, above: Boolean(body.alarms) };
}

function keepHead(state, { now, clock, down, since, version }) {
  state.head = { now, clock, down, since, version };
}

function follow(tile) {
  const last = tile.trail.at(-1);
  if (!tile.t || (last && tile.t - last[0] < TRAIL_MS)) return;
  const values = {};
  for (const [field, [value, t, , doubt]] of Object.entries(tile.signs)) {
    if (!doubt && tile.t - t < 3 * TRAIL_MS) values[field] = value;
  }
  tile.trail.push([tile.t, values]);
  if (tile.trail.length > TRAIL_POINTS) tile.trail.shift();
}
