// Selection as in file managers. `active` has the keyboard, `anchor` is where a shift range begins.
import { IdSet } from "./idSet";

export interface Selection {
  readonly ids: IdSet;
  readonly active: number | null;
  readonly anchor: number | null;
}

export interface Modifiers {
  /** Extends from the anchor. */
  range: boolean;
  /** Adds or takes away one. */
  toggle: boolean;
}

export const NOTHING: Selection = { ids: IdSet.EMPTY, active: null, anchor: null };

export function only(id: number): Selection {
  return { ids: IdSet.of([id]), active: id, anchor: id };
}

export function clicked(order: Uint32Array, before: Selection, id: number, modifiers: Modifiers): Selection {
  if (modifiers.range && before.anchor !== null) return extended(order, before, id, modifiers.toggle);
  if (modifiers.toggle) return toggled(before, id);
  return only(id);
}

function toggled(before: Selection, id: number): Selection {
  const ids = before.ids.has(id) ? before.ids.without([id]) : before.ids.with([id]);
  return { ids, active: id, anchor: id };
}

/** From the anchor to `id`; keeps what was selected before when `additive`. */
export function extended(order: Uint32Array, before: Selection, id: number, additive = false): Selection {
  const to = order.indexOf(id);
  const from = before.anchor === null ? to : order.indexOf(before.anchor);
  if (to < 0 || from < 0) return only(id);
  const range = order.subarray(Math.min(from, to), Math.max(from, to) + 1);
  const ids = (additive ? before.ids : IdSet.EMPTY).with(range);
  return { ids, active: id, anchor: before.anchor ?? id };
}

export function everything(order: Uint32Array, before: Selection): Selection {
  const first = order[0] ?? null;
  return { ids: IdSet.of(order), active: before.active ?? first, anchor: before.anchor ?? first };
}

/** What a marquee has touched so far, on top of what was selected when it began. */
export function marqueed(begun: Selection, touched: readonly number[], toggle: boolean): Selection {
  const before = begun.ids;
  const ids = toggle ? before.without(touched).with(touched.filter((id) => !before.has(id))) : before.with(touched);
  const last = touched[touched.length - 1] ?? begun.active;
  return { ids, active: last, anchor: touched[0] ?? begun.anchor };
}

/** Moves the keyboard to `id`; a range when shift is held. */
export function movedTo(order: Uint32Array, before: Selection, id: number, range: boolean): Selection {
  return range ? extended(order, before, id) : only(id);
}

/** Keeps what is in the list: what is not shown is not acted on. */
export function kept(before: Selection, order: Uint32Array): Selection {
  const still = (id: number | null) => (id !== null && order.includes(id) ? id : null);
  const [ids, active, anchor] = [before.ids.within(order), still(before.active), still(before.anchor)];
  if (ids === before.ids && active === before.active && anchor === before.anchor) return before;
  return { ids, active, anchor };
}

/** The photo to stand on after `removed` went: the next one that stays, else the one before. */
export function afterRemoval(order: Uint32Array, removed: IdSet): Selection {
  const first = order.findIndex((id) => removed.has(id));
  const next = order.subarray(first + 1).find((id) => !removed.has(id));
  const id = next ?? order.subarray(0, Math.max(0, first)).findLast((other) => !removed.has(other));
  return id === undefined ? NOTHING : only(id);
}
