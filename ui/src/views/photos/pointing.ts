// What presses of the pointer mean in the grid: select, filter by a label, mark what was found, open large, or begin a marquee.
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
    if (event.button !== 0 || isOnControl(event) || isOnScrollbar(event)) return;
    const before = grid.selection;
    const id = photoAt(event);
    const modifiers = { range: event.shiftKey, toggle: event.ctrlKey || event.metaKey };
    if (id !== null) grid.selection = clicked(grid.ids, before, id, modifiers);
    else if (!modifiers.range && !modifiers.toggle) grid.selection = { ...NOTHING, active: before.active };
    this.marquee.begin(event, before);
  }

  click(event: MouseEvent): void {
    const { grid } = this.app;
    const { label, tag, mark } = controlAt(event)?.dataset ?? {};
    const id = photoAt(event);
    if (label !== undefined) grid.toggleFilter(label);
    else if (tag !== undefined) grid.toggleTag(tag);
    else if (mark !== undefined && id !== null) void grid.mark([id], mark === "take-back" ? null : mark === "belongs");
  }

  doubleClick(event: MouseEvent): void {
    // The press before has captured the pointer, so the event comes to the grid; ask what lies under it.
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const id = photoOf(under);
    if (id !== null && !under?.closest(CONTROLS)) this.app.grid.largeId = id;
  }
}

function photoAt(event: Event): number | null {
  return photoOf(event.target instanceof Element ? event.target : null);
}

function photoOf(element: Element | null): number | null {
  const id = element?.closest<HTMLElement>("[data-testid='photo']")?.dataset.id;
  return id === undefined ? null : Number(id);
}

/** What in a cell has a press of its own: a label or a tag, which filters, or a mark. */
const CONTROLS = "[data-testid='chip'], [data-testid='tag'], [data-mark]";

function controlAt(event: Event): HTMLElement | null {
  return event.target instanceof Element ? event.target.closest<HTMLElement>(CONTROLS) : null;
}

function isOnControl(event: Event): boolean {
  return controlAt(event) !== null;
}

function isOnScrollbar(event: PointerEvent): boolean {
  const scroller = event.currentTarget as HTMLElement;
  return event.clientX - scroller.getBoundingClientRect().left >= scroller.clientWidth;
}
