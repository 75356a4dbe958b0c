// What the arrow keys and their kin do in the grid: a new selection, or null when the key is not the grid's.
import { rowsAway, rowsPerScreen, type GridLayout } from "../../model/layout";
import { everything, movedTo, NOTHING, type Selection } from "../../model/selection";

interface Grid {
  layout: GridLayout;
  ids: Uint32Array;
  selection: Selection;
  screen: number;
}

export function gridKey(event: KeyboardEvent, grid: Grid): Selection | null {
  const { ids, selection } = grid;
  if (ids.length === 0 || event.altKey) return null;
  if (event.key === "a" && (event.ctrlKey || event.metaKey)) return everything(ids, selection);
  if (event.key === "Escape" && selection.ids.size > 0) return { ...NOTHING, active: selection.active };
  if (event.ctrlKey || event.metaKey) return null;
  const from = selection.active === null ? -1 : ids.indexOf(selection.active);
  const to = target(event.key, from, grid);
  const id = to === null ? undefined : ids[to];
  return id === undefined ? null : movedTo(ids, selection, id, event.shiftKey);
}

function target(key: string, from: number, { layout, ids, screen }: Grid): number | null {
  const last = ids.length - 1;
  // The first arrow press with nothing active enters at the top.
  if (from < 0) return /^(Arrow|Home|Page)/u.test(key) ? 0 : key === "End" ? last : null;
  switch (key) {
    case "ArrowLeft": return Math.max(0, from - 1);
    case "ArrowRight": return Math.min(last, from + 1);
    case "ArrowUp": return rowsAway(layout, from, -1);
    case "ArrowDown": return rowsAway(layout, from, 1);
    case "PageUp": return rowsAway(layout, from, -rowsPerScreen(layout, from, screen));
    case "PageDown": return rowsAway(layout, from, rowsPerScreen(layout, from, screen));
    case "Home": return 0;
    case "End": return last;
    default: return null;
  }
}
