// Selection as in file managers. `active` has the keyboard, `anchor` is where a shift range begins.

export interface Selection {
  readonly ids: ReadonlySet<number>;
  readonly active: number | null;
  readonly anchor: number | null;
}

export interface Modifiers {
  /** Extends from the anchor. */
  range: boolean;
  /** Adds or takes away one. */
  toggle: boolean;
}

export const NOTHING: Selection = { ids: new Set(), active: null, anchor: null };

export function only(id: number): Selection {
  return { ids: new Set([id]), active: id, anchor: id };
}

export function clicked(order: readonly number[], before: Selection, id: number, modifiers: Modifiers): Selection {
  if (modifiers.range && before.anchor !== null) return extended(order, before, id, modifiers.toggle);
  if (modifiers.toggle) return toggled(before, id);
  return only(id);
}

function toggled(before: Selection, id: number): Selection {
  const ids = new Set(before.ids);
  if (!ids.delete(id)) ids.add(id);
  return { ids, active: id, anchor: id };
}

/** From the anchor to `id`; keeps what was selected before when `additive`. */
export function extended(order: readonly number[], before: Selection, id: number, additive = false): Selection {
  const to = order.indexOf(id);
  const from = before.anchor === null ? to : order.indexOf(before.anchor);
  if (to < 0 || from < 0) return only(id);
  const range = order.slice(Math.min(from, to), Math.max(from, to) + 1);
  const ids = additive ? new Set([...before.ids, ...range]) : new Set(range);
  return { ids, active: id, anchor: before.anchor ?? id };
}

export function everything(order: readonly number[], before: Selection): Selection {
  const first = order[0] ?? null;
  return { ids: new Set(order), active: before.active ?? first, anchor: before.anchor ?? first };
}

/** What a marquee has touched so far, on top of what was selected when it began. */
export function marqueed(begun: Selection, touched: readonly number[], toggle: boolean): Selection {
  const ids = new Set(begun.ids);
  for (const id of touched) {
    if (toggle && begun.ids.has(id)) ids.delete(id);
    else ids.add(id);
  }
  const last = touched[touched.length - 1] ?? begun.active;
  return { ids, active: last, anchor: touched[0] ?? begun.anchor };
}

/** Moves the keyboard to `id`; a range when shift is held. */
export function movedTo(order: readonly number[], before: Selection, id: number, range: boolean): Selection {
  return range ? extended(order, before, id) : only(id);
}

/** Forgets photos that are gone. */
export function kept(before: Selection, exists: (id: number) => boolean): Selection {
  const ids = [...before.ids].filter(exists);
  const still = (id: number | null) => (id !== null && exists(id) ? id : null);
  const [active, anchor] = [still(before.active), still(before.anchor)];
  if (ids.length === before.ids.size && active === before.active && anchor === before.anchor) return before;
  return { ids: new Set(ids), active, anchor };
}

/** The photo to stand on after `removed` went: the next one that stays, else the one before. */
export function afterRemoval(order: readonly number[], removed: ReadonlySet<number>): Selection {
  const first = order.findIndex((id) => removed.has(id));
  const next = order.slice(first + 1).find((id) => !removed.has(id));
  const previous = order.slice(0, Math.max(0, first)).reverse().find((id) => !removed.has(id));
  const id = next ?? previous;
  return id === undefined ? NOTHING : only(id);
}
