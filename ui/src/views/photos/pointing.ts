// What presses of the pointer mean in the grid: select, filter by a label, open large, or begin a marquee.
import { clicked, NOTHING } from "../../model/selection";
import type { Workspace } from "../../state/workspace.svelte";
import type { Marquee } from "./marquee.svelte";

export class Pointing {
  constructor(
    readonly app: Workspace,
    readonly marquee: Marquee,
  ) {}

  down(event: PointerEvent): void {
    const { grid } = this.app;
    if (event.button !== 0 || labelAt(event) !== null || isOnScrollbar(event)) return;
    const before = grid.selection;
    const id = photoAt(event);
    const modifiers = { range: event.shiftKey, toggle: event.ctrlKey || event.metaKey };
    if (id !== null) grid.selection = clicked(grid.ids, before, id, modifiers);
    else if (!modifiers.range && !modifiers.toggle) grid.selection = { ...NOTHING, active: before.active };
    this.marquee.begin(event, before);
  }

  click(event: MouseEvent): void {
    const label = labelAt(event);
    if (label !== null) this.app.grid.toggleFilter(label);
  }

  doubleClick(event: MouseEvent): void {
    // The press before has captured the pointer, so the event comes to the grid; ask what lies under it.
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const id = photoOf(under);
    if (id !== null && !under?.closest("[data-testid='chip']")) this.app.grid.largeId = id;
  }
}

function photoAt(event: Event): number | null {
  return photoOf(event.target instanceof Element ? event.target : null);
}

function photoOf(element: Element | null): number | null {
  const id = element?.closest<HTMLElement>("[data-testid='photo']")?.dataset.id;
  return id === undefined ? null : Number(id);
}

function labelAt(event: Event): string | null {
  const chip = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-testid='chip']") : null;
  return chip?.dataset.label ?? null;
}

function isOnScrollbar(event: PointerEvent): boolean {
  const scroller = event.currentTarget as HTMLElement;
  return event.clientX - scroller.getBoundingClientRect().left >= scroller.clientWidth;
}
